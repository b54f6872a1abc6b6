"""Forms of accounts."""

from __future__ import annotations

import secrets
from typing import Any

from email_validator import EmailNotValidError, validate_email
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from wtforms import EmailField, HiddenField, PasswordField, RadioField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import AnyOf, DataRequired, EqualTo, InputRequired, Length, ValidationError

from app.accounts import domain, labels
from app.accounts.access import domain as access
from app.accounts.domain import IDENTIFIANT_MAX
from app.accounts.passwords import MAX_READ
from app.core.concurrency import VersionedForm
from app.core.ui.forms import FrDateField
from app.core.ui.kept_text import KeptTextForm

_REQUIRED = InputRequired(_l("This field is required."))
_READABLE = Length(max=MAX_READ, message=_l("This is too long."))


def _password(label: Any, autocomplete: str, *more: Any) -> PasswordField:
    return PasswordField(label, [_REQUIRED, _READABLE, *more], render_kw={"autocomplete": autocomplete})


def _identifiant(label: Any, *more: Any) -> StringField:
    """An identifiant to be chosen; ``domain.is_identifiant`` is the rule."""
    return StringField(
        label,
        [_REQUIRED, Length(max=IDENTIFIANT_MAX, message=_l("An identifiant has 64 characters at most.")), *more],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "maxlength": str(IDENTIFIANT_MAX)},
    )


def _text(label: Any, autocomplete: str, *more: Any, longest: int = 200, kind: str | None = None) -> StringField:
    return StringField(
        label,
        [_REQUIRED, Length(max=longest, message=_l("This is too long.")), *more],
        render_kw={"autocomplete": autocomplete} | ({"type": kind} if kind else {}),
    )


class SignInForm(KeptTextForm):
    """Identifiant and password."""

    keeps_nothing = "compared with what is kept"

    username = StringField(
        _l("Identifiant"),
        [_REQUIRED, Length(max=200, message=_l("This is too long."))],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = _password(_l("Password"), "current-password")
    next = HiddenField()


class ChangePasswordForm(KeptTextForm):
    """The present password, then the new one twice."""

    current = _password(_l("Current password"), "current-password")
    new = _password(_l("New password"), "new-password")
    confirmation = _password(_l("Confirm the new password"), "new-password", EqualTo("new", message=_l("The two passwords differ.")))

    def validate_new(self, field: Any) -> None:
        """The present password again would change nothing."""
        if field.data and field.data == self.current.data:
            raise ValidationError(_("This is the current password: choose another one."))


# ---- Gestion du compte (guide 004 §1 and §2.1) -----------------------------------------------------------------------

EMAIL_MAX = 254


def _squeezed(text: str | None) -> str | None:
    """Without surrounding blanks, inner ones single."""
    return " ".join(text.replace("\x00", "").split()) if text else text


def _person_name(_form: Any, field: Any) -> None:
    if field.data and not domain.is_person_name(field.data):
        raise ValidationError(
            _("“%(value)s” is not a name: use letters, spaces, hyphens, apostrophes and full stops.", value=field.data[: domain.NAME_MAX])
        )


def _address(_form: Any, field: Any) -> None:
    """What the portal could send mail to; whether somebody reads it, nobody knows before the first message."""
    try:
        # the same leniency as core.mail: an address inside a network is one too
        validate_email(field.data or "", check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        raise ValidationError(
            _("“%(value)s” is not an e-mail address: write it like prenom.nom@exemple.fr.", value=(field.data or "")[:EMAIL_MAX])
        ) from None


def _name(label: Any, missing: Any) -> StringField:
    too_long = Length(max=domain.NAME_MAX, message=_l("64 characters at most."))
    return StringField(label, [DataRequired(missing), too_long, _person_name], filters=[_squeezed], render_kw={"autocomplete": "off"})


class AccountForm(VersionedForm, KeptTextForm):
    """The dialog "Gestion du compte": who holds the account. ``once`` tells a second click from a second account."""

    civility = RadioField(
        _l("Civility"),
        [AnyOf([None, *(value for value, _label in labels.CIVILITIES)], message=_l("Choose one of the two, or none."))],
        choices=[SelectChoice(value, label) for value, label in labels.CIVILITIES],
        coerce=lambda value: value or None,
        validate_choice=False,
    )
    last_name = _name(_l("Last name in use"), _l("Give the last name in use."))
    first_name = _name(_l("First name"), _l("Give the first name."))
    email = EmailField(
        _l("E-mail"),
        [DataRequired(_l("Give the e-mail address.")), Length(max=EMAIL_MAX, message=_l("254 characters at most.")), _address],
        filters=[_squeezed],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )
    once = HiddenField()

    def new_once(self) -> None:
        """Number this showing of the form."""
        self.once.data = secrets.token_urlsafe(16)


class ChooseCredentialsForm(KeptTextForm):
    """Behind a link: "Coordonnées d'authentification" (guide 004 page 7)."""

    username = _identifiant(_l("Identifiant"))
    password = _password(_l("Password"), "new-password")
    confirmation = _password(_l("Confirm the password"), "new-password", EqualTo("password", message=_l("The two passwords differ.")))


class RecoveryForm(KeptTextForm):
    """ "Génération de mot de passe" (guide 004 page 5)."""

    keeps_nothing = "compared with what is kept"

    username = StringField(
        _l("Identifiant"),
        [_REQUIRED, Length(max=200, message=_l("This is too long."))],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    last_name = _text(_l("Usual name"), "family-name")
    first_name = _text(_l("First name"), "given-name")
    email = _text(_l("E-mail"), "email", longest=320, kind="email")


class ChangeIdentifiantForm(KeptTextForm):
    """Another identifiant; the present password is asked."""

    username = _identifiant(_l("New identifiant"))
    current = _password(_l("Current password"), "current-password")


class ChangeEmailForm(KeptTextForm):
    """Another e-mail address; the present password is asked."""

    email = _text(_l("New e-mail address"), "email", longest=320, kind="email")
    current = _password(_l("Current password"), "current-password")


class DelegationForm(KeptTextForm):
    """To whom, from which day to which; the choices are set by the view."""

    delegate_id = SelectField(_l("Who stands in for you"), [InputRequired(_l("Choose an account."))], validate_choice=True)
    starts_on = FrDateField(_l("First day"), [InputRequired(_l("Give the first day."))])
    ends_on = FrDateField(_l("Last day"), [InputRequired(_l("Give the last day."))])


# ---- second factor and tokens ----------------------------------------------------------------------------------------


def _code(label: Any) -> StringField:
    attributes = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
    return StringField(label, [_REQUIRED, Length(max=100, message=_l("This is too long."))], render_kw=attributes)


class CodeForm(KeptTextForm):
    """The code asked after the password; the name of the field is one that no page ever gives back."""

    keeps_nothing = "a code, compared"

    otp = _code(_l("Verification code"))
    next = HiddenField()


class FirstCodeForm(KeptTextForm):
    """The first code of an application that has just learnt the secret."""

    keeps_nothing = "a code, compared"

    otp = _code(_l("Code shown by the application"))


class PasswordForm(KeptTextForm):
    """The present password, before something that matters."""

    current = _password(_l("Current password"), "current-password")


class PasswordAndCodeForm(PasswordForm):
    """The present password and a code."""

    keeps_nothing = "a password and a code, compared"

    otp = _code(_l("Verification code"))


class TokenForm(PasswordForm):
    """A token of the programming interface."""

    number_boxes = {"networks": "addresses of networks, each read as one"}

    name = StringField(
        _l("Name"),
        [DataRequired(_l("Give the token a name.")), Length(max=access.TOKEN_NAME_MAX, message=_l("This is too long."))],
        filters=[_squeezed],
    )
    scopes = SelectMultipleField(_l("Scopes"), [DataRequired(_l("Choose at least one scope."))])
    days = RadioField(_l("Validity"), [DataRequired(_l("Choose how long the token is valid."))], default="90")
    networks = TextAreaField(_l("Allowed networks"), [Length(max=2000, message=_l("This is too long."))], render_kw={"rows": 3, "spellcheck": "false"})

    def __init__(self, scopes: list[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scopes.choices = scopes
        self.days.choices = [(str(days), ngettext("%(num)s day", "%(num)s days", days)) for days in access.TOKEN_LIVES]
        self.read: list[str] = []

    def validate_networks(self, field: Any) -> None:
        """Keep what was read; say which word is no network."""
        try:
            self.read = access.read_networks(field.data or "")
        except access.BadNetwork as error:
            raise ValidationError(
                _("« %(text)s » is not a network: write addresses such as 192.0.2.10 or networks such as 192.0.2.0/24.", text=error.text[:60])
            ) from error
        if len(self.read) > access.NETWORKS_AT_MOST:
            raise ValidationError(_("%(count)s networks at most.", count=access.NETWORKS_AT_MOST))
