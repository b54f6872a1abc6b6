"""A partner for the benches: a small HTTP server in a process of its own, and the transport and handler that use it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

NAME = "bench"
LATENCY = 0.02  # seconds to answer, as a partner on the same continent would take
_BODY = b'{"numero":"12345678"}'
_ANSWER = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            if length:
                await reader.readexactly(length)
            await asyncio.sleep(LATENCY)
            writer.write(_ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, limit=65536, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


class HttpTransport:
    """Sends over httpx, as the real transports do."""

    max_concurrency = 16  # as the transport of AGORA

    @asynccontextmanager
    async def open_client(self) -> AsyncIterator[Any]:
        """One pool."""
        import httpx

        limits = httpx.Limits(max_connections=self.max_concurrency, max_keepalive_connections=self.max_concurrency)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{os.environ['BENCH_PORT']}", limits=limits, timeout=10, trust_env=False) as client:
            yield client

    async def send(self, request: Any, *, idempotency_key: UUID, client: Any) -> Any:
        """One POST."""
        answer = await client.post("/v1/dossiers", json=request, headers={"Idempotency-Key": str(idempotency_key)})
        answer.raise_for_status()
        return answer.json()


def build_many(messages: Sequence[Any]) -> Mapping[int, Any]:
    """What the handler of a feature does: one statement for all subjects."""
    from sqlalchemy import text

    from app.core.extensions import db

    ids = [message.subject_id for message in messages]
    known = dict(db.session.execute(text("SELECT id, label FROM bench_subject WHERE id = ANY(:ids)"), {"ids": ids}).all())
    return {message.id: {"reference": str(message.subject_id), "libelle": known[message.subject_id]} for message in messages}


def apply_many(answers: Sequence[tuple[Any, Any]]) -> None:
    """One statement for all answers."""
    from sqlalchemy import text

    from app.core.extensions import db

    db.session.execute(
        text("UPDATE bench_subject s SET number = r.number FROM unnest(CAST(:ids AS bigint[]), CAST(:numbers AS text[])) AS r(id, number) WHERE s.id = r.id"),
        {"ids": [message.subject_id for message, _ in answers], "numbers": [answer["numero"] for _, answer in answers]},
    )


def register() -> None:
    """Declare partner and handler."""
    from app.core.outbox import register_handler, register_partner

    register_partner(NAME, HttpTransport)
    register_handler(NAME, "create", build_many=build_many, apply_many=apply_many)


def row_job(message_id: int) -> None:
    """The way not taken: one job for one row, with the same work."""
    from uuid import uuid4

    import httpx
    from sqlalchemy import text

    from app.core.outbox import store
    from app.core.outbox.models import MessageState
    from app.core.outbox.registry import Message
    from app.core.outbox.store import Settlement
    from app.core.transaction import transaction

    token = uuid4()
    with transaction() as session:
        row = session.execute(
            text(
                "UPDATE outbox_message m SET state = 'sending', attempts = attempts + 1, lease_token = :token, "
                "lease_until = clock_timestamp() + interval '30 seconds' WHERE id = :id AND state = 'pending' RETURNING " + store._COLUMNS
            ),
            {"token": token, "id": message_id},
        ).one()
    message = Message(**row._mapping)
    with transaction():
        request = build_many([message])[message.id]
    answer = httpx.post(
        f"http://127.0.0.1:{os.environ['BENCH_PORT']}/v1/dossiers",
        json=request,
        headers={"Idempotency-Key": str(message.idempotency_key)},
        timeout=10,
        trust_env=False,
        verify=False,
    ).json()
    with transaction() as session:
        store.settle(session, {message.id: token}, [Settlement(message, MessageState.DONE, answer={})])
        apply_many([(message, answer)])


if __name__ == "__main__":
    sys.exit(asyncio.run(_serve()))
