"""The search of the list (guide 003 §1, "recherche rapide et avancée"): a form whose values live in the address.

A value that is not understood is said at its field and leaves the others in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict
from wtforms import SelectField, StringField
from wtforms.validators import ValidationError

from app.core.ui.components import url_without
from app.core.ui.forms import FrDateField
from app.core.ui.kept_text import KeptTextForm

from . import labels
from .domain import SortKey, StatusFilter
from .listing import ActionFilter, ActionOrder

_LONGEST = 100
#: Of an address that is kept.


class _WordsField(StringField):
    """A text without what nobody types."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read what was typed."""
        self.data = " ".join(str(valuelist[0]).replace("\x00", "").split()) if valuelist else ""

    def pre_validate(self, form: Any) -> None:
        """Refuse what is longer than anything there is to find."""
        if len(self.data or "") > _LONGEST:
            raise ValidationError(_("This is too long to be searched: %(count)s characters at most.", count=_LONGEST))


class _OfferedField(SelectField):
    """A choice; an address may hold one that the list does not offer."""

    def pre_validate(self, form: Any) -> None:
        """Say which value is not offered."""
        if self.data and self.data not in {str(value) for value, _label in self.choices or ()}:  # type: ignore[misc]  # pairs, as given below
            raise ValidationError(_("“%(value)s” is not in this list: choose one of its values.", value=str(self.data)[:40]))


class SearchForm(KeptTextForm):
    """What the list can be narrowed by."""

    keeps_nothing = "searched for; a number of a person never comes as far (core.ui.narrowing)"

    text = _WordsField(_l("N° Contrat/Conv., n° action or title"), name="texte")
    status = _OfferedField(_l("Status"), name="statut")
    year = _OfferedField(_l("Year"), name="annee")
    programme = _OfferedField(_l("Programme"), name="dispositif")
    contract = _WordsField(_l("N° Contrat/Conv."), name="contrat")
    number = _WordsField(_l("N° Action"), name="numero")
    title = _WordsField(_l("Title of the action"), name="intitule")
    territory = _OfferedField(_l("Territory"), name="territoire")
    organisation = _WordsField(_l("Training organisation"), name="organisme")
    start_from = FrDateField(_l("Actual start from"), name="debut_du")
    start_to = FrDateField(_l("Actual start until"), name="debut_au")
    end_from = FrDateField(_l("Planned end from"), name="fin_du")
    end_to = FrDateField(_l("Planned end until"), name="fin_au")
    component = _WordsField(_l("Component"), name="composante")
    site = _WordsField(_l("Site or town"), name="lieu")

    def validate(self, extra_validators: Any = None) -> bool:
        """Each value by itself, then the periods."""
        valid = bool(super().validate(extra_validators))
        for first, last in ((self.start_from, self.start_to), (self.end_from, self.end_to)):
            if not first.errors and not last.errors and first.data and last.data and last.data < first.data:
                last.errors = [_("This date comes before the beginning of the period, %(day)s.", day=first.data.strftime("%d/%m/%Y"))]
                valid = False
        return valid


#: The fields of :class:`SearchForm` and of :class:`ActionFilter`, in the order of the page.
_QUICK = ("text", "status", "year", "programme")
_ADVANCED = ("contract", "number", "title", "territory", "organisation", "start_from", "start_to", "end_from", "end_to", "component", "site")


class Search:
    """A search as read from an address: the form to show, what it comes to, what is wrong with it."""

    def __init__(
        self, args: MultiDict[str, str], *, programmes: Sequence[tuple[int, str]], years: Sequence[int], territories: Sequence[str], of_all: bool
    ) -> None:
        self._offered = {"programmes": programmes, "years": years, "territories": territories, "of_all": of_all}
        form = SearchForm(args)
        if not of_all:
            del form.organisation  # it has one only
        self.form = form
        self._fields = {name: form[name] for name in (*_QUICK, *_ADVANCED) if name in form}
        self._fields["status"].choices = [("", _("All statuses")), *((str(status), str(label)) for status, label in labels.SHOWN_STATUS_LABELS.items())]
        self._fields["year"].choices = [("", _("All years")), *((str(year), str(year)) for year in years)]
        self._fields["programme"].choices = [("", _("All programmes")), *((str(key), label) for key, label in programmes)]
        self._fields["territory"].choices = [("", _("All territories")), *((territory, territory) for territory in territories)]
        self.valid = form.validate()
        self.order = _order(args)
        self.filter = self._read()

    def _read(self) -> ActionFilter:
        """What holds of the form: a field in error narrows nothing."""
        held: dict[str, Any] = {}
        for name, field in self._fields.items():
            value = field.data
            if field.errors or not value:
                continue
            match name:
                case "status":
                    held["status"] = StatusFilter(value)
                case "year":
                    held["year"] = int(value)
                case "programme":
                    held["programme_id"] = int(value)
                case _:
                    held[name] = value
        return ActionFilter(**held)

    def other(self, args: MultiDict[str, str]) -> Search:
        """Another search of the same reader."""
        return Search(args, **self._offered)  # type: ignore[arg-type]  # as they came

    def field(self, name: str) -> Any:
        """A field by the name of what it narrows."""
        return self._fields[name]

    @property
    def open(self) -> bool:
        """Whether the advanced search is to be seen: something is asked for, or wrong, there."""
        return self.filter.advanced or any(field.errors for field in self.shown)

    @property
    def shown(self) -> list[Any]:
        """The fields of the advanced search."""
        return [self._fields[name] for name in _ADVANCED if name in self._fields]

    def words(self) -> dict[str, str]:
        """The search as an address holds it; only what holds of it."""
        found: dict[str, str] = {}
        for name, field in self._fields.items():
            value = getattr(self.filter, "programme_id" if name == "programme" else name)
            if value not in (None, ""):
                found[field.name] = value.strftime("%d/%m/%Y") if hasattr(value, "strftime") else str(value)
        if self.order.key is not None:
            found["sort"] = self.order.key.value
        if self.order.descending:
            found["order"] = "desc"
        return found

    def typed(self) -> dict[str, str]:
        """The search as it was asked for, what is not understood included; nothing else of the address."""
        return {field.name: str(field.raw_data[0]) for field in self._fields.values() if field.raw_data and field.raw_data[0]}

    @property
    def address(self) -> dict[str, str]:
        """The search for a page that acts on it: as typed when it is not understood, so that the page says so rather than find more."""
        return self.words() if self.valid else self.typed()

    @property
    def query(self) -> str:
        """The same, as one line."""
        return urlencode(self.words())

    def said(self) -> list[tuple[str, str, str]]:
        """(name in the address, label, value) of everything the list is narrowed to, in words."""
        found: list[tuple[str, str, str]] = []
        for name, field in self._fields.items():
            value = getattr(self.filter, "programme_id" if name == "programme" else name)
            if value in (None, ""):
                continue
            written = str(value)
            if hasattr(field, "choices"):
                written = dict(field.choices).get(written, written)
            elif hasattr(value, "strftime"):
                written = value.strftime("%d/%m/%Y")
            found.append((field.name, _("Text") if name == "text" else str(field.label.text), written))
        return found

    def chips(self) -> list[tuple[str, str, str]]:
        """What the list is narrowed to, each with the address without it."""
        return [(label, value, url_without(name)) for name, label, value in self.said()]


def _order(args: Mapping[str, str]) -> ActionOrder:
    asked = args.get("sort", "")
    key = SortKey(asked) if asked in set(SortKey) else None
    return ActionOrder(key, args.get("order") == "desc")


def args_of(query: str) -> MultiDict[str, str]:
    """The words of a search that was kept."""
    return MultiDict(parse_qsl(query))
