"""Starting a comparison."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core import clock, context
from app.core.extensions import db
from app.core.outbox.models import OutboxPartner
from app.core.transaction import after_commit, transaction

from ..domain import RunState, Trigger
from ..models import ReconciliationRun

PARTNER: Final = "agora"
#: A whole comparison at least so often; the nights between ask for what changed since the last one.
WHOLE_EVERY: Final = timedelta(days=7)
#: What changed is asked for from a little before the last comparison began: two clocks never agree.
OVERLAP: Final = timedelta(days=1)


class AlreadyRunning(RuntimeError):
    """One is under way."""


class PartnerStopped(RuntimeError):
    """The Région stopped the exchanges with the partner."""


def start(trigger: Trigger, *, whole: bool, partner: str = PARTNER) -> int:
    """Make a run and queue its work; returns its id. Raises AlreadyRunning or PartnerStopped."""
    from app.core.jobs import enqueue

    with transaction() as session:
        if session.scalar(select(OutboxPartner.paused).where(OutboxPartner.name == partner)):
            raise PartnerStopped(partner)
        run = ReconciliationRun(
            partner=partner, trigger=trigger.value, actor_id=context.actor_id(), since=None if whole else _since(partner),
            counts={}, started_at=clock.now(),
        )  # fmt: skip
        session.add(run)
        try:
            session.flush()
        except IntegrityError:
            session.rollback()
            raise AlreadyRunning(partner) from None
        run_id = run.id
        after_commit(lambda: _enqueue(enqueue, run_id))
    return run_id


def _enqueue(enqueue: object, run_id: int) -> None:
    import structlog

    try:
        enqueue("app.exchanges.jobs:reconcile", run_id, queue="default")  # type: ignore[operator]
    except Exception as error:  # Redis is away: the periodic job picks the run up
        structlog.get_logger(__name__).warning("reconciliation_nudge_failed", error=type(error).__name__)


def nightly() -> int | None:
    """The night's comparison: whole once a week, else of what changed. None when one is under way or the partner is stopped."""
    last_whole = db.session.scalar(
        select(ReconciliationRun.started_at)
        .where(ReconciliationRun.state == RunState.DONE.value, ReconciliationRun.complete, ReconciliationRun.since.is_(None))
        .order_by(ReconciliationRun.id.desc())
        .limit(1)
    )
    try:
        return start(Trigger.NIGHT, whole=last_whole is None or clock.now() - last_whole > WHOLE_EVERY)
    except (AlreadyRunning, PartnerStopped):
        return None


def _since(partner: str) -> datetime | None:
    last = db.session.scalar(
        select(ReconciliationRun.started_at)
        .where(ReconciliationRun.partner == partner, ReconciliationRun.state == RunState.DONE.value, ReconciliationRun.complete)
        .order_by(ReconciliationRun.id.desc())
        .limit(1)
    )
    return last - OVERLAP if last is not None else None
