"""A word said by one process ends the wait of those that listen."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.exceptions import RedisError

from app.core.jobs import signals

if TYPE_CHECKING:
    from flask import Flask

#: Longer than any test waits for what it hears (seconds).
_LONG = 20.0


def _word() -> str:
    return f"test:{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def _in_app(app: Flask) -> Iterator[None]:
    """The address of Redis is the application's."""
    with app.app_context():
        yield


def test_what_is_said_before_one_waits_is_heard_by_all_who_listen() -> None:
    word = _word()
    with signals.heard(word) as first, signals.heard(word) as second, signals.heard(_word()) as other:
        signals.say(word)
        begin = time.monotonic()
        assert first(_LONG) and second(_LONG)
        assert time.monotonic() - begin < _LONG / 2
        begin = time.monotonic()
        assert not other(0.05)
        assert time.monotonic() - begin >= 0.04, "another word is not its own"


def test_what_is_said_meanwhile_is_heard(app: Flask) -> None:
    word = _word()

    def speak() -> None:
        with app.app_context():
            signals.say(word)

    with signals.heard(word) as hear:
        speaker = threading.Timer(0.05, speak)
        speaker.start()
        begin = time.monotonic()
        assert hear(_LONG)
        assert time.monotonic() - begin < _LONG / 2
        speaker.join()


def test_without_redis_it_sleeps_and_saying_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    monkeypatch.setattr(signals, "nudging_client", lambda: dead)
    with signals.heard(_word()) as hear:
        begin = time.monotonic()
        assert not hear(0.05)
        assert time.monotonic() - begin >= 0.04
    with pytest.raises(RedisError):
        signals.say(_word())
