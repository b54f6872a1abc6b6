"""Reads of accounts and organisations, within the scope of whoever asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from flask_appbuilder.security.sqla.models import Role as RoleRow
from sqlalchemy import ColumnElement, Select, and_, false, func, literal, literal_column, or_, select, union
from sqlalchemy.orm import joinedload, selectinload

from app.accounts import domain, labels
from app.accounts.models import AccountReview, ApiToken, Delegation, Organisation, User
from app.core import clock
from app.core.extensions import db
from app.core.roles import Role
from app.core.tenancy import current_scope
from app.core.textsearch import MAX_WORDS, fold, fold_sql

OPEN: Final = and_(User.active.is_(True), User.deactivated_at.is_(None), User.deleted_at.is_(None))
_BLOCKED: Final = or_(User.blocked_at.is_not(None), User.failed_attempts >= domain.MAX_FAILED_ATTEMPTS)


class Shown(StrEnum):
    """Which accounts the console lists."""

    BLOCKED = "blocked"
    INACTIVE = "inactive"
    PENDING = "pending"
    UNUSED = "unused"
    ALL = "all"


#: Conditions of the console's filters.
_STATES: Final[dict[Shown, ColumnElement[bool]]] = {
    Shown.BLOCKED: _BLOCKED,
    Shown.INACTIVE: or_(User.active.is_(False), User.deactivated_at.is_not(None)),
    Shown.PENDING: and_(OPEN, User.password.is_(None)),
}


def last_use() -> ColumnElement[datetime]:
    """When an account was last used: sign-in, choice of a password, use of a token; else when it was made."""
    tokens = select(func.max(ApiToken.last_used_at)).where(ApiToken.user_id == User.id).correlate(User).scalar_subquery()
    return func.greatest(User.last_sign_in_at, User.password_changed_at, func.timezone("UTC", User.created_on), tokens)


def unused_since(moment: datetime) -> ColumnElement[bool]:
    """Open accounts last used before ``moment``."""
    return and_(
        OPEN,
        or_(User.last_sign_in_at.is_(None), User.last_sign_in_at < moment),  # cheap, and most accounts end here
        last_use() < moment,
    )


def account(user_id: int) -> User | None:
    """An account the scope may see, with roles and organisation; None otherwise."""
    return db.session.scalars(_with_details(select(User).where(User.id == user_id))).unique().one_or_none()


def organisation(organisation_id: int) -> Organisation | None:
    """An organisation the scope may see."""
    return db.session.scalar(select(Organisation).where(Organisation.id == organisation_id))


def principal_account(organisation_id: int) -> User | None:
    """The account that manages the organisation (the oldest open one, should there be several)."""
    statement = (
        select(User)
        .where(User.organisation_id == organisation_id, User.deleted_at.is_(None), _holds(Role.PRINCIPAL))
        .order_by(User.active.desc(), User.id)
        .limit(1)
    )
    return db.session.scalar(statement)


def has_active_principal(organisation_id: int) -> bool:
    """Whether a principal account of the organisation is neither asleep nor deleted: what the database keeps of an open one."""
    statement = select(literal(True)).where(
        User.organisation_id == organisation_id,
        User.is_principal.is_(True),
        User.active.is_(True),
        User.deactivated_at.is_(None),
        User.deleted_at.is_(None),
    )
    return db.session.scalar(statement.limit(1)) is not None


_BY_NAME: Final = (func.lower(User.last_name), func.lower(User.first_name))
#: What the list of secondary accounts can be sorted by.
SORTS: Final[dict[str, tuple[ColumnElement[Any], ...]]] = {
    "name": _BY_NAME,
    "username": (func.lower(User.username),),
    "email": (func.lower(User.email), *_BY_NAME),
}


def secondary_accounts(organisation_id: int, *, page: int, size: int, typed: str = "", sort: str = "name", descending: bool = False) -> tuple[list[User], int]:
    """A page of INFORMATIONS DES COMPTES SECONDAIRES, by name unless told otherwise, and how many there are (guide 004 §2).

    ``typed`` narrows it to those of whose name, identifiant or address each word typed begins a word.
    """
    statement = secondary_statement(organisation_id, typed=typed, sort=sort, descending=descending)
    total = int(db.session.scalar(statement.order_by(None).with_only_columns(func.count())) or 0)
    return _page(_with_details(statement), page, size), total


def secondary_statement(organisation_id: int, *, typed: str = "", sort: str = "name", descending: bool = False) -> Select[Any]:
    """All of them, in the order of the list."""
    condition = (
        User.organisation_id == organisation_id,
        User.deleted_at.is_(None),
        ~_holds(Role.PRINCIPAL),
        *(_PERSON.contains(f" {word}", autoescape=True) for word in fold(typed).split()[:MAX_WORDS]),
    )
    order = [*SORTS.get(sort, _BY_NAME), User.id]
    return select(User).where(*condition).order_by(*((one.desc() for one in order) if descending else order))


def accounts_after(organisation_id: int, *, after: int, size: int) -> list[User]:
    """Accounts of an organisation in the order of their number, beginning after ``after``."""
    statement = (
        select(User)
        .where(User.organisation_id == organisation_id, User.deleted_at.is_(None), User.id > after)
        .options(selectinload(User.roles))
        .order_by(User.id)
        .limit(size)
    )
    return list(db.session.scalars(statement))


def successors(organisation_id: int, *, limit: int) -> list[User]:
    """The accounts that do not manage the organisation, by name: those one of whom may take over."""
    statement = (
        select(User)
        .where(User.organisation_id == organisation_id, User.deleted_at.is_(None), User.is_principal.is_(False))
        .options(joinedload(User.organisation))
        .order_by(func.lower(User.last_name), func.lower(User.first_name), User.id)
        .limit(limit)
    )
    return list(db.session.scalars(statement))


def review_under_way(organisation_id: int) -> AccountReview | None:
    """The yearly review that waits for the principal, if any."""
    return db.session.scalar(select(AccountReview).where(AccountReview.organisation_id == organisation_id, AccountReview.completed_at.is_(None)))


def last_review(organisation_id: int) -> AccountReview | None:
    """The review completed last."""
    statement = select(AccountReview).where(AccountReview.organisation_id == organisation_id, AccountReview.completed_at.is_not(None))
    return db.session.scalar(statement.order_by(AccountReview.completed_at.desc()).limit(1))


def accounts_of(organisation_id: int, *, limit: int = 1000) -> list[User]:
    """The accounts of an organisation by name, deleted ones included: for the filters of its journal."""
    statement = select(User).where(User.organisation_id == organisation_id).order_by(func.lower(User.last_name), func.lower(User.first_name), User.id)
    return list(db.session.scalars(statement.limit(limit)))


#: Beyond so many, the console says "plus de" rather than count on.
MOST_COUNTED: Final = 10_000


def find_accounts(typed: str, shown: Shown, *, page: int, size: int, organisation_id: int | None = None) -> tuple[list[User], int]:
    """Accounts found by name, identifiant, e-mail, organisation or SIRET, beginnings of words being enough."""
    statement = accounts_statement(typed, shown, organisation_id)
    total = int(db.session.scalar(select(func.count()).select_from(statement.order_by(None).with_only_columns(User.id).limit(MOST_COUNTED).subquery())) or 0)
    return _page(_with_details(statement), page, size), total


def accounts_statement(typed: str, shown: Shown, organisation_id: int | None = None) -> Select[Any]:
    """All of them, in the order of the console."""
    conditions: list[ColumnElement[bool]] = [User.deleted_at.is_(None), *_matching(typed)]
    if organisation_id is not None:
        conditions.append(User.organisation_id == organisation_id)
    if shown in _STATES:
        conditions.append(_STATES[shown])
    elif shown is Shown.UNUSED:
        conditions.append(unused_since(clock.now() - domain.UNUSED_AFTER))
    order: tuple[Any, ...] = (func.lower(User.last_name), func.lower(User.first_name), User.id)
    if shown is Shown.BLOCKED:
        order = (func.coalesce(User.blocked_at, User.last_failed_at).desc(), User.id)
    return select(User).where(*conditions).order_by(*order)


def count_blocked() -> int:
    """How many accounts the console lists as blocked: the same count for the home page."""
    return int(db.session.scalar(select(func.count(User.id)).where(User.deleted_at.is_(None), _BLOCKED)) or 0)


def names_of(user_ids: Iterable[int]) -> dict[int, str]:
    """Names for histories, of those the reader may see; "compte supprimé : Mme X" for who has no account any more."""
    rows = db.session.execute(select(User.id, User.civility, User.last_name, User.first_name, User.deleted_at).where(User.id.in_(set(user_ids))))
    return {
        row.id: labels.deleted(labels.named(row.civility, row.last_name, row.first_name))
        if row.deleted_at is not None
        else f"{row.first_name} {row.last_name}".strip()
        for row in rows
    }


def editors_of(user_ids: Iterable[int]) -> dict[int, str]:
    """« Mme X » for those who have a page open, with the organisation for a reader who sees several; never an identifiant."""
    statement = (
        select(User.id, User.civility, User.last_name, User.first_name, Organisation.legal_name)
        .outerjoin(Organisation, Organisation.id == User.organisation_id)
        .where(User.id.in_(set(user_ids)), User.deleted_at.is_(None))
    )
    several = current_scope().organisation_id is None
    return {
        row.id: labels.named(row.civility, row.last_name, row.first_name) + (f" ({row.legal_name})" if several and row.legal_name else "")
        for row in db.session.execute(statement)
    }


# ---- delegations ---------------------------------------------------------------------------------------------------------


def delegations(organisation_id: int, *, page: int, size: int) -> tuple[list[tuple[Delegation, User, User]], int]:
    """A page of the delegations of an organisation with who gave and who received, the latest first day on top; and their number."""
    statement = delegations_statement(organisation_id)
    total = int(db.session.scalar(statement.order_by(None).with_only_columns(func.count())) or 0)
    return with_parties(db.session.scalars(statement.limit(size).offset((max(page, 1) - 1) * size)).all()), total


def delegations_statement(organisation_id: int) -> Select[Any]:
    """All of them, in the order of the list."""
    return select(Delegation).where(Delegation.organisation_id == organisation_id).order_by(Delegation.starts_on.desc(), Delegation.id.desc())


def delegation(delegation_id: int) -> tuple[Delegation, User, User] | None:
    """One delegation with who gave and who received; None outside the scope."""
    return next(iter(with_parties(db.session.scalars(select(Delegation).where(Delegation.id == delegation_id)).all())), None)


def with_parties(rows: Sequence[Delegation]) -> list[tuple[Delegation, User, User]]:
    """The accounts are read apart: the session's criteria do not follow two aliases of one table in one statement."""
    ids = {number for row in rows for number in (row.delegator_id, row.delegate_id)}
    people = {user.id: user for user in db.session.scalars(select(User).where(User.id.in_(ids))).unique()} if ids else {}
    return [(row, people[row.delegator_id], people[row.delegate_id]) for row in rows]


def possible_delegates(organisation_id: int) -> list[User]:
    """The secondary accounts that can stand in for the principal, by name: those whose holder could sign in, or could once unblocked."""
    return list(
        db.session.scalars(
            select(User)
            .where(
                User.organisation_id == organisation_id,
                User.is_principal.is_(False),
                User.active.is_(True),
                User.deleted_at.is_(None),
                User.deactivated_at.is_(None),
                User.password.is_not(None),
                _holds(Role.SECONDARY),
            )
            .order_by(func.lower(User.last_name), func.lower(User.first_name), User.id)
        ).unique()
    )


# ---- parts -----------------------------------------------------------------------------------------------------------


def _holds(role: Role) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = User.roles.any(RoleRow.name == role.value)
    return condition


def _with_details(statement: Select[Any]) -> Select[Any]:
    return statement.options(joinedload(User.roles), joinedload(User.organisation))


def _page(statement: Select[Any], page: int, size: int) -> list[User]:
    return list(db.session.scalars(statement.limit(size).offset((max(page, 1) - 1) * size)).unique())


#: Folded text of a person's account: what one searches a colleague by.
_PERSON: Final[ColumnElement[str]] = literal_column(
    "(' ' || " + fold_sql("concat_ws(' ', ab_user.last_name, ab_user.first_name, ab_user.username, ab_user.email)") + ")"
)


def _matching(typed: str) -> Sequence[ColumnElement[bool]]:
    """One condition for each word typed: it begins a word of the account, or of its organisation (name, enseigne, SIRET).

    Each is a list of ids read through an index: a text joined from both tables would have none.
    """
    compact = domain.compact_siret(typed)
    words = [compact] if compact.isascii() and compact.isdigit() and len(compact) >= 3 else fold(typed).split()[:MAX_WORDS]
    if typed.strip() and not words:  # marks alone: no name holds them
        return [false()]
    return [_begins(word) for word in words]


def _begins(word: str) -> ColumnElement[bool]:
    wanted = func.to_tsquery(literal_column("'simple'"), f"{word}:*")
    account_, organisation_ = User.__table__, Organisation.__table__
    own = select(account_.c.id).where(account_.c.search_vector.op("@@")(wanted))
    theirs = select(account_.c.id).join(organisation_, organisation_.c.id == account_.c.organisation_id).where(organisation_.c.search_vector.op("@@")(wanted))
    return User.id.in_(union(own, theirs))
