"""Queues and ``enqueue``: the only way in for background work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How long a job of this queue may run (seconds)."""

    timeout: int


QUEUES: Final[dict[str, QueueSettings]] = {
    "realtime": QueueSettings(timeout=15),  # somebody waits in front of the screen
    "partners": QueueSettings(timeout=120),  # drains of the outbox
    "default": QueueSettings(timeout=900),
    "mail": QueueSettings(timeout=60),
}

#: Queues of each kind of worker, most urgent first. Calls somebody waits for and long work each have a process that puts them
#: first, so neither a hung call nor a long import starves the other kind; each can still take over most of the other's work.
WORKER_QUEUES: Final[dict[str, tuple[str, ...]]] = {
    "front": ("realtime", "partners", "mail"),
    "back": ("mail", "default", "partners", "realtime"),
}

RESULT_TTL: Final = 0  # nothing is returned through Redis
FAILURE_TTL: Final = 3600  # failures are in the logs and in the rows; Redis keeps them an hour for the curious
PERFORM: Final = "app.core.jobs.runner.perform"

_FUNCTION = re.compile(r"^app(\.[a-z_][a-z0-9_]*)+:[a-z_][a-z0-9_]*$")
_words: set[str] = set()


def allow_word(word: str) -> None:
    """Let ``word`` (the name of a partner, for instance) pass as a job argument beside ids."""
    _words.add(word)


def enqueue(func_path: str, *args: int | str | UUID, queue: str = "default") -> None:
    """Have a worker call ``func_path`` (``"app.feature.jobs:function"``) with ``args``, soon, in the system scope.

    Call it in ``after_commit``: a job must never see less than what was committed. Arguments are ids (int, UUID) only, so that
    Redis never holds personal data. The job keeps the actor and the request id of the caller and returns nothing.
    Raises TypeError or ValueError for anything else, RuntimeError inside an open transaction, and Redis's own error when Redis
    is down (``after_commit`` logs and swallows it: whatever must not be lost has a row and a sweeper).
    """
    from app.core import context
    from app.core.jobs.connection import nudging_client

    if queue not in QUEUES:
        raise ValueError(f"no queue named {queue!r}")
    if not _FUNCTION.match(func_path):
        raise ValueError(f"not a job function: {func_path!r}")
    if _in_transaction():
        raise RuntimeError("enqueue belongs in after_commit(): the job could run before the commit")
    arguments = [_checked(argument) for argument in args]
    push(nudging_client(), func_path, arguments, queue=queue, request_id=context.request_id(), actor_id=context.actor_id())


def push(
    connection: Any,
    func_path: str,
    arguments: list[int | str],
    *,
    queue: str,
    request_id: str | None = None,
    actor_id: int | None = None,
    function: str = PERFORM,
    ttl: int | None = None,
) -> None:
    """Put one job on Redis (used by ``enqueue`` and the scheduler, which has no application)."""
    from rq import Queue
    from rq.serializers import JSONSerializer

    Queue(queue, connection=connection, serializer=JSONSerializer).enqueue_call(
        function,
        args=[func_path, arguments, request_id, actor_id],
        timeout=QUEUES[queue].timeout,
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        ttl=ttl,
        description=f"{func_path}({', '.join(map(str, arguments))})",
    )


def _checked(argument: int | str | UUID) -> int | str:
    if isinstance(argument, UUID):
        return str(argument)
    if isinstance(argument, int) and not isinstance(argument, bool):
        return argument
    if isinstance(argument, str):
        if argument in _words:
            return argument
        try:
            return str(UUID(argument))
        except ValueError:
            pass
    raise TypeError("a job takes ids only (int or UUID), never data")


def _in_transaction() -> bool:
    from app.core.transaction import in_transaction

    try:
        return in_transaction()
    except RuntimeError:  # no application context
        return False
