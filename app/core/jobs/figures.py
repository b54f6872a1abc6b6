"""Queues and periodic jobs in /metrics."""

from __future__ import annotations

from app.core.jobs.connection import nudging_client
from app.core.jobs.queries import periodic_statuses
from app.core.jobs.queues import QUEUES
from app.core.metrics import register_gauge


def register() -> None:
    """Declare the gauges."""
    register_gauge("portal_queue_length", "Jobs waiting in the queue", _lengths, labels=("queue",))
    register_gauge("portal_periodic_late", "1 when the periodic job is overdue", _late, labels=("job",))
    register_gauge("portal_periodic_failed", "1 when the last run of the periodic job failed", _failed, labels=("job",))


def _lengths() -> dict[tuple[str, ...], float]:
    client = nudging_client()
    with client.pipeline(transaction=False) as pipeline:
        for name in QUEUES:
            pipeline.llen(f"rq:queue:{name}")
        return {(name,): float(length) for name, length in zip(QUEUES, pipeline.execute(), strict=True)}


def _late() -> dict[tuple[str, ...], float]:
    return {(status.name,): float(status.late) for status in periodic_statuses()}


def _failed() -> dict[tuple[str, ...], float]:
    return {(status.name,): float(status.succeeded is False) for status in periodic_statuses()}
