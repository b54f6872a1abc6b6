"""Waiting for what waits: a race in a known order."""

from __future__ import annotations

import time

from sqlalchemy import text

from app.core.extensions import db

_WAITING = text(
    "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted AND a.datname = current_database()"
)


def wait_for(count: int) -> None:
    """Return once ``count`` connections to this database wait for a lock."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with db.engine.connect() as connection:
            if connection.scalar(_WAITING) >= count:
                return
        time.sleep(0.05)
    raise AssertionError(f"{count} connections should wait for a lock")


__all__ = ["wait_for"]
