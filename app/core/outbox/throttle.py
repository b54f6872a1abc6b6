"""How many messages a minute an operator lets leave for a partner, all workers together.

A bucket of tokens in the partner's row: a message takes one when it is claimed, and whoever claims holds the row until the claim is
written. What is claimed and not sent after all gives nothing back: the rate is never exceeded, at worst not reached.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

MINIMUM: Final = 1
MAXIMUM: Final = 100_000
#: Seconds; a drain that has to wait longer for its next message leaves it to the sweeper.
LONGEST_WAIT: Final = 15.0

_LOOK = "SELECT clock_timestamp() AS now, rate_per_minute AS rate, tokens, tokens_at FROM outbox_partner WHERE name = :name FOR UPDATE"
_SPEND = "UPDATE outbox_partner SET tokens = :tokens, tokens_at = :at WHERE name = :name"


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens at one moment. ``rate`` a minute; it never holds more than a second's worth, so that no minute sees more than ``rate``."""

    rate: int
    tokens: float
    at: datetime

    @property
    def size(self) -> int:
        """The most it holds."""
        return max(1, self.rate // 60)

    @property
    def per_second(self) -> float:
        """What comes in; a little less than the rate where the bucket holds several, which may leave at once at the start of a minute."""
        return (self.rate - (self.size - 1)) / 60

    @property
    def whole(self) -> int:
        """How many messages may leave now."""
        return max(0, int(self.tokens + 1e-9))

    @property
    def wait(self) -> float:
        """Seconds until one may."""
        return max(0.0, (1 - self.tokens) / self.per_second)

    def filled(self, now: datetime) -> Bucket:
        """The same at ``now``. A clock set back fills nothing."""
        elapsed = max(0.0, (now - self.at).total_seconds())
        return replace(self, tokens=min(float(self.size), self.tokens + elapsed * self.per_second), at=max(now, self.at))

    def less(self, count: int) -> Bucket:
        """After ``count`` messages."""
        return replace(self, tokens=self.tokens - count)


def look(session: Session, partner: str) -> Bucket:
    """The bucket as it is now, its row locked until the end of the transaction. The partner has a rate."""
    row = session.execute(text(_LOOK), {"name": partner}).one()
    rate = row.rate or MAXIMUM  # taken away a moment ago: this one claim goes at full speed
    return Bucket(rate, row.tokens, row.tokens_at or row.now).filled(row.now)


def spend(session: Session, partner: str, bucket: Bucket, count: int) -> None:
    """Take ``count`` tokens out."""
    after = bucket.less(count)
    session.execute(text(_SPEND), {"name": partner, "tokens": after.tokens, "at": after.at})
