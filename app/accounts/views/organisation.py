""" "Gestion organisme": the organisation's card and its secondary accounts, for its principal account (guide 004)."""

from __future__ import annotations

from flask import abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.accounts import act_labels, domain, labels, queries, services
from app.accounts.domain import Act
from app.accounts.forms import AccountForm
from app.accounts.models import Organisation, User
from app.accounts.views.acts import AccountActs, Crumbs, holder_of, leave_for, offered
from app.accounts.views.common import page_asked, typed_in
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


class OrganisationAccountsView(AccountActs, BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """ "Comptes utilisateurs"."""

    route_base = "/gestion-organisme/comptes"
    class_permission_name = "OrganisationAccounts"
    permission_label = _l("User accounts")
    default_view = "list"

    def home(self) -> str:
        """The list."""
        return url_for("OrganisationAccountsView.list")

    def back(self, user: User) -> str:
        """The list: a principal has no page for one account."""
        return self.home()

    def path(self, user: User | None, last: str) -> Crumbs:
        """« Gestion organisme » Comptes utilisateurs » … »."""
        return [(_("Organisation management"), None), (_("User accounts"), self.home()), (last, None)]

    @expose("/")
    @has_access
    @permission_name("read")
    def list(self) -> ResponseReturnValue:
        """INFORMATIONS DU COMPTE PRINCIPAL, INFORMATIONS DES COMPTES SECONDAIRES."""
        organisation = _own_organisation()
        number, size = page_asked()
        typed, sort = typed_in(), request.args.get("sort", "name")
        users, total = queries.secondary_accounts(
            organisation.id, page=number, size=size, typed=typed, sort=sort, descending=request.args.get("order") == "desc"
        )
        return self.render_template(
            "accounts/secondary_accounts.html",
            organisation=organisation,
            principal=queries.principal_account(organisation.id),
            users=users,
            offers={user.id: offered(user) for user in users},
            acts=Act,
            words=act_labels.WORDS,
            page=Page(number, size, total),
            typed=typed,
            labels=labels,
            blocked_colleagues=queries.count_blocked(),
            format_siret=domain.format_siret,
            breadcrumb=[(_("Organisation management"), None), (_("User accounts"), None)],
        )

    @expose("/nouveau", methods=("GET", "POST"))
    @has_access
    @permission_name("create")
    def create(self) -> ResponseReturnValue:
        """Créer un nouveau compte: in a dialog when scripts run, on a page of its own otherwise (guide 004 §1)."""
        organisation = _own_organisation()
        if request.method == "GET":
            form = AccountForm(formdata=None)
            form.new_once()
            return self._form(form, organisation, None)
        form = AccountForm()
        if not form.validate():
            return self._form(form, organisation, None), 422
        try:
            made = services.invite_account(organisation.id, holder_of(form), actor_id=current_user.id, once=form.once.data or None)
        except services.AlreadyInvited as error:
            form.email.errors = [
                _("This person already has an account with this address, under the identifiant %(identifiant)s.", identifiant=error.identifiant)
            ]
            return self._form(form, organisation, None), 422
        except services.AccountRefused:
            abort(403)
        flash(act_labels.created(made.user), "success")
        return leave_for(self.home())
