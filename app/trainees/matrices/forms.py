"""The columns that no page has a field for: on a page they are the address, the component that was chosen, or the button."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import RadioField
from wtforms.validators import Optional

from app.actions.forms import options

from ..forms import CHOOSE, REQUIRED, PortalBaseForm, text


class Nature(StrEnum):
    """What a line of « sorties / rectifications / absences » says of an enrolment."""

    EXIT = "sortie"
    CORRECTION = "rectification"
    ABSENCE = "absence"
    RETURN = "retour"


NATURE_LABELS: dict[str, Any] = {
    Nature.EXIT: _l("Exit (nature)"),
    Nature.CORRECTION: _l("Correction (nature)"),
    Nature.ABSENCE: _l("Absence (nature)"),
    Nature.RETURN: _l("Return (nature)"),
}


class WhereForm(PortalBaseForm):
    """Which action a line is about."""

    action_number = text(_l("Action number"), REQUIRED, limit=40)


class ComponentForm(PortalBaseForm):
    """Which component of the action, and which of its sites."""

    component_number = text(_l("Component number"), REQUIRED, limit=8)
    site = text(_l("Training site"), Optional(), limit=300)


class NatureForm(PortalBaseForm):
    """What happened to the enrolment."""

    nature = RadioField(_l("Nature"), [CHOOSE], choices=options(NATURE_LABELS))
