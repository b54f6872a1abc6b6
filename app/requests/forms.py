"""Forms of the modification requests (guide 003 §2)."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, FileField, HiddenField, MultipleFileField, RadioField, StringField, TextAreaField
from wtforms.validators import Length

from app.actions.forms import options
from app.core.ui.forms import Required

from .labels import DECISIONS

#: More than a letter holds.
MAX_TEXT = 4_000


def _clean(value: str | None) -> str:
    return (value or "").replace("\x00", "").replace("\r\n", "\n").strip()


class _Form(FlaskForm):  # type: ignore[misc]  # WTForms is only partly typed
    class Meta:
        csrf = False  # checked once, for the whole application


class ValuesForm(_Form):
    """Stands for the forms of the kinds, whose fields depend on the action."""


class MotivationForm(_Form):
    """« Motivation de la demande »."""

    motivation = TextAreaField(_l("Motivation of the request"), [Required(), Length(max=MAX_TEXT)], filters=[_clean])
    documents = MultipleFileField(_l("Documents to attach"))


class LetterForm(_Form):
    """The signed letter, on the request as the page showed it."""

    letter = FileField(_l("Signed letter"))
    version = HiddenField()


class DecisionForm(_Form):
    """What the validator decides, on the request as the page showed it."""

    decision = RadioField(_l("Decision"), [Required()], choices=options(DECISIONS))
    observations = TextAreaField(_l("Observations"), [Length(max=MAX_TEXT)], filters=[_clean])
    amendment_number = StringField(_l("Amendment number"), [Length(max=40)], filters=[_clean])
    amendment_file = FileField(_l("Amendment document"))
    confirmed = BooleanField(_l("I have seen the present values and validate the new ones all the same"))
    moved = HiddenField()
    version = HiddenField()
