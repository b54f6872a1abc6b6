"""Accounts created from a file: checked whole, kept encrypted until confirmed, made in one transaction, invited by a job."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

import structlog
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from app.accounts import bulk, notifications
from app.accounts.bulk import Column, Known, Line, Plan
from app.accounts.conditions import account_open
from app.accounts.models import AccountBatch, LinkPurpose, Organisation, User
from app.accounts.services.common import may_create_organisations, role_rows, writing
from app.accounts.services.life import generate_identifiant
from app.accounts.services.links import issue_link
from app.core import clock, crypto
from app.core.jobs import enqueue
from app.core.locks import Lock
from app.core.roles import Role
from app.core.tabular import CellKind, Limits, MissingColumns, read_table
from app.core.transaction import after_commit

log = structlog.get_logger(__name__)

LIFETIME: Final = timedelta(hours=2)
LIMITS: Final = Limits(lines=bulk.MAX_LINES)
_PORTION: Final = 50
#: What the database says when somebody else wrote the same row, or took away the one it hangs on, since the plan was made.
_RACES: Final = ("23505", "23503")


class BatchGone(Exception):
    """The file was never this account's, has expired, or its accounts were made already."""


class BatchChanged(Exception):
    """What the file would do has changed since the preview: nothing was written."""


def check_file(content: bytes, *, actor_id: int) -> int:
    """Read a file, keep its lines encrypted and give their number; nothing else is written.

    Raises ``tabular.Refused``, MissingColumns and AccountRefused.
    """
    table = read_table(content, LIMITS)
    places, missing = bulk.columns_of(table.header)
    if missing:
        raise MissingColumns(missing)
    lines = [
        [row.number, {column.value: [row.cells[place].text, row.cells[place].kind.value] for column, place in places.items()}]
        for row in table.rows
    ]
    now = clock.now()
    with writing(actor_id) as session:
        may_create_organisations(session, actor_id)
        session.execute(delete(AccountBatch).where(AccountBatch.user_id == actor_id, AccountBatch.applied_at.is_(None)))
        batch = AccountBatch(user_id=actor_id, created_at=now, expires_at=now + LIFETIME)
        session.add(batch)
        session.flush()
        batch.data = crypto.cipher().encrypt(json.dumps(lines), batch_aad(batch.seal_uid))
        number = batch.id
    log.info("account_file_checked", batch=number, lines=len(table.rows))
    return number


def batch_aad(seal_uid: Any) -> bytes:
    """The place of a file's lines."""
    return crypto.column_aad("account_batch", "data", seal_uid)


def preview(batch_id: int, *, actor_id: int) -> Plan:
    """What the file would do now. Raises BatchGone."""
    with writing(actor_id) as session:
        return _plan(session, _batch(session, batch_id, actor_id, lock=False))


def apply_batch(batch_id: int, *, expected: int, actor_id: int) -> int:
    """Make the accounts of the file, all or none; gives how many. Their invitations are sent by a job.

    Raises BatchGone, BatchChanged (the file no longer creates ``expected`` accounts, or a line is in error, or the console wrote
    the same organisation or principal meanwhile) and AccountRefused.
    """
    try:
        made = _apply(batch_id, expected, actor_id)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) not in _RACES:
            raise
        raise BatchChanged(batch_id) from error
    log.info("account_file_applied", batch=batch_id, accounts=made)
    return made


def _apply(batch_id: int, expected: int, actor_id: int) -> int:
    with writing(actor_id) as session:
        may_create_organisations(session, actor_id)
        session.execute(select(func.pg_advisory_xact_lock(int(Lock.ACCOUNT_FILE))))
        batch = _batch(session, batch_id, actor_id, lock=True)
        plan = _plan(session, batch)
        if plan.errors or len(plan.create) != expected:
            raise BatchChanged(batch_id)
        made = _make(session, plan.create)
        batch.applied_at, batch.data, batch.to_invite = clock.now(), None, made
        if made:
            after_commit(lambda: enqueue("app.accounts.jobs:invite_batch", batch_id))
    return len(made)


def invite_some(batch_id: int) -> int:
    """Invite a portion of the accounts of a file; gives how many remain. May run twice at once: each account is invited once."""
    with writing() as session:
        batch = session.scalar(select(AccountBatch).where(AccountBatch.id == batch_id).with_for_update().execution_options(populate_existing=True))
        if batch is None or not batch.to_invite:
            return 0
        portion, rest = batch.to_invite[:_PORTION], batch.to_invite[_PORTION:]
        statement = select(User).where(User.id.in_(portion), *account_open(), User.password.is_(None))
        for user in session.scalars(statement.options(joinedload(User.roles), joinedload(User.organisation))).unique():
            notifications.account_invited(user, issue_link(session, user, LinkPurpose.INVITATION))
        batch.to_invite = rest
    return len(rest)


def batches_to_invite() -> list[int]:
    """Files whose invitations were not all sent: a nudge was lost."""
    with writing() as session:
        return list(session.scalars(select(AccountBatch.id).where(func.cardinality(AccountBatch.to_invite) > 0).order_by(AccountBatch.id).limit(50)))


def purge_batches() -> int:
    """Forget the files that were never confirmed, and those done with."""
    with writing() as session:
        gone = session.execute(delete(AccountBatch).where(AccountBatch.expires_at < clock.now(), func.cardinality(AccountBatch.to_invite) == 0))
    return int(getattr(gone, "rowcount", 0))


# ---- parts -----------------------------------------------------------------------------------------------------------


def _batch(session: Session, batch_id: int, actor_id: int, *, lock: bool) -> AccountBatch:
    statement = select(AccountBatch).where(
        AccountBatch.id == batch_id, AccountBatch.user_id == actor_id, AccountBatch.applied_at.is_(None), AccountBatch.expires_at > clock.now()
    )
    batch: AccountBatch | None = session.scalar(statement.with_for_update() if lock else statement)
    if batch is None or batch.data is None:
        raise BatchGone(batch_id)
    return batch


def _plan(session: Session, batch: AccountBatch) -> Plan:
    stored = json.loads(crypto.cipher().decrypt(batch.data or b"", batch_aad(batch.seal_uid)))
    lines: list[Line] = []
    findings: list[bulk.Finding] = []
    for number, cells in stored:
        line, wrong = bulk.read_line(number, {Column(name): (text, _kind(kind)) for name, (text, kind) in cells.items()})
        lines.append(line)
        findings += wrong
        if line.email and not any(finding.column is Column.EMAIL for finding in wrong) and not _is_address(line.email):
            findings.append(bulk.Finding(number, Column.EMAIL, bulk.Problem.MAIL, line.email))
    return bulk.plan_of(lines, findings, _known(session, {line.siret for line in lines}))


def _is_address(text: str) -> bool:
    """Whether mail can be sent there, as the forms of accounts ask: the rule needs more than the standard library."""
    try:
        validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return False
    return True


def _kind(kept: str | bool) -> CellKind:
    """The kind of a cell; a file checked before kinds were kept tells only whether it was a number."""
    return CellKind(kept) if isinstance(kept, str) else CellKind.NUMBER if kept else CellKind.TEXT


def _known(session: Session, sirets: set[str]) -> dict[str, Known]:
    """The organisations of these SIRET with their accounts: two statements."""
    organisations = {
        row.id: row for row in session.execute(select(Organisation.id, Organisation.siret, Organisation.active).where(Organisation.siret.in_(sirets or {""})))
    }
    accounts: dict[int, list[Any]] = {}
    statement = select(User.organisation_id, User.last_name, User.first_name, User.email, User.is_principal).where(
        User.organisation_id.in_(organisations or {-1}), User.deleted_at.is_(None)
    )
    for row in session.execute(statement):
        accounts.setdefault(row.organisation_id, []).append(row)
    return {
        one.siret: Known(
            one.id,
            one.active,
            next((f"{user.last_name} {user.first_name}" for user in accounts.get(number, ()) if user.is_principal), None),
            frozenset(bulk.key_of(user.last_name, user.first_name, user.email) for user in accounts.get(number, ())),
        )
        for number, one in organisations.items()
    }


def _make(session: Session, lines: list[Line]) -> list[int]:
    """Write organisations, then accounts with their role; one statement for many rows."""
    sirets = {line.siret for line in lines} or {""}
    found = {row.siret: row.id for row in session.execute(select(Organisation.siret, Organisation.id).where(Organisation.siret.in_(sirets)))}
    new = [
        Organisation(siret=line.siret, legal_name=line.legal_name, trade_name=line.trade_name or None, nda=line.nda or None)
        for line in lines
        if line.kind == "principal" and line.siret not in found
    ]
    session.add_all(new)
    session.flush()
    found |= {organisation.siret: organisation.id for organisation in new}
    roles = {"principal": role_rows(session, {Role.PRINCIPAL.value}), "secondary": role_rows(session, {Role.SECONDARY.value})}
    names = _free_identifiants(session, len(lines))
    users = []
    for line, name in zip(lines, names, strict=True):
        user = User(
            first_name=line.first_name,
            last_name=line.last_name,
            email=line.email,
            username=name,
            civility=line.civility,
            organisation_id=found[line.siret],
            active=True,
            session_epoch=0,
            failed_attempts=0,
            failed_in_window=0,
        )
        user.roles = list(roles[line.kind])
        users.append(user)
    session.add_all(users)
    session.flush()
    return [user.id for user in users]


def _free_identifiants(session: Session, count: int) -> list[str]:
    """So many identifiants that no account has."""
    names: set[str] = set()
    while len(names) < count:
        fresh = {generate_identifiant() for _ in range(count - len(names))} - names
        taken = set(session.scalars(select(func.lower(User.username)).where(func.lower(User.username).in_(fresh))))
        names |= fresh - taken
    return list(names)

