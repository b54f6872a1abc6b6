"""Reads of the journal of accounts: a page of entries, then what they speak of, in as many statements whatever their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Integer, Select, String, and_, cast, func, literal, literal_column, null, or_, select, union_all
from sqlalchemy.dialects.postgresql import JSONB

from app.accounts import chronicle, chronicle_labels, labels
from app.accounts.chronicle import Group, Kind
from app.accounts.models import AccessLink, ApiToken, Delegation, Observation, Organisation, RecoveryCode, User
from app.core import clock
from app.core.audit.models import AuditEntry
from app.core.extensions import db
from app.core.functions import Function
from app.core.tenancy import Scope, bound_scope
from app.core.ui.format import fr_date

#: The account a change of role speaks of; the same words as those of its index.
ROLE_ACCOUNT: Final[ColumnElement[int]] = literal_column("((COALESCE(audit_entry.after, audit_entry.before) ->> 'user_id')::integer)", Integer)

_CHANGED: Final = func.coalesce(AuditEntry.after, cast(literal("{}"), JSONB)).op("||")(func.coalesce(AuditEntry.before, cast(literal("{}"), JSONB)))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page is narrowed to; the caller has checked that the reader may see it."""

    organisation_id: int | None = None
    account_id: int | None = None
    group: Group | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One act, for the timeline."""

    entry_id: int
    text: str
    at: datetime
    tone: str
    note: str | None
    details: list[tuple[str, Any, Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the journal, the newest first; ``after`` is the number to go on from, if there is more."""

    lines: list[Line]
    after: int | None


def read(asked: Asked, *, before_id: int | None, size: int, with_organisation: bool = False) -> Found:
    """A page of the journal of accounts. It is read in the system's scope: the journal of roles has no organisation of its own."""
    with bound_scope(Scope.system()):
        entries = list(db.session.scalars(_statement(asked, before_id, size + 1)))
        shown = entries[:size]
        words = _Words(shown)
        lines = _collapsed([_line(entry, words, with_organisation=with_organisation) for entry in shown], shown)
        return Found(lines, shown[-1].id if len(entries) > size else None)


def entries(asked: Asked) -> Select[Any]:
    """All the entries, the newest first; to be read in the system's scope, as ``read`` does."""
    return _statement(asked, None, None)


def told(found: Sequence[AuditEntry]) -> list[Line]:
    """What entries say, each a line, in the system's scope."""
    words = _Words(list(found))
    return [_line(entry, words, with_organisation=True) for entry in found]


# ---- which entries ---------------------------------------------------------------------------------------------------


def _statement(asked: Asked, before_id: int | None, limit: int | None) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = [AuditEntry.table_name.in_(chronicle.TABLES)]
    if before_id is not None:
        conditions.append(AuditEntry.id < before_id)
    if asked.since is not None:
        conditions.append(AuditEntry.at >= _midnight(asked.since))
    if asked.until is not None and asked.until < date.max:  # the last day there is has no day after
        conditions.append(AuditEntry.at < _midnight(asked.until + timedelta(days=1)))
    if asked.group is not None:
        conditions.append(_of_group(asked.group))
    if asked.account_id is not None:
        conditions.append(_of_account(asked.account_id))
    newest = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if asked.organisation_id is None:
        return newest.where(*conditions)
    # Each half is read through an index of its own, down to the limit; together they hold the page.
    own_accounts = select(User.id).where(User.organisation_id == asked.organisation_id)
    halves = [
        select(AuditEntry.id).where(*conditions, part).order_by(AuditEntry.id.desc()).limit(limit).subquery()
        for part in (
            AuditEntry.organisation_id == asked.organisation_id,
            and_(AuditEntry.table_name == "ab_user_role", ROLE_ACCOUNT.in_(own_accounts)),
        )
    ]
    return newest.where(AuditEntry.id.in_(union_all(*(select(half.c.id) for half in halves))))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=clock.LOCAL_ZONE)


def _has(*columns: str) -> ColumnElement[bool]:
    return or_(*(_CHANGED.op("?")(column) for column in columns))


def _of_group(group: Group) -> ColumnElement[bool]:
    account, update = AuditEntry.table_name == "ab_user", AuditEntry.operation == "UPDATE"
    conditions: dict[Group, ColumnElement[bool]] = {
        Group.CREATION: and_(account, AuditEntry.operation == "INSERT"),
        Group.CHANGE: and_(account, update, _has(*chronicle.EDITABLE)),
        Group.BLOCKING: and_(account, update, _has("blocked_at")),
        Group.STATE: and_(account, or_(AuditEntry.operation == "DELETE", and_(update, _has("deactivated_at", "deleted_at", "active", "inactivity_notice_at")))),
        Group.ROLES: AuditEntry.table_name == "ab_user_role",
        Group.RIGHTS: and_(account, update, _has(*chronicle.RIGHTS)),
        Group.ACCESS: or_(AuditEntry.table_name == "access_link", and_(account, update, _has("password", "password_changed_at"))),
        Group.FACTOR: AuditEntry.table_name.in_(("second_factor", "recovery_code")),
        Group.TOKENS: AuditEntry.table_name == "api_token",
        Group.DELEGATION: AuditEntry.table_name == "delegation",
        Group.REVIEW: AuditEntry.table_name == "account_review",
        Group.OBSERVATION: AuditEntry.table_name == "observation",
    }
    return conditions[group]


def _of_account(account_id: int) -> ColumnElement[bool]:
    def rows(entity: Any, *columns: Any) -> ColumnElement[bool]:
        ids = select(cast(entity.id, String)).where(or_(*(column == account_id for column in columns)))
        return and_(AuditEntry.table_name == entity.__tablename__, AuditEntry.row_id.in_(ids))

    return or_(
        and_(AuditEntry.table_name.in_(("ab_user", "second_factor")), AuditEntry.row_id == str(account_id)),
        and_(AuditEntry.table_name == "ab_user_role", literal(account_id) == ROLE_ACCOUNT),
        rows(AccessLink, AccessLink.user_id),
        rows(RecoveryCode, RecoveryCode.user_id),
        rows(ApiToken, ApiToken.user_id),
        rows(Delegation, Delegation.delegator_id, Delegation.delegate_id),
        rows(Observation, Observation.observed_id, Observation.observer_id),
    )


# ---- what they speak of ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """What a row of another table says: the account it is about, the second one, a name."""

    account: int | None = None
    other: int | None = None
    detail: str | None = None


class _Words:
    """The accounts, roles, tokens and organisations that a page of entries speaks of: two statements."""

    def __init__(self, entries: list[AuditEntry]) -> None:
        self.rows = _rows(entries)
        ids = {number for entry in entries for number in (entry.actor_id, entry.on_behalf_of_id) if number is not None}
        for entry in entries:
            about = self.about(entry)
            ids |= {number for number in (about.account, about.other) if number is not None}
        self.people, self.organisations = _names(ids, {entry.organisation_id for entry in entries if entry.organisation_id is not None})

    def about(self, entry: AuditEntry) -> _Row:
        """Whom and what an entry speaks of: what it holds itself, else what the row holds today."""
        held = {**(entry.before or {}), **(entry.after or {})}
        if entry.table_name in ("ab_user", "second_factor"):
            return _Row(_number(entry.row_id))
        if entry.table_name == "ab_user_role":
            role = self.rows.get(("ab_role", str(held.get("role_id"))), _Row())
            return _Row(_number(held.get("user_id")), None, role.detail)
        row = self.rows.get((entry.table_name, entry.row_id or ""), _Row())
        first, second, text = _HELD.get(entry.table_name, ("user_id", "", ""))
        return _Row(_number(held.get(first)) or row.account, _number(held.get(second)) or row.other, held.get(text) or row.detail)

    def person(self, account_id: int | None, gone_as: Callable[[str], str] = labels.deleted) -> str | None:
        """An account by name, None for none; ``gone_as`` says how one that was deleted is told."""
        if account_id is None:
            return None
        name, gone = self.people.get(account_id, (_("account %(id)s", id=account_id), False))
        return gone_as(name) if gone else name


#: table → columns of the account, of the second one, and of the words.
_HELD: Final = {
    "access_link": ("user_id", "", "wanted_email"),
    "delegation": ("delegator_id", "delegate_id", ""),
    "observation": ("observed_id", "observer_id", "reason"),
    "api_token": ("user_id", "", "name"),
    "account_review": ("", "", ""),
}


def _number(value: Any) -> int | None:
    text = str(value) if value is not None else ""
    return int(text) if text.isascii() and text.isdecimal() else None


def _rows(entries: list[AuditEntry]) -> dict[tuple[str, str], _Row]:
    from flask_appbuilder.security.sqla.models import Role

    wanted: dict[str, set[int]] = {}
    for entry in entries:
        number = _number(entry.row_id)
        if number is not None:
            wanted.setdefault(entry.table_name, set()).add(number)
        if entry.table_name == "ab_user_role":
            role = _number({**(entry.before or {}), **(entry.after or {})}.get("role_id"))
            wanted.setdefault("ab_role", set()).update({role} if role is not None else ())
    no_number, no_text = cast(null(), Integer), cast(null(), String)

    def part(table: str, entity: Any, account: Any = no_number, other: Any = no_number, detail: Any = no_text) -> Select[Any]:
        return select(literal(table).label("kept"), cast(entity.id, String), account, other, detail).where(entity.id.in_(wanted.get(table) or {-1}))

    statement = union_all(
        part("access_link", AccessLink, AccessLink.user_id),
        part("recovery_code", RecoveryCode, RecoveryCode.user_id),
        part("api_token", ApiToken, ApiToken.user_id, detail=ApiToken.name),
        part("delegation", Delegation, Delegation.delegator_id, Delegation.delegate_id),
        part("observation", Observation, Observation.observed_id, Observation.observer_id, Observation.reason),
        part("ab_role", Role, detail=Role.name),
    )
    return {(table, row_id): _Row(account, other, detail) for table, row_id, account, other, detail in db.session.execute(statement)}


def _names(accounts: Iterable[int], organisations: Iterable[int]) -> tuple[dict[int, tuple[str, bool]], dict[int, str]]:
    """Account → name and whether it was deleted; organisation → name."""
    statement = union_all(
        select(literal("a"), User.id, User.civility, User.last_name, User.first_name, User.deleted_at.is_not(None)).where(User.id.in_(set(accounts) or {-1})),
        select(literal("o"), Organisation.id, cast(null(), String), Organisation.legal_name, cast(null(), String), literal(False)).where(
            Organisation.id.in_(set(organisations) or {-1})
        ),
    )
    people: dict[int, tuple[str, bool]] = {}
    named: dict[int, str] = {}
    for kind, number, civility, name, first_name, deleted in db.session.execute(statement):
        if kind == "o":
            named[number] = name
            continue
        people[number] = (labels.named(civility, name, first_name), bool(deleted))
    return people, named


# ---- sentences -------------------------------------------------------------------------------------------------------

_TONES: Final = {
    Kind.BLOCKED: "danger",
    Kind.DELETED: "danger",
    Kind.ERASED: "danger",
    Kind.DEACTIVATED: "warning",
    Kind.UNUSED_TOLD: "warning",
    Kind.OBSERVED: "warning",
    Kind.CREATED: "success",
    Kind.REACTIVATED: "success",
    Kind.UNBLOCKED: "success",
}


def _line(entry: AuditEntry, words: _Words, *, with_organisation: bool) -> Line:
    kind = chronicle.kind_of(entry.table_name, entry.operation, entry.before, entry.after)
    about = words.about(entry)
    held = {**(entry.before or {}), **(entry.after or {})}
    organisation = words.organisations.get(entry.organisation_id) if entry.organisation_id is not None else None
    facts = chronicle_labels.Facts(
        kind=kind,
        actor=words.person(entry.actor_id),
        on_behalf_of=words.person(entry.on_behalf_of_id),
        # the sentence that tells the deletion needs no mark of it
        whom=words.person(about.account, str if kind is Kind.DELETED else labels.deleted_in_a_sentence),
        other=words.person(about.other, labels.deleted_in_a_sentence),
        organisation=organisation,
        detail=about.detail,
        starts_on=_day(held.get("starts_on")),
        ends_on=_day(held.get("ends_on")),
    )
    edits = chronicle.edits_of(entry.before, entry.after) if entry.table_name == "ab_user" and entry.operation == "UPDATE" else []
    details = [(str(chronicle_labels.FIELDS[name]), _value(name, old), _value(name, new)) for name, old, new in edits]
    return Line(entry.id, chronicle_labels.sentence(facts), entry.at, _TONES.get(kind, "neutral"), organisation if with_organisation else None, details)


def _value(column: str, value: Any) -> Any:
    if column == "functions":
        return labels.functions_in_words(None if value is None else frozenset(Function(one) for one in value if one in set(Function)))
    if column == "limited_to_actions":
        return _("Some actions") if value else _("All actions")
    if column == "given_actions":
        return value or _("All actions")
    return str(dict(labels.CIVILITIES).get(value, value)) if column == "civility" and value else value


def _day(value: Any) -> str | None:
    try:
        return fr_date(date.fromisoformat(str(value))) if value else None
    except ValueError:
        return None


def _collapsed(lines: list[Line], entries: list[AuditEntry]) -> list[Line]:
    """One line for what one act says several times (ten recovery codes)."""
    kept: list[Line] = []
    seen: set[tuple[int, str, str]] = set()
    for line, entry in zip(lines, entries, strict=True):
        key = (entry.transaction_id, line.text, str(line.details))
        if key not in seen:
            seen.add(key)
            kept.append(line)
    return kept
