"""Forms of the console: an organisation with its principal account, a change of principal, an observation, a file."""

from __future__ import annotations

from typing import Any

import phonenumbers
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, EmailField, FileField, HiddenField, RadioField, SelectField, StringField, TelField, TextAreaField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Email, InputRequired, Length, Optional, Regexp

from app.accounts import domain, labels
from app.accounts.services import OrganisationCard, Person
from app.core.fab.fields import clean_text, one_line
from app.core.fab.forms import PortalForm

_REQUIRED = DataRequired(_l("This field is required."))
_MAIL = Email(message=_l("This is not an e-mail address: write it like name@domain.fr."))


def _max(length: int) -> Length:
    return Length(max=length, message=_l("%(max)d characters at most."))


def check_siret(_form: Any, field: Any) -> None:
    """Say in words why a SIRET is refused; keep it without blanks otherwise."""
    fault = domain.siret_fault(field.data)
    if fault is not None:
        raise ValidationError(labels.siret_fault(fault, field.data or ""))
    field.data = domain.compact_siret(field.data)


def check_name(_form: Any, field: Any) -> None:
    """A person's name: letters and what joins them."""
    if field.data and not domain.is_person_name(field.data):
        raise ValidationError(
            _("“%(value)s” is not a name: use letters, spaces, hyphens, apostrophes and full stops.", value=field.data[: domain.NAME_MAX])
        )


def check_phone(_form: Any, field: Any) -> None:
    """A telephone number of France, or with its country code; kept in the international writing."""
    if not field.data:
        return
    try:
        number = phonenumbers.parse(field.data, "FR")
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise ValidationError(_("This is not a phone number: 10 digits, or + and the country code."))
    field.data = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


class _CardFields(PortalForm):
    """An organisation; before the person, as on the page, so that errors are listed in its order."""

    legal_name = StringField(_l("Legal name"), [_REQUIRED, _max(200)], filters=[one_line])
    trade_name = StringField(_l("Trade name"), [Optional(), _max(200)], filters=[one_line])
    siret = StringField(
        _l("SIRET"),
        [_REQUIRED, check_siret],
        filters=[one_line],
        description=_l("14 digits, for example 123 456 789 13000"),
        render_kw={"inputmode": "numeric"},
    )
    nda = StringField(
        _l("Activity declaration number (NDA)"),
        [Optional(), Regexp(r"[0-9]{11}\Z", message=_l("The activity declaration number has 11 digits."))],
        filters=[one_line, lambda text: text.replace(" ", "") if text else text],
        description=_l("11 digits"),
        render_kw={"inputmode": "numeric"},
    )
    contact_email = EmailField(_l("Contact e-mail"), [Optional(), _max(320), _MAIL], filters=[one_line])
    contact_phone = TelField(_l("Contact telephone"), [Optional(), _max(20), check_phone], filters=[one_line])


class _PersonFields(PortalForm):
    """Civilité, nom d'usage, prénom, courriel (guide 004 §1)."""

    civility = RadioField(_l("Civility"), [_REQUIRED], choices=[SelectChoice(value, label) for value, label in labels.CIVILITIES])
    last_name = StringField(_l("Name in use"), [_REQUIRED, _max(64), check_name], filters=[one_line], render_kw={"autocomplete": "off"})
    first_name = StringField(_l("First name"), [_REQUIRED, _max(64), check_name], filters=[one_line], render_kw={"autocomplete": "off"})
    email = EmailField(_l("E-mail"), [_REQUIRED, _max(320), _MAIL], filters=[one_line], render_kw={"autocomplete": "off"})

    def person(self) -> Person:
        """What was typed."""
        return Person(self.civility.data, self.last_name.data, self.first_name.data, self.email.data)


class OrganisationForm(_CardFields, _PersonFields):
    """An organisation and the person who will manage it."""

    def card(self) -> OrganisationCard:
        """What was typed of the organisation."""
        return OrganisationCard(
            legal_name=self.legal_name.data,
            siret=self.siret.data,
            trade_name=self.trade_name.data,
            nda=self.nda.data,
            contact_email=self.contact_email.data,
            contact_phone=self.contact_phone.data,
        )


#: Value of "who": somebody who has no account yet.
NEW_PERSON = "new"


class PrincipalForm(_PersonFields):
    """Who manages the organisation from now on, and what becomes of the account that did."""

    who = SelectField(_l("New manager of the account"), [InputRequired(_l("Choose who takes over, or « a new person »."))], choices=[])
    former = RadioField(
        _l("The present principal account"),
        [Optional()],
        choices=[
            SelectChoice("secondary", _l("becomes a secondary account")),
            SelectChoice("deactivated", _l("becomes a secondary account and is deactivated")),
        ],
        default="secondary",
    )
    former_id = HiddenField()
    confirmed = BooleanField(_l("I have read what this changes"))

    def validate(self, extra_validators: Any = None) -> bool:
        """The person's fields count only for a new person; the act is confirmed last."""
        if self.who.data != NEW_PERSON:
            for field in (self.civility, self.last_name, self.first_name, self.email):
                field.validators = [Optional()]
        valid = bool(super().validate(extra_validators))
        if valid and not self.confirmed.data:
            self.confirmed.errors = [_("Tick this box to go on: the accounts change at once.")]
            return False
        return valid


class ObservationForm(PortalForm):
    """Why support looks through somebody's eyes."""

    reason = TextAreaField(
        _l("Reason"),
        [
            DataRequired(_l("Say why: the reason stays in the journal of the organisation.")),
            Length(min=10, message=_l("Say why in a few words (%(min)d characters at least): the reason stays in the journal of the organisation.")),
            Length(max=500, message=_l("%(max)d characters at most.")),
        ],
        filters=[clean_text],
        description=_l("For instance: call of this morning, cannot find the action 23C00390257_1."),
    )


class FileForm(PortalForm):
    """A file of accounts to create."""

    file = FileField(_l("File of accounts"), description=_l("XLSX, ODS or CSV; 2 MB and 5,000 lines at most."))
