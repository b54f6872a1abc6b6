"""Writing the heartbeat of periodic jobs, and publishing their declaration for the scheduler."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import text

from app.core.jobs.schedule import PERIODIC
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

log = structlog.get_logger(__name__)

_DECLARE = text(
    """
INSERT INTO periodic_run (name, func, queue, every_seconds, cron, active)
VALUES (:name, :func, :queue, :every, :cron, true)
ON CONFLICT (name) DO UPDATE
SET func = excluded.func, queue = excluded.queue, every_seconds = excluded.every_seconds, cron = excluded.cron, active = true,
    next_due_at = CASE WHEN (periodic_run.every_seconds, periodic_run.cron)
                            IS NOT DISTINCT FROM (excluded.every_seconds, excluded.cron)
                       THEN periodic_run.next_due_at END
WHERE (periodic_run.func, periodic_run.queue, periodic_run.every_seconds, periodic_run.cron, periodic_run.active)
      IS DISTINCT FROM (excluded.func, excluded.queue, excluded.every_seconds, excluded.cron, true)
"""
)


def declare() -> None:
    """Write the declared list where the scheduler reads it; what is no longer declared stops (its history stays)."""
    rows: list[dict[str, Any]] = [{"name": item.name, "func": item.func, "queue": item.queue, "every": item.every, "cron": item.cron} for item in PERIODIC]
    with bound_scope(Scope.system()), transaction() as session:
        if rows:
            session.execute(_DECLARE, rows)
        session.execute(
            text("UPDATE periodic_run SET active = false WHERE active AND NOT (name = ANY(:names))"),
            {"names": [row["name"] for row in rows]},
        )


def started(name: str) -> None:
    """A run begins. Never raises: the heartbeat must not stop the work."""
    _beat("UPDATE periodic_run SET started_at = clock_timestamp() WHERE name = :name", {"name": name})


def ended(name: str, *, seconds: float, error: BaseException | None) -> None:
    """A run is over. Never raises."""
    _beat(
        "UPDATE periodic_run SET ended_at = clock_timestamp(), succeeded = :ok, error = :error, duration_ms = :ms, "
        "runs = runs + 1, failed_runs = failed_runs + :failed WHERE name = :name",
        {
            "name": name,
            "ok": error is None,
            "error": type(error).__name__ if error is not None else None,  # the class alone: a text may quote data
            "ms": round(seconds * 1000),
            "failed": int(error is not None),
        },
    )


def _beat(statement: str, values: dict[str, Any]) -> None:
    try:
        with bound_scope(Scope.system()), transaction() as session:
            session.execute(text(statement), values)
    except Exception as error:
        log.warning("heartbeat_failed", periodic=values["name"], error=type(error).__name__)
