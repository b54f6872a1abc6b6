"""Rules of fields that several reference screens share: not negative, a year, a phone number, two digits."""

from __future__ import annotations

from typing import Any

import phonenumbers
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import ValidationError

from app.core.fab.forms import Within

#: The years an action may be of: the portal began with those of the 2000s, and nobody plans a century ahead.
FIRST_YEAR, LAST_YEAR = 2000, 2100


def not_negative(message: Any = None) -> Within:
    """Zero or more."""
    return Within(min=0, message=message or _l("This number cannot be negative: enter 0 or more."))


def a_year() -> Within:
    """A year people may mean."""
    return Within(FIRST_YEAR, LAST_YEAR, _l("Enter a year from %(min)s to %(max)s."))


def phone_number(_form: Any, field: Any) -> None:
    """A number that can be dialled from France (short numbers as 3646 included), written as it is read: ``05 61 33 50 50``."""
    if not field.data:
        return
    try:
        number = phonenumbers.parse(field.data, "FR")
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and phonenumbers.is_valid_number(number):
        formats = phonenumbers.PhoneNumberFormat
        kind = formats.NATIONAL if number.country_code == 33 else formats.INTERNATIONAL
        field.data = phonenumbers.format_number(number, kind)
    elif number is not None and phonenumbers.is_valid_short_number_for_region(number, "FR"):
        field.data = str(number.national_number)
    else:
        raise ValidationError(_("This is not a phone number: 10 digits, or + and the country code."))


def two_digits(_form: Any, field: Any) -> None:
    """A rank on two digits; "1" becomes "01"."""
    text = str(field.data or "")
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) > 0):
        raise ValidationError(_("Enter a number from 01 to 99, in two digits."))
    field.data = text.zfill(2)


__all__ = ["a_year", "not_negative", "phone_number", "two_digits"]
