"""First access and recovery (guide 004 §1): pages that need no account.

The secret of a link goes from its address into the sealed cookie (``core.secret_links``).
"""

from __future__ import annotations

from typing import Any, Final

from flask import flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.exceptions import TooManyRequests

from app.accounts import authentication, labels, security, services
from app.accounts.domain import LinkState
from app.accounts.forms import ChooseCredentialsForm, RecoveryForm
from app.core.secret_links import into_cookie, secret_of
from app.core.ui.error_pages import leave_to_sign_in

#: Where the cookie keeps the secret of the link that was opened.
_LINK: Final = "access_link"
#: And the secret of the link that confirms a new address.
_EMAIL_LINK: Final = "email_link"


class AccessView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """The way in by mail. Opening a link neither uses it nor signs in: mail scanners open links."""

    route_base = ""
    default_view = "recover"

    # ---- the link ----------------------------------------------------------------------------------------------------

    @expose("/acces/<token>")
    def open(self, token: str) -> ResponseReturnValue:
        """Take the secret out of the address."""
        return into_cookie(_LINK, token, ".choose")

    @expose("/acces/identifiants", methods=("GET", "POST"))
    def choose(self) -> ResponseReturnValue:
        """Choose identifiant and password; the form uses the link."""
        token = secret_of(_LINK)
        found = services.look_up_link(token)
        form = ChooseCredentialsForm()
        if found.state is not LinkState.USABLE:
            return self._unusable(found)
        if request.method == "GET":
            form.username.data = found.identifiant
            return self._form(form, found)
        if not form.validate():
            return self._form(form, found), 422
        before = security.current_token()
        try:
            chosen = services.choose_credentials(
                token,
                form.username.data,
                form.password.data,
                ip=request.remote_addr,
                user_agent=request.headers.get("User-Agent"),
            )
        except services.LinkUnusable as error:
            return self._unusable(services.LinkView(error.state))
        except services.InvalidIdentifiant:
            form.username.errors = [labels.identifiant_rule()]
            return self._form(form, found), 422
        except services.IdentifiantTaken:
            form.username.errors = [_("This identifiant is already taken. Choose another one.")]
            return self._form(form, found), 422
        except services.WeakPassword as error:
            form.password.errors = [labels.password_fault(fault) for fault in error.faults]
            return self._form(form, found), 422
        if before is not None:
            services.end_session(before)  # another account was signed in on this browser
        return self._enter(chosen)

    def _enter(self, chosen: services.Chosen) -> ResponseReturnValue:
        if chosen.token is None:
            session.clear()
            if chosen.blocked:
                flash(labels.blocked_for_the_day(), "warning")
                return leave_to_sign_in()
            flash(_("The changes have been saved. Sign in with your new password and your second factor."), "success")
            return leave_to_sign_in()
        security.start_session(chosen.token)
        flash(_("The changes have been saved"), "success")
        return redirect(url_for("MyAccountView.show"), 303)

    def _form(self, form: ChooseCredentialsForm, found: services.LinkView) -> str:
        other = current_user.get_full_name() if current_user.is_authenticated and current_user.id != found.user_id else None
        return self._page("accounts/access/choose.html", form=form, found=found, other=other)

    def _unusable(self, found: services.LinkView) -> ResponseReturnValue:
        """What the link lacks, and the way to a new one. 410 for a form that came too late."""
        page = self._page("accounts/access/unusable.html", found=found, words=labels.link_unusable(found.state))
        return (page, 410) if request.method == "POST" else page

    @expose("/acces/nouveau-lien", methods=("POST",))
    def renew(self) -> ResponseReturnValue:
        """Send a new link to the account's own mailbox, to whoever holds one that is no longer good."""
        try:
            services.request_renewal(secret_of(_LINK), ip=request.remote_addr)
        except authentication.TooManyAttempts as error:
            raise TooManyRequests(retry_after=error.retry_after) from error
        session.pop(_LINK, None)
        return redirect(url_for(".sent"), 303)

    # ---- a new address -----------------------------------------------------------------------------------------------

    @expose("/acces/courriel/<token>")
    def open_email(self, token: str) -> ResponseReturnValue:
        """Take the secret out of the address."""
        return into_cookie(_EMAIL_LINK, token, ".confirm_email")

    @expose("/acces/courriel", methods=("GET", "POST"))
    def confirm_email(self) -> ResponseReturnValue:
        """Say what confirming does; the button uses the link. It signs nobody in, and asks nobody to be."""
        token = secret_of(_EMAIL_LINK)
        if request.method == "GET":
            found = services.look_up_email_link(token)
            if found.state is not LinkState.USABLE:
                return self._email_unusable(found.state)
            other = current_user.get_full_name() if current_user.is_authenticated and current_user.id != found.user_id else None
            return self._page("accounts/access/email.html", found=found, other=other, breadcrumb=_email_path())
        try:
            account = services.confirm_own_email(token)
        except services.LinkUnusable as error:
            return self._email_unusable(error.state), 410
        session.pop(_EMAIL_LINK, None)
        if current_user.is_authenticated and current_user.id == account:
            flash(_("Your new e-mail address is confirmed: messages go there from now on. The former address has been told."), "success")
            return redirect(url_for("MyAccountView.show", _anchor="identifiant"), 303)
        flash(_("The new e-mail address is confirmed: messages go there from now on. The former address has been told."), "success")
        return leave_to_sign_in()

    def _email_unusable(self, state: LinkState) -> str:
        return self._page("accounts/access/email_unusable.html", words=labels.email_link_unusable(state), breadcrumb=_email_path())

    # ---- Génération de mot de passe ------------------------------------------------------------------------------------

    @expose("/authentification/generation-mot-de-passe", methods=("GET", "POST"))
    def recover(self) -> ResponseReturnValue:
        """Ask identifiant, nom d'usage, prénom and courriel; the answer is the same whether or not they name an account."""
        form = RecoveryForm()
        if request.method == "POST" and form.validate():
            try:
                services.request_recovery(
                    identifiant=form.username.data,
                    last_name=form.last_name.data,
                    first_name=form.first_name.data,
                    email=form.email.data,
                    ip=request.remote_addr,
                )
            except authentication.TooManyAttempts as error:
                raise TooManyRequests(retry_after=error.retry_after) from error
            return redirect(url_for(".sent"), 303)
        page = self._page("accounts/access/recover.html", form=form, breadcrumb=_recovery_path())
        return (page, 422) if form.errors else page

    @expose("/authentification/generation-mot-de-passe/envoye")
    def sent(self) -> ResponseReturnValue:
        """What happens now, whoever asked."""
        return self._page("accounts/access/sent.html", breadcrumb=_recovery_path())

    def _page(self, template: str, **values: Any) -> str:
        values.setdefault("breadcrumb", [(_("My account"), None), (_("Changes"), None)])
        page: str = self.render_template(template, **values)
        return page


def _recovery_path() -> list[tuple[str, str | None]]:
    return [(_("Authentication"), url_for("SignInView.login")), (_("Password generation"), None)]


def _email_path() -> list[tuple[str, str | None]]:
    return [(_("My account"), None), (_("New e-mail address"), None)]
