"""The console's acts on organisations: create one with its principal account, see its accounts, change its principal."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from wtforms.fields import SelectChoice

from app.accounts import domain, labels, queries, services
from app.accounts.domain import Refusal
from app.accounts.forms_console import NEW_PERSON, OrganisationForm, PrincipalForm
from app.accounts.models import Organisation, User
from app.core.requests import row_number


def organisation_or_404(organisation_id: int) -> Organisation:
    """An organisation the scope may see, or 404."""
    found = queries.organisation(organisation_id)
    if found is None:
        abort(404)
    return found


def console_crumbs(*more: tuple[Any, str | None]) -> list[tuple[Any, str | None]]:
    """The path of the console's pages."""
    return [(_("Security"), None), (_("Blocked accounts and account search"), url_for("AccountConsoleView.list")), *more]


class OrganisationCreationView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """ "Créer un organisme": the organisation and its principal account in one form."""

    route_base = "/comptes/organismes"
    class_permission_name = "OrganisationCreation"
    permission_label = _l("Creation of organisations and of their accounts")
    default_view = "create"

    @expose("/creer", methods=("GET", "POST"))
    @has_access
    @permission_name("create")
    def create(self) -> ResponseReturnValue:
        """One form, one transaction, one invitation."""
        form = OrganisationForm()
        if request.method == "POST" and form.validate():
            try:
                organisation, user = services.create_organisation_with_principal(form.card(), form.person(), actor_id=current_user.id)
            except services.OrganisationExists:
                form.siret.errors = [
                    _("« %(value)s » is already the SIRET of an organisation: search for it in the console.", value=domain.format_siret(form.siret.data))
                ]
            except services.AccountRefused:
                abort(403)
            else:
                flash(labels.organisation_created(organisation, user), "success")
                return redirect(url_for("PrincipalChangeView.show", organisation_id=organisation.id), 303)
        page = self.render_template(
            "accounts/organisation_create.html", form=form, breadcrumb=console_crumbs((_("Create an organisation and its principal account"), None))
        )
        return (page, 422) if form.errors else page


class PrincipalChangeView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """An organisation seen from the console, and its change of principal account."""

    route_base = "/comptes/organismes"
    class_permission_name = "PrincipalChange"
    permission_label = _l("Change of principal account")
    default_view = "show"

    @expose("/<int:organisation_id>")
    @has_access
    @permission_name("read")
    def show(self, organisation_id: int) -> ResponseReturnValue:
        """The organisation, its principal account and its secondary ones."""
        organisation = organisation_or_404(organisation_id)
        principal = queries.principal_account(organisation_id)
        return self.render_template(
            "accounts/organisation_console.html",
            organisation=organisation,
            principal=principal,
            secondaries=queries.successors(organisation_id, limit=100),
            labels=labels,
            format_siret=domain.format_siret,
            breadcrumb=console_crumbs((organisation.legal_name, None)),
        )

    @expose("/<int:organisation_id>/compte-principal", methods=("GET", "POST"))
    @has_access
    @permission_name("change")
    def change(self, organisation_id: int) -> ResponseReturnValue:
        """Choose who takes over, read the consequence, confirm."""
        organisation = organisation_or_404(organisation_id)
        former = queries.principal_account(organisation_id)
        candidates = queries.successors(organisation_id, limit=1000)
        form = PrincipalForm()
        ready = [user for user in candidates if domain.refusal_in_state(domain.Act.CHANGE_PRINCIPAL, user.facts) is None]
        form.who.choices = [
            SelectChoice("", _("Choose…")),
            *(SelectChoice(str(user.id), _candidate(user)) for user in ready),
            SelectChoice(NEW_PERSON, _("A new person")),
        ]
        if request.method == "GET":
            form.former_id.data = str(former.id) if former is not None else ""
        elif form.validate():
            done = self._hand_over(organisation_id, form)
            if done is not None:
                return done
        page = self.render_template(
            "accounts/principal_change.html",
            organisation=organisation,
            former=former,
            form=form,
            labels=labels,
            not_ready=[user for user in candidates if user not in ready],
            breadcrumb=console_crumbs(
                (organisation.legal_name, url_for(".show", organisation_id=organisation_id)), (_("Change the principal account"), None)
            ),
        )
        return (page, 422) if form.errors else page

    @staticmethod
    def _hand_over(organisation_id: int, form: PrincipalForm) -> ResponseReturnValue | None:
        new = form.who.data == NEW_PERSON
        try:
            done = services.change_principal(
                organisation_id,
                actor_id=current_user.id,
                expected_former_id=row_number(form.former_id.data),
                successor_id=None if new else int(form.who.data),
                person=form.person() if new else None,
                deactivate_former=form.former.data == "deactivated",
            )
        except services.SuccessorNotReady:
            form.former.errors = [
                _("Whoever takes over has no password yet, and nobody could manage the organisation meanwhile: deactivate the former account later.")
            ]
            return None
        except services.AccountNotFound:
            abort(404)
        except services.AccountRefused as error:
            if error.refusal is not Refusal.WRONG_STATE:
                abort(403)
            flash(
                _(
                    "Nothing was changed: the accounts of this organisation have changed meanwhile. "
                    "See where they stand, then do it again if it still makes sense."
                ),
                "warning",
            )
            return redirect(url_for(".change", organisation_id=organisation_id), 303)
        flash(labels.principal_changed(done.organisation, done.successor, invited=new), "success")
        return redirect(url_for(".show", organisation_id=organisation_id), 303)


def _candidate(user: User) -> str:
    words = f"{labels.manager(user)} — {user.username}"
    return words if user.password is not None else _("%(account)s (no password chosen yet)", account=words)


__all__ = ["OrganisationCreationView", "PrincipalChangeView", "console_crumbs", "organisation_or_404"]
