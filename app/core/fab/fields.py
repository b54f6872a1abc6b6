"""Form fields with French habits: dates as jj/mm/aaaa, decimals with a comma, lists that stay inside the scope."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import String, cast, func, or_
from sqlalchemy.orm import Query
from wtforms import SelectFieldBase, ValidationError
from wtforms.fields import Choice, IntegerField
from wtforms.widgets import Select, TextInput

from app.core import clock
from app.core.extensions import db
from app.core.ui.forms import FrDateField, FrDecimalField, ReadField, parse_fr_date

_TIME = re.compile(r"^(\d{1,2})[:hH](\d{2})?(?::\d{2})?$")
_SPACES = re.compile(r"[\s\u00a0\u202f]+")


def format_date(value: date | None) -> str:
    """``05/01/2023``; an empty string for None."""
    return f"{value:%d/%m/%Y}" if value is not None else ""


def format_datetime(value: datetime | None) -> str:
    """``05/01/2023 14:02`` on the Région's clock; an empty string for None."""
    if value is None:
        return ""
    local = clock.to_local(value) if value.tzinfo else value
    return f"{local:%d/%m/%Y %H:%M}"


def clean_text(value: Any) -> Any:
    """Trim, drop NUL (PostgreSQL refuses it), and turn an empty text into None."""
    if not isinstance(value, str):
        return value
    return value.replace("\x00", "").strip() or None


def one_line(value: Any) -> Any:
    """The same, with inner blanks made single, those that do not break included."""
    cleaned = clean_text(value)
    return " ".join(cleaned.split()) if isinstance(cleaned, str) else cleaned


class FrDateTimeField(ReadField):
    """An instant, typed and shown as jj/mm/aaaa hh:mm on the Région's clock, kept in UTC."""

    widget = TextInput()
    input_kind = "datetime"

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return format_datetime(self.data)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        self.data = None
        text = str(valuelist[0]).replace("T", " ").strip() if valuelist else ""
        if not text:
            return
        day, _separator, hour = text.partition(" ")
        try:
            when = parse_fr_date(day)
            match = _TIME.match(hour.strip() or "00:00")
            if match is None:
                raise ValueError("not a time")
            local = datetime(when.year, when.month, when.day, int(match[1]), int(match[2] or 0), tzinfo=clock.LOCAL_ZONE)
        except ValueError:
            raise ValueError(_("Enter the date and time as dd/mm/yyyy hh:mm, for example 05/01/2023 14:30.")) from None
        self.data = local.astimezone(UTC)


class WholeNumberField(ReadField, IntegerField):
    """A whole number; spaces between thousands are accepted."""

    widget = TextInput()
    input_kind = "integer"

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else str(self.data)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        self.data = None
        text = _SPACES.sub("", str(valuelist[0])) if valuelist else ""
        if not text:
            return
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError(_("Enter a whole number."))
        self.data = int(text)


#: More choices than this do not belong in a plain list: declare a Lookup instead.
MAX_CHOICES = 500


class RelatedSelectField(SelectFieldBase):
    """One row of a small related list. Only rows of the scope are offered, and only offered rows are accepted."""

    widget = Select()

    def __init__(
        self,
        label: Any = None,
        validators: Any = None,
        *,
        rows: Callable[[], Iterable[Any]],
        blank_label: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, **kwargs)
        self._rows = rows
        self._offered: dict[str, Any] | None = None
        self.blank_label = blank_label
        self._key: str | None = None
        self.data: Any = None

    def offered(self) -> dict[str, Any]:
        """Key → row. A value no longer offered but held by the row being edited stays in the list."""
        if self._offered is None:
            self._offered = {_key_of(row): row for row in self._rows()}
            held = self.object_data
            if held is not None and _key_of(held) not in self._offered:
                self._offered[_key_of(held)] = held
        return self._offered

    def process_data(self, value: Any) -> None:
        self.data = value

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        self._key = str(valuelist[0]) if valuelist and valuelist[0] not in ("", "__None") else None
        self.data = self.offered().get(self._key) if self._key is not None else None

    def iter_choices(self) -> Iterator[Choice]:
        chosen = _key_of(self.data) if self.data is not None else ""
        yield Choice("", self.blank_label if self.blank_label is not None else _("Select…"), chosen == "", {})
        for key, row in self.offered().items():
            yield Choice(key, str(row), key == chosen, {})

    def pre_validate(self, form: Any) -> None:
        if self._key is not None and self.data is None:
            raise ValidationError(_("This choice is not in the list: choose another one."))


class RelatedSelectMultipleField(RelatedSelectField):
    """Several rows of a small related list."""

    widget = Select(multiple=True)

    def process_data(self, value: Any) -> None:
        self.data = list(value or [])

    def offered(self) -> dict[str, Any]:
        if self._offered is None:
            self._offered = {_key_of(row): row for row in self._rows()}
            for held in self.object_data or []:
                self._offered.setdefault(_key_of(held), held)
        return self._offered

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        offered = self.offered()
        wanted = [str(key) for key in valuelist if key not in ("", "__None")]
        self.data = [offered[key] for key in wanted if key in offered]
        self._unknown = len(self.data) != len(wanted)

    def iter_choices(self) -> Iterator[Choice]:
        chosen = {_key_of(row) for row in self.data or []}
        for key, row in self.offered().items():
            yield Choice(key, str(row), key in chosen, {})

    def pre_validate(self, form: Any) -> None:
        if getattr(self, "_unknown", False):
            raise ValidationError(_("This choice is not in the list: choose another one."))


@dataclass(frozen=True)
class Lookup:
    """How a row of a big table is found by typing: ``Lookup(Organisation, ("siret", "legal_name"))``.

    The first column is the code, which identifies the row alone, unless ``code`` gives it. ``label`` writes the row in the field
    and in the suggestions: in words that people know, never an internal number.
    """

    model: type[Any]
    columns: tuple[str, ...]
    label: Callable[[Any], str] | None = None
    #: SQL of what names one row when no single column does; the label starts with it.
    code: Callable[[], Any] | None = None
    scope: Callable[[Query[Any]], Query[Any]] | None = field(default=None)

    #: What stands between the code and the rest of the label.
    SEPARATOR = " – "

    def write(self, row: Any) -> str:
        if self.label is not None:
            return self.label(row)
        parts = (str(getattr(row, name)) for name in self.columns if getattr(row, name))
        return self.SEPARATOR.join(parts)

    def rows(self) -> Query[Any]:
        query = db.session.query(self.model)
        return self.scope(query) if self.scope is not None else query

    def matching(self, text: str, *, limit: int = 10) -> list[Any]:
        """Rows whose code or other columns hold ``text``, the code first."""
        pattern = f"%{escape_like(text)}%"
        columns = self.searched()
        query = self.rows().filter(or_(*(column.ilike(pattern, escape="\\") for column in columns)))
        return query.order_by(columns[0]).limit(limit).all()

    def exactly(self, text: str) -> list[Any]:
        """The row whose code is ``text`` (or the beginning of a suggestion), else rows with another column equal to it."""
        columns = self.searched()
        parts = text.split(self.SEPARATOR)
        # A code may hold the separator itself: the longest beginning wins.
        codes = dict.fromkeys(self.SEPARATOR.join(parts[:length]).strip().lower() for length in range(len(parts), 0, -1))
        rows = self.rows().add_columns(func.lower(columns[0])).filter(func.lower(columns[0]).in_(codes)).limit(10).all()
        for code in codes:
            if found := [row for row, known in rows if known == code]:
                return found
        if len(columns) == 1:
            return []
        return self.rows().filter(or_(*(func.lower(column) == text.lower() for column in columns[1:]))).limit(2).all()

    def searched(self) -> list[Any]:
        """What is looked through as text, the code first."""
        columns = [cast(getattr(self.model, name), String) for name in self.columns]
        return [self.code(), *columns] if self.code is not None else columns


def escape_like(text: str) -> str:
    """``text`` for use inside LIKE: its % and _ mean themselves."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class LookupField(ReadField):
    """One row of a big table, found by typing its code or name; a plain text field without script."""

    widget = TextInput()
    input_kind = "lookup"

    def __init__(
        self,
        label: Any = None,
        validators: Any = None,
        *,
        lookup: Lookup,
        suggestions_url: Callable[[], str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, **kwargs)
        self.lookup = lookup
        self._suggestions_url = suggestions_url

    @property
    def suggestions_url(self) -> str | None:
        """Where htmx fetches the suggestions, if anywhere."""
        return self._suggestions_url() if self._suggestions_url is not None else None

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.lookup.write(self.data) if self.data is not None else ""

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        self.data = None
        text = str(valuelist[0]).replace("\x00", "").strip() if valuelist else ""
        if not text:
            return
        found = self.lookup.exactly(text) or self.lookup.matching(text, limit=6)
        if len(found) == 1:
            self.data = found[0]
            return
        if not found:
            raise ValueError(_("Nothing matches “%(text)s”: check the code or the name.", text=text))
        some = " ; ".join(self.lookup.write(row) for row in found[:5])
        raise ValueError(_("Several rows match “%(text)s”: %(some)s. Enter the full code.", text=text, some=some))


def _key_of(row: Any) -> str:
    return str(row.__mapper__.primary_key_from_instance(row)[0])


__all__ = [
    "MAX_CHOICES",
    "YES_NO",
    "FrDateField",
    "FrDateTimeField",
    "FrDecimalField",
    "Lookup",
    "LookupField",
    "RelatedSelectField",
    "RelatedSelectMultipleField",
    "WholeNumberField",
    "clean_text",
    "escape_like",
    "format_date",
    "format_datetime",
    "parse_fr_date",
]

YES_NO: list[tuple[str, Any]] = [("1", _l("Yes")), ("0", _l("No"))]
