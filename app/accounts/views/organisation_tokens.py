""" "Jetons d'API": the tokens of all the organisation's accounts, for its principal account, and how software uses them."""

from __future__ import annotations

from flask import abort, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.accounts import services
from app.accounts.access import domain as access
from app.accounts.access import queries as access_queries
from app.accounts.views.common import page_asked
from app.accounts.views.tokens import scope_labels
from app.core import api
from app.core.ui import Page


class OrganisationTokensView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Which programs get in, with whose rights, until when, last used when; each can be shut out."""

    route_base = "/gestion-organisme/jetons"
    class_permission_name = "OrganisationTokens"
    permission_label = _l("Tokens of the organisation")
    default_view = "list"

    @expose("/")
    @has_access
    @permission_name("read")
    def list(self) -> ResponseReturnValue:
        """The live tokens, and how a program uses one."""
        number, size = page_asked()
        tokens, total = access_queries.tokens_of_organisation(_own_organisation_id(), page=number, size=size)
        granted = current_app.appbuilder.sm.granted(current_user)  # type: ignore[attr-defined]  # set by Flask-AppBuilder
        scopes = api.scopes_open_to(granted, of_organisation=True)
        page: str = self.render_template(
            "accounts/organisation_tokens.html",
            tokens=tokens,
            page=Page(number, size, total),
            scopes=scopes,
            scope_labels=scope_labels(),
            address=api.public_address(),
            lives=access.TOKEN_LIVES,
            most=access.TOKENS_AT_MOST,
            breadcrumb=[(_("Organisation management"), None), (_("Tokens of the interface (API)"), None)],
        )
        return page

    @expose("/<int:token_id>/revoquer", methods=("GET", "POST"))
    @has_access
    @permission_name("revoke")
    def revoke(self, token_id: int) -> ResponseReturnValue:
        """Revoke a token of any of the organisation's accounts, after asking."""
        found = access_queries.token_of_organisation(_own_organisation_id(), token_id)
        if found is None:
            abort(404)
        if request.method == "GET":
            page: str = self.render_template(
                "portal/confirm.html",
                heading=_("Revoke the token « %(name)s »", name=found.line.name),
                body=_("The programs that use it are refused from their next request on. This cannot be undone."),
                action_url=request.path,
                verb=_("Revoke the token"),
                cancel_url=url_for(".list"),
                breadcrumb=[(_("Organisation management"), None), (_("Tokens of the interface (API)"), url_for(".list")), (_("Revoke"), None)],
            )
            return page
        name = found.line.name
        if services.revoke_token_of_organisation(_own_organisation_id(), token_id, actor_id=current_user.id):
            flash(_("The token « %(name)s » has been revoked.", name=name), "success")
        else:
            flash(_("Nothing was changed: this token was revoked meanwhile."), "info")
        return redirect(url_for(".list"), 303)


def _own_organisation_id() -> int:
    """The organisation of the account signed in; 404 for those who have none."""
    if current_user.organisation_id is None:
        abort(404)
    return int(current_user.organisation_id)
