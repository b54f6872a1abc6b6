"""The outbox in /metrics."""

from __future__ import annotations

from collections.abc import Callable

from flask import g

from app.core.metrics import register_gauge
from app.core.outbox.breaker import BreakerState
from app.core.outbox.queries import Gauges, gauges

_BREAKER = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 1.0, BreakerState.OPEN: 2.0}


def register() -> None:
    """Declare the gauges; each is computed when it is asked for, all from the same three statements."""
    for name, text, read in (
        ("portal_outbox_pending", "Messages still to be sent", lambda one: one.pending),
        ("portal_outbox_oldest_pending_seconds", "Age of the oldest message still to be sent", lambda one: one.oldest_pending_seconds),
        ("portal_outbox_rejected", "Messages refused, waiting for a decision", lambda one: one.rejected),
        ("portal_outbox_dead", "Messages given up, waiting for a decision", lambda one: one.dead),
        ("portal_outbox_breaker", "Circuit of the partner: 0 closed, 1 being tried, 2 open", lambda one: _BREAKER[one.breaker]),
        ("portal_outbox_paused", "1 when an operator paused the partner", lambda one: float(one.paused)),
        ("portal_outbox_per_minute", "Messages received by the partner, a minute, over the last 5 minutes", lambda one: one.per_minute),
        ("portal_outbox_lag_seconds_median", "Seconds from the act to the partner's answer, median of the last 5 minutes", lambda one: one.lag_median),
        ("portal_outbox_lag_seconds_95", "The same, 95th percentile", lambda one: one.lag_95),
        ("portal_outbox_rate_limit", "Messages a minute an operator allows; 0 without limit", lambda one: float(one.rate_per_minute or 0)),
    ):
        register_gauge(name, text, _per_partner(read), labels=("partner",))


def _per_partner(read: Callable[[Gauges], float]) -> Callable[[], dict[tuple[str, ...], float]]:
    return lambda: {(one.partner,): float(read(one)) for one in _once()}


def _once() -> list[Gauges]:
    found: list[Gauges] | None = g.get("outbox_gauges")
    if found is None:
        found = g.outbox_gauges = gauges()
    return found
