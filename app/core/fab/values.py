"""From a row to what is read on screen or in a file."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _
from markupsafe import Markup

from app.core.fab.fields import format_date, format_datetime

#: Choices of a column: stored value → label.
Choices = Sequence[tuple[Any, Any]]
_THIN_SPACE = "\u202f"


@dataclass(frozen=True)
class Cell:
    """One value as shown: its text, and the kind that decides how it is set (number, code, text, empty)."""

    text: str | Markup
    kind: str = "text"
    value: Any = None

    def __str__(self) -> str:
        return str(self.text)


def read(row: Any, column: str) -> Any:
    """The value of ``column`` (``code``, ``programme.label``, a property or a method) on ``row``; None along a missing link."""
    value: Any = row
    for name in column.split("."):
        if value is None:
            return None
        value = getattr(value, name)
        if callable(value) and not isinstance(value, type):
            value = value()
    return value


def choice_label(choices: Choices, value: Any) -> str:
    """The label of ``value``; the value itself when it is no longer among the choices."""
    for stored, label in choices:
        if stored == value:
            return str(label)
    return str(value)


def format_number(value: int | float | Decimal) -> str:
    """French writing of a number: a comma before decimals, thin spaces between thousands from 10 000 on (2026 stays a year)."""
    if -10_000 < value < 10_000:
        return (format(value, "f") if isinstance(value, Decimal | float) else str(value)).replace(".", ",")
    text = f"{value:,f}" if isinstance(value, Decimal | float) else f"{value:,d}"
    return text.replace(",", _THIN_SPACE).replace(".", ",")


def cell(value: Any, *, choices: Choices | None = None, code: bool = False) -> Cell:
    """How ``value`` is shown in a table or a description list."""
    if value is None or value == "":
        return Cell("—", "empty", value)
    if choices is not None:
        return Cell(choice_label(choices, value), "text", value)
    text: str | Markup = _words(value)
    kind = "text"
    if isinstance(value, date):
        kind = "date"
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        kind = "code" if code else "number"
        text = str(value) if code else format_number(value)
    elif code:
        kind = "code"
    return Cell(text, kind, value)


def _words(value: Any) -> str | Markup:
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    if isinstance(value, datetime):
        return format_datetime(value)
    if isinstance(value, date):
        return format_date(value)
    if isinstance(value, list | tuple | set):
        return ", ".join(str(one) for one in value) or "—"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} : {one}" for key, one in value.items()) or "—"
    if isinstance(value, Markup):
        return value
    return str(value.value) if isinstance(value, enum.Enum) else str(value)
