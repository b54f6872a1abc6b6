"""The table of contents of the feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import current_app, g
from flask_babel import lazy_gettext as _l
from flask_login import current_user

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder

    from app.core.ui import SearchHit


def register(appbuilder: AppBuilder) -> None:
    """Add the screens, the menu, the sentences of constraints, the commands and the periodic job."""
    from app.accounts import api, commands, names, queries
    from app.accounts.access.factor import secret_aad
    from app.accounts.hooks import account_links
    from app.accounts.models import SecondFactor
    from app.accounts.views.access import AccessView
    from app.accounts.views.console import AccountConsoleView
    from app.accounts.views.delegations import DelegationsView
    from app.accounts.views.my_account import MyAccountView
    from app.accounts.views.organisation import GROUP, MyOrganisationView, OrganisationAccountsView
    from app.accounts.views.organisations import OrganisationView
    from app.accounts.views.second_factor import FactorResetView, SecondFactorView
    from app.accounts.views.tokens import TokensView
    from app.core.errors_db import register_constraint
    from app.core.fab import add_list
    from app.core.jobs import register_periodic
    from app.core.logs import register_secret_address
    from app.core.people import register_account_names
    from app.core.rotation import register_encrypted_column
    from app.core.ui import SearchProvider, register_banner, register_menu, register_organisation_name, register_search
    from app.core.ui.error_pages import register_refusal

    names.register_names()
    appbuilder.add_view_no_menu(MyOrganisationView)
    appbuilder.add_view_no_menu(OrganisationAccountsView)
    appbuilder.add_view_no_menu(AccountConsoleView)
    appbuilder.add_view_no_menu(DelegationsView)
    my_account = appbuilder.add_view_no_menu(MyAccountView)
    access = appbuilder.add_view_no_menu(AccessView)
    if appbuilder.sm.is_auth_limited:
        # Refusals are braked as at sign-in: a form that says "already taken" must not serve to list identifiants.
        for view in (access, my_account):
            appbuilder.sm.limiter.limit(appbuilder.sm.auth_rate_limit, methods=["POST"], deduct_when=lambda answer: answer.status_code >= 400)(view.blueprint)
    register_secret_address("/acces/", public=("identifiants", "nouveau-lien"))
    appbuilder.add_view_no_menu(SecondFactorView)
    appbuilder.add_view_no_menu(TokensView)
    appbuilder.add_view_no_menu(FactorResetView)
    add_list(appbuilder, OrganisationView, order=30)

    register_encrypted_column(SecondFactor, "secret", lambda row: secret_aad(row["seal_uid"]))
    api.register()

    register_menu(group=GROUP, label=_l("My organisation"), endpoint="MyOrganisationView.show", permission=("can_read", "MyOrganisation"), order=10)
    register_menu(
        group=GROUP,
        label=_l("User accounts"),
        endpoint="OrganisationAccountsView.list",
        permission=("can_read", "OrganisationAccounts"),
        order=20,
    )
    register_menu(group=GROUP, label=_l("Delegation"), endpoint="DelegationsView.list", permission=("can_manage", "Delegations"), order=30)
    current_app.jinja_env.globals["account_links"] = account_links
    register_banner(_acting_for)
    register_refusal(_missing_function)
    register_menu(
        group="Sécurité",
        label=_l("Blocked accounts and account search"),
        endpoint="AccountConsoleView.list",
        permission=("can_read", "AccountConsole"),
        order=10,
    )
    register_organisation_name(_organisation_name)
    register_account_names(queries.names_of)
    register_search(SearchProvider("accounts", _l("Accounts"), _find_accounts, permission=("can_read", "AccountConsole"), order=80))

    register_constraint("uq_organisation_siret", _l("Another organisation has this SIRET."), field="siret")
    register_constraint("ck_organisation_siret_digits", _l("A SIRET has 14 digits."), field="siret")
    register_constraint("ck_organisation_legal_name_given", _l("Give the legal name."), field="legal_name")
    register_constraint("uq_ab_user_username_lower", _l("This identifiant is already taken."), field="username")
    register_constraint("uq_ab_user_username", _l("This identifiant is already taken."), field="username")

    register_constraint("uq_ab_user_principal", _l("This organisation already has a principal account."))
    register_constraint("organisation_keeps_a_principal", _l("This is the last account that manages the organisation: give the role to someone else first."))
    register_constraint("ex_delegation_overlap", _l("Another delegation is under way on these days."), field="starts_on")
    register_constraint("ck_delegation_dates", _l("The last day comes before the first."), field="ends_on")

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
    commands.init_app(current_app._get_current_object(), appbuilder)  # type: ignore[attr-defined]  # LocalProxy


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


def _acting_for() -> str | None:
    """The line on top of every page of somebody who stands in for the principal."""
    from app.accounts import labels

    return labels.banner(current_user) if current_user.is_authenticated else None


def _missing_function() -> tuple[str, str] | None:
    """Why a page is refused to an account whose rights were narrowed, and who can give it."""
    from app.accounts import labels

    function = g.get("missing_function")
    return None if function is None else labels.missing_function(function)


def _organisation_name() -> str | None:
    organisation = getattr(current_user, "organisation", None)
    return None if organisation is None else str(organisation.legal_name)
