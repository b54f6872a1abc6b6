"""The form of the opening wizard (guide 003, "Détail de l'ouverture")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import RadioField
from wtforms.fields import SelectChoice

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
