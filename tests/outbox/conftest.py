"""A partner made of memory, in an application whose commits are real."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

if TYPE_CHECKING:
    from flask import Flask

PARTNER = "echo"


class Partner:
    """Behaves as told: ``behave(request, tries) -> answer`` or raises; remembers what it took, by idempotency key."""

    max_concurrency = 8

    def __init__(self) -> None:
        self.received: list[tuple[Any, UUID]] = []
        self.effects: dict[UUID, Any] = {}
        self.order: list[Any] = []
        self.tries: Counter[UUID] = Counter()
        self.clients = 0
        self.behave: Callable[[Any, int], Any] = lambda request, tries: {"echo": request}
        self.delay = 0.0

    def __call__(self) -> Partner:
        return self

    @asynccontextmanager
    async def open_client(self) -> AsyncIterator[Any]:
        self.clients += 1
        yield object()

    async def send(self, request: Any, *, idempotency_key: UUID, client: Any) -> Any:
        self.tries[idempotency_key] += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        self.received.append((request, idempotency_key))
        answer = self.behave(request, self.tries[idempotency_key])
        if idempotency_key not in self.effects:
            self.effects[idempotency_key] = request
            self.order.append(request)
        return answer


class World:
    """The application, the partner, and what the handlers stored."""

    def __init__(self, app: Flask, partner: Partner) -> None:
        self.app = app
        self.partner = partner
        self.applied: list[tuple[int, Any]] = []
        self.build: Callable[[int, Mapping[str, Any]], Any] = lambda subject, params: {"subject": subject, **params}
        self.apply: Callable[[Any, Any], None] = lambda message, answer: self.applied.append((message.id, answer))

    def publish(self, subject: int = 1, *, key: str | None = None, operation: str = "tell", **params: Any) -> int:
        from app.core.outbox import publish
        from app.core.transaction import transaction

        with transaction():
            return publish(
                partner=PARTNER,
                operation=operation,
                subject_type="thing",
                subject_id=subject,
                ordering_key=key or f"thing:{subject}",
                organisation_id=1,
                params=params,
            )

    def drain(self) -> Any:
        from app.core.outbox import drain

        return drain.drain(PARTNER)

    def sql(self, statement: str, **values: Any) -> list[Any]:
        from sqlalchemy import text

        from app.core.extensions import db
        from app.core.transaction import transaction

        with transaction():
            result = db.session.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def row(self, message_id: int) -> Any:
        return self.sql("SELECT * FROM outbox_message WHERE id = :id", id=message_id)[0]

    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.sql("SELECT state FROM outbox_message"))

    def due_now(self) -> None:
        """Time passes for the messages: whatever waits is due."""
        self.sql("UPDATE outbox_message SET next_attempt_at = clock_timestamp() WHERE state = 'pending'")

    def breaker_due(self) -> None:
        """Time passes for the circuit: its pause is over."""
        self.sql("UPDATE outbox_partner SET retry_at = clock_timestamp() WHERE state = 'open'")
        self.sql("UPDATE outbox_partner SET hold_until = NULL")

    def close_breaker(self) -> None:
        self.sql("UPDATE outbox_partner SET state = 'closed', recent = '[]', streak = 0, retry_at = NULL, hold_until = NULL")


@pytest.fixture
def partner() -> Partner:
    return Partner()


class _Longest(random.Random):
    """The wait before another try is as long as it may be: none draws a few milliseconds, after which the same drain would try again."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


@pytest.fixture
def world(committed: Flask, partner: Partner, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    from app.core.outbox import policy, register_handler, register_partner, registry
    from app.core.tenancy import Scope, bound_scope

    monkeypatch.setattr(policy, "_rng", _Longest())
    world = World(committed, partner)
    known = registry._registry.partners.copy(), registry._registry.handlers.copy()
    register_partner(PARTNER, partner)
    register_handler(
        PARTNER,
        "tell",
        build=lambda subject, params: world.build(subject, params),  # noqa: PLW0108 - a test replaces it
        apply=lambda message, answer: world.apply(message, answer),  # noqa: PLW0108 - a test replaces it
    )
    with committed.app_context(), bound_scope(Scope.system()):
        world.sql(
            "INSERT INTO organisation (id, siret, legal_name, created_at, updated_at) "
            "VALUES (1, '00000000000000', 'Organisme', now(), now()) ON CONFLICT DO NOTHING"
        )
        world.sql("DELETE FROM outbox_message")  # those of the demonstration
        yield world
    registry._registry.partners, registry._registry.handlers = known
