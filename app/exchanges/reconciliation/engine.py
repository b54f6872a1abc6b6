"""The steps of a comparison. Each asks the partner outside of any transaction, then writes what came of it and where it stands in one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context
from app.core.extensions import db
from app.core.outbox.circuit import guard
from app.core.outbox.errors import Cause, PartnerError, Rejected, Unavailable
from app.core.outbox.models import OutboxPartner
from app.core.outbox.policy import clamp_retry_after
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.partners.agora.port import AgoraFileState, AgoraPort, FilePage, Refusal
from app.trainees.jobs import agora

from ..codes import ENDLESS
from ..domain import Assignee, DifferenceKind, DifferenceState, Finding, Phase, RunState, Theirs, compare
from ..models import ReconciliationDifference, ReconciliationFile, ReconciliationRun
from . import acts, facts
from .acts import Tally
from .facts import Known, Staged

log = structlog.get_logger(__name__)

PAGE: Final = 500
#: Pages in a row that bring nothing new: the partner has us turn in circles.
MOST_IDLE: Final = 3
MOST_PAGES: Final = 20_000
#: Calls in a row without a usable answer.
MOST_FAILURES: Final = 8
#: Single files asked for in one run, to be sure before something is done about them.
MOST_LOOKUPS: Final = 2_000
#: Readings begun again because the partner forgot where they were.
MOST_RESTARTS: Final = 3
LONGEST_CURSOR: Final = 2_048
LEASE_SECONDS: Final = 120

_TAKE = text(
    """
UPDATE reconciliation_run SET lease_token = :token, lease_until = clock_timestamp() + make_interval(secs => :lease)
WHERE id = :id AND state = 'running' AND (lease_until IS NULL OR lease_until < clock_timestamp()) AND (retry_at IS NULL OR retry_at <= clock_timestamp())
RETURNING id
"""
)


class Lost(RuntimeError):
    """Another worker took the run over, or it was ended: this one stops."""


def work(run_id: int, *, seconds: float = 45.0, interrupted: Callable[[], bool] = lambda: False, port: AgoraPort | None = None) -> bool:
    """Carry a run on until it is over, ``seconds`` are, or the partner does not answer. Returns whether it is over.

    Safe to call at any time and from anywhere: one worker holds the run at a time, and a dead one's place is free after two minutes.
    """
    token = uuid4()
    with context.acting(actor=None, reference=context.request_id()), bound_scope(Scope.system()):
        with transaction() as session:
            if session.scalar(_TAKE, {"id": run_id, "token": token, "lease": LEASE_SECONDS}) is None:
                return session.scalar(select(ReconciliationRun.state).where(ReconciliationRun.id == run_id)) != RunState.RUNNING.value
        worker = _Work(run_id, token, port or agora())
        end = time.monotonic() + seconds
        try:
            while worker.step():
                if time.monotonic() >= end or interrupted():
                    worker.let_go()
                    return False
        except Lost:
            return False
        return worker.over


@dataclass(slots=True)
class _Seen:
    """The run as a step found it."""

    phase: Phase
    since: Any
    cursor: str | None
    position: int
    lookups: int
    complete: bool


class _Work:
    """One worker's hold on a run."""

    def __init__(self, run_id: int, token: UUID, port: AgoraPort) -> None:
        self.run_id = run_id
        self.token = token
        self.port = port
        self.over = False

    def step(self) -> bool:
        """One step; False when there is nothing more to do now."""
        with transaction():
            run = self._held()
            if db.session.scalar(select(OutboxPartner.paused).where(OutboxPartner.name == run.partner)):
                _put_off(run, 60.0)
                return False
            seen = _Seen(Phase(run.phase), run.since, run.cursor, run.position, int(run.counts.get("lookups", 0)), run.complete)
        try:
            match seen.phase:
                case Phase.READING:
                    self._read(seen)
                case Phase.COMPARING:
                    self._compare(seen)
                case Phase.UNKNOWN:
                    self._strangers(seen)
                case Phase.ABSENT:
                    self._absent(seen)
                case Phase.RECHECKING:
                    self._recheck(seen)
                case _:
                    self._finish()
                    return False
        except PartnerError as error:
            return self._failed(error)
        return True

    def let_go(self) -> None:
        """Give the place back; another worker goes on."""
        with transaction():
            run = self._held()
            run.lease_until = run.lease_token = None

    def _held(self) -> ReconciliationRun:
        """The run, locked, if it is still ours; its lease starts anew."""
        statement = select(ReconciliationRun).where(ReconciliationRun.id == self.run_id).with_for_update().execution_options(populate_existing=True)
        run = db.session.scalars(statement).one_or_none()
        if run is None or run.lease_token != self.token or run.state != RunState.RUNNING.value:
            raise Lost(self.run_id)
        run.lease_until = text(f"clock_timestamp() + make_interval(secs => {LEASE_SECONDS})")  # type: ignore[assignment]
        return run

    # ---- reading ------------------------------------------------------------------------------------------------------

    def _read(self, seen: _Seen) -> None:
        page = self._ask(lambda: self.port.find_files(modified_since=seen.since, cursor=seen.cursor, limit=PAGE))
        with transaction():
            run = self._held()
            fresh = _stage(self.run_id, page)
            tally = Tally()
            tally.add("files", fresh)
            run.counts = tally.onto(run.counts)
            run.pages += 1
            run.failures = 0
            run.idle_pages = 0 if fresh else run.idle_pages + 1
            run.cursor = page.next_cursor
            if page.next_cursor is None:
                run.complete = True
                _enter(run, Phase.COMPARING)
            elif run.idle_pages >= MOST_IDLE or run.pages >= MOST_PAGES or len(page.next_cursor) > LONGEST_CURSOR:
                run.cursor = None
                run.failure = ENDLESS
                _enter(run, Phase.COMPARING)

    # ---- comparing ----------------------------------------------------------------------------------------------------

    def _compare(self, seen: _Seen) -> None:
        with transaction():
            found = facts.staged(self.run_id, seen.position)
        fresh, asked = self._look_up(found, seen)
        with transaction():
            run = self._held()
            tally = _tally(run)
            tally.add("lookups", asked)
            # the others, nearly all, are equal: neither locked nor read again
            differing = {one.known.enrolment_id for one in found if one.copies > 1 or compare(one.known.ours, one.theirs) is not None}
            present = facts.now_of(differing)
            for one in found:
                known = present.get(one.known.enrolment_id) if one.known.enrolment_id in differing else one.known
                if known is None:
                    continue
                if known.to_leave_alone:
                    tally.add("skipped")
                    continue
                tally.add("compared")
                self._judge(known, one, fresh, tally)
            _note(run, tally)
            if len(found) < facts.BATCH:
                _enter(run, Phase.UNKNOWN)
            else:
                run.position = found[-1].id

    def _judge(self, known: Known, one: Staged, fresh: dict[int, AgoraFileState | None], tally: Tally) -> None:
        if one.copies > 1 and known.ours.number != one.theirs.number:
            acts.assigned(
                self.run_id, DifferenceKind.NUMBER, Assignee.REGION, tally, reference=known.reference, known=known, theirs=one.theirs
            )  # two files under one reference
            return
        finding = compare(known.ours, one.theirs)
        if finding is None:
            return
        theirs = one.theirs
        if not finding.heal or finding.kind is DifferenceKind.NUMBER:
            if one.id not in fresh:
                tally.add("unchecked")
                return
            theirs, finding = _sure(known, fresh[one.id], one)
            if finding is None:
                return
        acts.treat(self.run_id, known, theirs, finding, tally)

    def _look_up(self, found: Sequence[Staged], seen: _Seen) -> tuple[dict[int, AgoraFileState | None], int]:
        """The files about which something else than taking a later version would be done, as they are at this moment."""
        fresh: dict[int, AgoraFileState | None] = {}
        for one in found:
            finding = compare(one.known.ours, one.theirs)
            doubtful = finding is not None and (not finding.heal or finding.kind is DifferenceKind.NUMBER)
            if not doubtful or one.known.to_leave_alone or one.copies > 1 or seen.lookups + len(fresh) >= MOST_LOOKUPS:
                continue
            fresh[one.id] = self._file(one.theirs.number)
        return fresh, len(fresh)

    # ---- what has no counterpart --------------------------------------------------------------------------------------

    def _strangers(self, seen: _Seen) -> None:
        with transaction():
            run = self._held()
            found = facts.strangers(self.run_id, seen.position)
            tally = _tally(run)
            for one in found:
                acts.assigned(self.run_id, DifferenceKind.UNKNOWN, Assignee.REGION, tally, reference=one.reference, theirs=one.theirs)
            _note(run, tally)
            if len(found) == facts.BATCH:
                run.position = found[-1].id
            else:
                _enter(run, Phase.ABSENT if run.complete else Phase.RECHECKING)

    def _absent(self, seen: _Seen) -> None:
        with transaction():
            found, looked = facts.missing(self.run_id, seen.position, since=seen.since)
            end = facts.last_enrolment()
        candidates = [one for one in found if not one.to_leave_alone]
        answers: dict[int, FilePage] = {}
        for one in candidates:
            if seen.lookups + len(answers) >= MOST_LOOKUPS:
                break
            answers[one.enrolment_id] = self._by_reference(one.reference)
        with transaction():
            run = self._held()
            tally = _tally(run)
            tally.add("lookups", len(answers))
            present = facts.now_of([one.enrolment_id for one in candidates])
            for one in candidates:
                known = present.get(one.enrolment_id)
                if known is None or known.to_leave_alone:
                    continue
                if one.enrolment_id not in answers:
                    tally.add("unchecked")
                    continue
                self._judge_absent(known, answers[one.enrolment_id], tally)
            _note(run, tally)
            if looked >= end:
                _enter(run, Phase.RECHECKING)
            else:
                run.position = looked

    def _judge_absent(self, known: Known, page: FilePage, tally: Tally) -> None:
        """Not in the pages: there all the same when asked for by its reference, lost on the way, or gone."""
        if page.files:
            self._judge_again(known, page, tally)
        elif known.ours.number is None and known.held is None and not known.settled_by_hand:
            acts.create_again(known)
            acts.healed(self.run_id, known, DifferenceKind.ABSENT, None, tally)
        elif known.held is None:
            acts.assigned(self.run_id, DifferenceKind.ABSENT, Assignee.REGION, tally, reference=known.reference, known=known)

    def _judge_again(self, known: Known, page: FilePage, tally: Tally) -> bool:
        """Compare with what the reference names there; whether a difference is left."""
        theirs = [_theirs(file) for file in page.files]
        one = next((file for file in theirs if file.number == known.ours.number), theirs[0])
        if len({file.number for file in theirs}) > 1:
            acts.assigned(self.run_id, DifferenceKind.NUMBER, Assignee.REGION, tally, reference=known.reference, known=known, theirs=one)
            return True
        finding = compare(known.ours, one)
        if finding is not None:
            acts.treat(self.run_id, known, one, finding, tally)
        return finding is not None

    # ---- former differences -------------------------------------------------------------------------------------------

    def _recheck(self, seen: _Seen) -> None:
        difference = ReconciliationDifference
        with transaction():
            rows = db.session.execute(
                select(difference.id, difference.reference, difference.enrolment_id, difference.kind, difference.theirs)
                .where(difference.state == DifferenceState.OPEN.value, difference.last_run_id < self.run_id, difference.id > seen.position)
                .order_by(difference.id)
                .limit(100)
            ).all()
        answers: dict[int, FilePage] = {}
        for row in rows:
            if seen.lookups + len(answers) < MOST_LOOKUPS:
                answers[row.id] = self._by_reference(row.reference)
        with transaction():
            run = self._held()
            tally = _tally(run)
            tally.add("lookups", len(answers))
            present = facts.now_of([row.enrolment_id for row in rows if row.enrolment_id is not None])
            for row in rows:
                if row.id in answers:
                    self._judge_former(row, present.get(row.enrolment_id), answers[row.id], tally)
            _note(run, tally)
            if len(rows) < 100:
                _enter(run, Phase.OVER)
            else:
                run.position = rows[-1].id

    def _judge_former(self, row: Any, known: Known | None, page: FilePage, tally: Tally) -> None:
        if known is None:  # a file unknown to the portal
            still = bool(page.files)
        elif known.to_leave_alone:
            still = True
        elif page.files:
            still = self._judge_again(known, page, tally)
        else:
            still = known.ours.number is not None or known.settled_by_hand
        if still:
            values: dict[str, Any] = {"last_run_id": self.run_id}
        else:
            values = {"last_run_id": self.run_id, "state": DifferenceState.GONE.value, "closed_at": clock.now()}
            tally.add("gone")
        table: Any = ReconciliationDifference.__table__
        db.session.flush()
        still_open = (table.c.id == row.id, table.c.state == DifferenceState.OPEN.value)
        db.session.execute(table.update().where(*still_open).values(**values, version=table.c.version + 1))

    # ---- the end ------------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        with transaction() as session:
            run = self._held()
            _close(run, RunState.DONE if run.complete and run.failure is None else RunState.PARTIAL)
            session.execute(delete(ReconciliationFile).where(ReconciliationFile.run_id == self.run_id))
            log.info("reconciliation_over", run=self.run_id, state=run.state, **{name: value for name, value in run.counts.items() if "." not in name})
        self.over = True

    def _failed(self, error: PartnerError) -> bool:
        """No usable answer: again later, and after a while with what there is. Returns whether to go on at once."""
        with transaction() as session:
            run = self._held()
            run.failures += 1
            code = _code(error)
            log.warning("reconciliation_call_failed", run=self.run_id, phase=run.phase, failures=run.failures, code=code, reason=str(error)[:200])
            forgotten = isinstance(error, Rejected) and run.phase == Phase.READING.value and run.cursor is not None
            if forgotten and int(run.counts.get("restarts", 0)) < MOST_RESTARTS:
                self._read_again(run)
            elif forgotten:
                run.failures = MOST_FAILURES  # it forgets each time: what was read is used
            if run.failures < MOST_FAILURES:
                asked = clamp_retry_after(getattr(error, "retry_after", None)) or 0.0
                _put_off(run, max(min(300.0, 5.0 * 2 ** (run.failures - 1)), asked))
                return False
            run.failures = 0
            run.failure = code
            if run.phase == Phase.READING.value and run.counts.get("files"):
                run.cursor = None
                _enter(run, Phase.COMPARING)
                return True
            state = RunState.PARTIAL if run.phase != Phase.READING.value else RunState.FAILED
            _close(run, state)
            session.execute(delete(ReconciliationFile).where(ReconciliationFile.run_id == self.run_id))
        self.over = True
        return False

    def _read_again(self, run: ReconciliationRun) -> None:
        """The partner does not know its own cursor any more: from the beginning, as if nothing had been read."""
        db.session.execute(delete(ReconciliationFile).where(ReconciliationFile.run_id == self.run_id))
        run.cursor, run.idle_pages = None, 0
        run.counts = {**run.counts, "files": 0, "restarts": int(run.counts.get("restarts", 0)) + 1}

    # ---- asking -------------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        """A step may ask for hundreds of files: the lease starts anew before each, and no transaction stays open while a partner is slow."""
        with transaction():
            self._held()

    def _ask(self, call: Callable[[], FilePage]) -> FilePage:
        self._renew()
        with guard("agora"):
            return call()

    def _by_reference(self, reference: str) -> FilePage:
        return self._ask(lambda: self.port.find_files(external_reference=reference, limit=10))

    def _file(self, number: str) -> AgoraFileState | None:
        """A file by its number; None when AGORA knows none."""
        self._renew()
        try:
            with guard("agora"):
                return self.port.get_file(number)
        except Rejected as refusal:
            if getattr(refusal, "refusal", None) is Refusal.UNKNOWN_FILE:
                return None
            raise


def _code(error: PartnerError) -> str:
    """What the catalogue explains."""
    if isinstance(error, Rejected):
        return error.code[:64]
    return (error.cause if isinstance(error, Unavailable) else Cause.UNAVAILABLE).value


def _sure(known: Known, state: AgoraFileState | None, one: Staged) -> tuple[Theirs, Finding | None]:
    """The difference as it is on second thoughts: with the file just read, if it is about this enrolment."""
    if state is None or state.external_reference != known.reference:
        return one.theirs, Finding(DifferenceKind.NUMBER, assignee=Assignee.REGION)
    theirs = _theirs(state)
    return theirs, compare(known.ours, theirs)


def _theirs(state: AgoraFileState) -> Theirs:
    return Theirs(state.number, state.status, state.version)


def _enter(run: ReconciliationRun, phase: Phase) -> None:
    run.phase, run.position = phase.value, 0


def _tally(run: ReconciliationRun) -> Tally:
    return Tally(int(run.counts.get("written", 0)))


def _note(run: ReconciliationRun, tally: Tally) -> None:
    run.counts = tally.onto(run.counts)
    run.failures = 0


def _put_off(run: ReconciliationRun, seconds: float) -> None:
    run.retry_at = text(f"clock_timestamp() + make_interval(secs => {float(seconds)})")  # type: ignore[assignment]
    run.lease_until = run.lease_token = None


def _close(run: ReconciliationRun, state: RunState) -> None:
    run.state, run.phase, run.finished_at = state.value, Phase.OVER.value, clock.now()
    run.lease_until = run.lease_token = run.retry_at = None


def _stage(run_id: int, page: FilePage) -> int:
    """Keep the files of a page, each once with its latest version. Returns how many are new or newer."""
    best: dict[tuple[str, str], AgoraFileState] = {}
    for file in page.files:
        key = (file.external_reference, file.number)
        if key not in best or best[key].version < file.version:
            best[key] = file
    if not best:
        return 0
    statement = insert(ReconciliationFile).values(
        [
            {
                "run_id": run_id, "reference": file.external_reference, "uid": _uid(file.external_reference), "number": file.number,
                "status": file.status.value, "file_version": file.version,
            }
            for file in best.values()
        ]
    )  # fmt: skip
    table: Any = ReconciliationFile.__table__
    newer = statement.on_conflict_do_update(
        index_elements=["run_id", "reference", "number"],
        set_={"status": statement.excluded.status, "file_version": statement.excluded.file_version},
        where=table.c.file_version < statement.excluded.file_version,
    )
    return len(db.session.execute(newer.returning(table.c.id)).all())


def _uid(reference: str) -> UUID | None:
    try:
        uid = UUID(reference)
    except ValueError:
        return None
    return uid if str(uid) == reference else None
