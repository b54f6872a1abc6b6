"""Forms of accounts."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from app.accounts.passwords import MAX_READ


class _Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF is untyped
    """The token is checked by CSRFProtect before the view is reached."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc,name-defined]  # Flask-WTF is untyped
        csrf = False


_REQUIRED = InputRequired(_l("This field is required."))
_READABLE = Length(max=MAX_READ, message=_l("This is too long."))


def _password(label: Any, autocomplete: str, *more: Any) -> PasswordField:
    return PasswordField(label, [_REQUIRED, _READABLE, *more], render_kw={"autocomplete": autocomplete})


class SignInForm(_Form):
    """Identifiant and password."""

    username = StringField(
        _l("Identifiant"),
        [_REQUIRED, Length(max=200, message=_l("This is too long."))],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = _password(_l("Password"), "current-password")
    next = HiddenField()


class ChangePasswordForm(_Form):
    """The present password, then the new one twice."""

    current = _password(_l("Current password"), "current-password")
    new = _password(_l("New password"), "new-password")
    confirmation = _password(_l("Confirm the new password"), "new-password", EqualTo("new", message=_l("The two passwords differ.")))
