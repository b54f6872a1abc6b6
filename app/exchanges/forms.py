"""Forms of the acts on exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import TextAreaField
from wtforms.validators import Length, NumberRange, Optional, StopValidation

from app.core.fab.fields import WholeNumberField, clean_text
from app.core.outbox import throttle
from app.core.ui.forms import Required
from app.core.ui.kept_text import KeptTextForm


class ReasonForm(KeptTextForm):
    """Why."""

    reason = TextAreaField(
        _l("Reason"),
        [Required(), Length(max=500, message=_l("%(max)d characters at most."))],
        description=_l("The journal keeps it, with your name and the time."),
        filters=[clean_text],
    )


class OptionalReasonForm(KeptTextForm):
    """Why, when there is something to say."""

    reason = TextAreaField(
        _l("Reason"), [Length(max=500, message=_l("%(max)d characters at most."))], description=_l("The journal keeps it, with your name and the time."),
        filters=[clean_text],
    )  # fmt: skip


class _RateField(WholeNumberField):
    """Messages a minute; what is no number is told with the same sentence as a number out of bounds, once."""

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(_RATE % {"min": throttle.MINIMUM, "max": throttle.MAXIMUM}) from None


def _readable(_form: Any, field: Any) -> None:
    """Nothing more is said of what could not be read."""
    if field.process_errors:
        raise StopValidation


_RATE = _l("Enter a whole number from %(min)s to %(max)s, or leave empty to lift the limit.")


class RateForm(ReasonForm):
    """How fast, and why."""

    rate = _RateField(
        _l("Messages a minute, at most"),
        [_readable, Optional(), NumberRange(throttle.MINIMUM, throttle.MAXIMUM, message=_RATE)],
        description=_l("For all workers together. Leave empty to lift the limit."),
    )
