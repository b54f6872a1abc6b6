"""Forms of the acts on exchanges."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import IntegerField, TextAreaField
from wtforms.validators import Length, NumberRange, Optional

from app.core.fab.fields import clean_text
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


_RATE = _l("Enter a whole number from %(min)s to %(max)s, or leave empty to lift the limit.")


class RateForm(ReasonForm):
    """How fast, and why."""

    rate = IntegerField(
        _l("Messages a minute, at most"),
        [Optional(), NumberRange(throttle.MINIMUM, throttle.MAXIMUM, message=_RATE)],
        description=_l("For all workers together. Leave empty to lift the limit."),
    )
