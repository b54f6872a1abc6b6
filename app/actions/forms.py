"""Forms of the opening wizard (guide 003, "Détail de l'ouverture") and of the end of an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, HiddenField, RadioField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import Length, Optional, Regexp

from app.core.concurrency import VersionedForm
from app.core.fab.fields import WholeNumberField, clean_text
from app.core.ui.forms import FrDateField, FrTimeField, Required
from app.core.ui.kept_text import KeptTextForm
from app.reference.models import Town
from app.reference.places import PlaceFault, place_of, place_text, shown_town
from app.reference.queries import towns_for_postal_code

from .labels import BILLING_LABELS, FREQUENCY_LABELS


def options(labels: Mapping[str, Any]) -> list[SelectChoice]:
    """The choices of a closed list of codes."""
    return [SelectChoice(str(code), label) for code, label in labels.items()]


class OpeningForm(KeptTextForm):
    """Actual start, declaration frequency, billing period."""

    actual_start = FrDateField(_l("Actual start"), [Required()])
    declaration_frequency = RadioField(_l("Declaration frequency"), [Required()], choices=options(FREQUENCY_LABELS))
    billing_period = RadioField(_l("Billing period"), [Required()], choices=options(BILLING_LABELS))


class ActionForm(KeptTextForm):
    """CSRF is checked once, for the whole application."""


class DeclarationForm(ActionForm):
    """« Déclarer l'action terminée »; the box is drawn where the programme lets the establishment ask."""

    ask_closing = BooleanField(_l("Also ask the Région to close the action"))


class ClosingForm(ActionForm):
    """« Clôturer l'action »; ``shown`` says which outcomes the page showed."""

    shown = HiddenField(validators=[Length(max=64)])
    comment = TextAreaField(_l("Observations"), [Length(max=1000)], filters=[clean_text], render_kw={"rows": 3})


class ReopeningForm(ActionForm):
    """« Rouvrir l'action »."""

    reason = TextAreaField(_l("Reason of the reopening"), [Required(), Length(max=1000)], filters=[clean_text], render_kw={"rows": 3})


def _not_negative(_form: Any, field: Any) -> None:
    if field.data is not None and field.data < 0:
        raise ValidationError(_("This number cannot be negative: enter 0 or more."))


#: What is longer is never cut in silence as it is pasted: it is said how long it is.
_CODE_LENGTH = 10


class Fits(Length):
    """At most so many characters; says how many there are."""

    def __call__(self, form: Any, field: Any) -> None:
        """Raise ValidationError beyond."""
        typed = len(field.data or "")
        if typed > self.max:
            raise ValidationError(_("%(max)s characters at most: there are %(typed)s. Shorten this text.", max=self.max, typed=typed))


def _text(label: Any, *validators: Any, limit: int, **attributes: Any) -> StringField:
    bound = {"maxlength": limit} if limit <= _CODE_LENGTH else {}
    return StringField(label, [*validators, Fits(max=limit)], filters=[clean_text], render_kw={**bound, **attributes})


class SessionForm(VersionedForm, ActionForm):
    """A session (guide 001): dates, site, places, and how one registers. The view offers the sites of the component."""

    starts_on = FrDateField(_l("Start of the session"), [Required()])
    ends_on = FrDateField(_l("End of the session"), [Required()])
    site_id = SelectField(_l("Training site"), [Required()], coerce=lambda value: int(value) if value not in (None, "", "None") else "")
    places = WholeNumberField(_l("Number of places"), [Required(), _not_negative])
    registration_address = _text(_l("Registration address"), Optional(), limit=255)
    registration_terms = _text(_l("How to register"), Optional(), limit=255)


class CancellationForm(ActionForm):
    """« Session créée par erreur »."""

    reason = TextAreaField(_l("Reason"), [Required(), Length(max=1000)], filters=[clean_text], render_kw={"rows": 3})
    version = StringField()


class MeetingForm(VersionedForm, ActionForm):
    """« Information collective »."""

    held_on = FrDateField(_l("Date of the meeting"), [Required()])
    starts_at = FrTimeField(_l("Time"), [Required()])
    place = _text(_l("Place of the meeting"), Required(), limit=255)
    text = TextAreaField(_l("Information for the candidates"), [Optional(), Length(max=1000)], filters=[clean_text], render_kw={"rows": 3})


class SiteForm(ActionForm):
    """A site, with the towns of its postal code; a code that the table does not know (a CEDEX, mostly) is typed by hand."""

    name = _text(_l("Name of the site"), Required(), limit=150)
    address = _text(_l("Address"), Optional(), limit=255)
    postal_code = _text(
        _l("Postal code"), Required(), Regexp(r"^\d{5}$", message=_l("A postal code has five digits.")), limit=5, inputmode="numeric", autocomplete="off"
    )
    town = _text(_l("Town"), Required(), limit=100)
    insee_code = _text(
        _l("INSEE code"), Optional(), Regexp(r"^[0-9][0-9AB][0-9]{3}$", message=_l("An INSEE code has five characters, for example 31555 or 2A004.")), limit=5
    )

    def towns(self) -> list[Town]:
        """The towns of the postal code typed so far, CEDEX included; none for an unknown code."""
        return list(towns_for_postal_code(self.postal_code.data or ""))

    def town_names(self) -> list[str]:
        """The same, as the list offers them."""
        return [shown_town(town) for town in self.towns()]

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """The three go together (``reference.places``); the town is kept as the table writes it, with its INSEE code."""
        if not super().validate(*args, **kwargs):
            return False
        found = place_of(self.postal_code.data, self.town.data, self.insee_code.data)
        if isinstance(found, PlaceFault):
            self[found.field].errors = [*self[found.field].errors, place_text(found)]
            return False
        self.town.data, self.insee_code.data = found.town, found.insee_code
        return True
