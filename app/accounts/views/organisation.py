""" "Gestion organisme": the organisation's card and its secondary accounts, for its principal account (guide 004)."""

from __future__ import annotations

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.accounts import domain, labels, queries
from app.accounts.models import Organisation
from app.accounts.views.common import ask_to_unblock, page_asked, unblock
from app.core.ui import Page

GROUP = "Gestion organisme"


def _own_organisation() -> Organisation:
    """The organisation of the account signed in; 404 for those who have none."""
    if current_user.organisation_id is None:
        abort(404)
    found = queries.organisation(current_user.organisation_id)
    if found is None:
        abort(404)
    return found


class MyOrganisationView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """ "Ma fiche organisme"."""

    route_base = "/gestion-organisme/fiche"
    class_permission_name = "MyOrganisation"
    permission_label = _l("My organisation")
    default_view = "show"

    @expose("/")
    @has_access
    @permission_name("read")
    def show(self) -> ResponseReturnValue:
        """The organisation and INFORMATIONS DU COMPTE PRINCIPAL."""
        organisation = _own_organisation()
        return self.render_template(
            "accounts/organisation.html",
            organisation=organisation,
            principal=queries.principal_account(organisation.id),
            labels=labels,
            format_siret=domain.format_siret,
            breadcrumb=[(_("Organisation management"), None), (_("My organisation"), None)],
        )


class OrganisationAccountsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """ "Comptes utilisateurs"."""

    route_base = "/gestion-organisme/comptes"
    class_permission_name = "OrganisationAccounts"
    permission_label = _l("User accounts")
    default_view = "list"

    @expose("/")
    @has_access
    @permission_name("read")
    def list(self) -> ResponseReturnValue:
        """INFORMATIONS DES COMPTES SECONDAIRES."""
        organisation = _own_organisation()
        number, size = page_asked()
        users, total = queries.secondary_accounts(organisation.id, page=number, size=size)
        return self.render_template(
            "accounts/secondary_accounts.html",
            organisation=organisation,
            users=users,
            page=Page(number, size, total),
            labels=labels,
            is_blocked=domain.is_blocked,
            format_siret=domain.format_siret,
            breadcrumb=[(_("Organisation management"), None), (_("User accounts"), None)],
        )

    @expose("/<int:user_id>/debloquer", methods=("GET", "POST"))
    @has_access
    @permission_name("unblock")
    def unblock(self, user_id: int) -> ResponseReturnValue:
        """Unblock a secondary account, after asking."""
        back = url_for(".list")
        if request.method == "POST":
            return unblock(user_id, back)
        return ask_to_unblock(self, user_id, back, breadcrumb=[(_("Organisation management"), None), (_("User accounts"), back), (_("Unblock"), None)])
