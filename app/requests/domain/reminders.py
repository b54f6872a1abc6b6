"""When somebody is told that a request waits too long (DOMAIN §3: reminders and escalation by delay)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum


class ReminderKind(StrEnum):
    """Who is told."""

    #: The validators: a request waits for their decision.
    VALIDATORS = "validators"
    #: The administrators of the Région: it still does.
    ADMINISTRATORS = "escalation"
    #: The organisation: what it was asked to correct has not come back.
    CORRECTION = "correction"


def is_late(waiting_since: datetime, now: datetime, days: int) -> bool:
    """Whether something has waited for so many days (24 hours each) or longer."""
    return now - waiting_since >= timedelta(days=days)
