"""When to try again, and when to give up. Pure: no clock, no database."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Final

BASE_DELAY: Final = 2.0  # seconds; doubles at each attempt
MAX_DELAY: Final = 900.0  # 15 minutes
WINDOW: Final = timedelta(hours=24)
MAX_FAILURES: Final = 10  # definite failures of one message before it becomes a dead letter
MAX_CONTRADICTIONS: Final = 3  # answers against the contract, or about something else, before it is refused
MAX_PASSING: Final = 30  # failures that look like the moment's (a lock, a row edited meanwhile): hours, and then they are the message's own
FEW: Final = 20  # messages that leave together once their worker died with them
ALONE_FROM: Final = 2  # expired leases in a row from which a message leaves alone: no other can be to blame any more
MAX_EXPIRIES: Final = 5  # expired leases of a message in hand alone before it becomes a dead letter
EXPIRY_PAUSE: Final = 15.0  # seconds; doubles at each of those
ANSWERING: Final = timedelta(seconds=MAX_DELAY)  # a partner that answered this recently is not down


def backoff(attempt: int, *, rng: random.Random | None = None) -> float:
    """Delay in seconds before the next try, after ``attempt`` tries: full jitter under a doubling ceiling of 15 minutes.

    Full jitter (anything from 0 to the ceiling) spreads a crowd of waiting messages over time better than any fixed share.
    """
    ceiling = min(MAX_DELAY, BASE_DELAY * 2.0 ** min(max(attempt, 1) - 1, 30))
    return (rng or _rng).uniform(0.0, ceiling)


def clamp_retry_after(retry_after: float | None) -> float | None:
    """What the partner asked for, within reason: never negative, never beyond 15 minutes, never nonsense (NaN)."""
    if retry_after is None or math.isnan(retry_after):
        return None
    return min(max(float(retry_after), 0.0), MAX_DELAY)


def retry_delay(attempt: int, retry_after: float | None = None, *, rng: random.Random | None = None) -> float:
    """Delay before the next try: at least what the partner asked for (clamped), plus a little jitter; else plain backoff."""
    asked = clamp_retry_after(retry_after)
    if asked is None:
        return backoff(attempt, rng=rng)
    return asked + (rng or _rng).uniform(0.0, 1.0 + asked / 10)


def gives_up_unavailable(*, waiting_since: datetime, now: datetime, last_success: datetime | None) -> bool:
    """Whether a message nobody answers is given up: 24 hours are over *and* the partner answers others.

    While the partner is down for everyone, no message is lost to the calendar: it leaves when the partner is back.
    """
    if now - waiting_since <= WINDOW:
        return False
    return last_success is not None and now - last_success <= ANSWERING


def gives_up_failing(failures: int) -> bool:
    """Whether a message that fails by itself (poison) is put aside; unavailability never counts towards it."""
    return failures >= MAX_FAILURES


def gives_up_contradicted(failures: int) -> bool:
    """Whether a message whose answers make no sense is refused rather than tried again."""
    return failures >= MAX_CONTRADICTIONS


def gives_up_passing(failures: int) -> bool:
    """Whether a message whose answer cannot be stored for reasons that looked like the moment's is put aside."""
    return failures >= MAX_PASSING


def largest_batch(expiries: int) -> int | None:
    """How many messages may be in hand together when one of them has let so many leases in a row run out; None: any number.

    A lease runs out when its worker died or slept. Nothing tells which of its messages was the cause, if any was: with the next
    tries fewer of them share a worker, and those that only stood beside the cause get their answer.
    """
    if expiries < 1:
        return None
    return FEW if expiries < ALONE_FROM else 1


def gives_up_expiring(expiries: int) -> bool:
    """Whether a message is put aside that takes its worker with it: only leases it held alone count towards it."""
    return expiries >= ALONE_FROM + MAX_EXPIRIES


def expiry_pause(expiries: int) -> float:
    """Seconds before the next try of a message that just let its lease run out, so many times in a row.

    None to wait while it is only one of several suspects; then more each time: whatever kills workers at random for some minutes (a
    machine short of memory, a series of restarts) cannot make a dead letter of a message that happens to be in hand.
    """
    alone = expiries - ALONE_FROM
    return EXPIRY_PAUSE * 2.0 ** min(alone - 1, 10) if alone > 0 else 0.0


_rng = random.SystemRandom()
