"""The table of contents of the feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import current_app, g
from flask_babel import lazy_gettext as _l
from flask_login import current_user

if TYPE_CHECKING:
    from flask import Response
    from flask_appbuilder import AppBuilder

    from app.core.ui import SearchHit
    from app.core.ui.banner import Banner


def register(appbuilder: AppBuilder) -> None:
    """Add the screens, the menu, the sentences of constraints, the commands and the periodic jobs."""
    from app.accounts import api, commands, exports, names, observations, queries
    from app.accounts.access.factor import NEXT_SECRET, SECRET, secret_aad
    from app.accounts.hooks import account_links
    from app.accounts.models import SecondFactor
    from app.accounts.services import AccountChanged
    from app.core.exports.account import register_account_reader
    from app.core.exports.registry import register_list
    from app.core.logs import register_secret_address
    from app.core.people import register_account_names
    from app.core.presence import register_editor_names
    from app.core.rotation import register_encrypted_column
    from app.core.ui import SearchProvider, register_organisation_name, register_search
    from app.core.ui.banner import register_banner
    from app.core.ui.error_pages import register_refusal

    names.register_names()
    _register_screens(appbuilder)
    _register_console(appbuilder)
    _register_menu()
    _register_constraints()
    _register_jobs()
    register_secret_address("/acces/", public=("identifiants", "nouveau-lien", "courriel"))
    register_secret_address("/acces/courriel/")
    register_encrypted_column(SecondFactor, SECRET, lambda row: secret_aad(row["seal_uid"]))
    register_encrypted_column(SecondFactor, NEXT_SECRET, lambda row: secret_aad(row["seal_uid"], NEXT_SECRET))
    api.register()
    current_app.jinja_env.globals["account_links"] = account_links
    register_banner("delegation", _acting_for)
    register_refusal(_missing_function)
    current_app.register_error_handler(AccountChanged, _account_changed)
    register_organisation_name(_organisation_name)
    register_account_names(queries.names_of)
    register_account_reader(exports.read_account)
    for one in exports.LISTS:
        register_list(one)
    observations.hide_from_observers("Exports", trainees=False)
    register_editor_names(queries.editors_of)
    register_search(SearchProvider("accounts", _l("Accounts"), _find_accounts, permission=("can_read", "AccountConsole"), order=80))
    commands.init_app(current_app._get_current_object(), appbuilder)  # type: ignore[attr-defined]  # LocalProxy


def _register_screens(appbuilder: AppBuilder) -> None:
    """One's own account, the ways in, the organisation's accounts."""
    from app.accounts.views.access import AccessView
    from app.accounts.views.console import AccountConsoleView
    from app.accounts.views.delegations import DelegationsView
    from app.accounts.views.my_account import MyAccountView
    from app.accounts.views.organisation import MyOrganisationView, OrganisationAccountsView
    from app.accounts.views.organisation_tokens import OrganisationTokensView
    from app.accounts.views.organisations import OrganisationView
    from app.accounts.views.second_factor import FactorResetView, SecondFactorView
    from app.accounts.views.tokens import TokensView
    from app.core.fab import add_list

    for view in (MyOrganisationView, OrganisationAccountsView, AccountConsoleView, DelegationsView, SecondFactorView, TokensView, FactorResetView):
        appbuilder.add_view_no_menu(view)
    appbuilder.add_view_no_menu(OrganisationTokensView)
    # Refusals are braked as at sign-in: a form that says "already taken" must not serve to list identifiants.
    for view in (appbuilder.add_view_no_menu(MyAccountView), appbuilder.add_view_no_menu(AccessView)):
        if appbuilder.sm.is_auth_limited:
            appbuilder.sm.limiter.limit(appbuilder.sm.auth_rate_limit, methods=["POST"], deduct_when=lambda answer: answer.status_code >= 400)(view.blueprint)
    add_list(appbuilder, OrganisationView, order=30)


def _register_menu() -> None:
    from app.accounts.views.organisation import GROUP
    from app.core.ui import register_menu

    register_menu(group=GROUP, label=_l("My organisation"), endpoint="MyOrganisationView.show", permission=("can_read", "MyOrganisation"), order=10)
    register_menu(
        group=GROUP,
        label=_l("User accounts"),
        endpoint="OrganisationAccountsView.list",
        permission=("can_read", "OrganisationAccounts"),
        order=20,
    )
    register_menu(group=GROUP, label=_l("Delegation"), endpoint="DelegationsView.list", permission=("can_manage", "Delegations"), order=30)
    register_menu(
        group=GROUP, label=_l("Tokens of the interface (API)"), endpoint="OrganisationTokensView.list", permission=("can_read", "OrganisationTokens"), order=35
    )
    register_menu(
        group="Sécurité",
        label=_l("Blocked accounts and account search"),
        endpoint="AccountConsoleView.list",
        permission=("can_read", "AccountConsole"),
        order=10,
    )


def _register_constraints() -> None:
    from app.core.errors_db import register_constraint

    register_constraint("uq_organisation_siret", _l("Another organisation has this SIRET."), field="siret")
    register_constraint("ck_organisation_siret_digits", _l("A SIRET has 14 digits."), field="siret")
    register_constraint("ck_organisation_legal_name_given", _l("Give the legal name."), field="legal_name")
    register_constraint("uq_ab_user_username_lower", _l("This identifiant is already taken."), field="username")
    register_constraint("uq_ab_user_username", _l("This identifiant is already taken."), field="username")
    register_constraint("uq_ab_user_principal", _l("This organisation already has a principal account."))
    register_constraint("organisation_keeps_a_principal", _l("This is the last account that manages the organisation: give the role to someone else first."))
    register_constraint("ex_delegation_overlap", _l("Another delegation is under way on these days."), field="starts_on")
    register_constraint("ck_delegation_dates", _l("The last day comes before the first."), field="ends_on")


def _register_jobs() -> None:
    from app.core.jobs import register_periodic

    register_periodic(
        name="purge-sign-in-data",
        func="app.accounts.jobs:purge_sign_in_data",
        cron="17 3 * * *",
        label=_l("Delete sign-in attempts and sessions older than a year"),
    )
    register_periodic(
        name="answer-recoveries",
        func="app.accounts.jobs:answer_waiting_recoveries",
        every=30,
        queue="mail",
        label=_l("Answer the requests for a new password whose job was lost"),
    )
    register_periodic(
        name="tell-blocked",
        func="app.accounts.jobs:tell_blocked",
        every=15,
        queue="mail",
        label=_l("Tell the holders of accounts that have just been blocked"),
    )


def _register_console(appbuilder: AppBuilder) -> None:
    """The console's acts on organisations, the journal of accounts, account hygiene."""
    from app.accounts import observations
    from app.accounts.models import AccountBatch
    from app.accounts.services.bulk import batch_aad
    from app.accounts.views.bulk import BulkAccountsView
    from app.accounts.views.history import AccountHistoryView, OrganisationHistoryView
    from app.accounts.views.observation import ObservationView
    from app.accounts.views.organisation import GROUP
    from app.accounts.views.organisation_console import OrganisationCreationView, PrincipalChangeView
    from app.accounts.views.review import AccountReviewView
    from app.core.jobs import register_periodic
    from app.core.rotation import register_encrypted_column
    from app.core.ui import register_menu
    from app.core.ui.banner import register_banner

    views = (OrganisationCreationView, PrincipalChangeView, BulkAccountsView, AccountHistoryView, OrganisationHistoryView, AccountReviewView, ObservationView)
    for view in views:
        appbuilder.add_view_no_menu(view)
    register_banner("observation", observations.banner)
    observations.hide_from_observers("MyAccount", trainees=False)
    register_menu(
        group="Sécurité",
        label=_l("Create an organisation"),
        endpoint="OrganisationCreationView.create",
        permission=("can_create", "OrganisationCreation"),
        order=20,
    )
    register_menu(
        group="Sécurité", label=_l("Create accounts from a file"), endpoint="BulkAccountsView.index", permission=("can_create", "BulkAccounts"), order=25
    )
    register_encrypted_column(AccountBatch, "data", lambda row: batch_aad(row["seal_uid"]))
    register_periodic(
        name="sweep-account-files", func="app.accounts.jobs:sweep_batches", every=300, label=_l("Invitations of files of accounts, and files that expired")
    )
    register_periodic(
        name="close-observations", func="app.accounts.jobs:close_observations", every=300, label=_l("Write down the end of observations that ran out")
    )
    register_menu(group="Sécurité", label=_l("Account history"), endpoint="AccountHistoryView.list", permission=("can_read", "AccountHistory"), order=30)
    register_menu(group=GROUP, label=_l("Account history"), endpoint="OrganisationHistoryView.list", permission=("can_read", "OrganisationHistory"), order=40)
    register_menu(group=GROUP, label=_l("Review of accounts"), endpoint="AccountReviewView.show", permission=("can_read", "AccountReview"), order=50)
    register_periodic(
        name="review-accounts",
        func="app.accounts.jobs:review_accounts",
        cron="11 4 * * *",
        label=_l("Open the yearly reviews of accounts, and remind of those that wait"),
    )
    register_periodic(
        name="close-unused-accounts",
        func="app.accounts.jobs:close_unused_accounts",
        cron="41 4 * * 1",
        label=_l("Announce, then deactivate, the accounts unused for 12 months"),
    )


def _find_accounts(text: str, limit: int) -> list[SearchHit]:
    """Accounts for the quick search of support and the Région."""
    from flask import url_for

    from app.accounts import labels, queries
    from app.core.ui import SearchHit

    users, _total = queries.find_accounts(text, queries.Shown.ALL, page=1, size=limit)
    return [
        SearchHit(
            title=labels.manager(user),
            href=url_for("AccountConsoleView.show", user_id=user.id),
            detail=f"{user.username} · {labels.organisation_of(user)}",
            badge=labels.blocking(user)[0] if labels.why_closed(user) and labels.blocking(user)[1] == "danger" else None,
            tone="danger",
        )
        for user in users
    ]


def _account_changed(_error: Exception) -> Response:
    """The account was closed or regenerated while something was being asked of it: its sessions have ended, and nothing was done."""
    from flask import flash
    from flask_babel import gettext as _

    from app.core.ui.error_pages import leave_to_sign_in

    flash(_("Your account has just been changed by somebody else: nothing of what you asked was done. Sign in again."), "warning")
    return leave_to_sign_in()


def _acting_for() -> Banner | None:
    """The line on top of every page of somebody who stands in for the principal."""
    from app.accounts import labels
    from app.core.ui.banner import Banner

    text = labels.banner(current_user) if current_user.is_authenticated else None
    return None if text is None else Banner(text)


def _missing_function() -> tuple[str, str] | None:
    """Why a page is refused to an account whose rights were narrowed, and who can give it."""
    from app.accounts import labels

    function = g.get("missing_function")
    return None if function is None else labels.missing_function(function)


def _organisation_name() -> str | None:
    organisation = getattr(current_user, "organisation", None)
    return None if organisation is None else str(organisation.legal_name)
