"""What operators of the Région may do by hand; each act leaves a journaled row with its author and reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import ARRAY, BigInteger, Row, Select, bindparam, func, insert, select, text, update
from sqlalchemy.orm import Session

from app.core import clock, context
from app.core.outbox import policy, registry, throttle
from app.core.outbox.models import SEALED, InterventionKind, MessageState, OutboxIntervention, OutboxMessage, OutboxPartner
from app.core.outbox.nudge import nudge
from app.core.transaction import after_commit, transaction

log = structlog.get_logger(__name__)

_STUCK = (MessageState.REJECTED, MessageState.DEAD)
#: What may be settled by hand: also a message that waits, but never one that is being sent.
_SETTLEABLE = (*_STUCK, MessageState.PENDING)


#: At most so many messages are taken by one act: what is beyond is told, and takes another.
MOST_AT_ONCE: Final = 10_000


class ConsoleError(ValueError):
    """An act the operator cannot do; ``code`` tells the screen which sentence to show."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def replay(message_ids: Collection[int], *, reason: str | None = None) -> int:
    """Send refused or given-up messages again, with fresh tries and a fresh day. Returns how many.

    The idempotency key stays while the message says the same (``keys``): if the partner had taken it after all, it says so and nothing is
    doubled. Messages in another state (someone was faster) are left alone.
    """
    return len(replay_those(_those(message_ids), reason=reason)) if message_ids else 0


def replay_those(chosen: Select[Any], *, reason: str | None = None) -> list[Row[Any]]:
    """``replay`` of the messages whose ids ``chosen`` selects, ``MOST_AT_ONCE`` of them at most, in a few statements whatever their number.

    Returns what was taken: id, partner, subject_type and subject_id of each.
    """
    with transaction() as session:
        rows = _lock(session, chosen, _STUCK)
        if rows:
            session.execute(
                update(OutboxMessage)
                .where(_among(rows))
                .values(
                    state=MessageState.PENDING,
                    attempts=0,
                    failures=0,
                    expiries=func.least(OutboxMessage.expiries, policy.ALONE_FROM),  # what took workers with it still leaves alone
                    next_attempt_at=text("clock_timestamp()"),
                    waiting_since=text("clock_timestamp()"),
                ),
                execution_options={"synchronize_session": False},
            )
            _journal(session, rows, InterventionKind.REPLAY, reason)
            _tell(rows)
            _nudge(row.partner for row in rows)
    return rows


def mark_settled(message_ids: Collection[int], *, reason: str) -> int:
    """Declare messages settled outside the portal: they are not sent, and what waits behind them goes on. Returns how many.

    Raises ConsoleError("reason") without a reason.
    """
    cleaned = _reason(reason)
    with transaction() as session:
        rows = _lock(session, _those(message_ids), _SETTLEABLE) if message_ids else []
        if rows:
            session.execute(
                update(OutboxMessage)
                .where(_among(rows))
                .values(state=MessageState.CANCELLED, done_at=text("clock_timestamp()"), params=OutboxMessage.params.op("-")(SEALED)),
                execution_options={"synchronize_session": False},
            )
            _journal(session, rows, InterventionKind.SETTLE, cleaned)
            _tell(rows)
            _nudge(row.partner for row in rows)
    return len(rows)


def pause(partner: str, *, reason: str) -> None:
    """Send nothing more to ``partner`` until resumed; what is under way ends. Raises ConsoleError("reason") without one."""
    cleaned = _reason(reason)
    with transaction() as session:
        _row(session, partner)
        session.execute(update(OutboxPartner).where(OutboxPartner.name == partner).values(paused=True, pause_reason=cleaned))
        _journal_partner(session, partner, InterventionKind.PAUSE, cleaned)


def set_rate(partner: str, rate: int | None, *, reason: str) -> None:
    """Let at most ``rate`` messages a minute leave for ``partner``, all workers together; None lifts it.

    Raises ConsoleError("reason") without a reason, ConsoleError("rate") for a number out of bounds.
    """
    cleaned = _reason(reason)
    if rate is not None and not throttle.MINIMUM <= rate <= throttle.MAXIMUM:
        raise ConsoleError("rate")
    with transaction() as session:
        _row(session, partner)
        session.execute(
            update(OutboxPartner)
            .where(OutboxPartner.name == partner)
            .values(rate_per_minute=rate, tokens=0.0, tokens_at=text("clock_timestamp()"))
        )
        _journal_partner(session, partner, InterventionKind.THROTTLE, cleaned, amount=rate)
        after_commit(lambda: nudge(partner))


def resume(partner: str) -> None:
    """Send to ``partner`` again."""
    with transaction() as session:
        _row(session, partner)
        session.execute(update(OutboxPartner).where(OutboxPartner.name == partner).values(paused=False, pause_reason=None))
        _journal_partner(session, partner, InterventionKind.RESUME, None)
        after_commit(lambda: nudge(partner))


def _row(session: Session, partner: str) -> None:
    if partner not in registry.partners():
        raise ConsoleError("partner")
    session.execute(text("INSERT INTO outbox_partner (name) VALUES (:name) ON CONFLICT DO NOTHING"), {"name": partner})


def _reason(reason: str) -> str:
    cleaned = " ".join(reason.split())[:500]
    if not cleaned:
        raise ConsoleError("reason")
    return cleaned


def _those(message_ids: Collection[int]) -> Select[Any]:
    return select(OutboxMessage.id).where(OutboxMessage.id == func.any(bindparam("chosen", list(message_ids), type_=ARRAY(BigInteger))))


def _among(rows: Sequence[Row[Any]]) -> Any:
    return OutboxMessage.id == func.any(bindparam("taken", [row.id for row in rows], type_=ARRAY(BigInteger)))


def _lock(session: Session, chosen: Select[Any], states: Iterable[MessageState]) -> list[Row[Any]]:
    """The messages chosen that are in one of these states, locked in their order."""
    statement = (
        select(OutboxMessage.id, OutboxMessage.partner, OutboxMessage.subject_type, OutboxMessage.subject_id)
        .where(OutboxMessage.id.in_(chosen), OutboxMessage.state.in_(tuple(states)))
        .order_by(OutboxMessage.id)
        .limit(MOST_AT_ONCE)
        .with_for_update()
    )
    return list(session.execute(statement))


def _journal(session: Session, rows: Collection[Row[Any]], kind: InterventionKind, reason: str | None) -> None:
    moment, actor, reference = clock.now(), context.actor_id(), context.request_id()
    session.execute(
        insert(OutboxIntervention),
        [
            {
                "partner": row.partner,
                "message_id": row.id,
                "kind": kind,
                "reason": reason,
                "actor_id": actor,
                "request_id": reference,
                "created_at": moment,
            }
            for row in rows
        ],
    )


def _journal_partner(session: Session, partner: str, kind: InterventionKind, reason: str | None, *, amount: int | None = None) -> None:
    session.execute(
        insert(OutboxIntervention),
        [
            {
                "partner": partner,
                "message_id": None,
                "kind": kind,
                "reason": reason,
                "amount": amount,
                "actor_id": context.actor_id(),
                "request_id": context.request_id(),
                "created_at": clock.now(),
            }
        ],
    )


def _tell(rows: Collection[Row[Any]]) -> None:
    """What these messages were about follows what was decided (``registry.register_subject``)."""
    for subject_type in sorted({row.subject_type for row in rows}):
        registry.tell_decided(subject_type, sorted({row.subject_id for row in rows if row.subject_type == subject_type}))


def _nudge(partners: Iterable[str]) -> None:
    for partner in set(partners):
        after_commit(lambda partner=partner: nudge(partner))  # type: ignore[misc]  # default argument binds the loop's value
