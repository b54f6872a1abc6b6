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
from sqlalchemy.orm import joinedload, selectinload
from werkzeug.datastructures import MultiDict

from app.accounts import labels, mandates, queries
from app.accounts.models import Organisation, User
from app.accounts.queries import Shown
from app.core import clock
from app.core.exports.registry import Asked, ListColumn, RowList, of_row, words
from app.core.extensions import db
from app.core.requests import row_number
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


LISTS: Final = (ConsoleList(), SecondaryList())


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
