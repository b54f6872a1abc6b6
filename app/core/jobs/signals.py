"""A word said by one process and heard by those that wait for it: nobody looks again and again into the database.

It carries nothing but itself, and may be lost: who waits looks for the truth in PostgreSQL, at its own pace too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from app.core.jobs.connection import nudging_client


def say(word: str) -> None:
    """Say it to all who listen by now.  Raises RedisError."""
    nudging_client().publish(word, b"")


@contextmanager
def heard(word: str) -> Iterator[Callable[[float], bool]]:
    """Listen from now on; gives what waits for the word, so many seconds at most, and tells whether it came.  Without Redis it sleeps for as long."""
    try:
        listener = nudging_client().pubsub(ignore_subscribe_messages=False)
        listener.subscribe(word)
        listener.get_message(timeout=1)  # the subscription stands
    except RedisError:
        yield _sleep
        return

    def wait(seconds: float) -> bool:
        try:
            return listener.get_message(timeout=seconds) is not None
        except RedisError:
            return _sleep(seconds)

    try:
        yield wait
    finally:
        listener.close()


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


__all__ = ["heard", "say"]
