"""The long part, done by a job: reading, checking, applying, undoing.  Killed at any moment, it is taken up again and ends the same.

Nothing of a file is written before its whole outcome is: each step is one transaction at its end.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog
from flask import current_app
from flask_login import current_user
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import mandates
from app.accounts.access.tokens import is_live
from app.accounts.models import User
from app.accounts.security import scope_of
from app.core import clock, context, tenancy
from app.core.bulk import uncollected
from app.core.errors_db import is_passing
from app.core.exports.account import NoAccount, in_place_of
from app.core.extensions import db
from app.core.locks import Lock
from app.core.logs import NUMBER_IN_TEXT
from app.core.mail import public_link, send_mail
from app.core.mail.services import InvalidAddress
from app.core.matrix import Finding, Matrix
from app.core.matrix.checking import Checked, Checker
from app.core.matrix.definition import describe
from app.core.matrix.plan import Outdated, Plan
from app.core.matrix.rows import among, insert_rows, new_ids
from app.core.nir import mask, normalise
from app.core.tabular import Cell, Fault, Refused, as_named
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

from . import beyond, columns, outcome, packed_lines, parts
from .domain import AT_WORK, LEASE, MOST_DEATHS, MOST_TRIES, FileEvent, FileState, PartKind, Phase, Wish
from .matrices import IMPORTERS
from .models import ImportFile, ImportFinding
from .permissions import PROGRAM, WRITE
from .services import FileElsewhere, FileGone, applicable, decided, limits_of, locked, move

log = structlog.get_logger(__name__)

#: How often what is said of the progress is written down (seconds).
_SAID_EVERY: Final = 0.7
#: Findings that are kept; beyond, they are counted only.
MOST_FINDINGS: Final = 50_000
#: How often a file is applied anew when somebody else's work came between.
_TRIES: Final = 3


class Held(Exception):
    """What the file would do is not what was confirmed."""


class NothingKept(Exception):
    """What the file did is not held any more: taken back by guess, it would be said undone with all of it still there."""


def run(file_id: int) -> None:
    """Do what the file waits for.

    It is checked and applied within what the account that sent it sees now, whoever decides: that account reads the report.  When it is deleted, only
    those who see the whole organisation see the file, and so does the work.  It is undone within what the account that decided so sees now.  What is
    applied or undone is the act of who decided it.
    """
    taken = _taken(file_id)
    if taken is None:
        return
    organisation_id, account_id, decider_id, state, wish = taken
    try:
        whole = Scope.organisation(organisation_id)
        decided_by = decider_id if state in (FileState.APPLYING, FileState.UNDOING) else None
        still_decided = state not in (FileState.APPLYING, FileState.UNDOING) or _may_decide(organisation_id, decider_id, account_id)
        seen_by = account_id if state is not FileState.UNDOING else decider_id if still_decided else None
        scope = _view(organisation_id, seen_by) or whole
        may_apply = wish is not None and account_id is not None and _may_apply(file_id, account_id)
        with bound_scope(scope, actor_id=decided_by or account_id), uncollected():
            if not still_decided:
                _hold(file_id)
                state = FileState.CHECKING if state is FileState.APPLYING else FileState.APPLIED
            if state is FileState.RECEIVED:
                confirmed = read(file_id, may_apply=may_apply)
            elif state is FileState.CHECKING:
                confirmed = check(file_id, may_apply=may_apply)
            else:
                confirmed = False
            if confirmed or state is FileState.APPLYING:
                apply(file_id)
            elif state is FileState.UNDOING:
                take_back(file_id)
    except FileGone:
        log.info("import_gone", file=file_id)
    except FileElsewhere:  # another worker ended this work first
        log.info("import_superseded", file=file_id)
    except Exception as error:
        db.session.rollback()
        _failed(file_id, error)
        raise
    finally:
        db.session.rollback()
        _release(file_id)


def _taken(file_id: int) -> tuple[int, int | None, int | None, FileState, str | None] | None:
    """Take the file for this worker; None when another has it, or there is nothing to do."""
    with transaction() as session:
        row = session.execute(
            update(ImportFile)
            .where(
                ImportFile.id == file_id,
                ImportFile.state.in_([one.value for one in AT_WORK]),
                ImportFile.leased_until.is_(None) | (ImportFile.leased_until < clock.now()),
            )
            .values(leased_until=clock.now() + LEASE, deaths=ImportFile.deaths + 1)  # taken back by whoever lives to give the file back
            .returning(
                ImportFile.organisation_id, ImportFile.account_id, ImportFile.decided_by_id, ImportFile.state, ImportFile.wish, ImportFile.deaths
            )
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if row is None:
            return None
        if row.deaths > MOST_DEATHS:
            _end(locked(file_id), deaths=row.deaths - 1)
            return None
    return row.organisation_id, row.account_id, row.decided_by_id, FileState(row.state), row.wish


def _release(file_id: int) -> None:
    back = {"leased_until": None, "deaths": func.greatest(ImportFile.deaths - 1, 0)}
    with transaction() as session:
        session.execute(update(ImportFile).where(ImportFile.id == file_id).values(back).execution_options(synchronize_session=False))


def _failed(file_id: int, error: Exception) -> None:
    """A defect ended the work: it is tried again, and after some tries left for somebody to decide, who is told.

    A database that is away or stops is no defect: such work is taken up as long as it takes.
    """
    if is_passing(error):
        log.warning("import_waits", file=file_id, error=type(error).__name__)
        return
    try:
        with transaction():
            file = locked(file_id)
            if file.state not in AT_WORK:
                return
            file.tries += 1
            if file.tries >= MOST_TRIES:
                _end(file, tries=file.tries, error=type(error).__name__)
    except FileGone:
        return


def _end(file: ImportFile, *, tries: int = 0, deaths: int = 0, error: str = "") -> None:
    """In the transaction under way: the work failed for good, by defects or by the death of its workers; whoever sent the file is told."""
    work = FileState(file.state)
    move(file, FileEvent.FAIL)
    file.tries, file.deaths, file.leased_until = tries, deaths, None
    file.failed_in, file.failed_reference = work.value, context.request_id() or ""
    db.session.flush()
    _tell(file)
    log.error("import_failed", file=file.id, work=work.value, tries=tries, deaths=deaths, error=error)


def _tell(file: ImportFile) -> None:
    """The account that sent the file, in the transaction that ends it."""
    user = db.session.get(User, file.account_id) if file.account_id is not None else None
    if user is None or not user.is_active:
        return
    variables = {
        "first_name": user.first_name, "last_name": user.last_name, "sent_at": file.created_at, "undoing": file.state == FileState.APPLIED,
        "reference": file.failed_reference, "link": public_link("ImportsView.show", import_id=file.id),
    }  # fmt: skip
    try:
        send_mail(user.email, "import_failed", variables, organisation_id=file.organisation_id)
    except InvalidAddress:
        log.warning("mail_not_sent", account=user.id, reason="address")


def _view(organisation_id: int, account_id: int | None) -> Scope | None:
    """What an account sees now, or will when it is open again; None when it was deleted or went elsewhere."""
    user = db.session.get(User, account_id) if account_id is not None else None
    if user is None or user.deleted_at is not None or user.organisation_id != organisation_id:
        return None
    user.mandate = mandates.current(db.session(), user.id, clock.today())
    return scope_of(user)


def _may_decide(organisation_id: int, decider_id: int | None, account_id: int | None) -> bool:
    """Whether the account that had a file applied is open, and still sees that file: its own, or any of its organisation."""
    view = _view(organisation_id, decider_id)
    user = db.session.get(User, decider_id) if decider_id is not None else None
    return view is not None and user is not None and user.is_active and (view.limited_account is None or decider_id == account_id)


def _may_apply(file_id: int, account_id: int) -> bool:
    """Whether the token with which it was asked that the file be applied would still be accepted, and its account has these rights by itself."""
    token_id = db.session.scalar(select(ImportFile.token_id).where(ImportFile.id == file_id))
    if token_id is None or not is_live(db.session(), token_id, account_id):
        return False
    try:
        with in_place_of(account_id):
            security: Any = current_app.appbuilder.sm  # type: ignore[attr-defined]  # set by Flask-AppBuilder
            return {WRITE, PROGRAM} <= security.own_grants(current_user)
    except NoAccount:
        return False


class Progress:
    """Writes how far the work is, in a transaction of its own: the work's own is not seen before its end.

    Of a file that is at work no more nothing is written: another worker ended what this one was taken for dead at.
    """

    def __init__(self, file_id: int, phase: Phase) -> None:
        self._file_id = file_id
        self._phase = phase
        self._last = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < _SAID_EVERY:
            return
        self._last = now
        with _aside() as session:
            session.execute(
                update(ImportFile)
                .where(ImportFile.id == self._file_id, ImportFile.state.in_([one.value for one in AT_WORK]))
                .values(phase=self._phase.value, done=min(done, total), total=total, leased_until=clock.now() + LEASE)
                .execution_options(synchronize_session=False)
            )


@contextmanager
def _aside() -> Iterator[Session]:
    """A transaction beside the one under way, in the system's scope."""
    with bound_scope(Scope.system()), Session(db.engine, join_transaction_mode="create_savepoint") as session, session.begin():
        tenancy.apply_to(session.connection())
        yield session


# ---- reading -----------------------------------------------------------------------------------------------------------


def read(file_id: int, *, may_apply: bool = False) -> bool:
    """From bytes to lines; then columns are named, by the file itself or by somebody.  Gives what ``check`` does."""
    content = parts.file_of(file_id)
    sent = db.session.execute(select(ImportFile.file_name, ImportFile.matrix).where(ImportFile.id == file_id)).one_or_none()
    if sent is None:
        raise FileGone(file_id)
    limits = limits_of(IMPORTERS[sent.matrix].matrix)
    db.session.rollback()  # nothing is held while a file is read
    progress = Progress(file_id, Phase.READING)
    try:
        table, heading, count, packed = packed_lines.read_packed(content, limits, sent.file_name, lambda done: progress(0, done))
    except Refused as refused:
        with transaction():
            file = locked(file_id)
            matrix = IMPORTERS[file.matrix].matrix
            remembered = columns.remembered_for(matrix)
            refused = columns.why_not_read(refused, content, file.file_name, matrix, remembered)
            if refused.header is not None:
                refused.header = tuple(columns.only_known(refused.header, matrix, remembered))
            _refuse(file, refused)
        return False
    del content
    with transaction():
        file = locked(file_id)
        matrix = IMPORTERS[file.matrix].matrix
        remembered = columns.remembered_for(matrix)
        below = columns.header_below(table.header, table.top, matrix, remembered)
        if below is not None:
            _refuse(file, below)
            return False
        mapped = columns.map_headings(heading, matrix, remembered)
        if columns.is_data(table.header, mapped):
            _refuse(file, as_named(Refused(Fault.NO_HEADER), file.file_name, is_text=table.is_text))
            return False
        keys, _others = columns.missing(mapped.columns, describe(matrix))
        asked = not mapped.settled or bool(keys)
        move(file, FileEvent.ASK_COLUMNS if asked else FileEvent.READ)
        file.heading, file.columns, file.lines = [_masked(words) for words in heading], mapped.columns, count
        file.sheet = {"sheet": _masked(table.sheet)[:60], "others": table.others} if table.sheet else None
        parts.keep_packed(file, PartKind.ROWS, packed)
        parts.drop(file_id, PartKind.FILE)
    log.info("import_read", file=file_id, lines=count, asked=asked)
    return not asked and check(file_id, may_apply=may_apply)


def _refuse(file: ImportFile, refused: Refused) -> None:
    """It is no table, or one of which nearly all is wrong: nothing of it is kept but why."""
    move(file, FileEvent.REFUSE)
    value = _masked(refused.value) if isinstance(refused.value, str) else refused.value
    file.fault = {
        "fault": refused.fault.value, "line": refused.line, "column": refused.column, "value": value, "in_text": refused.in_text,
        "heading": _masked(refused.heading),
    }  # fmt: skip
    keep_findings(file, ())
    parts.drop(file.id)
    log.info("import_refused", file=file.id, fault=refused.fault.value)


# ---- checking ----------------------------------------------------------------------------------------------------------


def check(file_id: int, *, may_apply: bool = False) -> bool:
    """What the file would do now: nothing of the domain is written.

    Gives whether the file is to be applied at once: that was wished when it was sent, what was wished can be, and (``may_apply``) the
    account may have it done.
    """
    file = db.session.get(ImportFile, file_id, populate_existing=True)
    if file is None:
        raise FileGone(file_id)
    try:
        plan = plan_of(file, lock=False)
    except Refused as refused:
        db.session.rollback()
        with transaction():
            file = locked(file_id)
            if refused.fault is Fault.TOO_MUCH_WRONG:  # columns that somebody named may be the wrong ones: the next file asks again
                columns.forget(IMPORTERS[file.matrix].matrix, file.heading or ())
            _refuse(file, refused)
        return False
    db.session.rollback()
    with transaction():
        file = locked(file_id)
        move(file, FileEvent.CHECK)
        file.counts, file.checked_at = plan.counts(), clock.now()
        keep_findings(file, plan.findings)
        parts.keep(file, PartKind.STEPS, [outcome.shown_step(step) for step in outcome.acting(plan)])
        wish, file.wish = Wish(file.wish) if file.wish else None, None
        confirmed = wish is not None and may_apply and applicable(plan.counts(), partial=wish is Wish.VALID)
        if confirmed:
            move(file, FileEvent.CONFIRM)
            decided(file, partial=wish is Wish.VALID)
    log.info("import_checked", file=file_id, confirmed=confirmed, **plan.counts())
    return confirmed


def _as_confirmed(file: ImportFile, plan: Plan) -> bool:
    """Whether the plan does what the report said; a line mended since is among its counts only."""
    if plan.counts() != file.counts:
        return False
    steps = iter(plan.steps)  # both in the order of the lines
    return all(next((outcome.shown_step(step) == said for step in steps if step.line == said[0]), False) for said in parts.items_of(file.id, PartKind.STEPS))


def plan_of(file: ImportFile, *, lock: bool) -> Plan:
    """What the file does to what is there."""
    importer = IMPORTERS[file.matrix]
    checker = Checker(importer.matrix)
    file_id = file.id
    numbers, cells, spilled = packed_lines.lines_of(file)
    checked = checker.check(numbers, cells, progress=Progress(file_id, Phase.CHECKING))
    checked.findings += spilled
    return beyond.without_consequences(importer.plan(checker, checked, Progress(file_id, Phase.COMPARING), lock=lock), spilled)


def plan_of_lines(matrix: Matrix, lines: Sequence[int], cells: dict[str, list[Cell]], spilled: Sequence[Finding]) -> Plan:
    """What some lines do, without the others; ``spilled``: what is said of those that have cells too many."""
    checker = Checker(matrix)
    checked: Checked = checker.check(lines, cells)
    checked.findings += spilled
    return beyond.without_consequences(IMPORTERS[matrix.name].plan(checker, checked, lambda _done, _total: None, lock=False), spilled)


def keep_findings(file: ImportFile, findings: Sequence[Finding], *, lines: Collection[int] | None = None) -> None:
    """Replace what is said of the file (of some lines) by these findings; a sentence that repeats a cell repeats no number of a person."""
    old = delete(ImportFinding).where(ImportFinding.file_id == file.id)
    if lines is not None:
        old = old.where(among(ImportFinding.line, lines))
    db.session.execute(old.execution_options(synchronize_session=False))
    insert_rows(
        ImportFinding,
        [
            {
                "id": number, "organisation_id": file.organisation_id, "file_id": file.id, "line": one.line, "column_name": one.column,
                "message": _masked(one.message), "other_line": one.other,
            }
            for number, one in zip(new_ids(ImportFinding, min(len(findings), MOST_FINDINGS)), findings, strict=False)
        ],
    )


def _masked(message: str) -> str:
    return NUMBER_IN_TEXT.sub(lambda found: mask(normalise(found[0])), message)


# ---- applying ----------------------------------------------------------------------------------------------------------


def apply(file_id: int) -> None:
    """Write what was confirmed, in one transaction; what it would do is computed again behind the locks, and must be the same."""
    for left in reversed(range(_TRIES)):
        try:
            _apply(file_id)
        except (Held, Refused):
            db.session.rollback()
        except (IntegrityError, Outdated):  # somebody registered one of these people, or changed one of these sheets, meanwhile
            db.session.rollback()
            if not left:
                raise
            continue
        else:
            return
        _hold(file_id)  # what was made before is not held any more
        check(file_id)
        return


def _hold(file_id: int) -> None:
    """What was decided is not done: a file to apply is checked anew and shown again, one to undo stays applied."""
    with transaction():
        file = locked(file_id)
        move(file, FileEvent.HOLD)
        file.held = True
    log.info("import_held", file=file_id)


def _apply(file_id: int) -> None:
    with transaction() as session:
        _alone(file_id)
        file = session.get(ImportFile, file_id, populate_existing=True)
        if file is None or file.state != FileState.APPLYING:
            raise FileGone(file_id)
        plan = plan_of(file, lock=True)
        if not _as_confirmed(file, plan):
            raise Held(file_id)
        done = IMPORTERS[file.matrix].apply(plan, Progress(file_id, Phase.WRITING))
        file = locked(file_id)
        move(file, FileEvent.APPLY)
        file.applied_at = clock.now()
        outcome.keep_applied(file, plan, done)
    log.info("import_applied", file=file_id, **plan.counts())


def _alone(file_id: int) -> None:
    """Two workers never write the same file at once: the second waits, and finds it written."""
    db.session.execute(select(func.pg_advisory_xact_lock(int(Lock.IMPORT), file_id)))


def take_back(file_id: int) -> None:
    """Undo what the file did, in one transaction; what was changed since is kept and listed."""
    with transaction() as session:
        _alone(file_id)
        file = session.get(ImportFile, file_id, populate_existing=True)
        if file is None or file.state != FileState.UNDOING:
            raise FileGone(file_id)
        importer = IMPORTERS[file.matrix]
        done = outcome.done_of(list(parts.items_of(file_id, PartKind.DONE)))
        if not done:
            raise NothingKept(file_id)
        kept = importer.undo(done, Progress(file_id, Phase.UNDOING))
        file = locked(file_id)
        move(file, FileEvent.UNDONE)
        file.undone_at = clock.now()
        outcome.keep_undone(file, kept)
    log.info("import_undone", file=file_id, kept=len(kept))


__all__ = ["Held", "NothingKept", "Progress", "apply", "check", "keep_findings", "plan_of", "plan_of_lines", "read", "run", "take_back"]
