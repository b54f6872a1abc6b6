"""Starting a comparison."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.exc import IntegrityError

from app.core import clock, context
from app.core.extensions import db
from app.core.jobs import enqueue
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
        after_commit(lambda: enqueue("app.exchanges.jobs:reconcile", run_id, queue="default"))
    return run_id


def nightly() -> int | None:
    """The night's comparison: whole once a week, else of what changed. None when one is under way or the partner is stopped."""
    last_whole = db.session.scalar(
        select(ReconciliationRun.started_at)
        .where(_to_its_end(), ReconciliationRun.since.is_(None))
        .order_by(ReconciliationRun.id.desc())
        .limit(1)
    )
    try:
        return start(Trigger.NIGHT, whole=last_whole is None or clock.now() - last_whole > WHOLE_EVERY)
    except (AlreadyRunning, PartnerStopped):
        return None


def _to_its_end() -> ColumnElement[bool]:
    """Of the comparisons that left nothing for the next: one that did asks again for all that it asked for."""
    run = ReconciliationRun
    return and_(run.state == RunState.DONE.value, run.complete, ~run.counts.has_key("unchecked"))  # type: ignore[attr-defined]  # JSONB's own


def _since(partner: str) -> datetime | None:
    last = db.session.scalar(
        select(ReconciliationRun.started_at)
        .where(ReconciliationRun.partner == partner, _to_its_end())
        .order_by(ReconciliationRun.id.desc())
        .limit(1)
    )
    return last - OVERLAP if last is not None else None
