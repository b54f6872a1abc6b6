"""AGORA as the sandbox decides, without its server: what the portal built is taken, refused, or taken with its answer lost."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from app.core import clock
from app.core.extensions import db
from app.core.outbox import Message, keys, registry
from app.core.outbox.errors import Rejected
from app.core.outbox.models import MessageState, OutboxMessage
from app.partners.agora import mapping
from app.partners.agora.port import FileEvent, NewFile
from app.partners.agora.sandbox.rules import check_event
from app.partners.agora.sandbox.store import File, Store


class AgoraDouble:
    """Drains the dossier of one enrolment, message by message, in order, into the sandbox's own store."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.store.journal.append = lambda _record: None  # type: ignore[method-assign]  # nothing is kept: there is no server to start again
        self.wires: list[str] = []
        #: Each try: the message, its key, and the digest of its body.
        self.tries: list[tuple[int, str, str]] = []

    def file_of(self, reference: Any) -> File | None:
        """The file of an enrolment, as AGORA holds it."""
        number = self.store.references.get(str(reference))
        return self.store.files[number] if number else None

    def drain(self, enrolment_id: int) -> None:
        """All that waits."""
        while self.step(enrolment_id):
            pass

    def step(self, enrolment_id: int, *, lost: bool = False) -> bool:
        """The first message that is not settled; ``lost``: AGORA takes it, and the portal never hears of it.  False when nothing waits."""
        row = db.session.scalars(
            select(OutboxMessage)
            .where(
                OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == enrolment_id,
                OutboxMessage.state.not_in((MessageState.DONE, MessageState.CANCELLED)),
            )
            .order_by(OutboxMessage.id).limit(1).execution_options(populate_existing=True)
        ).first()  # fmt: skip
        if row is None:
            return False
        row.state, row.lease_token, row.lease_until, row.sent_at = MessageState.SENDING, uuid4(), clock.now() + timedelta(seconds=30), clock.now()
        db.session.flush()
        message = Message(
            id=row.id, partner=row.partner, operation=row.operation, subject_type=row.subject_type, subject_id=row.subject_id,
            organisation_id=row.organisation_id, ordering_key=row.ordering_key, idempotency_key=row.idempotency_key, params=row.params,
            attempts=0, actor_id=row.actor_id, body_digest=row.body_digest,
        )  # fmt: skip
        handler = registry.handler(row.partner, row.operation)
        request = handler.requests([message]).get(message.id)
        if request is None:
            self._settle(row, MessageState.CANCELLED)
            return True
        assert not isinstance(request, Rejected), request.code  # the portal itself found that AGORA would refuse it
        assert row.lease_token is not None
        [(message, _request)], _lost = keys.bind(registry.transport(row.partner), row.lease_token, [(message, request)])
        answer = self._send(message, request)
        if not lost:
            handler.store([(message, mapping.file_state_from_wire(answer))])
        self._settle(row, MessageState.PENDING if lost else MessageState.DONE)
        return True

    def _settle(self, row: OutboxMessage, state: MessageState) -> None:
        db.session.refresh(row)
        row.state, row.lease_token, row.lease_until = state, None, None
        row.done_at = None if state is MessageState.PENDING else clock.now()
        db.session.commit()

    def _send(self, message: Message, request: NewFile | FileEvent) -> dict[str, Any]:
        """As the server does: an answer given under this key is given again; a refusal of the sandbox is raised."""
        key = str(message.idempotency_key)
        if isinstance(request, NewFile):
            body = mapping.new_file_to_wire(request)
            digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
            self.tries.append((message.id, key, digest))
            replayed = self.store.replay(key, digest)
            if replayed is not None:
                return replayed
            existing = self.file_of(body["referenceExterne"])
            return (existing if existing is not None else self.store.create(body, key, digest, "")).answer()
        body = mapping.event_to_wire(request)
        file = self.store.files[request.number]
        digest = f"{file.number}:{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}"
        self.tries.append((message.id, key, digest))
        replayed = self.store.replay(key, digest)
        if replayed is not None:
            return replayed
        check_event(body, entry=file.entry)
        self.store.apply(file, body, key, digest)
        self.wires.append(" ".join(filter(None, (body["type"], body.get("motif"), body.get("realisation")))))
        return file.answer()

    def check_keys(self) -> Counter[str]:
        """The same key goes with the same body, always; the same body, tried again, with the same key.  How many tries kept and renewed it."""
        found: Counter[str] = Counter()
        bodies: dict[str, tuple[int, str]] = {}
        last: dict[int, tuple[str, str]] = {}
        for message_id, key, digest in self.tries:
            assert bodies.setdefault(key, (message_id, digest)) == (message_id, digest)
            before = last.get(message_id)
            assert before is None or (before[0] == key) is (before[1] == digest)
            if before is not None:
                found["kept" if before[0] == key else "renewed"] += 1
            last[message_id] = (key, digest)
        return found
