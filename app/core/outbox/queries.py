"""Reading the outbox: for the screens of the features, Supervision and /metrics."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from app.core import clock
from app.core.extensions import db
from app.core.outbox.breaker import BreakerState
from app.core.outbox.models import ErrorKind, MessageState, OutboxMessage, OutboxPartner
from app.core.tenancy import Scope, bound_scope, current_scope


@dataclass(frozen=True, slots=True)
class Status:
    """Where the exchange about one subject stands: the message that holds it up, else the last one."""

    message_id: int
    operation: str
    state: MessageState
    error_kind: ErrorKind | None
    code: str | None
    title: str | None
    details: tuple[dict[str, str], ...]
    attempts: int
    created_at: datetime

    @property
    def waiting(self) -> bool:
        """On its way, or waiting for the partner."""
        return self.state in (MessageState.PENDING, MessageState.SENDING)

    @property
    def delayed(self) -> bool:
        """Tried, and the partner did not answer: it leaves by itself once the partner is back."""
        return self.waiting and self.error_kind is ErrorKind.UNAVAILABLE

    @property
    def needs_decision(self) -> bool:
        """Refused or given up: someone has to mend or settle it."""
        return self.state in (MessageState.REJECTED, MessageState.DEAD)


def statuses(subject_type: str, subject_ids: Collection[int]) -> dict[int, Status]:
    """Status of each subject that has messages, in one statement (within the scope)."""
    if not subject_ids:
        return {}
    message = OutboxMessage
    unfinished = message.state.not_in((MessageState.DONE, MessageState.CANCELLED))
    # the first that is not done holds the others up; with none, the last
    position = case((unfinished, message.id), else_=-message.id)
    statement = (
        select(message)
        .where(message.subject_type == subject_type, message.subject_id.in_(subject_ids))
        .ext(distinct_on(message.subject_id))
        .order_by(message.subject_id, unfinished.desc(), position)
    )
    return {row.subject_id: _status(row) for row in db.session.scalars(statement)}


def _status(row: OutboxMessage) -> Status:
    return Status(
        message_id=row.id,
        operation=row.operation,
        state=row.state,
        error_kind=row.error_kind,
        code=row.last_error_code,
        title=row.last_error_title,
        details=tuple(row.last_error_details or ()),
        attempts=row.attempts,
        created_at=row.created_at,
    )


@dataclass(frozen=True, slots=True)
class Gauges:
    """The outbox of one partner in figures."""

    partner: str
    pending: int
    rejected: int
    dead: int
    oldest_pending_seconds: float
    breaker: BreakerState
    paused: bool
    #: Messages received by the partner, a minute, over the last ``RECENT`` minutes.
    per_minute: float = 0.0
    #: Seconds from the act to the partner's answer, over the same: the middle one, and what 95 in 100 stay under.
    lag_median: float = 0.0
    lag_95: float = 0.0
    rate_per_minute: int | None = None
    partner_row: OutboxPartner | None = None


#: Minutes over which throughput and lag are measured.
RECENT = 5

_FLOW = text(
    """
SELECT partner, count(*) AS done,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM done_at - waiting_since)) AS lag_median,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM done_at - waiting_since)) AS lag_95
FROM outbox_message WHERE state = 'done' AND partner = ANY(:partners) AND done_at > clock_timestamp() - make_interval(mins => :recent)
GROUP BY partner
"""
)

_GAUGES = text(
    """
SELECT partner,
       count(*) FILTER (WHERE state IN ('pending', 'sending')) AS pending,
       count(*) FILTER (WHERE state = 'rejected') AS rejected,
       count(*) FILTER (WHERE state = 'dead') AS dead,
       COALESCE(EXTRACT(EPOCH FROM :now - min(created_at) FILTER (WHERE state IN ('pending', 'sending'))), 0) AS oldest
FROM outbox_message WHERE state IN ('pending', 'sending', 'rejected', 'dead')
GROUP BY partner
"""
)


def gauges() -> list[Gauges]:
    """Figures of every known partner, in three statements over what is not done, or was a moment ago (system scope)."""
    from app.core.outbox import registry

    # whoever sees all reads in its own scope: what the page has loaded stays loaded
    with nullcontext() if current_scope().sees_all else bound_scope(Scope.system()):
        counts = {row.partner: row for row in db.session.execute(_GAUGES, {"now": clock.now()})}
        rows = {row.name: row for row in db.session.scalars(select(OutboxPartner))}
        known = sorted({*registry.partners(), *counts, *rows})
        flows = {row.partner: row for row in db.session.execute(_FLOW, {"recent": RECENT, "partners": known})}
        for read in rows.values():
            db.session.expunge(read)  # read here for those who may not read it otherwise
    found = []
    for name in known:
        count, row, flow = counts.get(name), rows.get(name), flows.get(name)
        found.append(
            Gauges(
                partner=name,
                pending=count.pending if count else 0,
                rejected=count.rejected if count else 0,
                dead=count.dead if count else 0,
                oldest_pending_seconds=max(float(count.oldest), 0.0) if count else 0.0,
                breaker=row.state if row else BreakerState.CLOSED,
                paused=row.paused if row else False,
                per_minute=flow.done / RECENT if flow else 0.0,
                lag_median=max(float(flow.lag_median), 0.0) if flow else 0.0,
                lag_95=max(float(flow.lag_95), 0.0) if flow else 0.0,
                rate_per_minute=row.rate_per_minute if row else None,
                partner_row=row,
            )
        )
    return found


def oldest_pending_seconds() -> float:
    """Age of the oldest message still to be sent (0 without any)."""
    return max((gauge.oldest_pending_seconds for gauge in gauges()), default=0.0)
