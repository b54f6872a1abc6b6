"""The drain: claim messages, build them, send them all at once, settle what comes back; until nothing is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm.exc import StaleDataError

from app.core import context
from app.core.outbox import circuit, keys, policy, registry, store, throttle
from app.core.outbox.breaker import Permission
from app.core.outbox.circuit import Circuit
from app.core.outbox.errors import Contradictory, Duplicate, Rejected, Throttled, Unavailable
from app.core.outbox.models import ErrorKind, MessageState
from app.core.outbox.registry import Message
from app.core.outbox.sending import Outcome, Sender
from app.core.outbox.store import Settlement
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

log = structlog.get_logger(__name__)

MAX_IN_HAND: Final = 500
ROUNDS_IN_HAND: Final = 8  # messages held are this many times what the transport sends at once
SLICE: Final = 0.5  # seconds of sending between two visits to the database
LOOK_FOR_DEAD_WORKERS: Final = 10.0  # seconds between two looks for expired leases

#: Failures of the moment, not of the message: a lost connection, a deadlock, someone edited the same row.
_PASSING = (OperationalError, InterfaceError, StaleDataError)


@dataclass(slots=True)
class Report:
    """What one drain did."""

    sent: int = 0
    done: int = 0
    rejected: int = 0
    retried: int = 0
    dead: int = 0
    cancelled: int = 0
    fenced: int = 0
    finished: bool = True  # False: stopped before everything due was sent


def drain(partner: str, *, seconds: float = 45.0, interrupted: Callable[[], bool] = lambda: False) -> Report:
    """Send what is due for ``partner`` until nothing is left, ``seconds`` are over or ``interrupted()`` says so.

    Safe to run in any number of processes, and to kill at any point: an unfinished message goes out again, under the same
    idempotency key if it says the same (``keys``), when its lease of 30 seconds is over.
    """
    # as nobody: the actor who happened to nudge is not the author of what comes back for others
    nobody = context.acting(actor=None, reference=context.request_id())
    with nobody, bound_scope(Scope.system()), Sender(registry.transport(partner)) as sender:
        report = _Drain(partner, sender).run(time.monotonic() + seconds, interrupted)
    if report.sent or report.cancelled or report.dead:
        log.info("outbox_drained", partner=partner, **{name: getattr(report, name) for name in Report.__slots__})
    return report


class _Drain:
    """One run of the drain."""

    def __init__(self, partner: str, sender: Sender) -> None:
        self.partner = partner
        self.sender = sender
        self.report = Report()
        self.tokens: dict[int, UUID] = {}  # of the messages in hand
        self.size = min(MAX_IN_HAND, sender.max_concurrency * ROUNDS_IN_HAND)
        self.known = Circuit.unknown()
        self.probing = False
        self.apart = False  # what is in hand outlived a worker, and must have no other beside it
        self.pause: float | None = None  # seconds until the rate set by an operator lets a message go, when it let none

    def run(self, end: float, interrupted: Callable[[], bool]) -> Report:
        """Until nothing is due."""
        look_again = 0.0
        while True:
            if time.monotonic() >= look_again:  # a long drain must not keep the sweeper waiting
                _free_expired()
                look_again = time.monotonic() + LOOK_FOR_DEAD_WORKERS
            if self.report.finished and self.report.sent and (time.monotonic() >= end or interrupted()):
                self.report.finished = False
                self.sender.halt()
            claimed = self._take() if self.report.finished else 0
            if self.sender.busy:
                self._send()
            elif not claimed and not self._await_turn(end, interrupted):
                return self.report

    def _await_turn(self, end: float, interrupted: Callable[[], bool]) -> bool:
        """Wait until the rate set by an operator lets the next message go; False when there is nothing to wait for, or no time."""
        if self.pause is None or self.pause > throttle.LONGEST_WAIT or not self.report.finished:
            return False  # a slower rate than that is left to the sweeper
        with transaction() as session:
            if not store.any_due(session, self.partner):
                return False
        if time.monotonic() + self.pause >= end or interrupted():
            self.report.finished = False
            return False
        time.sleep(min(self.pause, SLICE))
        return True

    def _take(self) -> int:
        """Claim and build what there is room for. Returns how many messages were claimed."""
        room = self.size - self.sender.busy
        if self.sender.busy and (self.apart or room < self.size // 2):
            return 0
        token = uuid4()
        with transaction() as session:
            self.known = circuit.read(session, self.partner)
            permission = self.known.permission
            messages: list[Message] = []
            bucket = None
            self.pause = None
            if self.known.rate_per_minute is not None and permission is not Permission.NOTHING:
                bucket = throttle.look(session, self.partner)  # locked: no other worker spends from it until this claim is written
                room = min(room, bucket.whole)
                if not room:
                    self.pause = bucket.wait
                    return 0
            if permission is Permission.ALL:
                messages = store.claim(session, self.partner, token, room, empty_handed=not self.sender.busy)
            elif self.sender.busy:
                self.sender.halt()
            elif permission is Permission.PROBE:
                messages = store.claim_probe(session, self.partner, token)
                if messages and not circuit.take_probe(session, self.partner):
                    store.release(session, {message.id: token for message in messages})
                    messages = []
                self.probing = bool(messages)
            if bucket is not None:
                throttle.spend(session, self.partner, bucket, len(messages))
        if not messages:
            return 0
        self.apart = any(message.expiries for message in messages)
        self.tokens.update({message.id: token for message in messages})
        settlements, requests = _build(messages)
        unfit = {message.id: Outcome(message, error=request) for message, request in requests if isinstance(request, Rejected)}
        requests = self._bind(token, [pair for pair in requests if pair[0].id not in unfit])
        settlements += [_judge(outcome, self.known) for outcome in unfit.values()]
        self.sender.add(requests)
        if settlements:
            self._settle(settlements, unfit)
            if self.probing and not requests:
                self._conclude([], [])
        return len(messages)

    def _bind(self, token: UUID, requests: Sequence[tuple[Message, Any]]) -> list[tuple[Message, Any]]:
        """The requests under the keys of their bodies, but for those whose lease ran out while they were built."""
        bound, lost = keys.bind(self.sender.transport, token, requests)
        for message in lost:
            self.tokens.pop(message.id, None)
        self._count([], fenced=len(lost))
        return bound

    def _send(self) -> None:
        """Let the calls run for a moment, and settle what came back."""
        try:
            outcomes, unsent = self.sender.step(SLICE)
        except Exception:
            with transaction() as session:  # a fault of the transport, not of any message: all go back, later
                store.release(session, self.tokens, delay=30)
                if self.probing:
                    circuit.release_probe(session, self.partner)
            raise
        self.report.sent += len(outcomes)
        fenced = self.report.fenced
        if outcomes:
            self._settle([_judge(outcome, self.known) for outcome in outcomes], {outcome.message.id: outcome for outcome in outcomes})
            if self.report.fenced - fenced == len(outcomes):
                outcomes = []  # this process slept through its lease: what it thinks of the partner is worth nothing
        if outcomes or unsent or (self.probing and not self.sender.busy):
            self._conclude(outcomes, unsent)

    def _settle(self, settlements: Sequence[Settlement], outcomes: dict[int, Outcome]) -> None:
        """Apply the answers and mark the messages in one transaction; a message that fails to apply is set apart."""
        try:
            self._settle_together(settlements, outcomes)
        except Exception as error:
            if getattr(error, "connection_invalidated", False):
                raise  # PostgreSQL went away: the leases run out, and all goes out again under the same keys
            log.warning("outbox_apply_one_by_one", count=len(settlements), error=type(error).__name__)
            for item in settlements:
                self._settle_alone(item, outcomes)
        for item in settlements:
            self.tokens.pop(item.message.id, None)

    def _settle_together(self, settlements: Sequence[Settlement], outcomes: dict[int, Outcome]) -> None:
        with transaction() as session:
            settlements = _checked(settlements, outcomes)
            ours = store.settle(session, self.tokens, settlements)
            kept = [item for item in settlements if item.message.id in ours]
            _apply(kept, outcomes)
            session.flush()
        self._count(kept, fenced=len(settlements) - len(kept))

    def _settle_alone(self, item: Settlement, outcomes: dict[int, Outcome]) -> None:
        try:
            self._settle_together([item], outcomes)
            return
        except _PASSING as error:
            if getattr(error, "connection_invalidated", False):
                raise
            failed = _passing(item.message, error)
        except Exception as error:
            failed = _fault(item.message, error)
        with transaction() as session:
            ours = store.settle(session, self.tokens, [failed])
        self._count([failed] if ours else [], fenced=0 if ours else 1)

    def _count(self, kept: Sequence[Settlement], *, fenced: int) -> None:
        self.report.fenced += fenced
        if fenced:
            log.warning("outbox_fenced", partner=self.partner, count=fenced)
        for item in kept:
            name = "retried" if item.state is MessageState.PENDING else str(item.state)
            setattr(self.report, name, getattr(self.report, name) + 1)

    def _conclude(self, outcomes: Sequence[Outcome], unsent: Sequence[Message]) -> None:
        """Tell the circuit, give back what was not started, and hurry what waited if the partner is back."""
        verdicts = [outcome.answered for outcome in outcomes if outcome.answered is not None]
        failures = [outcome.error for outcome in outcomes if isinstance(outcome.error, Unavailable)]
        throttled = [error for error in failures if isinstance(error, Throttled)]
        down = [error for error in failures if not isinstance(error, Throttled)]
        hold = max((policy.clamp_retry_after(error.retry_after) or 1.0 for error in throttled), default=None)
        asked = max((error.retry_after for error in down if error.retry_after is not None), default=None)
        reason = (down[-1].reason or type(down[-1]).__name__) if down else None
        released = {message.id: self.tokens.pop(message.id) for message in unsent}
        with transaction() as session:
            store.release(session, released)
            if verdicts or hold is not None:
                if circuit.record(session, self.partner, verdicts, retry_after=asked, hold=hold, failure=reason, known=self.known):
                    store.pull_forward(session, self.partner)
                self.probing = False
            elif self.probing and not self.sender.busy:
                circuit.release_probe(session, self.partner)
                self.probing = False


def _free_expired() -> None:
    with transaction() as session:
        freed = store.free_expired(session)
    if freed:
        log.warning("outbox_leases_expired", partners=sorted(freed))


# ---- what to send -----------------------------------------------------------------------------------------------------


def _by_operation(messages: Iterable[Message]) -> Iterable[tuple[str, list[Message]]]:
    ordered = sorted(messages, key=lambda message: (message.operation, message.id))
    return [(operation, list(group)) for operation, group in groupby(ordered, key=lambda message: message.operation)]


def _build(messages: Sequence[Message]) -> tuple[list[Settlement], list[tuple[Message, Any]]]:
    """Requests from the present state of the database, and the settlements of messages that have none."""
    settlements: list[Settlement] = []
    requests: list[tuple[Message, Any]] = []
    for operation, group in _by_operation(messages):
        try:
            with transaction():
                built = _build_group(group, operation)
        except _PASSING:
            raise
        except Exception as error:
            if len(group) == 1:
                settlements.append(_fault(group[0], error))
                continue
            log.warning("outbox_build_one_by_one", operation=operation, error=type(error).__name__)
            alone, sendable = _build_each(group)
            settlements += alone
            requests += sendable
            continue
        _sort_built(group, built, settlements, requests)
    requests.sort(key=lambda pair: pair[0].id)
    return settlements, requests


def _build_each(group: Sequence[Message]) -> tuple[list[Settlement], list[tuple[Message, Any]]]:
    settlements: list[Settlement] = []
    requests: list[tuple[Message, Any]] = []
    for message in group:
        try:
            with transaction():
                built = _build_group([message], message.operation)
        except _PASSING:
            raise
        except Exception as error:
            settlements.append(_fault(message, error))
        else:
            _sort_built([message], built, settlements, requests)
    return settlements, requests


def _build_group(group: Sequence[Message], operation: str) -> dict[int, Any]:
    return registry.handler(group[0].partner, operation).requests(group)


def _sort_built(group: Sequence[Message], built: dict[int, Any], settlements: list[Settlement], requests: list[tuple[Message, Any]]) -> None:
    for message in group:
        request = built.get(message.id)
        if request is None:
            settlements.append(Settlement(message, MessageState.CANCELLED, code="nothing_to_send"))
        else:
            requests.append((message, request))


# ---- what becomes of it -----------------------------------------------------------------------------------------------


def _judge(outcome: Outcome, known: Circuit) -> Settlement:
    """The retry policy: from the class of the error to the next state."""
    message, error = outcome.message, outcome.error
    if error is None:
        return Settlement(message, MessageState.DONE, answer=_summary(message, outcome.answer))
    if isinstance(error, Rejected):
        return Settlement(
            message,
            MessageState.REJECTED,
            failed=True,
            kind=ErrorKind.REJECTED,
            code=error.code,
            title=error.title,
            details=error.details,
        )
    if isinstance(error, Contradictory):
        if policy.gives_up_contradicted(message.failures + 1):
            return Settlement(message, MessageState.REJECTED, failed=True, kind=ErrorKind.REJECTED, code=error.code)
        delay = policy.retry_delay(message.attempts)
        return Settlement(message, MessageState.PENDING, failed=True, delay=delay, kind=ErrorKind.UNAVAILABLE, code=error.code, title=error.reason)
    if isinstance(error, Unavailable):
        code = error.cause.value
        if message.waiting_since is not None and policy.gives_up_unavailable(
            waiting_since=message.waiting_since, now=known.now, last_success=known.last_success_at
        ):
            return Settlement(message, MessageState.DEAD, kind=ErrorKind.UNAVAILABLE, code=code, title=error.reason)
        delay = policy.retry_delay(message.attempts, error.retry_after)
        return Settlement(message, MessageState.PENDING, delay=delay, kind=ErrorKind.UNAVAILABLE, code=code, title=error.reason)
    return _fault(message, error)


def _fault(message: Message, error: Exception) -> Settlement:
    """Our own code failed on this message: again later, at most ten times in all."""
    log.error("outbox_fault", partner=message.partner, message=message.id, operation=message.operation, error=type(error).__name__, exc_info=error)
    state = MessageState.DEAD if policy.gives_up_failing(message.failures + 1) else MessageState.PENDING
    # only the class: the text of an exception may quote the data it failed on
    return Settlement(message, state, failed=True, delay=policy.backoff(message.attempts), kind=ErrorKind.FAULT, code=type(error).__name__)


def _passing(message: Message, error: Exception) -> Settlement:
    """Again later; what keeps coming back for hours is not of the moment."""
    log.warning("outbox_passing", partner=message.partner, message=message.id, operation=message.operation, error=type(error).__name__)
    state = MessageState.DEAD if policy.gives_up_passing(message.failures + 1) else MessageState.PENDING
    return Settlement(message, state, failed=True, delay=policy.backoff(message.attempts), kind=ErrorKind.FAULT, code=type(error).__name__)


def _checked(settlements: Sequence[Settlement], outcomes: dict[int, Outcome]) -> list[Settlement]:
    """The same, but for the answers that contradict what the portal holds: those are refused, and kept as they came."""
    refused: dict[int, Rejected] = {}
    for operation, group in _by_operation(item.message for item in settlements if item.state is MessageState.DONE):
        check = registry.handler(group[0].partner, operation).check_many
        if check is not None:
            refused |= check([(message, outcomes[message.id].answer) for message in group])
    return [
        replace(item, state=MessageState.REJECTED, failed=True, kind=ErrorKind.REJECTED, code=why.code, title=why.title or None, details=why.details)
        if (why := refused.get(item.message.id)) is not None
        else item
        for item in settlements
    ]


def _summary(message: Message, answer: Any) -> dict[str, Any]:
    if isinstance(answer, Duplicate):
        return {"reference": answer.reference, "duplicate": True}
    summary = registry.handler(message.partner, message.operation).summary
    return dict(summary(answer)) if summary is not None else {}


def _apply(kept: Sequence[Settlement], outcomes: dict[int, Outcome]) -> None:
    for operation, group in _by_operation(item.message for item in kept if item.state is MessageState.DONE):
        registry.handler(group[0].partner, operation).store([(message, outcomes[message.id].answer) for message in group])
    refusals = {item.message.id: _refusal(item, outcomes[item.message.id].error) for item in kept if item.state is MessageState.REJECTED}
    for operation, group in _by_operation(item.message for item in kept if item.state is MessageState.REJECTED):
        handler = registry.handler(group[0].partner, operation)
        if handler.reject_many is not None:
            handler.reject_many([(message, refusals[message.id]) for message in group])


def _refusal(item: Settlement, error: Exception | None) -> Rejected:
    """The partner's own, or the one that the portal made of an answer it cannot keep."""
    return error if isinstance(error, Rejected) else Rejected(item.code or "", item.title or "", item.details)
