"""The circuit breaker of each partner in one PostgreSQL row, so that all workers agree and operators see it.

All times are the database's: machines whose clocks disagree still share one breaker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Row, text, update
from sqlalchemy.orm import Session

from app.core import clock
from app.core.outbox.breaker import Breaker, BreakerState, Permission
from app.core.outbox.errors import Cause, PartnerError, Throttled, Unavailable
from app.core.outbox.models import OutboxPartner
from app.core.outbox.policy import clamp_retry_after
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

log = structlog.get_logger(__name__)

_SUCCESS_NOTED_EVERY = timedelta(seconds=10)

_SELECT = (
    "SELECT clock_timestamp() AS now, state, recent, streak, retry_at, probe_until, hold_until, paused, last_success_at, rate_per_minute "
    "FROM outbox_partner WHERE name = :name"
)


@dataclass(frozen=True, slots=True)
class Circuit:
    """The partner's row as read at ``now`` (database clock)."""

    now: datetime
    breaker: Breaker
    paused: bool = False
    hold_until: datetime | None = None
    last_success_at: datetime | None = None
    #: Messages a minute that an operator allows; None: as many as the partner takes.
    rate_per_minute: int | None = None

    @classmethod
    def unknown(cls) -> Circuit:
        """Before the row was read: nothing may be sent."""
        return cls(clock.now(), Breaker(), paused=True)

    @property
    def permission(self) -> Permission:
        """What the drain may send."""
        if self.paused or (self.hold_until is not None and self.hold_until > self.now):
            return Permission.NOTHING
        return self.breaker.permission(self.now)


def read(session: Session, partner: str, *, lock: bool = False) -> Circuit:
    """The circuit of ``partner``; its row is made on first sight."""
    statement = text(_SELECT + (" FOR UPDATE" if lock else ""))
    row = session.execute(statement, {"name": partner}).one_or_none()
    if row is None:
        session.execute(text("INSERT INTO outbox_partner (name) VALUES (:name) ON CONFLICT DO NOTHING"), {"name": partner})
        row = session.execute(statement, {"name": partner}).one()
    return _circuit(row)


def _circuit(row: Row[tuple[object, ...]]) -> Circuit:
    recent = tuple((datetime.fromisoformat(moment), bool(answered)) for moment, answered in row.recent)
    breaker = Breaker(BreakerState(row.state), recent, row.streak, row.retry_at, row.probe_until)
    return Circuit(row.now, breaker, row.paused, row.hold_until, row.last_success_at, row.rate_per_minute)


def take_probe(session: Session, partner: str) -> bool:
    """Take the place of the prober, if it is free: of all workers that ask, one gets it."""
    circuit = read(session, partner, lock=True)
    if circuit.permission is not Permission.PROBE:
        return False
    _write(session, partner, circuit, circuit.breaker.probing(circuit.now))
    return True


def record(
    session: Session,
    partner: str,
    outcomes: Sequence[bool],
    *,
    retry_after: float | None = None,
    hold: float | None = None,
    failure: str | None = None,
    known: Circuit | None = None,
) -> bool:
    """Note the outcomes of calls (True: the partner answered, even to refuse). Returns whether the circuit just closed again.

    ``hold``: seconds of silence the partner asked of everyone (429). ``known``: the circuit as read before the calls; when it
    had no spot and all went well nothing is written, so that a healthy partner's row is no bottleneck.
    """
    if not outcomes and hold is None:
        return False
    if known is not None and hold is None and all(outcomes) and known.breaker.spotless:
        noted = known.last_success_at
        if noted is not None and known.now - noted < _SUCCESS_NOTED_EVERY:
            return False
    before = read(session, partner, lock=True)
    after = before.breaker.record(outcomes, before.now, retry_after=clamp_retry_after(retry_after))
    _write(session, partner, before, after, outcomes=outcomes, hold=hold, failure=failure)
    if after.state is not before.breaker.state:
        log.warning("outbox_breaker", partner=partner, before=str(before.breaker.state), after=str(after.state), failure=failure)
    return before.breaker.state is not BreakerState.CLOSED and after.state is BreakerState.CLOSED


def release_probe(session: Session, partner: str) -> None:
    """Give the place of the prober back without a verdict (nothing was sent): another probe may follow at once."""
    circuit = read(session, partner, lock=True)
    if circuit.breaker.state is BreakerState.HALF_OPEN:
        _write(session, partner, circuit, Breaker(BreakerState.OPEN, circuit.breaker.recent, circuit.breaker.streak, circuit.now))


def _write(
    session: Session,
    partner: str,
    before: Circuit,
    after: Breaker,
    *,
    outcomes: Sequence[bool] = (),
    hold: float | None = None,
    failure: str | None = None,
) -> None:
    values: dict[str, object] = {
        "state": after.state,
        "recent": [[moment.isoformat(), answered] for moment, answered in after.recent],
        "streak": after.streak,
        "retry_at": after.retry_at,
        "probe_until": after.probe_until,
    }
    if after.state is BreakerState.OPEN and before.breaker.state is BreakerState.CLOSED:
        values["opened_at"] = before.now
    elif after.state is BreakerState.CLOSED:
        values["opened_at"] = None
    if hold is not None:
        values["hold_until"] = before.now + timedelta(seconds=clamp_retry_after(hold) or 0)
    if any(outcomes):
        values["last_success_at"] = before.now
    if not all(outcomes):
        values["last_failure_at"] = before.now
        values["last_failure"] = (failure or "")[:200]
    session.execute(update(OutboxPartner).where(OutboxPartner.name == partner).values(values))


@contextmanager
def guard(partner: str) -> Iterator[None]:
    """Around one live call to ``partner``: refuses at once while its circuit is open, and notes how the call went.

    Raises Unavailable without calling when the circuit is open; what the call raises passes through. Its own short
    transactions: call it outside of ``transaction()``. The partner's refusals count as answers; our own faults do not count.
    """
    with bound_scope(Scope.system()):
        with transaction() as session:
            circuit = read(session, partner)
        permission = circuit.breaker.permission(circuit.now)
        probing = False
        if permission is Permission.PROBE:
            with transaction() as session:
                probing = _take_probe_for_call(session, partner)
        if permission is not Permission.ALL and not probing:
            wait = (circuit.breaker.retry_at - circuit.now).total_seconds() if circuit.breaker.retry_at else None
            raise Unavailable(retry_after=max(wait, 0.0) if wait is not None else None, reason="circuit open", cause=Cause.CIRCUIT_OPEN)
    answered: bool | None = None
    retry_after: float | None = None
    failure: str | None = None
    try:
        yield
        answered = True
    except Throttled:
        answered = True
        raise
    except Unavailable as error:
        answered, retry_after, failure = False, error.retry_after, error.reason or type(error).__name__
        raise
    except PartnerError:
        answered = True
        raise
    finally:
        _note(partner, answered, circuit, retry_after=retry_after, failure=failure, probing=probing)


def _take_probe_for_call(session: Session, partner: str) -> bool:
    circuit = read(session, partner, lock=True)
    if circuit.breaker.permission(circuit.now) is not Permission.PROBE:
        return False
    _write(session, partner, circuit, circuit.breaker.probing(circuit.now))
    return True


def _note(partner: str, answered: bool | None, circuit: Circuit, *, retry_after: float | None, failure: str | None, probing: bool) -> None:
    from app.core.outbox import store
    from app.core.outbox.nudge import nudge

    with bound_scope(Scope.system()), transaction() as session:
        if answered is None:
            if probing:
                release_probe(session, partner)
            return
        closed = record(session, partner, [answered], retry_after=retry_after, failure=failure, known=circuit)
        if closed:
            store.pull_forward(session, partner)
    if closed:
        nudge(partner)
