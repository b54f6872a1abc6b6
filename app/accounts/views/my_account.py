""" "Mon compte": one's own identifiant, password and address; the last sign-ins; the open sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from werkzeug.exceptions import TooManyRequests

from app.accounts import authentication, domain, labels, security, services
from app.accounts.access import factor
from app.accounts.access import queries as access_queries
from app.accounts.forms import ChangeEmailForm, ChangeIdentifiantForm, ChangePasswordForm
from app.accounts.views.tokens import scope_labels
from app.core.requests import row_number
from app.core.ui.error_pages import leave_to_sign_in


class MyAccountView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """What everyone may see and do about their own account."""

    route_base = "/mon-compte"
    class_permission_name = "MyAccount"
    permission_label = _l("My account")
    default_view = "show"

    @expose("/")
    @has_access
    @permission_name("read")
    def show(self) -> ResponseReturnValue:
        """Coordinates, password form, last sign-ins, open sessions: one partial template each."""
        return self._page(ChangePasswordForm(formdata=None))

    @expose("/mot-de-passe", methods=("GET", "POST"))
    @has_access
    @permission_name("change_password")
    def change_password(self) -> ResponseReturnValue:
        """Change the password after asking the present one; the other sessions end. Its form is on the page of the account."""
        if request.method == "GET":
            return redirect(url_for(".show", _anchor="mot-de-passe"))
        form = ChangePasswordForm()
        if not form.validate():
            return self._page(form), 422

        def act() -> None:
            services.change_own_password(current_user.id, current=form.current.data, new=form.new.data, token=security.current_token(), **_where())

        refused: ResponseReturnValue | None = None
        try:
            refused = self._asked_password(form, act)
        except services.WeakPassword as error:
            form.new.errors = [labels.password_fault(fault) for fault in error.faults]
        if form.errors:
            return self._page(form), 422
        if refused is not None:
            return refused
        flash(_("Your password has been changed. Your other sessions have been signed out."), "success")
        return redirect(url_for(".show"), 303)

    @expose("/identifiant", methods=("GET", "POST"))
    @has_access
    @permission_name("change_identifiant")
    def change_identifiant(self) -> ResponseReturnValue:
        """Choose another identifiant, after asking the present password."""
        form = ChangeIdentifiantForm()
        if request.method == "GET":
            form.username.data = current_user.username
            return self._form("accounts/my_account/identifiant.html", form, _("Change the identifiant"))
        refused: ResponseReturnValue | None = None
        if form.validate():
            if " ".join(form.username.data.split()) == current_user.username:
                form.username.errors = [_("This is your present identifiant: type another one.")]
            else:
                refused = self._change_identifiant(form)
        if form.errors:
            return self._form("accounts/my_account/identifiant.html", form, _("Change the identifiant")), 422
        if refused is not None:
            return refused
        flash(_("Your identifiant has been changed. Use it the next time you sign in."), "success")
        return redirect(url_for(".show", _anchor="identifiant"), 303)

    def _change_identifiant(self, form: ChangeIdentifiantForm) -> ResponseReturnValue | None:
        try:
            return self._asked_password(
                form, lambda: services.change_own_identifiant(current_user.id, current=form.current.data, identifiant=form.username.data, **_where())
            )
        except services.InvalidIdentifiant:
            form.username.errors = [labels.identifiant_rule()]
        except services.IdentifiantTaken:
            form.username.errors = [_("This identifiant is already taken. Choose another one.")]
        except services.WeakPassword:
            form.username.errors = [_("Your password is made of this identifiant: choose another identifiant, or change the password first.")]
        return None

    @expose("/courriel", methods=("GET", "POST"))
    @has_access
    @permission_name("change_email")
    def change_email(self) -> ResponseReturnValue:
        """Ask that one's mails go elsewhere, giving the present password; it counts once the link sent there is used."""
        _keeps_own_email()
        form = ChangeEmailForm()
        if request.method == "GET":
            return self._email_form(form)
        refused: ResponseReturnValue | None = None
        if form.validate():
            refused = self._ask_email(form)
        if form.errors:
            return self._email_form(form), 422
        if refused is not None:
            return refused
        flash(_("A link has been sent to the new address: open it to confirm the change. Until then nothing changes."), "success")
        return redirect(url_for(".show", _anchor="identifiant"), 303)

    def _ask_email(self, form: ChangeEmailForm) -> ResponseReturnValue | None:
        try:
            return self._asked_password(form, lambda: _ask(form))
        except services.SameAddress:
            form.email.errors = [_("This is your present address: type another one.")]
        except services.TooManyLinks:
            form.email.errors = [_too_many_links()]
        except ValueError:
            form.email.errors = [_("This is not an e-mail address: write it as nom@exemple.fr.")]
        return None

    def _email_form(self, form: ChangeEmailForm) -> str:
        pending = access_queries.pending_email(current_user.id)
        return self._form("accounts/my_account/email.html", form, _("Change the e-mail address"), pending=pending)

    @expose("/courriel/renvoyer", methods=("POST",))
    @has_access
    @permission_name("change_email")
    def resend_email(self) -> ResponseReturnValue:
        """Send the link that confirms the new address once more."""
        _keeps_own_email()
        try:
            sent = services.resend_own_email(current_user.id)
        except services.TooManyLinks:
            flash(_too_many_links(), "warning")
        else:
            if sent is not None:
                flash(_("The link has been sent once more; the latest one alone is good."), "success")
            else:
                flash(_no_change_waits(), "info")
        return redirect(url_for(".show", _anchor="identifiant"), 303)

    @expose("/courriel/annuler", methods=("POST",))
    @has_access
    @permission_name("change_email")
    def cancel_email(self) -> ResponseReturnValue:
        """Give up the change of address that waits."""
        _keeps_own_email()
        if services.cancel_own_email(current_user.id):
            flash(_("The change of address has been cancelled: the link that was sent is worth nothing any more."), "success")
        else:
            flash(_no_change_waits(), "info")
        return redirect(url_for(".show", _anchor="identifiant"), 303)

    @expose("/sessions/deconnecter", methods=("POST",))
    @has_access
    @permission_name("end_sessions")
    def end_sessions(self) -> ResponseReturnValue:
        """Déconnecter les autres sessions, or the one that the form names."""
        back = redirect(url_for(".show", _anchor="sessions"), 303)
        named = request.form.get("session")
        if named is not None:  # one that cannot be a session ends none: it must not pass for "all the others"
            one = row_number(named)
            if one is not None and services.end_own_session(current_user.id, one):
                flash(_("The session has been signed out."), "success")
            else:
                flash(_("This session was no longer open."), "info")
            return back
        ended = services.end_other_sessions(current_user.id, keep_token=security.current_token() or "")
        if ended:
            flash(ngettext("%(num)s other session has been signed out.", "%(num)s other sessions have been signed out.", ended), "success")
        else:
            flash(_("No other session was open."), "info")
        return back

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _asked_password(self, form: Any, act: Callable[[], None]) -> ResponseReturnValue | None:
        """Do what asks the present password. A wrong one is said at its field; the last one leads out. None when there is no answer yet."""
        try:
            act()
        except authentication.TooManyAttempts as error:
            raise TooManyRequests(retry_after=error.retry_after) from error
        except services.WrongPassword as error:
            if error.ended:
                session.clear()
                flash(
                    _(
                        "Three wrong passwords: your account is blocked. Choosing a new password unblocks it; "
                        "so can the person who manages the accounts, or support."
                    ),
                    "danger",
                )
                return leave_to_sign_in()
            form.current.errors = [_("This is not your current password. Your account is blocked after three wrong ones.")]
        return None

    def _form(self, template: str, form: Any, title: str, **values: Any) -> str:
        path = [(_("My account"), url_for(".show")), (title, None)]
        page: str = self.render_template(template, form=form, user=current_user, breadcrumb=path, title=title, **values)
        return page

    def _page(self, form: ChangePasswordForm) -> str:
        required = factor.required_for(current_user)
        found = access_queries.ways_in(current_user.id, current_token=security.current_token())
        page: str = self.render_template(
            "accounts/my_account.html",
            form=form,
            user=current_user,
            labels=labels,
            may_change_email=domain.may_change_own_email(current_user.party),
            sign_ins=found.sign_ins,
            sessions=found.sessions,
            ways=found,
            required=required,
            scope_labels=scope_labels(),
            breadcrumb=[(_("My account"), None)],
        )
        return page


def _where() -> dict[str, Any]:
    """From where a present password is given: it is counted like a sign-in."""
    return {"ip": request.remote_addr, "user_agent": request.headers.get("User-Agent")}


def _keeps_own_email() -> None:
    """Refuse whoever's address is kept by somebody else."""
    if not domain.may_change_own_email(current_user.party):
        abort(403)


def _ask(form: ChangeEmailForm) -> None:
    services.ask_own_email(current_user.id, current=form.current.data, email=form.email.data, **_where())


def _too_many_links() -> str:
    return str(_("Several links have just been sent: look among the unwanted mails of that address, check how it is written, or try again in an hour."))


def _no_change_waits() -> str:
    return str(_("No change of address was waiting any more."))
