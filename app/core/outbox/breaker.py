"""The circuit breaker of a partner, as pure data; ``circuit`` keeps it in PostgreSQL, where all workers agree on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

THRESHOLD: Final = 5  # failures in a row open it
PERIOD: Final = timedelta(seconds=30)  # outcomes older than this are forgotten
PAUSE: Final = timedelta(seconds=30)  # then one probe is let through
PROBE_LEASE: Final = timedelta(seconds=30)  # a probe whose worker died frees the place after this
CROWD: Final = 20  # from so many calls within the period on, the share of failures decides
REMEMBERED: Final = 50  # outcomes kept to judge that share


class BreakerState(StrEnum):
    """Closed lets everything through, open nothing, half-open one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Permission(StrEnum):
    """What may be sent now."""

    ALL = "all"
    PROBE = "probe"  # one message, by whoever takes the place of the prober
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one partner's breaker.

    It opens after five failures in a row; in a crowd of calls (20 and more within 30 seconds) when half of them fail, because
    among hundreds five hiccups in a row are no outage. It half-opens after 30 seconds: one probe decides.
    """

    state: BreakerState = BreakerState.CLOSED
    recent: tuple[tuple[datetime, bool], ...] = ()
    streak: int = 0  # failures in a row
    retry_at: datetime | None = None
    probe_until: datetime | None = None

    @property
    def spotless(self) -> bool:
        """Whether a success would change nothing."""
        return self.state is BreakerState.CLOSED and self.streak == 0 and all(ok for _, ok in self.recent)

    def permission(self, now: datetime) -> Permission:
        """What may be sent at ``now``."""
        if self.state is BreakerState.CLOSED:
            return Permission.ALL
        if self.state is BreakerState.OPEN:
            return Permission.PROBE if self.retry_at is None or self.retry_at <= now else Permission.NOTHING
        return Permission.PROBE if self.probe_until is None or self.probe_until <= now else Permission.NOTHING

    def probing(self, now: datetime) -> Breaker:
        """Half-open, with the place of the prober taken for 30 seconds."""
        return replace(self, state=BreakerState.HALF_OPEN, probe_until=now + PROBE_LEASE)

    def record(self, outcomes: Iterable[bool], now: datetime, *, retry_after: float | None = None) -> Breaker:
        """The breaker after these calls (True: the partner answered, even to refuse), in order, all dated ``now``."""
        breaker = self
        for answered in outcomes:
            breaker = breaker._after(answered, now, retry_after)
        return breaker

    def _after(self, answered: bool, now: datetime, retry_after: float | None) -> Breaker:
        if answered:
            if self.state is not BreakerState.CLOSED:  # the probe came through, or a call under way at the opening did
                return Breaker()
            return replace(self, recent=self._remember(now, True), streak=0)
        if self.state is BreakerState.HALF_OPEN:
            return self._opened(now, retry_after)
        if self.state is BreakerState.OPEN:
            return self  # a straggler of the batch that opened it
        after = replace(self, recent=self._remember(now, False), streak=self.streak + 1)
        return after._opened(now, retry_after) if after._out_of_order else after

    @property
    def _out_of_order(self) -> bool:
        calls = len(self.recent)
        if calls < CROWD:
            return self.streak >= THRESHOLD
        return sum(1 for _, ok in self.recent if not ok) * 2 >= calls

    def _opened(self, now: datetime, retry_after: float | None) -> Breaker:
        pause = max(PAUSE, timedelta(seconds=retry_after or 0))
        return replace(self, state=BreakerState.OPEN, retry_at=now + pause, probe_until=None)

    def _remember(self, now: datetime, answered: bool) -> tuple[tuple[datetime, bool], ...]:
        kept = tuple(item for item in self.recent if now - item[0] <= PERIOD)
        return (*kept, (now, answered))[-REMEMBERED:]
