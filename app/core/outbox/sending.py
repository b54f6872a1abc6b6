"""Sending many messages at once over one connection pool. Nothing here touches the database."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Self

import structlog

from app.core import clock, context
from app.core.outbox.breaker import Breaker, BreakerState
from app.core.outbox.errors import Cause, Duplicate, PartnerError, Throttled, Unavailable
from app.core.outbox.registry import Message, Transport

log = structlog.get_logger(__name__)

#: No call starts later than this after the claim, and none lasts longer than SEND_TIMEOUT: together they stay within the lease.
START_WITHIN: Final = 12.0
SEND_TIMEOUT: Final = 12.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended: an ``answer``, a ``PartnerError``, or a fault of our own (any other exception)."""

    message: Message
    answer: Any = None
    error: Exception | None = None

    @property
    def answered(self) -> bool | None:
        """Whether the partner answered, even to refuse; None when it is not to blame either way."""
        if isinstance(self.error, Throttled):
            return True
        if isinstance(self.error, Unavailable):
            return False
        if self.error is None or isinstance(self.error, PartnerError):
            return True
        return None


class Sender:
    """One event loop, one client and one connection pool for a whole drain.

    ``add`` queues requests, ``step`` lets the calls run for a moment and gives those that ended: what is slow holds up nothing
    but itself, and an answer is in the database within a second of its arrival. The event loop rests between two steps, while
    the caller is at the database.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.max_concurrency = max(1, transport.max_concurrency)
        self._runner = asyncio.Runner()
        self._manager: AbstractAsyncContextManager[Any] | None = None
        self._client: Any = None
        self._queue: deque[tuple[Message, Any, float]] = deque()
        self._callers: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._outcomes: list[Outcome] = []
        self._breaker = Breaker()
        self._halted = False

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._runner.run(self._close())
        except Exception as error:  # closing a pool whose peers are gone
            log.warning("outbox_client_close", error=type(error).__name__)
        finally:
            self._runner.__exit__(None, None, None)

    @property
    def busy(self) -> int:
        """How many messages are queued, under way, or answered since the last step: the event loop may run on a moment after it."""
        return len(self._queue) + self._under_way + len(self._outcomes)

    def add(self, requests: Sequence[tuple[Message, Any]]) -> None:
        """Queue requests just claimed; a former halt is over."""
        deadline = time.monotonic() + START_WITHIN
        self._queue.extend((message, request, deadline) for message, request in requests)
        self._breaker, self._halted = Breaker(), False

    def halt(self) -> None:
        """Start nothing more; calls under way end."""
        self._halted = True

    def step(self, seconds: float) -> tuple[list[Outcome], list[Message]]:
        """Run for ``seconds``, less when all is done. Returns the outcomes, and the messages that will not be started.

        Starting stops when time is up, when the partner asks to slow down, or when so many calls in a row find nobody that the
        circuit would open. A client that cannot be opened makes all queued messages Unavailable, or raises its own fault.
        """
        return self._runner.run(self._step(seconds))

    def drop(self) -> list[Message]:
        """Forget what is queued (not what is under way); returns it."""
        dropped = [message for message, _, _ in self._queue]
        self._queue.clear()
        return dropped

    async def _step(self, seconds: float) -> tuple[list[Outcome], list[Message]]:
        if self._client is None and self._queue:
            try:
                await self._open()
            except PartnerError as error:
                return [Outcome(message, error=error) for message in self.drop()], []
        wanted = min(self.max_concurrency, len(self._queue)) - (len(self._callers) - self._under_way)
        for _ in range(min(wanted, self.max_concurrency - len(self._callers))):
            self._callers.add(asyncio.create_task(self._call()))
        if self._callers:
            _, self._callers = await asyncio.wait(self._callers, timeout=seconds)
        outcomes, self._outcomes = self._outcomes, []
        return outcomes, self.drop() if self._halted else self._overdue()

    async def _call(self) -> None:
        """One place among those that call: takes what is next until there is nothing left to start."""
        while self._queue and not self._halted and self._queue[0][2] > time.monotonic():
            message, request, _ = self._queue.popleft()
            self._under_way += 1
            try:
                outcome = await self._send(message, request)
            finally:
                self._under_way -= 1
            self._outcomes.append(outcome)
            self._learn(outcome)

    def _overdue(self) -> list[Message]:
        now, late = time.monotonic(), []
        while self._queue and self._queue[0][2] <= now:
            late.append(self._queue.popleft()[0])
        return late

    def _learn(self, outcome: Outcome) -> None:
        if isinstance(outcome.error, Throttled):
            self._halted = True
        elif outcome.answered is not None:
            self._breaker = self._breaker.record([outcome.answered], clock.now())
            self._halted = self._halted or self._breaker.state is BreakerState.OPEN

    async def _open(self) -> None:
        manager = self.transport.open_client()
        self._client = await manager.__aenter__()
        self._manager = manager

    async def _close(self) -> None:
        for caller in self._callers:
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        if self._manager is not None:
            await self._manager.__aexit__(None, None, None)

    async def _send(self, message: Message, request: Any) -> Outcome:
        context.set_request_id(message.request_id)  # a task has its own copy of the context: nobody else sees it
        context.set_actor_id(message.actor_id)
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                try:
                    answer = await self.transport.send(request, idempotency_key=message.idempotency_key, client=self._client)
                except Duplicate as duplicate:
                    resolve = getattr(self.transport, "resolve_duplicate", None)
                    answer = duplicate if resolve is None else await resolve(request, duplicate, client=self._client)
        except TimeoutError:
            return Outcome(message, error=Unavailable(reason="no answer in time", cause=Cause.NO_ANSWER))
        except PartnerError as error:
            return Outcome(message, error=error)
        except Exception as error:  # our own fault: this message counts it, the others go on
            return Outcome(message, error=error)
        return Outcome(message, answer=answer)
