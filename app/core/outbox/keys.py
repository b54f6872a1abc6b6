"""One idempotency key, one body: what says something else at its next try takes a new key before it leaves.

A request is built from the present state of the database at each try, and a try whose answer was lost may have been taken.  Partners answer
the same key as the first time, and refuse it with another body.  So a keyed digest of the body stands beside the message since its first
try: the same body leaves under the same key, another one under a new key, whoever changed what it is built from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, BigInteger, LargeBinary, Uuid, bindparam, text
from sqlalchemy.orm import Session

from app.core import crypto
from app.core.outbox.registry import Message, Transport
from app.core.transaction import transaction

#: Under the lease only, and in the order in which others lock messages.
_BIND: Final = text(
    """
WITH mine AS (
    SELECT id FROM outbox_message WHERE id = ANY(:ids) AND state = 'sending' AND lease_token = :token ORDER BY id FOR UPDATE)
UPDATE outbox_message m SET idempotency_key = r.key, body_digest = r.digest
FROM mine, unnest(:ids, :keys, :digests) AS r (id, key, digest)
WHERE m.id = mine.id AND r.id = m.id
RETURNING m.id
"""
).bindparams(
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("token", type_=Uuid()),
    bindparam("keys", type_=ARRAY(Uuid())),
    bindparam("digests", type_=ARRAY(LargeBinary)),
)
_FORGET: Final = text("UPDATE outbox_message SET body_digest = ''::bytea WHERE id = ANY(:ids)").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))


def bind(transport: Transport, token: UUID, requests: Sequence[tuple[Message, Any]]) -> tuple[list[tuple[Message, Any]], list[Message]]:
    """Give each request the key of its body; committed before anything leaves, so that no death of a worker loses it.

    Returns what may be sent, and the messages whose lease (``token``) was lost meanwhile: whoever holds them decides.  One statement when
    a body is new, no transaction when all say what they said.
    """
    body_of = getattr(transport, "body", None)
    if body_of is None:
        return list(requests), []
    bound: list[tuple[Message, Any]] = []
    new: list[Message] = []
    for message, request in requests:
        keyed = _keyed(message, body_of, request)
        bound.append((keyed, request))
        if keyed is not message:
            new.append(keyed)
    if not new:
        return bound, []
    values = {
        "ids": [message.id for message in new],
        "token": token,
        "keys": [message.idempotency_key for message in new],
        "digests": [message.body_digest for message in new],
    }
    with transaction() as session:
        ours = set(session.execute(_BIND, values).scalars())
    lost = {message.id for message in new if message.id not in ours}
    return [pair for pair in bound if pair[0].id not in lost], [message for message in new if message.id in lost]


def _keyed(message: Message, body_of: Any, request: Any) -> Message:
    """The message under the key of this body; itself when nothing changes."""
    try:
        body = body_of(request)
    except Exception:  # it cannot be sent either: there the fault is counted
        return message
    if body is None:
        return message
    digests = crypto.index().candidates(f"{message.id}:{body}", purpose="outbox-body")
    if message.body_digest in digests:
        return message
    key = message.idempotency_key if message.body_digest is None else uuid4()
    return replace(message, idempotency_key=key, body_digest=digests[0])


def forget(session: Session, message_ids: Sequence[int]) -> None:
    """The partner says that the key of these messages served for something else: whatever they say, their next try takes a new one."""
    if message_ids:
        session.execute(_FORGET, {"ids": list(message_ids)})
