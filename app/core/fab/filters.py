"""The search of a list: labelled controls, kept in the address, applied per request.

Stock FAB keeps the active search on the view object, shared by all threads: users saw each other's terms. Nothing here outlives
the request: a ``Filter`` only knows its column; what was asked lives in the address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import String, and_, cast, false, func, or_
from sqlalchemy.orm import Query
from wtforms import Field, SelectField, StringField
from wtforms.fields import SelectChoice

from app.core import clock
from app.core.fab.fields import YES_NO, FrDateField, FrDecimalField, Lookup, WholeNumberField, clean_text, escape_like

_FOLD_FROM = "àáâãäåçèéêëìíîïñòóôõöùúûüýÿ’"
_FOLD_TO = "aaaaaaceeeeiiiinooooouuuuyy'"
_FOLD = str.maketrans(_FOLD_FROM, _FOLD_TO)


def folded(text: str) -> str:
    """``text`` without case nor accents, as ``folded_sql`` does in the database."""
    return text.lower().translate(_FOLD)


def folded_sql(column: Any) -> Any:
    """The SQL twin of ``folded``."""
    return func.translate(func.lower(cast(column, String)), _FOLD_FROM, _FOLD_TO)


def contains(column: Any, text: str) -> Any:
    """``column`` holds ``text``, whatever the case and accents."""
    return folded_sql(column).like(f"%{escape_like(folded(text))}%", escape="\\")


@dataclass
class Filter:
    """One criterion of a list. Subclasses give its controls, its SQL and the words of its chip."""

    label: Any
    name: str = ""
    column: Any = None

    @property
    def parameter(self) -> str:
        """The name of its parameter in the address."""
        return "f_" + self.name.replace(".", "_")

    @property
    def parameters(self) -> tuple[str, ...]:
        return (self.parameter,)

    def fields(self) -> dict[str, Any]:
        """Parameter → unbound form field."""
        raise NotImplementedError

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        """The SQL condition for what was asked, or None when nothing (valid) was."""
        raise NotImplementedError

    def words(self, form: Mapping[str, Field]) -> dict[str, tuple[str, str]]:
        """Parameter → (label, value) of its chip, for the criteria in force."""
        field = form[self.parameter]
        return {self.parameter: (str(self.label), str(field.data))} if field.data not in (None, "") and not field.errors else {}


class TextFilter(Filter):
    """The column contains the text, whatever the case and accents."""

    def fields(self) -> dict[str, Any]:
        return {self.parameter: StringField(self.label, filters=[clean_text])}

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        text = form[self.parameter].data
        return contains(self.column, text) if text else None


class PrefixFilter(TextFilter):
    """The column starts with the text, as typed (uses a btree index)."""

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        text = form[self.parameter].data
        return self.column.startswith(text, autoescape=True) if text else None


class ExactFilter(TextFilter):
    """The column equals the text."""

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        text = form[self.parameter].data
        return self.column == text if text else None


class NumberFilter(Filter):
    """The column equals the number."""

    whole: bool = True

    def fields(self) -> dict[str, Any]:
        return {self.parameter: WholeNumberField(self.label) if self.whole else FrDecimalField(self.label, places=6)}

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        number = form[self.parameter].data
        if number is None or form[self.parameter].errors:
            return None
        return cast(self.column, String) == str(number) if self.whole else self.column == number


class DecimalFilter(NumberFilter):
    """The column equals the decimal number."""

    whole = False


@dataclass
class ChoiceFilter(Filter):
    """The column is one of a short list of values."""

    choices: Callable[[], Iterable[tuple[Any, Any]]] = tuple
    all_label: Any = field(default_factory=lambda: _l("All"))

    def fields(self) -> dict[str, Any]:
        offered = [SelectChoice("", self.all_label), *(SelectChoice(value, label) for value, label in self.choices())]
        return {self.parameter: SelectField(self.label, choices=offered, default="", validate_choice=False)}

    def _chosen(self, form: Mapping[str, Field]) -> Any | None:
        """The offered value that was asked; read from the field, so that the choices are queried once."""
        asked, offered = form[self.parameter].data, form[self.parameter].choices
        return next((one.value for one in offered if str(one.value) == asked), None) if asked else None

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        if not form[self.parameter].data:
            return None
        chosen = self._chosen(form)
        # A value that is not offered matches nothing: it must not widen the list to everything.
        return self.column == chosen if chosen is not None else false()

    def words(self, form: Mapping[str, Field]) -> dict[str, tuple[str, str]]:
        asked = form[self.parameter].data
        if not asked:
            return {}
        said = next((str(one.label) for one in form[self.parameter].choices if str(one.value) == asked), asked)
        return {self.parameter: (str(self.label), said)}


class BooleanFilter(ChoiceFilter):
    """Yes, no or all."""

    def __post_init__(self) -> None:
        self.choices = lambda: YES_NO

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        asked = form[self.parameter].data
        if not asked:
            return None
        return self.column.is_(asked == "1") if asked in ("0", "1") else false()


class ValidityFilter(BooleanFilter):
    """Whether a value is in force today; ``column`` is the model itself (``valid_from``, ``valid_to``)."""

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        asked = form[self.parameter].data
        if not asked:
            return None
        today = clock.today()
        model = self.column
        in_force = and_(model.valid_from <= today, or_(model.valid_to.is_(None), model.valid_to >= today))
        return in_force if asked == "1" else ~in_force


class DateRangeFilter(Filter):
    """From one day to another, both included, with French dates."""

    instants: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        return (f"{self.parameter}_from", f"{self.parameter}_to")

    def fields(self) -> dict[str, Any]:
        first, last = self.parameters
        return {
            first: FrDateField(_("%(label)s: from", label=self.label)),
            last: FrDateField(_("%(label)s: to", label=self.label)),
        }

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        first, last = (form[name].data if not form[name].errors else None for name in self.parameters)
        conditions = []
        if first is not None:
            conditions.append(self.column >= self._start(first))
        if last is not None:
            conditions.append(self.column < self._start(last + timedelta(days=1)))
        return and_(*conditions) if conditions else None

    def _start(self, day: date) -> date | datetime:
        return datetime(day.year, day.month, day.day, tzinfo=clock.LOCAL_ZONE) if self.instants else day

    def words(self, form: Mapping[str, Field]) -> dict[str, tuple[str, str]]:
        asked = {name: form[name] for name in self.parameters if form[name].data and not form[name].errors}
        return {name: (str(field.label.text), f"{field.data:%d/%m/%Y}") for name, field in asked.items()}


class InstantRangeFilter(DateRangeFilter):
    """From one day to another, over a column of instants."""

    instants = True


@dataclass
class RelationFilter(ChoiceFilter):
    """The row is linked to one row of a small list; ``column`` is the foreign key."""

    rows: Callable[[], Iterable[Any]] = tuple

    def __post_init__(self) -> None:
        self.choices = lambda: [(row.__mapper__.primary_key_from_instance(row)[0], row) for row in self.rows()]


@dataclass
class LookupFilter(TextFilter):
    """The row is linked to a row of a big table whose code or name contains the text."""

    lookup: Lookup | None = None

    def condition(self, form: Mapping[str, Field]) -> Any | None:
        text = form[self.parameter].data
        if not text or self.lookup is None:
            return None
        code = text.split(Lookup.SEPARATOR, 1)[0].strip()
        named = [contains(column, code) for column in self.lookup.searched()]
        return self.column.has(or_(*named))


QUICK = "q"


def quick_condition(columns: Iterable[Any], text: str | None) -> Any | None:
    """Every word of ``text`` is somewhere in ``columns``."""
    if not text:
        return None
    columns = list(columns)
    return and_(*(or_(*(contains(column, word) for column in columns)) for word in text.split()[:8]))


def apply(query: Query[Any], conditions: Iterable[Any | None]) -> Query[Any]:
    """``query`` narrowed by the conditions in force."""
    for condition in conditions:
        if condition is not None:
            query = query.filter(condition)
    return query
