"""Forms of a model, from the columns a view declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import types as sa_types
from wtforms import BooleanField, EmailField, Field, RadioField, SelectField, StringField, TelField, TextAreaField, URLField
from wtforms.fields import SelectChoice
from wtforms.validators import Email, Length, NumberRange, Optional, StopValidation, ValidationError
from wtforms.widgets import CheckboxInput

from app.core.concurrency import VersionedForm
from app.core.fab.fields import (
    MAX_CHOICES,
    FrDateField,
    FrDateTimeField,
    FrDecimalField,
    Lookup,
    LookupField,
    RelatedSelectField,
    RelatedSelectMultipleField,
    WholeNumberField,
    clean_text,
)
from app.core.ui.forms import Required
from app.core.ui.kept_text import KeptTextForm

if TYPE_CHECKING:
    from app.core.fab.views import PortalModelView

#: Up to this many values are radio buttons, beyond it is a list.
MAX_RADIOS = 5
#: The largest number of a column, by its type: what does not fit is said at the field.
_INT32 = 2_147_483_647
_INT16 = 32_767

_TEXT_KINDS: dict[str, type[StringField]] = {"email": EmailField, "tel": TelField, "url": URLField, "textarea": TextAreaField}


class PortalForm(KeptTextForm):
    """Form of a reference screen.

    The anti-forgery token is checked by ``CSRFProtect`` before the view is reached, for this as for every request, so the form
    carries no second one.
    """

    @classmethod
    def refresh(cls, obj: Any = None) -> PortalForm:
        """FAB's way to make a form from the request or from ``obj``."""
        return cls(obj=obj)


def build_form(view: PortalModelView, columns: Sequence[str], extra: Mapping[str, Any], *, adding: bool) -> type[PortalForm]:
    """The form class of ``columns``; ``extra`` replaces or adds fields by name."""
    attributes = {name: extra[name] if name in extra else _field_for(view, name, adding=adding) for name in columns}
    bases = (PortalForm,) if adding else (VersionedForm, PortalForm)
    return type(f"{type(view).__name__}{'Add' if adding else 'Edit'}Form", bases, attributes)


def _field_for(view: PortalModelView, name: str, *, adding: bool) -> Any:
    model = view.datamodel
    label = view.label_columns[name]
    common: dict[str, Any] = {"description": view.description_columns.get(name, "")}
    validators = list(view.validators_columns.get(name, ()))
    if name in view.lookups:
        required = not model.is_nullable(name)
        endpoint = partial(url_for, f"{view.endpoint_name}.lookup", column=name)
        return LookupField(label, [_presence(required), *validators], lookup=view.lookups[name], suggestions_url=endpoint, **common)
    if model.is_relation(name):
        return _related(view, name, label, validators, common)
    if name not in model.list_columns:
        raise TypeError(f"{type(view).__name__}: {name} is not a column; give its field in {'add' if adding else 'edit'}_form_extra_fields")
    return _simple(view, name, label, validators, common)


class Within(NumberRange):
    """Bounds of a number, its sentence being the only one said."""

    def __call__(self, form: Any, field: Any) -> None:
        """Raise StopValidation outside the bounds."""
        try:
            super().__call__(form, field)
        except ValidationError as error:
            raise StopValidation(str(error)) from None


def _presence(required: bool) -> Any:
    return Required() if required else Optional(strip_whitespace=True)


def _related(view: PortalModelView, name: str, label: Any, validators: list[Any], common: dict[str, Any]) -> Any:
    model = view.datamodel
    rows = partial(related_rows, view, name)
    if model.is_relation_many_to_many(name) or model.is_relation_one_to_many(name):
        return RelatedSelectMultipleField(label, validators, rows=rows, **common)
    return RelatedSelectField(label, [_presence(not model.is_nullable(name)), *validators], rows=rows, **common)


def related_rows(view: PortalModelView, name: str) -> Iterable[Any]:
    """The rows offered for relation ``name``: those of the scope, narrowed by ``choice_scope``, in their own order."""
    related = view.datamodel.get_related_model(name)
    query = view.datamodel.session.query(related)
    narrow: Callable[[Any], Any] | None = view.choice_scope.get(name)
    if narrow is not None:
        query = narrow(query)
    for order in ("position", "label", "name", "code", "id"):
        if order in related.__mapper__.columns:
            query = query.order_by(getattr(related, order))
            break
    rows: list[Any] = query.limit(MAX_CHOICES + 1).all()
    if len(rows) > MAX_CHOICES:
        raise RuntimeError(f"{type(view).__name__}.{name}: more than {MAX_CHOICES} choices; declare a Lookup for it")
    return rows


def _simple(view: PortalModelView, name: str, label: Any, validators: list[Any], common: dict[str, Any]) -> Any:
    column = view.datamodel.list_columns[name]
    kind, required = column.type, not column.nullable
    default = view.datamodel.get_col_default(name)
    if default is not None:
        common["default"] = default
    if name in view.choices:
        return _choice(view, name, label, [_presence(required), *validators], common, required=required)
    if isinstance(kind, sa_types.Boolean):
        return BooleanField(label, validators, widget=CheckboxInput(), **common)
    rules: list[Any] = [_presence(required)]
    field: type[Field]
    if isinstance(kind, sa_types.DateTime):
        field = FrDateTimeField
    elif isinstance(kind, sa_types.Date):
        field = FrDateField
    elif isinstance(kind, sa_types.Integer):
        limit = _INT16 if isinstance(kind, sa_types.SmallInteger) else _INT32
        # The rule of the field first: "from 2000 to 2100" says more than "too large".
        return WholeNumberField(label, [*rules, *validators, Within(-limit, limit, _l("This number is too large."))], **common)
    elif isinstance(kind, sa_types.Numeric):
        if kind.precision is not None:
            limit = 10 ** (kind.precision - (kind.scale or 0))
            rules.append(Within(-limit + 1, limit - 1, _l("This number is too large.")))
        return FrDecimalField(label, [*rules, *validators], places=kind.scale or 0, **common)
    elif isinstance(kind, sa_types.String):
        if kind.length:
            rules.append(Length(max=kind.length, message=_l("%(max)d characters at most.")))
        hint = view.text_kinds.get(name) or ("textarea" if isinstance(kind, sa_types.Text) else "")
        if hint == "email":
            rules.append(Email(_l("Enter an e-mail address, for example nom@exemple.fr.")))
        common["filters"] = [clean_text]
        if hint not in _TEXT_KINDS:
            return PlainField(label, [*rules, *validators], longest=kind.length, **common)
        field = _TEXT_KINDS[hint]
    else:
        raise TypeError(f"{type(view).__name__}.{name}: no field for {kind!r}; give one in add_form_extra_fields")
    return field(label, [*rules, *validators], **common)


class PlainField(StringField):
    """A text field that knows how long its content may be, so that its width matches."""

    def __init__(self, label: Any = None, validators: Any = None, *, longest: int | None = None, **kwargs: Any) -> None:
        super().__init__(label, validators, **kwargs)
        self.longest = longest


def _choice(view: PortalModelView, name: str, label: Any, rules: list[Any], common: dict[str, Any], *, required: bool) -> Any:
    stored = {str(value): value for value, _label in view.choices[name]}
    choices = [SelectChoice(value, label) for value, label in view.choices[name]]

    def coerce(text: Any) -> Any:
        return None if text in (None, "") else stored.get(str(text), text)

    if len(choices) <= MAX_RADIOS and required:
        return RadioField(label, rules, choices=choices, coerce=coerce, **common)
    return SelectField(label, rules, choices=[SelectChoice("", _l("Select…")), *choices], coerce=coerce, **common)


__all__ = ["Lookup", "PortalForm", "Within", "build_form", "related_rows"]
