"""Forms of the modification requests (guide 003 §2)."""

from __future__ import annotations

from collections.abc import Iterable

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, FileField, HiddenField, MultipleFileField, RadioField, StringField, TextAreaField
from wtforms.validators import Length

from app.actions.forms import options
from app.core.ui.forms import Required
from app.core.ui.kept_text import KeptTextForm

from .domain import Change
from .domain.notes import MAX_NOTE
from .labels import DECISIONS, field_label, line_name

#: More than a letter holds.
MAX_TEXT = 4_000
#: Names of the controls that take an observation on one line of the MODIFICATIONS.
LINE = "ligne-"


def _clean(value: str | None) -> str:
    return (value or "").replace("\x00", "").replace("\r\n", "\n").strip()


class ValuesForm(KeptTextForm):
    """Stands for the forms of the kinds, whose fields depend on the action."""


class MotivationForm(KeptTextForm):
    """« Motivation de la demande »."""

    motivation = TextAreaField(_l("Motivation of the request"), [Required(), Length(max=MAX_TEXT)], filters=[_clean])
    documents = MultipleFileField(_l("Documents to attach"))


class LetterForm(KeptTextForm):
    """The signed letter, on the request as the page showed it."""

    letter = FileField(_l("Signed letter"))
    version = HiddenField()


def lines_form(changes: Iterable[Change]) -> type[KeptTextForm]:
    """What is to be said of each line of the MODIFICATIONS, a control each."""
    controls = {LINE + line_name(one.key): StringField(field_label(one), [Length(max=MAX_NOTE)], filters=[_clean]) for one in changes}
    return type("LinesForm", (KeptTextForm,), controls)


class DecisionForm(KeptTextForm):
    """What the validator decides, on the request as the page showed it."""

    decision = RadioField(_l("Decision"), [Required()], choices=options(DECISIONS))
    observations = TextAreaField(_l("Observations"), [Length(max=MAX_TEXT)], filters=[_clean])
    amendment_number = StringField(_l("Amendment number"), [Length(max=40)], filters=[_clean])
    amendment_file = FileField(_l("Amendment document"))
    confirmed = BooleanField(_l("I have seen the present values and validate the new ones all the same"))
    without_letter = BooleanField(_l("I have seen that no letter stands for this request, and validate it without"))
    moved = HiddenField()
    version = HiddenField()
