"""The declared list of periodic jobs. Features add to it in ``register``; the scheduler and Supervision read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.core.jobs.queues import QUEUES, allow_word

#: A run that is this much overdue is shown as late, however short its interval (a restart takes about that long).
MINIMUM_GRACE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Periodic:
    """One periodic job: what to call, and either every so many seconds or at the times of a cron expression (Europe/Paris)."""

    name: str
    func: str
    label: Any  # str or lazy string: shown in Supervision
    every: int | None = None
    cron: str | None = None
    queue: str = "default"


#: All periodic jobs of the product, in the order of declaration.
PERIODIC: Final[list[Periodic]] = []


def register_periodic(*, name: str, func: str, label: Any, every: int | None = None, cron: str | None = None, queue: str = "default") -> None:
    """Declare a periodic job: ``func`` is ``"app.feature.jobs:function"``, called without arguments in the system scope.

    ``every`` in seconds, or ``cron`` (five fields, Paris time). Declaring the same name again replaces the entry, so that
    building several applications in one process is harmless. Raises ValueError for anything ambiguous.
    """
    from croniter import croniter

    if (every is None) == (cron is None):
        raise ValueError("give either every= or cron=")
    if every is not None and every < 5:
        raise ValueError("nothing runs more often than every 5 seconds")
    if cron is not None and not croniter.is_valid(cron):
        raise ValueError(f"not a cron expression: {cron!r}")
    if queue not in QUEUES:
        raise ValueError(f"no queue named {queue!r}")
    entry = Periodic(name=name, func=func, label=label, every=every, cron=cron, queue=queue)
    allow_word(name)
    for position, known in enumerate(PERIODIC):
        if known.name == name:
            PERIODIC[position] = entry
            return
    PERIODIC.append(entry)


def next_due(*, every: int | None, cron: str | None, last: datetime | None, now: datetime) -> datetime:
    """When the job is due, given when it was last queued (None: an interval is due at once, a cron at its next time).

    Cron times are those of the Région's clock: the hour skipped in March runs at the following instant, the hour repeated in
    October runs once.
    """
    from croniter import croniter

    from app.core.clock import LOCAL_ZONE

    if every is not None:
        return now if last is None else last + timedelta(seconds=every)
    base = last or now
    times = croniter(cron, base.astimezone(LOCAL_ZONE).replace(tzinfo=None))
    while True:
        local: datetime = times.get_next(datetime)
        # fold=0 is the first of two repeated hours; through timestamp(), because a skipped hour has no instant of its own
        due = datetime.fromtimestamp(local.replace(tzinfo=LOCAL_ZONE, fold=0).timestamp(), tz=base.tzinfo)
        if due > base:
            return due


def is_late(*, due: datetime | None, every: int | None, now: datetime) -> bool:
    """Whether a run that was due has been missed for longer than one interval (at least a minute)."""
    if due is None:
        return False
    grace = max(MINIMUM_GRACE, timedelta(seconds=every or 0))
    return now > due + grace
