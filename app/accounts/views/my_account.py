""" "Mon compte": one's own password and open sessions."""

from __future__ import annotations

from flask import flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from werkzeug.exceptions import TooManyRequests

from app.accounts import authentication, labels, queries, security, services
from app.accounts.forms import ChangePasswordForm


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
        """Identifiant, password form, open sessions."""
        return self._page(ChangePasswordForm(formdata=None))

    @expose("/mot-de-passe", methods=("POST",))
    @has_access
    @permission_name("change_password")
    def change_password(self) -> ResponseReturnValue:
        """Change the password after asking the present one; the other sessions end."""
        form = ChangePasswordForm()
        if not form.validate():
            return self._page(form), 422
        try:
            services.change_own_password(
                current_user.id,
                current=form.current.data,
                new=form.new.data,
                token=security.current_token(),
                ip=request.remote_addr,
            )
        except services.WeakPassword as error:
            form.new.errors = [labels.password_fault(fault) for fault in error.faults]
            return self._page(form), 422
        except authentication.TooManyAttempts as error:
            raise TooManyRequests(retry_after=error.retry_after) from error
        except services.WrongPassword as error:
            if error.ended:
                session.clear()
                flash(_("Three wrong passwords: your account is blocked. The person who manages the accounts, or support, can unblock it."), "danger")
                return redirect(url_for("SignInView.login"), 303)
            form.current.errors = [_("This is not your current password. Your account is blocked after three wrong ones.")]
            return self._page(form), 422
        flash(_("Your password has been changed. Your other sessions have been signed out."), "success")
        return redirect(url_for(".show"), 303)

    @expose("/sessions/deconnecter", methods=("POST",))
    @has_access
    @permission_name("end_sessions")
    def end_sessions(self) -> ResponseReturnValue:
        """Déconnecter les autres sessions."""
        ended = services.end_other_sessions(current_user.id, keep_token=security.current_token() or "")
        if ended:
            flash(ngettext("%(num)s other session has been signed out.", "%(num)s other sessions have been signed out.", ended), "success")
        else:
            flash(_("No other session was open."), "info")
        return redirect(url_for(".show"), 303)

    def _page(self, form: ChangePasswordForm) -> str:
        page: str = self.render_template(
            "accounts/my_account.html",
            form=form,
            user=current_user,
            labels=labels,
            sessions=queries.open_sessions(current_user.id, current_token=security.current_token()),
            breadcrumb=[(_("My account"), None)],
        )
        return page
