"""The second factor: its section of "Mon compte", and its removal by an administrator or support."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import segno
from flask import Response, abort, flash, make_response, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from werkzeug.exceptions import TooManyRequests

from app.accounts import authentication, labels, security, services
from app.accounts.access import domain as access
from app.accounts.access import queries as access_queries
from app.accounts.domain import Act, Refusal
from app.accounts.forms import FirstCodeForm, PasswordAndCodeForm, PasswordForm
from app.accounts.views.acts import reached_open

#: Where the encrypted cookie keeps new recovery codes from the form that made them to the page that shows them once.
_SHOWN_ONCE = "_recovery"


def ask_password_again(error: services.WrongPassword, form: Any) -> ResponseReturnValue | None:
    """After a wrong present password: back to the sign-in page when it was the last try; else the error is at the field."""
    if error.ended:
        return _signed_out()
    form.current.errors = [_("This is not your current password. Your account is blocked after three wrong ones.")]
    return None


def _signed_out() -> ResponseReturnValue:
    session.clear()
    flash(_("Three wrong passwords or codes: your account is blocked. The person who manages the accounts, or support, can unblock it."), "danger")
    return redirect(url_for("SignInView.login"), 303)


class SecondFactorView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """ "Second facteur". These pages also open to an account that must set up its factor before anything else."""

    route_base = "/mon-compte/second-facteur"
    class_permission_name = "MyAccount"
    permission_label = _l("My account")
    default_view = "start"

    @expose("/activer", methods=("GET", "POST"))
    @has_access
    @permission_name("second_factor")
    def start(self) -> ResponseReturnValue:
        """Ask the present password, then make a secret."""
        form = PasswordForm()
        if access_queries.factor_of(current_user.id).since is not None:
            return self._already_on()
        if request.method == "GET":
            return self._page("start", PasswordForm(formdata=None))
        if not form.validate():
            return self._page("start", form), 422
        try:
            services.begin_second_factor(current_user.id, password=form.current.data, token=security.current_token(), ip=request.remote_addr)
        except services.FactorAlreadyOn:
            return self._already_on()
        except services.WrongPassword as error:
            return ask_password_again(error, form) or (self._page("start", form), 422)
        except authentication.TooManyAttempts as error:
            raise TooManyRequests(retry_after=error.retry_after) from error
        return redirect(url_for(".setup"), 303)

    @expose("/configurer", methods=("GET", "POST"))
    @has_access
    @permission_name("second_factor")
    def setup(self) -> ResponseReturnValue:
        """The picture, the key, and the field for a first code."""
        found = access_queries.setup_of(current_user.id, current_user.username, token=security.current_token())
        if found is None:
            return self._start_again()
        form = FirstCodeForm()
        if request.method == "GET":
            return self._page("setup", FirstCodeForm(formdata=None), setup=found)
        if not form.validate():
            return self._page("setup", form, setup=found), 422
        given = {"code": form.otp.data, "token": security.current_token()}
        try:
            if found.moving:
                services.finish_telephone_change(current_user.id, **given)
                said = _("Your new telephone now gives the codes; those of the former one are worth nothing. Your other sessions have been signed out.")
                flash(said, "success")
                return redirect(self._back(), 303)
            codes = services.activate_second_factor(current_user.id, **given)
        except services.WrongCode:
            form.otp.errors = [
                _("This code is not the one expected: type the six digits shown now, and check that your telephone is on time (automatic date and time).")
            ]
            return self._page("setup", form, setup=found), 422
        except (services.FactorNotOn, services.FactorAlreadyOn):
            return self._start_again()
        session[_SHOWN_ONCE] = codes
        flash(_("The second factor is on. Your other sessions have been signed out."), "success")
        return redirect(url_for(".codes"), 303)

    @expose("/qr.svg")
    @has_access
    @permission_name("second_factor")
    def picture(self) -> ResponseReturnValue:
        """The secret as a picture to photograph, for as long as it waits for its first code."""
        found = access_queries.setup_of(current_user.id, current_user.username, token=security.current_token())
        if found is None:
            return self._start_again()
        out = io.BytesIO()
        segno.make(found.uri, error="m", micro=False).save(out, kind="svg", scale=5, border=4, light="#ffffff", dark="#000000")
        return Response(out.getvalue(), mimetype="image/svg+xml", headers={"Cache-Control": "no-store"})

    @expose("/codes")
    @has_access
    @permission_name("second_factor")
    def codes(self) -> ResponseReturnValue:
        """The recovery codes that were just made; shown once."""
        codes = session.pop(_SHOWN_ONCE, None)
        if not codes:
            return redirect(self._back(), 303)
        return self._page("codes", None, codes=codes)

    @expose("/codes/telecharger", methods=("POST",))
    @has_access
    @permission_name("second_factor")
    def download(self) -> ResponseReturnValue:
        """The codes shown on the page, sent back as a file: only those that are the account's."""
        codes = access_queries.real_codes(current_user.id, request.form.getlist("recovery")[: 2 * access.RECOVERY_CODES])
        if not codes:
            flash(_("These codes are no longer known: make new ones."), "warning")
            return redirect(self._back(), 303)
        title = _("Recovery codes of %(identifiant)s, each good for one sign-in:", identifiant=current_user.username)
        answer = make_response("\r\n".join([title, "", *codes, ""]))
        answer.mimetype = "text/plain"
        answer.headers["Content-Disposition"] = 'attachment; filename="codes-de-recuperation.txt"'
        return answer

    @expose("/codes/nouveaux", methods=("GET", "POST"))
    @has_access
    @permission_name("second_factor")
    def renew(self) -> ResponseReturnValue:
        """Make other recovery codes, after the password and a code."""
        return self._with_code("renew")

    @expose("/telephone", methods=("GET", "POST"))
    @has_access
    @permission_name("second_factor")
    def move(self) -> ResponseReturnValue:
        """Go on with another telephone, after the password and a code."""
        return self._with_code("move")

    @expose("/desactiver", methods=("GET", "POST"))
    @has_access
    @permission_name("second_factor")
    def disable(self) -> ResponseReturnValue:
        """Turn the factor off, after the password and a code; not where it is mandatory."""
        return self._with_code("disable")

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _with_code(self, act: str) -> ResponseReturnValue:
        state = access_queries.factor_of(current_user.id)
        if state.since is None:
            flash(_("The second factor is not on."), "info")
            return redirect(self._back(), 303)
        if request.method == "GET":
            return self._page(act, PasswordAndCodeForm(formdata=None))
        form = PasswordAndCodeForm()
        answer = self._done(act, form) if form.validate() else None
        return (self._page(act, form), 422) if answer is None else answer

    def _done(self, act: str, form: PasswordAndCodeForm) -> ResponseReturnValue | None:
        """Renew the codes, begin with another telephone or turn the factor off; None when the form is to be shown again with its errors."""
        given = {"password": form.current.data, "code": form.otp.data, "ip": request.remote_addr}
        try:
            if act == "renew":
                session[_SHOWN_ONCE] = services.renew_recovery_codes(current_user.id, **given)
                return redirect(url_for(".codes"), 303)
            if act == "move":
                services.begin_telephone_change(current_user.id, token=security.current_token(), **given)
                return redirect(url_for(".setup"), 303)
            services.give_up_second_factor(current_user.id, **given)
            flash(_("The second factor is off: your password is enough to sign in."), "success")
        except services.FactorMandatory:
            flash(_("The second factor is mandatory for your account: it cannot be turned off."), "warning")
        except services.FactorNotOn:
            flash(_("The second factor is not on."), "info")
        except services.WrongPassword as error:
            return ask_password_again(error, form)
        except services.WrongCode as error:
            form.otp.errors = [_("This code is wrong, has expired or was used before. Your account is blocked after three wrong ones.")]
            return _signed_out() if error.ended else None
        except authentication.TooManyAttempts as error:
            raise TooManyRequests(retry_after=error.retry_after) from error
        return redirect(self._back(), 303)

    def _page(self, name: str, form: Any, **more: Any) -> str:
        mandatory = security.must_set_up_factor()
        page: str = self.render_template(
            f"accounts/second_factor/{name}.html",
            layout="portal/auth_base.html" if mandatory else "portal/base.html",
            mandatory=mandatory,
            form=form,
            breadcrumb=None if mandatory else [(_("My account"), url_for("MyAccountView.show")), (_("Second factor"), None)],
            **more,
        )
        return page

    def _already_on(self) -> ResponseReturnValue:
        flash(_("The second factor is already on."), "info")
        return redirect(self._back(), 303)

    def _start_again(self) -> ResponseReturnValue:
        if access_queries.factor_of(current_user.id).since is None:
            return redirect(url_for(".start"), 303)
        flash(_("The key of the new telephone is no longer valid: choose “Change telephone” again. The present one still gives the codes."), "warning")
        return redirect(self._back(), 303)

    @staticmethod
    def _back() -> str:
        return url_for("MyAccountView.show", _anchor="second-facteur")


class FactorResetView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Takes away the second factor of someone who lost the telephone."""

    route_base = "/comptes"
    class_permission_name = "SecondFactorReset"
    permission_label = _l("Removal of the second factor of others")
    default_view = "reset"

    @expose("/<int:user_id>/second-facteur/retirer", methods=("GET", "POST"))
    @has_access
    @permission_name("reset")
    def reset(self, user_id: int) -> ResponseReturnValue:
        """Ask, then take it away."""
        user = reached_open(user_id, Act.RESET_FACTOR)
        back = url_for("AccountConsoleView.show", user_id=user_id)
        person = labels.person(user)
        if access_queries.factor_of(user_id).since is None:
            flash(_("%(person)s has no second factor.", person=person), "info")
            return redirect(back, 303)
        if request.method == "GET":
            return self._question(person, back, [(_("Security"), None), (_("Blocked accounts and account search"), url_for("AccountConsoleView.list"))])
        try:
            services.reset_second_factor(user_id, actor_id=current_user.id)
        except services.AccountNotFound:
            abort(404)
        except services.AccountRefused as error:
            if error.refusal is not Refusal.WRONG_STATE:
                abort(403)
            flash(labels.refusal(error.refusal), "warning")
            return redirect(back, 303)
        said = _(
            "The second factor of %(person)s has been removed, and the sessions of the account have been closed. The person is told by mail.",
            person=person,
        )
        flash(said, "success")
        return redirect(back, 303)

    def _question(self, person: str, back: str, path: Sequence[tuple[Any, str | None]]) -> str:
        page: str = self.render_template(
            "portal/confirm.html",
            heading=_("Remove the second factor of %(person)s", person=person),
            body=_(
                "The password alone will open this account until the second factor is set up again. "
                "Make sure that you are speaking to its holder. The sessions of the account are closed, and a mail is sent."
            ),
            action_url=request.path,
            verb=_("Remove the second factor"),
            cancel_url=back,
            breadcrumb=[*path, (person, back), (_("Second factor"), None)],
        )
        return page
