"""What leaves of the lists of accounts, and how an account is read when a file is prepared for it in the background."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from flask import abort, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy import Select, select
from sqlalchemy.orm import defer, joinedload, selectinload
from werkzeug.datastructures import MultiDict

from app.accounts import exports_history, labels, mandates, queries
from app.accounts.access import queries as access_queries
from app.accounts.domain import delegation_state
from app.accounts.models import ApiToken, Organisation, User
from app.accounts.queries import Shown
from app.core import clock
from app.core.exports.registry import Asked, ListColumn, RowList, SystemList, of_row, words
from app.core.extensions import db
from app.core.requests import row_number
from app.core.tabular.writing import ColumnKind
from app.core.tenancy import Scope

_STATE: Final = (
    of_row("statut", _l("Account status"), lambda user: labels.status(user)[0], width=14),
    of_row("blocage", _l("Account blocking"), lambda user: labels.blocking(user)[0], width=14),
    of_row("pourquoi", _l("Why it cannot sign in"), labels.why_closed, width=30),
)
_WHO: Final = (
    of_row("gestionnaire", _l("Account manager"), labels.manager, width=30),
    of_row("identifiant", _l("Identifiant"), lambda user: user.username, width=16),
    of_row("courriel", _l("Access e-mail"), lambda user: user.email, width=30),
)


class _Accounts(RowList):
    """What both lists show of an account."""

    personal = True
    private_words = frozenset({"q"})

    def loads(self) -> Sequence[Any]:
        """Roles and organisation."""
        return (selectinload(User.roles), joinedload(User.organisation))


class ConsoleList(_Accounts):
    """« Comptes bloqués et recherche de compte », narrowed as it is."""

    key = "comptes"
    title = _l("Export of the accounts")
    permission = ("can_read", "AccountConsole")
    menu = "AccountConsoleView.list"
    lead = _l("One line for each account of the list.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The search of the console."""
        from app.accounts.views.common import SHOWN, searched

        typed, organisation = searched(args), None
        if asked := args.get("organisme", ""):
            number = row_number(asked)
            organisation = queries.organisation(number) if number is not None else None
            if organisation is None:
                abort(404)
        default = Shown.ALL if typed or organisation else Shown.BLOCKED
        shown = next((item for item in Shown if item == args.get("etat")), default)
        kept: dict[str, Any] = {"q": typed or None, "etat": shown.value, "organisme": organisation.id if organisation else None}
        said: list[tuple[Any, Any]] = [(_("Accounts shown"), SHOWN[shown])]
        said += [(_("Search"), typed)] if typed else []
        said += [(_("Organisation"), organisation.legal_name)] if organisation else []
        return Asked((typed, shown, kept["organisme"]), words(**kept), said, url_for("AccountConsoleView.list", **kept))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the console."""
        return [(_("Security"), None), (_("Blocked accounts and account search"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the console."""
        return (
            *_WHO,
            of_row("organisme", _l("Organisation"), labels.organisation_of, width=30),
            of_row("siret", _l("SIRET"), lambda user: user.organisation.siret if user.organisation is not None else None, width=16),
            *_STATE,
        )

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """In the order of the console."""
        typed, shown, organisation_id = asked.narrowed
        return queries.accounts_statement(typed, shown, organisation_id)


class SecondaryList(_Accounts):
    """« Comptes utilisateurs » of one's own organisation."""

    key = "comptes-secondaires"
    title = _l("Export of the secondary accounts")
    permission = ("can_read", "OrganisationAccounts")
    menu = "OrganisationAccountsView.list"
    lead = _l("One line for each secondary account of your organisation.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The search and the order of the list."""
        from app.accounts.views.common import searched

        if current_user.organisation_id is None:
            abort(404)
        typed, sort, order = searched(args), args.get("sort", ""), args.get("order")
        kept: dict[str, Any] = {"q": typed or None, "sort": sort if sort in queries.SORTS else None, "order": "desc" if order == "desc" else None}
        said = [(_("Search"), typed)] if typed else []
        narrowed = (current_user.organisation_id, typed, sort, order == "desc")
        return Asked(narrowed, words(**kept), said, url_for("OrganisationAccountsView.list", **kept))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the list."""
        return [(_("Organisation management"), None), (_("User accounts"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the list."""
        return (*_WHO, *_STATE, of_row("droits_reduits", _l("Narrowed rights"), labels.is_narrowed, width=10))

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """In the order of the list."""
        organisation_id, typed, sort, descending = asked.narrowed
        return queries.secondary_statement(organisation_id, typed=typed, sort=sort, descending=descending)


class TokenList(SystemList):
    """« Jetons d'API »: what the page shows of the live tokens; neither a token nor its digest is ever read."""

    key = "jetons"
    title = _l("Export of the tokens of the interface")
    permission = ("can_read", "OrganisationTokens")
    personal = True
    menu = "OrganisationTokensView.list"
    lead = _l("One line for each token that opens something today, the newest first; no token can be read from the file.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """Nothing narrows this list but whose it is, which is its wall: tokens are read in the system's scope."""
        return Asked(_own_organisation_id(), back=url_for("OrganisationTokensView.list"))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the list."""
        return [(_("Organisation management"), None), (_("Tokens of the interface (API)"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the list."""
        from app.accounts.views.tokens import scope_labels

        scopes = scope_labels()
        return (
            of_row("nom", _l("Name"), lambda one: one.line.name, width=30),
            of_row("compte", _l("Account"), lambda one: one.holder, width=30),
            of_row("debut", _l("Begins with"), lambda one: one.line.prefix, width=14),
            of_row("portees", _l("Scopes"), lambda one: " ; ".join(scopes.get(name, name) for name in one.line.scopes), width=40),
            of_row("reseaux", _l("Networks"), lambda one: " ; ".join(one.line.networks) or _("from anywhere"), width=24),
            of_row("expire_le", _l("Expires on"), lambda one: one.line.expires_at, ColumnKind.DATE),
            of_row("dernier_usage", _l("Last use"), lambda one: one.line.last_used_at, width=18),
            of_row("dernier_reseau", _l("Address of the last use"), lambda one: one.line.last_used_ip, width=18),
        )

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """The newest first, as the list."""
        return access_queries.tokens_statement(asked.narrowed)

    def loads(self) -> Sequence[Any]:
        """The digests stay where they are."""
        return (defer(ApiToken.token_hash, raiseload=True),)

    def told(self, rows: Sequence[Any]) -> Sequence[Any]:
        """With whose they are."""
        return access_queries.with_holders(rows)


class DelegationList(RowList):
    """« Délégations de l'organisme »."""

    key = "delegations"
    title = _l("Export of the delegations")
    permission = ("can_manage", "Delegations")
    personal = True
    menu = "DelegationsView.list"
    lead = _l("One line for each delegation of your organisation: those of now, to come and past.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """Nothing narrows this list."""
        return Asked(_own_organisation_id(), back=url_for("DelegationsView.list"))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the list."""
        return [(_("Organisation management"), None), (_("Delegation"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the list, and when it ended before its last day."""
        today = clock.today()

        def state(found: Any) -> str:
            one = found[0]
            return labels.delegation_state(delegation_state(starts_on=one.starts_on, ends_on=one.ends_on, ended_at=one.ended_at, today=today))[0]

        return (
            of_row("donnee_a", _l("Delegated to"), lambda found: labels.manager(found[2]), width=30),
            of_row("par", _l("By"), lambda found: labels.manager(found[1]), width=30),
            of_row("du", _l("From"), lambda found: found[0].starts_on, ColumnKind.DATE),
            of_row("au", _l("Until (included)"), lambda found: found[0].ends_on, ColumnKind.DATE),
            of_row("etat", _l("State"), state),
            of_row("fin", _l("Ended on"), lambda found: found[0].ended_at, width=18),
        )

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """In the order of the list."""
        return queries.delegations_statement(asked.narrowed)

    def prepared(self, rows: Sequence[Any], asked: Asked) -> Sequence[Any]:
        """With who gave and who received."""
        return queries.with_parties(rows)


def _own_organisation_id() -> int:
    if current_user.organisation_id is None:
        abort(404)
    return int(current_user.organisation_id)


LISTS: Final = (ConsoleList(), SecondaryList(), TokenList(), DelegationList(), *exports_history.LISTS)


def read_account(user_id: int) -> tuple[User, Scope] | None:
    """An account with its roles, organisation, mandate and scope, as ``sessions.find`` gives it; None when it may not sign in by now."""
    from app.accounts.conditions import account_open
    from app.accounts.security import scope_of

    statement = (
        select(User, mandates.column(clock.to_local(clock.now()).date()))
        .outerjoin(Organisation, Organisation.id == User.organisation_id)
        .where(User.id == user_id, *account_open(), (User.organisation_id.is_(None)) | Organisation.active.is_(True))
        .options(joinedload(User.roles), joinedload(User.organisation))
        .execution_options(populate_existing=True)
    )
    row = db.session.execute(statement).unique().one_or_none()
    if row is None:
        return None
    user: User = row[0]
    user.mandate = mandates.read(row[1])
    return user, scope_of(user)
