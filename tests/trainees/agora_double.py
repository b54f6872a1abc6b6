"""AGORA as the sandbox decides, without its server: what the portal built is taken, refused, or taken with its answer lost."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.core import clock
from app.core.extensions import db
from app.core.outbox import Message, registry
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
        message = Message(
            id=row.id, partner=row.partner, operation=row.operation, subject_type=row.subject_type, subject_id=row.subject_id,
            organisation_id=row.organisation_id, ordering_key=row.ordering_key, idempotency_key=row.idempotency_key, params=row.params,
            attempts=0, actor_id=row.actor_id,
        )  # fmt: skip
        handler = registry.handler(row.partner, row.operation)
        request = handler.requests([message]).get(message.id)
        if request is None:
            row.state, row.done_at = MessageState.CANCELLED, clock.now()
            db.session.commit()
            return True
        assert not isinstance(request, Rejected), request.code  # the portal itself found that AGORA would refuse it
        row.sent_at = clock.now()
        answer = self._send(request, str(message.idempotency_key))
        if not lost:
            handler.store([(message, mapping.file_state_from_wire(answer))])
            row.state, row.done_at = MessageState.DONE, clock.now()
        db.session.commit()
        return True

    def _send(self, request: NewFile | FileEvent, key: str) -> dict[str, Any]:
        """As the server does: an answer given under this key is given again; a refusal of the sandbox is raised."""
        if isinstance(request, NewFile):
            body = mapping.new_file_to_wire(request)
            digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
            replayed = self.store.replay(key, digest)
            if replayed is not None:
                return replayed
            existing = self.file_of(body["referenceExterne"])
            return (existing if existing is not None else self.store.create(body, key, digest, "")).answer()
        body = mapping.event_to_wire(request)
        file = self.store.files[request.number]
        digest = f"{file.number}:{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}"
        replayed = self.store.replay(key, digest)
        if replayed is not None:
            return replayed
        check_event(body, entry=file.entry)
        self.store.apply(file, body, key, digest)
        self.wires.append(" ".join(filter(None, (body["type"], body.get("motif"), body.get("realisation")))))
        return file.answer()
