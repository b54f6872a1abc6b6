"""Background work on files: preparing one, taking up what a dead worker left, deleting what is out of date."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import structlog
from sqlalchemy import and_, delete, or_, select, update

from app.core import clock, crypto
from app.core.extensions import db
from app.core.jobs import enqueue
from app.core.mail import public_link, send_mail
from app.core.mail.services import InvalidAddress
from app.core.tabular.writing import FileFormat
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.core.ui import allowed

from .account import NoAccount, in_place_of, scope_mark
from .domain import CHUNK, COUNTED, KEPT, LEASE, MAX_ATTEMPTS, FileState, Way
from .models import ExportChunk, ExportFile
from .registry import NotUnderstood, args_of, find_list
from .services import BUILD, Wanted, chunk_aad, query_of, take_out

log = structlog.get_logger(__name__)


class _SupersededError(Exception):
    """Another attempt has begun, or the file is not wanted any more: nothing more is written."""


class _NoRightsError(Exception):
    """The account no longer sees what it asked for."""


@dataclass(frozen=True, slots=True)
class _Claim:
    file_id: int
    user_id: int
    attempt: int
    seal_uid: uuid.UUID
    last: bool


def build(file_id: int) -> None:
    """Prepare one file, if nobody else does; a file that fails is tried again, then given up and said so."""
    claim = _claim(file_id)
    if claim is None:
        return
    try:
        with in_place_of(claim.user_id):
            lines, size, chunks = _make(claim)
    except _SupersededError:
        log.info("export_superseded", file=file_id, attempt=claim.attempt)
    except (_NoRightsError, NoAccount):
        _give_up(claim)
    except Exception as error:
        db.session.rollback()
        log.error("export_failed", file=file_id, attempt=claim.attempt, error=type(error).__name__, exc_info=True)
        if claim.last:
            _give_up(claim)
        else:
            _put_back(claim)
    else:
        _ready(claim, lines, size, chunks)


def _claim(file_id: int) -> _Claim | None:
    """Take the file, in one statement; what a former attempt wrote goes."""
    now = clock.now()
    free = or_(ExportFile.state == FileState.WAITING.value, and_(ExportFile.state == FileState.RUNNING.value, ExportFile.alive_at < now - LEASE))
    with transaction() as session:
        row = session.execute(
            update(ExportFile)
            .where(ExportFile.id == file_id, free, ExportFile.attempt < MAX_ATTEMPTS, ExportFile.expires_at > now)
            .values(state=FileState.RUNNING.value, attempt=ExportFile.attempt + 1, alive_at=now, lines=0)
            .returning(ExportFile.id, ExportFile.user_id, ExportFile.attempt, ExportFile.seal_uid)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if row is None:
            return None
        session.execute(delete(ExportChunk).where(ExportChunk.file_id == file_id))
    return _Claim(row.id, row.user_id, row.attempt, row.seal_uid, row.attempt >= MAX_ATTEMPTS)


def _make(claim: _Claim) -> tuple[int, int, int]:
    """The file, written piece by piece under the account's own scope; gives its lines, bytes and pieces."""
    with bound_scope(Scope.system()):
        file = db.session.scalars(select(ExportFile).where(ExportFile.id == claim.file_id)).one_or_none()
        if file is None:
            raise _SupersededError
        query, keys, mark, list_name, file_format = query_of(file), set(file.columns), file.scope, file.list_name, FileFormat(file.file_format)
    one = find_list(list_name)
    if one is None or mark != scope_mark() or not may_export(one.permission):
        raise _NoRightsError
    try:
        asked = one.read(args_of(query))
    except NotUnderstood:  # a programme or an account it was narrowed to is no more
        raise _NoRightsError from None
    columns = [column for column in one.columns(asked) if column.key in keys]
    if not columns:
        raise _NoRightsError
    expected = one.count(asked, COUNTED)
    _write(claim, lines=0, expected=expected)
    made = take_out(Wanted(one, asked, columns, file_format), way=Way.PREPARED, file_id=claim.file_id)
    number = size = 0
    waiting = bytearray()
    try:
        for piece in made:
            waiting += piece
            while len(waiting) >= CHUNK:
                _write(claim, lines=made.lines, number=number, content=bytes(waiting[:CHUNK]))
                del waiting[:CHUNK]
                number, size = number + 1, size + CHUNK
        if waiting:
            _write(claim, lines=made.lines, number=number, content=bytes(waiting))
            number, size = number + 1, size + len(waiting)
    finally:
        made.close()
    return made.lines, size, number


def may_export(permission: tuple[str, str]) -> bool:
    """Whether the account at work holds the permission, on whosever behalf it does."""
    from flask import current_app

    sm = current_app.appbuilder.sm  # type: ignore[attr-defined]  # set by Flask-AppBuilder
    return allowed(*permission) and bool(sm.has_access(*permission))


def _write(claim: _Claim, *, lines: int, expected: int | None = None, number: int = 0, content: bytes | None = None) -> None:
    """Note the progress, which is the sign of life, and put a piece away; raises when the attempt is no more the file's."""
    values: dict[str, object] = {"alive_at": clock.now(), "lines": lines}
    if expected is not None:
        values["expected"] = expected
    with bound_scope(Scope.system()), transaction() as session:
        mine = (ExportFile.id == claim.file_id, ExportFile.attempt == claim.attempt, ExportFile.state == FileState.RUNNING.value)
        if not session.execute(update(ExportFile).where(*mine).values(values).execution_options(synchronize_session=False)).rowcount:  # type: ignore[attr-defined]
            raise _SupersededError
        if content is not None:
            place = {"seal_uid": claim.seal_uid, "attempt": claim.attempt, "number": number}
            sealed = crypto.cipher().encrypt(content, chunk_aad(place))
            session.add(ExportChunk(file_id=claim.file_id, content=sealed, **place))
            session.flush()
            session.expunge_all()


def _ready(claim: _Claim, lines: int, size: int, chunks: int) -> None:
    """The file can be fetched. Its notice is in the same transaction as its state: neither comes without the other, nor twice."""
    now = clock.now()
    values = {"state": FileState.READY.value, "lines": lines, "size": size, "chunks": chunks, "ready_at": now, "expires_at": now + KEPT}
    _end(claim, values, "export_ready")


def _give_up(claim: _Claim) -> None:
    _end(claim, {"state": FileState.FAILED.value, "expires_at": clock.now() + KEPT}, "export_failed")


def _put_back(claim: _Claim) -> None:
    """The sweeper takes it up again."""
    _end(claim, {"state": FileState.WAITING.value, "lines": 0}, None)


def _end(claim: _Claim, values: dict[str, object], template: str | None) -> None:
    from flask_appbuilder.security.sqla.models import User

    with bound_scope(Scope.system()), transaction() as session:
        mine = (ExportFile.id == claim.file_id, ExportFile.attempt == claim.attempt, ExportFile.state == FileState.RUNNING.value)
        ended = update(ExportFile).where(*mine).values(values).returning(ExportFile.organisation_id)
        row = session.execute(ended.execution_options(synchronize_session=False)).one_or_none()
        if row is None:
            return
        if values["state"] != FileState.READY.value:
            session.execute(delete(ExportChunk).where(ExportChunk.file_id == claim.file_id))
        user = session.scalars(select(User).where(User.id == claim.user_id)).unique().one_or_none() if template else None
        if user is None or template is None or not user.is_active:
            return
        hours = int(KEPT.total_seconds() // 3600)
        variables = {"first_name": user.first_name, "last_name": user.last_name, "link": public_link("ExportsView.index"), "hours": hours}
        try:
            send_mail(user.email, template, variables, organisation_id=row.organisation_id)
        except InvalidAddress:
            log.warning("mail_not_sent", account=claim.user_id, reason="address")


def sweep() -> None:
    """Take up files whose nudge was lost or whose worker died; one that died with its worker too often is given up."""
    stale = clock.now() - LEASE
    dead = and_(ExportFile.state == FileState.RUNNING.value, ExportFile.alive_at < stale)
    forgotten = and_(ExportFile.state == FileState.WAITING.value, or_(ExportFile.attempt > 0, ExportFile.created_at < stale))
    rows = db.session.execute(
        select(ExportFile.id, ExportFile.user_id, ExportFile.attempt, ExportFile.seal_uid).where(or_(dead, forgotten)).order_by(ExportFile.id).limit(100)
    ).all()
    db.session.rollback()
    for row in rows:
        if row.attempt >= MAX_ATTEMPTS:
            _give_up(_Claim(row.id, row.user_id, row.attempt, row.seal_uid, True))
        else:
            enqueue(BUILD, row.id)


def purge() -> None:
    """Delete the files that are out of date, with their pieces; the journal stays."""
    with transaction() as session:
        session.execute(delete(ExportFile).where(ExportFile.expires_at <= clock.now()).execution_options(synchronize_session=False))


__all__ = ["build", "may_export", "purge", "sweep"]
