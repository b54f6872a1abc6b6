"""Forms of the opening wizard (guide 003, "Détail de l'ouverture") and of the end of an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, RadioField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import Length

from app.core.fab.fields import clean_text
from app.core.ui.forms import FrDateField, Required

from .labels import BILLING_LABELS, FREQUENCY_LABELS


def options(labels: Mapping[str, Any]) -> list[SelectChoice]:
    """The choices of a closed list of codes."""
    return [SelectChoice(str(code), label) for code, label in labels.items()]


class OpeningForm(FlaskForm):  # type: ignore[misc]  # WTForms is only partly typed
    """Actual start, declaration frequency, billing period."""

    class Meta:
        csrf = False  # checked once, for the whole application

    actual_start = FrDateField(_l("Actual start"), [Required()])
    declaration_frequency = RadioField(_l("Declaration frequency"), [Required()], choices=options(FREQUENCY_LABELS))
    billing_period = RadioField(_l("Billing period"), [Required()], choices=options(BILLING_LABELS))


class ActionForm(FlaskForm):  # type: ignore[misc]  # WTForms is only partly typed
    """CSRF is checked once, for the whole application."""

    class Meta:
        csrf = False


class DeclarationForm(ActionForm):
    """« Déclarer l'action terminée »; the box is drawn where the programme lets the establishment ask."""

    ask_closing = BooleanField(_l("Also ask the Région to close the action"))


class ClosingForm(ActionForm):
    """« Clôturer l'action »."""

    comment = TextAreaField(_l("Observations"), [Length(max=1000)], filters=[clean_text], render_kw={"rows": 3})


class ReopeningForm(ActionForm):
    """« Rouvrir l'action »."""

    reason = TextAreaField(_l("Reason of the reopening"), [Required(), Length(max=1000)], filters=[clean_text], render_kw={"rows": 3})
