"""The only source of time. Instants are aware and in UTC; days are those of the Région (Europe/Paris)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Europe/Paris")


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def local_now() -> datetime:
    """The present instant on the Région's clock."""
    return now().astimezone(LOCAL_ZONE)


def today() -> date:
    """The present day in the Région; near midnight it differs from the UTC day."""
    return local_now().date()


def to_local(instant: datetime) -> datetime:
    """``instant`` on the Région's clock. Raises ValueError for a naive value: guessing a zone would shift acts by hours."""
    if instant.tzinfo is None:
        raise ValueError("a naive datetime has no place on any clock")
    return instant.astimezone(LOCAL_ZONE)
