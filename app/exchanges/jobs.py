"""Background work: comparisons with the partner's copy. Jobs take ids only."""

from __future__ import annotations

from sqlalchemy import select, text

from app.core.extensions import db
from app.core.jobs import enqueue
from app.core.jobs.runner import interrupted

from . import reconciliation
from .domain import RunState
from .models import ReconciliationRun


def reconcile_nightly() -> None:
    """Start the night's comparison."""
    reconciliation.nightly()


def reconcile(run_id: int) -> None:
    """Carry a comparison on; what is left after a while is for a new job."""
    if not reconciliation.work(run_id, interrupted=interrupted) and _ready(run_id):
        enqueue("app.exchanges.jobs:reconcile", run_id, queue="default")


def resume_reconciliations() -> None:
    """Pick up what a killed worker, a silent partner or a lost nudge left."""
    for run_id in db.session.scalars(select(ReconciliationRun.id).where(ReconciliationRun.state == RunState.RUNNING.value)).all():
        if _ready(run_id):
            enqueue("app.exchanges.jobs:reconcile", run_id, queue="default")


def _ready(run_id: int) -> bool:
    """Whether a worker could go on with it now."""
    statement = text(
        "SELECT EXISTS (SELECT FROM reconciliation_run WHERE id = :id AND state = 'running' AND (lease_until IS NULL OR lease_until < clock_timestamp()) "
        "AND (retry_at IS NULL OR retry_at <= clock_timestamp()))"
    )
    return bool(db.session.scalar(statement, {"id": run_id}))
