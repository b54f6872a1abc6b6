"""How many files are checked without an account: few at a time, and few for one address, so that the portal stays there for everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from flask import current_app
from sqlalchemy import func, select

from app.core.extensions import db
from app.core.locks import Lock

#: When whoever was sent away may try again (seconds): a check takes less.
RETRY_AFTER: Final = 5


class Busy(Exception):
    """As many files are being checked as may be at the same time."""


@contextmanager
def turn() -> Iterator[None]:
    """One of the few places where a file is checked, among all processes; never waited for.  Raises Busy.

    It is held by a transaction of its own: the database takes it back from a process that is killed.
    """
    with db.engine.engine.connect() as connection:  # of its own, whatever the request's session is bound to
        for place in range(current_app.config["FILE_CHECKS_AT_ONCE"]):
            if connection.scalar(select(func.pg_try_advisory_xact_lock(int(Lock.FILE_CHECK), place))):
                yield
                return
    raise Busy


def rate() -> str:
    """How many files one address may have checked."""
    return f"{current_app.config['FILE_CHECKS_PER_MINUTE']} per minute"


def counts(answer: Any) -> bool:
    """Whether a request counts: right or wrong, a file was looked at, unless there was no room for it."""
    return bool(answer.status_code != 503)


__all__ = ["RETRY_AFTER", "Busy", "counts", "rate", "turn"]
