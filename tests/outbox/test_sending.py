"""Sending without a database: what is slow holds up nothing but itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core import context
from app.core.outbox import sending
from app.core.outbox.errors import Duplicate, Rejected, Throttled, Unavailable
from app.core.outbox.registry import Message
from app.core.outbox.sending import Sender


class Transport:
    """Does what it is told with each request."""

    def __init__(self, behave: Callable[[Any], Any], concurrency: int = 4) -> None:
        self.behave = behave
        self.max_concurrency = concurrency
        self.opened = self.closed = self.under_way = self.most = 0

    @asynccontextmanager
    async def open_client(self) -> AsyncIterator[str]:
        self.opened += 1
        yield "client"
        self.closed += 1

    async def send(self, request: Any, *, idempotency_key: UUID, client: Any) -> Any:
        assert client == "client"
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self.behave(request)
        finally:
            self.under_way -= 1


def messages(count: int) -> list[tuple[Message, Any]]:
    return [(Message(n, "p", "o", "t", n, 1, f"k{n}", uuid4(), {}, 1, actor_id=n, request_id=f"reference-{n}"), n) for n in range(count)]


async def answer(request: Any) -> Any:
    await asyncio.sleep(0.001)
    return request


def test_all_leave_through_one_client_at_most_so_many_at_once() -> None:
    transport = Transport(answer)
    with Sender(transport) as sender:
        sender.add(messages(50))
        outcomes, unsent = sender.step(5)
        sender.add(messages(3))
        more, _ = sender.step(5)
    assert sorted(outcome.answer for outcome in outcomes) == list(range(50))
    assert (len(more), unsent, sender.busy) == (3, [], 0)
    assert (transport.opened, transport.closed, transport.most) == (1, 1, 4)


def test_a_slow_call_holds_up_nothing_but_itself() -> None:
    async def behave(request: Any) -> Any:
        await asyncio.sleep(1.0 if request == 0 else 0.001)
        return request

    with Sender(Transport(behave)) as sender:
        sender.add(messages(40))
        begin = time.monotonic()
        outcomes, _ = sender.step(0.3)
        assert time.monotonic() - begin < 0.6
        assert len(outcomes) == 39
        assert sender.busy == 1
        late, _ = sender.step(5)
        assert [outcome.answer for outcome in late] == [0]


def test_each_call_is_made_in_its_authors_name() -> None:
    seen: list[tuple[int | None, str | None]] = []

    async def behave(request: Any) -> Any:
        await asyncio.sleep(0.001)
        seen.append((context.actor_id(), context.request_id()))
        return request

    with context.acting(actor=99, reference="reference-of-job"), Sender(Transport(behave)) as sender:
        sender.add(messages(8))
        sender.step(5)
        assert context.actor_id() == 99
    assert sorted(seen) == [(n, f"reference-{n}") for n in range(8)]


@pytest.mark.parametrize("error", [Throttled(3), Unavailable(reason="down")])
def test_it_stops_starting_when_asked_to_or_when_nobody_is_there(error: Exception) -> None:
    async def behave(_request: Any) -> Any:
        raise error

    with Sender(Transport(behave, concurrency=1)) as sender:
        sender.add(messages(30))
        outcomes, unsent = sender.step(5)
    assert len(outcomes) == (1 if isinstance(error, Throttled) else 5)
    assert len(outcomes) + len(unsent) == 30


def test_what_cannot_start_in_time_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "START_WITHIN", 0.2)

    async def behave(request: Any) -> Any:
        await asyncio.sleep(0.15)
        return request

    with Sender(Transport(behave, concurrency=1)) as sender:
        sender.add(messages(10))
        outcomes, unsent = [], []
        while sender.busy:
            ended, late = sender.step(0.1)
            outcomes += ended
            unsent += late
    assert 1 <= len(outcomes) <= 3
    assert len(outcomes) + len(unsent) == 10


def test_an_answer_that_comes_between_two_steps_is_not_forgotten() -> None:
    """The last turn of the event loop belongs to no step: whoever asks whether anything is left is told."""

    async def behave(request: Any) -> Any:
        await asyncio.sleep(0.05)
        return request

    with Sender(Transport(behave, concurrency=1)) as sender:
        sender.add(messages(1))
        assert sender.step(0) == ([], [])
        sender._runner.run(asyncio.sleep(0.2))
        assert sender.busy == 1
        outcomes, unsent = sender.step(0.1)
        assert (len(outcomes), unsent, sender.busy) == (1, [], 0)


def test_no_answer_in_time_is_unavailability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SEND_TIMEOUT", 0.05)

    async def behave(_request: Any) -> Any:
        await asyncio.sleep(60)

    with Sender(Transport(behave)) as sender:
        sender.add(messages(1))
        [outcome], _ = sender.step(5)
    assert isinstance(outcome.error, Unavailable)
    assert outcome.answered is False


def test_refusals_duplicates_and_faults_are_told_apart() -> None:
    async def behave(request: Any) -> Any:
        raise (Rejected("NON", "Non"), Duplicate("123"), KeyError("statut"))[request]

    with Sender(Transport(behave)) as sender:
        sender.add(messages(3))
        outcomes, _ = sender.step(5)
    by_number = {outcome.message.id: outcome for outcome in outcomes}
    assert [by_number[n].answered for n in range(3)] == [True, True, None]
    assert isinstance(by_number[1].answer, Duplicate)
    assert isinstance(by_number[2].error, KeyError)


def test_a_client_that_cannot_be_opened_makes_all_unavailable() -> None:
    transport = Transport(answer)

    @asynccontextmanager
    async def refuse() -> AsyncIterator[str]:
        raise Unavailable(reason="no token")
        yield "never"

    transport.open_client = refuse  # type: ignore[method-assign]
    with Sender(transport) as sender:
        sender.add(messages(3))
        outcomes, _ = sender.step(5)
    assert [outcome.answered for outcome in outcomes] == [False] * 3


def test_leaving_early_cancels_what_is_under_way() -> None:
    async def behave(_request: Any) -> Any:
        await asyncio.sleep(60)

    transport = Transport(behave)
    begin = time.monotonic()
    with Sender(transport) as sender:
        sender.add(messages(3))
        sender.step(0.05)
    assert time.monotonic() - begin < 5
    assert (transport.under_way, transport.closed) == (0, 1)
