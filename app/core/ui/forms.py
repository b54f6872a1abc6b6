"""Form fields written the French way."""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from wtforms import Field, RadioField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired, StopValidation
from wtforms.widgets import TextInput

_DAY_MONTH_YEAR = re.compile(r"^(\d{1,2})[/.\- ](\d{1,2})[/.\- ](\d{4})$")
_RUN_TOGETHER = re.compile(r"^(\d{2})(\d{2})(\d{4})$")
_ISO = re.compile(r"^(\d{4})-(\d{2})-(\d{2})$")
#: No exponent, and few enough digits for exact rounding: ``1e30`` is not a number anybody means.
_DECIMAL = re.compile(r"[+-]?(?=[.,]?\d)\d{0,15}(?:[.,]\d{0,8})?", re.ASCII)

#: The years a person may mean. Beyond, a date is a slip, and the day after the last one that can be written does not exist.
FIRST_YEAR, LAST_YEAR = 1900, 2200


def parse_fr_date(text: str) -> date:
    """Read ``05/01/2023``, ``5/1/2023``, ``05.01.2023``, ``05012023`` or ``2023-01-05``.

    Raises ValueError for anything else, two-digit years included: guessing a century would enrol people in 1923; and for years
    outside ``FIRST_YEAR`` to ``LAST_YEAR`` (YearOutside), and for days that do not exist (NoSuchDay).
    """
    text = text.strip()
    if match := _DAY_MONTH_YEAR.match(text) or _RUN_TOGETHER.match(text):
        day, month, year = (int(part) for part in match.groups())
    elif match := _ISO.match(text):
        year, month, day = (int(part) for part in match.groups())
    else:
        raise ValueError("not a date")
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise YearOutside("not a year people mean")
    try:
        return date(year, month, day)
    except ValueError:
        raise NoSuchDay("no such day in the calendar") from None


class NoSuchDay(ValueError):
    """A date that can be read, and that no calendar holds: 31/02/2026."""


class YearOutside(ValueError):
    """A date that can be read, of a year that nobody means."""


class Required(InputRequired):
    """An answer must be given; spaces alone are none. One wording for the whole portal, by kind of control."""

    def __call__(self, form: Any, field: Any) -> None:
        """Raise StopValidation with the sentence to show when nothing was answered."""
        typed = field.raw_data[0] if field.raw_data else None
        if typed and not (isinstance(typed, str) and not typed.replace("\x00", "").strip()):
            return
        message = self.message or (_("Choose an answer.") if hasattr(field, "iter_choices") else _("Fill in this field."))
        field.errors = []
        raise StopValidation(message)


class ReadField(Field):
    """A field that reads what was typed: when it cannot, that is the one thing said, not what validators think of "nothing"."""

    def pre_validate(self, form: Any) -> None:
        """Stop at the error of reading."""
        if self.process_errors:
            raise StopValidation()


class FrDateField(ReadField):
    """A date typed jj/mm/aaaa. What cannot be read is shown back as typed."""

    widget = TextInput()

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.data.strftime("%d/%m/%Y") if self.data else ""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read what was typed; raises ValueError with the sentence to show."""
        text = str(valuelist[0]).strip() if valuelist else ""
        self.data = None
        if not text:
            return
        try:
            self.data = parse_fr_date(text)
        except YearOutside:
            raise ValueError(_("The year has to be from %(first)s to %(last)s: check this date.", first=FIRST_YEAR, last=LAST_YEAR)) from None
        except NoSuchDay:
            raise ValueError(_("This day does not exist in the calendar: check the day and the month, in the order dd/mm/yyyy.")) from None
        except ValueError:
            raise ValueError(_("This date cannot be read: write it dd/mm/yyyy, for instance 05/01/2026.")) from None


_HOUR = re.compile(r"^(\d{1,2}) ?(?:[h:.] ?(\d{2})?)?$", re.IGNORECASE)


class FrTimeField(ReadField):
    """A time of day, typed 14:30, 14h30, 14h or 14; shown as 14:30."""

    widget = TextInput()

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.data.strftime("%H:%M") if self.data is not None else ""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read what was typed; raises ValueError with the sentence to show."""
        text = str(valuelist[0]).strip() if valuelist else ""
        self.data = None
        if not text:
            return
        match = _HOUR.match(text)
        try:
            if match is None:
                raise ValueError(text)
            self.data = time(int(match[1]), int(match[2] or 0))
        except ValueError:
            raise ValueError(_("This time cannot be read: write it hh:mm, for instance 14:30.")) from None


class FrDecimalField(ReadField):
    """A number with a decimal comma; spaces between thousands are accepted, and a point too."""

    widget = TextInput()

    def __init__(self, label: Any = None, validators: Any = None, places: int = 2, **kwargs: Any) -> None:
        self.places = places
        super().__init__(label, validators, **kwargs)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return f"{self.data:.{self.places}f}".replace(".", ",") if self.data is not None else ""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read what was typed; raises ValueError with the sentence to show."""
        text = re.sub(r"[\s\u00a0\u202f]", "", str(valuelist[0])) if valuelist else ""
        self.data = None
        if not text:
            return
        if not _DECIMAL.fullmatch(text):
            raise ValueError(_("This is not a number: write for instance 1234,50."))
        value = Decimal(text.replace(",", "."))
        if value != round(value, self.places):
            if not self.places:
                raise ValueError(_("Write a whole number, without decimals."))
            raise ValueError(ngettext("At most %(num)s digit after the comma.", "At most %(num)s digits after the comma.", self.places))
        self.data = round(value, self.places)


def _yes_or_no(value: Any) -> bool | None:
    return {True: True, "oui": True, False: False, "non": False}.get(value)


class YesNoField(RadioField):
    """Oui / Non as radio buttons; ``data`` is True, False, or None when nothing is chosen.

    Make it mandatory with ``InputRequired``: ``DataRequired`` would refuse "Non".
    """

    def __init__(self, label: Any = None, validators: Any = None, **kwargs: Any) -> None:
        kwargs.setdefault("choices", [SelectChoice("oui", _l("Yes")), SelectChoice("non", _l("No"))])
        super().__init__(label, validators, coerce=_yes_or_no, validate_choice=False, **kwargs)
