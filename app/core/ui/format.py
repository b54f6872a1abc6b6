"""How values are written on screen, in French: dates, amounts, hours, numbers, masked social security numbers."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal
from markupsafe import Markup

from app.core.clock import to_local

FRENCH = Locale("fr", "FR")
NIR_MASK = "** *** *** **"


def _day(value: date | datetime) -> date:
    if isinstance(value, datetime):
        return (to_local(value) if value.tzinfo else value).date()
    return value


def fr_date(value: date | datetime | str | None) -> str:
    """``05/01/2023``: the form of tables and fields. Text is left as it is, so that a mistyped date is shown back."""
    if value is None or isinstance(value, str):
        return value or ""
    return _day(value).strftime("%d/%m/%Y")


def fr_time(value: datetime | time | str | None) -> str:
    """``14:02`` on the Région's clock."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, datetime) and value.tzinfo:
        value = to_local(value)
    return value.strftime("%H:%M")


def fr_datetime(value: datetime | date | str | None) -> str:
    """``05/01/2023 14:38`` on the Région's clock; a day without a time stays a day."""
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, datetime):
        return fr_date(value)
    return f"{fr_date(value)} {fr_time(value)}"


def fr_long_date(value: date | datetime | str | None) -> str:
    """``5 janvier 2023`` (``1er`` for the first of the month): the form of sentences."""
    if value is None or isinstance(value, str):
        return value or ""
    day = _day(value)
    text = format_date(day, "d MMMM y", locale=FRENCH)
    return "1er" + text[1:] if day.day == 1 else text


def fr_header_datetime(value: datetime) -> str:
    """``Jeudi 05 Janv. 2023 14:38``: the form of the header (guide 003)."""
    local = to_local(value) if value.tzinfo else value
    words = format_date(local, "EEEE dd MMM y", locale=FRENCH).split(" ")
    return " ".join([*(word[:1].upper() + word[1:] for word in words), format_time(local, "HH:mm", locale=FRENCH)])


def fr_number(value: int | float | Decimal | str | None) -> str:
    """``1 234``, with narrow no-break spaces."""
    if value is None or isinstance(value, str):
        return value or ""
    return str(format_decimal(value, locale=FRENCH))


def fr_money(value: int | Decimal | str | None) -> str:
    """``1 234,50 €``."""
    if value is None or value == "":
        return ""
    return str(format_currency(Decimal(value), "EUR", locale=FRENCH))


def fr_hours(value: int | float | Decimal | str | None, unit: str = "h") -> str:
    """``300,00 h``; the guides also use ``hcf`` and ``he`` as units."""
    if value is None or value == "":
        return ""
    text = format_decimal(Decimal(str(value)), "#,##0.00", locale=FRENCH)
    return f"{text}\N{NO-BREAK SPACE}{unit}" if unit else str(text)


def masked_nir(value: str | None) -> str:
    """``1 62 07 ** *** *** **``: sex, year and month of birth only. What is masked already is left so."""
    if not value:
        return ""
    if "*" in value:
        return value
    digits = "".join(character for character in value if character.isalnum())
    if len(digits) < 5:
        return f"* ** ** {NIR_MASK}"
    return f"{digits[0]} {digits[1:3]} {digits[3:5]} {NIR_MASK}"


def nl2br(value: Any) -> Markup:
    """Escaped text with its line breaks kept."""
    return Markup("<br>").join(Markup.escape(line) for line in str(value or "").splitlines())


FILTERS = {
    "fr_date": fr_date,
    "fr_time": fr_time,
    "fr_datetime": fr_datetime,
    "fr_long_date": fr_long_date,
    "fr_header_datetime": fr_header_datetime,
    "fr_number": fr_number,
    "fr_money": fr_money,
    "fr_hours": fr_hours,
    "masked_nir": masked_nir,
    "nl2br": nl2br,
}
