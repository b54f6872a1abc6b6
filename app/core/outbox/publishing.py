"""Writing messages in the transaction of the act that causes them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.core import clock, context
from app.core.extensions import db
from app.core.outbox import registry
from app.core.outbox.models import OutboxMessage
from app.core.outbox.nudge import nudge
from app.core.tenancy import current_scope
from app.core.transaction import after_commit, in_transaction

_BUCKETS: Final = 1024
_LOCK_SPACE: Final = 0x6F62  # "ob": keeps these advisory locks apart from any other
_LOOKS_PERSONAL: Final = re.compile(r"\d[\d\s.]{11,}\d|@")
_NUDGED: Final = "outbox_nudged"


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What ``publish`` takes, for ``publish_many``."""

    operation: str
    subject_type: str
    subject_id: int
    ordering_key: str
    organisation_id: int
    params: Mapping[str, Any] = field(default_factory=dict)


def publish(
    *,
    partner: str,
    operation: str,
    subject_type: str,
    subject_id: int,
    ordering_key: str,
    organisation_id: int | None = None,
    params: Mapping[str, Any] | None = None,
) -> int:
    """Leave a message for ``partner`` in the open transaction, and nudge the drain once it is committed. Returns its id.

    Messages of one ``ordering_key`` (the dossier) leave in the order of their transactions, one after the other.
    ``params`` are short facts of the act (a date, a reason's id), never personal data: the request is built from the subject
    when it is sent. ``organisation_id`` defaults to the organisation in scope.
    Raises RuntimeError outside a transaction, LookupError for an operation nobody handles, ValueError for unfit parameters.
    """
    if organisation_id is None:
        organisation_id = current_scope().organisation_id
        if organisation_id is None:
            raise ValueError("outside an organisation's scope, publish() must be told whose message it is")
    message = NewMessage(operation, subject_type, subject_id, ordering_key, organisation_id, params or {})
    return publish_many(partner, [message])[0]


def publish_many(partner: str, messages: Sequence[NewMessage]) -> list[int]:
    """Leave many messages at once, in a few statements whatever their number. Returns their ids in order."""
    if not in_transaction():
        raise RuntimeError("publish belongs inside transaction(): the message must share the fate of its cause")
    if not messages:
        return []
    for operation in {message.operation for message in messages}:
        registry.handler(partner, operation)
    session = db.session()
    if not _subjects_held.get():
        _serialise(session, partner, {message.ordering_key for message in messages})
    moment, actor, reference = clock.now(), context.actor_id(), context.request_id()
    rows = [
        {
            "partner": partner,
            "operation": message.operation,
            "subject_type": message.subject_type,
            "subject_id": message.subject_id,
            "organisation_id": message.organisation_id,
            "ordering_key": message.ordering_key,
            "idempotency_key": uuid4(),
            "params": _checked(message.params),
            "actor_id": actor,
            "request_id": reference,
            "created_at": moment,
        }
        for message in messages
    ]
    table: Any = OutboxMessage.__table__
    statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    ids = list(session.execute(statement, rows).scalars())
    _nudge_once(session, partner)
    return ids


#: Whether the work under way holds the subjects of all it publishes.
_subjects_held: ContextVar[bool] = ContextVar("outbox_subjects_held", default=False)


@contextmanager
def subjects_held() -> Iterator[None]:
    """Publish without the locks that put the transactions of one dossier in order: the rows of the subjects are locked, which does it already.

    For work on many dossiers, one after the other, in one transaction: taken out of their order, these locks and those of another such
    work would wait for each other for ever; kept to the end, they would make every other publication wait.  The caller locked each subject's
    row, with its unsettled messages and what is locked before them, or made it in this transaction.
    """
    token = _subjects_held.set(True)
    try:
        yield
    finally:
        _subjects_held.reset(token)


def _serialise(session: Session, partner: str, keys: set[str]) -> None:
    """Make transactions that write for one dossier wait for each other, so that ids grow in the order of the commits.

    Without it the second transaction could commit first and its message leave before the one it follows. Buckets bound the
    number of locks; taken in ascending order, so that two bulk publications cannot block each other.
    """
    buckets = sorted({zlib.crc32(f"{partner}:{key}".encode()) % _BUCKETS for key in keys})
    session.execute(
        text("SELECT pg_advisory_xact_lock(:space, bucket) FROM unnest(CAST(:buckets AS integer[])) AS bucket"),
        {"space": _LOCK_SPACE, "buckets": buckets},
    )


def _checked(params: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in params.items():
        if not (value is None or isinstance(value, bool | int | float | str)):
            raise ValueError(f"params[{name!r}]: only numbers, short strings, booleans and None travel")
        if isinstance(value, str) and (len(value) > 64 or _LOOKS_PERSONAL.search(value)):
            raise ValueError(f"params[{name!r}] looks like data of a person: build() reads those from the subject")
    return dict(params)


def _nudge_once(session: Session, partner: str) -> None:
    """One nudge per partner and transaction, however many messages it leaves."""
    current = session.get_transaction()
    transaction, partners = session.info.get(_NUDGED, (None, frozenset()))
    partners = partners if transaction is current else frozenset()
    if partner in partners:
        return
    session.info[_NUDGED] = (current, partners | {partner})
    after_commit(lambda: nudge(partner))
