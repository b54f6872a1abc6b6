"""Sign-in and sign-out."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from werkzeug.exceptions import TooManyRequests

from app.accounts import authentication, domain, labels, security, services
from app.accounts.forms import CodeForm, SignInForm


def safe_next(target: str | None) -> str | None:
    """``target`` as a path of this site, else None. An absolute address of this very host counts as its path."""
    if target and target.startswith(("http://", "https://")):
        try:
            parts = urlsplit(target)
        except ValueError:
            return None
        if parts.netloc != request.host:
            return None
        target = parts.path + (f"?{parts.query}" if parts.query else "")
    return domain.local_path(target)


def _recovery_code_used(left: int) -> str:
    """What is said after a sign-in with a recovery code."""
    said: str = ngettext(
        "You signed in with a recovery code: %(num)s is left. If your telephone is lost, use “Change telephone” in « Mon compte ».",
        "You signed in with a recovery code: %(num)s are left. If your telephone is lost, use “Change telephone” in « Mon compte ».",
        left,
    )
    return said


class SignInView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """The way in and out. Signing in takes a POST, always: no link opens a session."""

    route_base = ""
    default_view = "login"

    @expose("/connexion", methods=("GET", "POST"))
    def login(self) -> ResponseReturnValue:
        """Ask identifiant and password; every refusal says the same."""
        target = safe_next(request.values.get("next"))
        if current_user.is_authenticated:
            return redirect(target or self.appbuilder.get_url_for_index)
        form = SignInForm()
        refused = False
        if request.method == "POST" and form.validate():
            try:
                done = authentication.sign_in(
                    form.username.data,
                    form.password.data,
                    ip=request.remote_addr,
                    user_agent=request.headers.get("User-Agent"),
                )
            except authentication.TooManyAttempts as error:
                raise TooManyRequests(retry_after=error.retry_after) from error
            if done is not None and done.code_asked:
                security.start_waiting(done.token)
                return redirect(url_for(".code", next=target), 303)
            if done is not None:
                security.start_session(done.token)
                return redirect(target or self.appbuilder.get_url_for_index, 303)
            refused = True
        form.next.data = target or ""
        page = self.render_template("accounts/sign_in.html", form=form, refused=refused)
        return (page, 422) if refused or form.errors else page

    @expose("/authentification/code", methods=("GET", "POST"))
    def code(self) -> ResponseReturnValue:
        """Ask the code of the second factor, after a right password."""
        target = safe_next(request.values.get("next"))
        if current_user.is_authenticated:
            return redirect(target or self.appbuilder.get_url_for_index)
        waiting = security.waiting_token()
        if waiting is None:
            return redirect(url_for(".login", next=target))
        form = CodeForm()
        if request.method == "POST" and form.validate():
            try:
                done = authentication.give_code(waiting, form.otp.data, ip=request.remote_addr, user_agent=request.headers.get("User-Agent"))
            except authentication.CodeNoLongerAwaited as error:
                session.clear()
                if error.blocked:
                    flash(labels.blocked_by_codes(), "danger")
                else:
                    flash(_("The time to type the code is over, or the account is no longer open: sign in again."), "warning")
                return redirect(url_for(".login", next=target), 303)
            except authentication.TooManyAttempts as error:
                raise TooManyRequests(retry_after=error.retry_after) from error
            if done is not None:
                security.start_session(done.token)
                if done.codes_left is not None:
                    flash(_recovery_code_used(done.codes_left), "warning")
                return redirect(target or self.appbuilder.get_url_for_index, 303)
            form.otp.errors = [_("This code is wrong, has expired or was used before. The account is blocked after three wrong passwords or codes.")]
        form.next.data = target or ""
        page = self.render_template("accounts/second_factor/code.html", form=form)
        return (page, 422) if form.errors else page

    @expose("/deconnexion", methods=("POST",))
    def logout(self) -> ResponseReturnValue:
        """End the session in the database, then forget it in the browser."""
        for token in filter(None, (security.current_token(), security.waiting_token())):
            services.end_session(token)
        session.clear()
        flash(_("You are signed out."), "success")
        return redirect(url_for(".login"), 303)
