"""Reading the heartbeat of periodic jobs, for Supervision and /metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.core import clock
from app.core.extensions import db
from app.core.jobs.models import PeriodicRun
from app.core.jobs.schedule import PERIODIC, is_late
from app.core.tenancy import Scope, bound_scope


@dataclass(frozen=True, slots=True)
class PeriodicStatus:
    """One declared periodic job and its last run."""

    name: str
    label: Any
    every: int | None
    cron: str | None
    started_at: datetime | None
    ended_at: datetime | None
    succeeded: bool | None
    error: str | None
    duration_ms: int | None
    next_due_at: datetime | None
    runs: int
    failed_runs: int
    late: bool


def periodic_statuses() -> list[PeriodicStatus]:
    """Every declared periodic job, in the order of declaration; one never seen by a scheduler is shown without dates."""
    with bound_scope(Scope.system()):
        rows = {row.name: row for row in db.session.scalars(select(PeriodicRun).where(PeriodicRun.active))}
    now = clock.now()
    found = []
    for item in PERIODIC:
        row = rows.get(item.name)
        found.append(
            PeriodicStatus(
                name=item.name,
                label=item.label,
                every=item.every,
                cron=item.cron,
                started_at=row.started_at if row else None,
                ended_at=row.ended_at if row else None,
                succeeded=row.succeeded if row else None,
                error=row.error if row else None,
                duration_ms=row.duration_ms if row else None,
                next_due_at=row.next_due_at if row else None,
                runs=row.runs if row else 0,
                failed_runs=row.failed_runs if row else 0,
                late=row is None or _late(row, now),
            )
        )
    return found


def _late(row: PeriodicRun, now: datetime) -> bool:
    """Overdue to be queued (no scheduler), or queued and never started (no worker)."""
    if is_late(due=row.next_due_at, every=row.every_seconds, now=now):
        return True
    if row.enqueued_at is None or (row.started_at is not None and row.started_at >= row.enqueued_at):
        return False
    reference = row.started_at or row.enqueued_at  # interval jobs are queued again and again: count from the last start
    return is_late(due=reference, every=row.every_seconds, now=now) and is_late(due=row.enqueued_at, every=0, now=now)
