"""Access tokens of the programming interface: their section of "Mon compte"."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from werkzeug.exceptions import TooManyRequests

from app.accounts import authentication, services
from app.accounts.access import domain as access
from app.accounts.access import queries as access_queries
from app.accounts.forms import TokenForm
from app.accounts.views.second_factor import ask_password_again
from app.core import api

#: Where the encrypted cookie keeps a new token from the form that made it to the page that shows it once.
_SHOWN_ONCE = "_new_token"


def scope_labels() -> dict[str, str]:
    """What each scope is called, with the code that programs and the description of the interface use."""
    return {scope.name: f"{scope.label} ({scope.name})" for scope in api.scopes()}


class TokensView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """ "Jetons d'accès"."""

    route_base = "/mon-compte/jetons"
    class_permission_name = "MyAccount"
    permission_label = _l("My account")
    default_view = "create"

    @expose("/nouveau", methods=("GET", "POST"))
    @has_access
    @permission_name("tokens")
    def create(self) -> ResponseReturnValue:
        """Name, scopes, validity, networks; the present password is asked."""
        granted = current_app.appbuilder.sm.granted(current_user)  # type: ignore[attr-defined]  # set by Flask-AppBuilder
        open_scopes = api.scopes_open_to(granted, of_organisation=current_user.organisation_id is not None)
        labels = scope_labels()
        choices = [(scope.name, labels[scope.name]) for scope in open_scopes]
        if request.method == "GET":
            return self._page("create", form=TokenForm(choices, formdata=None))
        form = TokenForm(choices)
        if not form.validate():
            return self._page("create", form=form), 422
        try:
            raw = services.create_token(
                current_user.id,
                name=form.name.data,
                scopes=form.scopes.data,
                days=int(form.days.data),
                networks=form.read,
                password=form.current.data,
                ip=request.remote_addr,
            )
        except services.TooManyTokens:
            form.name.errors = [_("You have %(count)s tokens, the most an account may have: revoke one first.", count=access.TOKENS_AT_MOST)]
            return self._page("create", form=form), 422
        except services.WrongPassword as error:
            return ask_password_again(error, form) or (self._page("create", form=form), 422)
        except authentication.TooManyAttempts as error:
            raise TooManyRequests(retry_after=error.retry_after) from error
        session[_SHOWN_ONCE] = {"token": raw, "name": form.name.data.strip()}
        return redirect(url_for(".created"), 303)

    @expose("/cree")
    @has_access
    @permission_name("tokens")
    def created(self) -> ResponseReturnValue:
        """The token that was just made; shown once."""
        made = session.pop(_SHOWN_ONCE, None)
        if not made:
            return redirect(_back(), 303)
        return self._page("created", made=made)

    @expose("/<int:token_id>/revoquer", methods=("GET", "POST"))
    @has_access
    @permission_name("tokens")
    def revoke(self, token_id: int) -> ResponseReturnValue:
        """Revoke a token, after asking."""
        token = access_queries.live_token(current_user.id, token_id)
        if token is None:
            abort(404)
        if request.method == "GET":
            page: str = self.render_template(
                "portal/confirm.html",
                heading=_("Revoke the token « %(name)s »", name=token.name),
                body=_("The programs that use it are refused from their next request on. This cannot be undone."),
                action_url=request.path,
                verb=_("Revoke the token"),
                cancel_url=_back(),
                breadcrumb=[(_("My account"), url_for("MyAccountView.show")), (_("Revoke"), None)],
            )
            return page
        services.revoke_token(current_user.id, token_id)
        flash(_("The token « %(name)s » has been revoked.", name=token.name), "success")
        return redirect(_back(), 303)

    def _page(self, name: str, **more: Any) -> str:
        page: str = self.render_template(
            f"accounts/tokens/{name}.html",
            breadcrumb=[(_("My account"), url_for("MyAccountView.show")), (_("New access token"), None)],
            **more,
        )
        return page


def _back() -> str:
    return url_for("MyAccountView.show", _anchor="jetons")
