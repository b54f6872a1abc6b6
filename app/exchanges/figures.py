"""The comparisons in /metrics."""

from __future__ import annotations

from app.core import clock
from app.core.metrics import register_gauge

from . import queries


def register() -> None:
    """Declare the gauges."""
    register_gauge("portal_reconciliation_differences", "Differences with a partner that wait to be looked at", _differences, labels=("kind",))
    register_gauge("portal_reconciliation_age_seconds", "Age of the last comparison that came to its end; -1 without any", _age)


def _differences() -> dict[tuple[str, ...], float]:
    return {(kind,): float(number) for kind, number in queries.open_differences().items()}


def _age() -> float:
    ended = queries.last_end()
    return (clock.now() - ended).total_seconds() if ended is not None else -1.0
