"""Tables of the outbox: messages, the state of each partner, and what operators did by hand."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.db import TenantMixin
from app.core.extensions import db
from app.core.outbox.breaker import BreakerState


class MessageState(StrEnum):
    """Life of a message. ``rejected`` and ``dead`` hold back the later messages of their dossier until someone decides."""

    PENDING = "pending"
    SENDING = "sending"
    DONE = "done"
    REJECTED = "rejected"
    DEAD = "dead"
    CANCELLED = "cancelled"


#: States that hold back later messages of the same ordering key.
BLOCKING: Final = (MessageState.PENDING, MessageState.SENDING, MessageState.REJECTED, MessageState.DEAD)
_BLOCKING_SQL: Final = "state IN ('pending', 'sending', 'rejected', 'dead')"

#: Among the parameters: what a handler keeps sealed for the next try, word for word, until the partner answers.
SEALED: Final = "sealed"

_OWN: Final = "organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer"


def _values(enum: type[StrEnum]) -> list[str]:
    return [member.value for member in enum]


def _enum(enum: type[StrEnum], name: str) -> sa.Enum:
    return sa.Enum(enum, name=name, native_enum=False, length=16, create_constraint=True, values_callable=_values)


class ErrorKind(StrEnum):
    """Why a message is not done yet."""

    UNAVAILABLE = "unavailable"  # nobody answered: leaves by itself when the partner is back
    REJECTED = "rejected"  # understood and refused
    FAULT = "fault"  # our own code failed on it


class OutboxMessage(TenantMixin, db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """Something meant for an outside system, written in the transaction of the act that caused it.

    Holds no personal data in clear: the request is built from the subject when it is sent. Not journaled: the acts that cause it, the
    answers applied and the operators' interventions are.
    """

    __tablename__ = "outbox_message"
    __audit__ = False
    # The organisation may add messages and follow its own; only the drain and the Région change them.
    __rls__ = "private"
    __rls_limited__ = "subject_type = 'enrolment' AND EXISTS (SELECT FROM enrolment e WHERE e.id = outbox_message.subject_id)"
    __rls_extra__ = (
        f"CREATE POLICY tenant_select ON outbox_message FOR SELECT TO portal_tenant USING ({_OWN})",
        f"CREATE POLICY tenant_insert ON outbox_message FOR INSERT TO portal_tenant WITH CHECK ({_OWN})",
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    partner: Mapped[str] = mapped_column(String(32), nullable=False)
    operation: Mapped[str] = mapped_column(String(64), nullable=False)
    subject_type: Mapped[str] = mapped_column(String(64), nullable=False)
    subject_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    ordering_key: Mapped[str] = mapped_column(String(96), nullable=False)
    idempotency_key: Mapped[UUID] = mapped_column(sa.Uuid, nullable=False, unique=True, default=uuid4)
    #: Keyed digest of what the last try said, and the key goes with (``keys``).
    body_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    params: Mapped[dict[str, Any]] = mapped_column(JSONB, nullable=False, default=dict, server_default=text("'{}'::jsonb"))
    state: Mapped[MessageState] = mapped_column(_enum(MessageState, "state"), nullable=False, default=MessageState.PENDING, server_default="pending")
    attempts: Mapped[int] = mapped_column(Integer, nullable=False, default=0, server_default="0")
    failures: Mapped[int] = mapped_column(Integer, nullable=False, default=0, server_default="0")
    expiries: Mapped[int] = mapped_column(
        Integer, nullable=False, default=0, server_default="0"
    )  # leases in a row that ran out without an answer (policy.ALONE_FROM)
    next_attempt_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()"))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_token: Mapped[UUID | None] = mapped_column(sa.Uuid)
    error_kind: Mapped[ErrorKind | None] = mapped_column(_enum(ErrorKind, "error_kind"))
    last_error_code: Mapped[str | None] = mapped_column(String(64))
    last_error_title: Mapped[str | None] = mapped_column(String(500))
    last_error_details: Mapped[list[dict[str, str]] | None] = mapped_column(JSONB)
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    actor_id: Mapped[int | None] = mapped_column(Integer)
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    waiting_since: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")
    )  # start of the 24 hours: the creation, or the last replay
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        # of an organisation, the newest first; also what attempts refer to
        UniqueConstraint("organisation_id", "id"),
        CheckConstraint("attempts >= 0 AND failures >= 0", name="counts"),
        CheckConstraint("expiries >= 0", name="expiries"),
        CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL) AND (lease_until IS NULL) = (lease_token IS NULL)", name="lease"),
        CheckConstraint("(state IN ('done', 'cancelled')) = (done_at IS NOT NULL)", name="done_at"),
        CheckConstraint("state NOT IN ('rejected', 'dead') OR last_error_code IS NOT NULL", name="reason"),
        CheckConstraint("jsonb_typeof(params) = 'object'", name="params"),
        # what is due, in the order it is due
        Index("ix_outbox_message_due", "partner", "next_attempt_at", "id", postgresql_where=text("state = 'pending'")),
        # what holds back the rest of a dossier; also the head of each dossier
        Index("ix_outbox_message_lane", "partner", "ordering_key", "id", postgresql_where=text(_BLOCKING_SQL)),
        # what outlived its worker, and leaves apart from the others
        Index("ix_outbox_message_suspect", "partner", "expiries", postgresql_where=text("state = 'pending' AND expiries > 0")),
        Index("ix_outbox_message_lease", "lease_until", postgresql_where=text("state = 'sending'")),
        # what waits for a decision
        Index("ix_outbox_message_stuck", "partner", "id", postgresql_where=text("state IN ('rejected', 'dead')")),
        Index("ix_outbox_message_subject", "subject_type", "subject_id", "id"),
        # the console's lists: what is not finished, what failed and how; throughput of the last minutes
        Index("ix_outbox_message_open", "id", postgresql_where=text(_BLOCKING_SQL)),
        Index("ix_outbox_message_kind", "error_kind", "id", postgresql_where=text("error_kind IS NOT NULL")),
        Index("ix_outbox_message_code", "last_error_code", "id", postgresql_where=text("last_error_code IS NOT NULL")),
        Index("ix_outbox_message_done", "partner", "done_at", postgresql_where=text("state = 'done'")),
    )


class OutboxAttempt(TenantMixin, db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """A try that did not succeed: what the partner answered, or why there was no answer. Written by the drain alone."""

    __tablename__ = "outbox_attempt"
    __audit__ = False
    __rls__ = "private"
    __rls_limited__ = "EXISTS (SELECT FROM outbox_message m WHERE m.id = outbox_attempt.message_id)"
    __rls_extra__ = (f"CREATE POLICY tenant_select ON outbox_attempt FOR SELECT TO portal_tenant USING ({_OWN})",)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    message_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False)
    #: What became of the message: tried again later, refused or given up.
    state: Mapped[MessageState] = mapped_column(_enum(MessageState, "state"), nullable=False)
    error_kind: Mapped[ErrorKind | None] = mapped_column(_enum(ErrorKind, "error_kind"))
    code: Mapped[str | None] = mapped_column(String(64))
    title: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "message_id"], ["outbox_message.organisation_id", "outbox_message.id"], name="fk_outbox_attempt_message", ondelete="CASCADE"
        ),
        CheckConstraint("state IN ('pending', 'rejected', 'dead')", name="failed"),
        Index("ix_outbox_attempt_message", "message_id", "id"),
    )


class OutboxPartner(db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """What all workers know of a partner: circuit breaker, hold asked by the partner, pause asked by an operator."""

    __tablename__ = "outbox_partner"
    __audit__ = False
    __rls__ = "reference"  # everyone may know that a partner is down

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[BreakerState] = mapped_column(_enum(BreakerState, "state"), nullable=False, default=BreakerState.CLOSED, server_default="closed")
    recent: Mapped[list[Any]] = mapped_column(JSONB, nullable=False, default=list, server_default=text("'[]'::jsonb"))
    streak: Mapped[int] = mapped_column(Integer, nullable=False, default=0, server_default="0")
    retry_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    probe_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    hold_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    paused: Mapped[bool] = mapped_column(nullable=False, default=False, server_default=sa.false())
    pause_reason: Mapped[str | None] = mapped_column(String(500))
    opened_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_success_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_failure_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_failure: Mapped[str | None] = mapped_column(String(200))
    #: Messages a minute that an operator allows (``throttle``); None: as many as the partner takes.
    rate_per_minute: Mapped[int | None] = mapped_column(Integer)
    tokens: Mapped[float] = mapped_column(Double, nullable=False, default=0.0, server_default="0")
    tokens_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("paused = (pause_reason IS NOT NULL)", name="pause_reason"),
        CheckConstraint("rate_per_minute BETWEEN 1 AND 100000", name="rate"),
    )


class InterventionKind(StrEnum):
    """What an operator can do."""

    REPLAY = "replay"
    SETTLE = "settle"
    PAUSE = "pause"
    RESUME = "resume"
    THROTTLE = "throttle"


class OutboxIntervention(db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """What an operator did by hand, with the reason; one row per message, journaled."""

    __tablename__ = "outbox_intervention"
    __rls__ = "private"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    partner: Mapped[str] = mapped_column(String(32), nullable=False)
    message_id: Mapped[int | None] = mapped_column(BigInteger, sa.ForeignKey("outbox_message.id"), index=True)
    kind: Mapped[InterventionKind] = mapped_column(_enum(InterventionKind, "kind"), nullable=False)
    reason: Mapped[str | None] = mapped_column(String(500))
    #: Of a throttle: messages a minute; None lifts it.
    amount: Mapped[int | None] = mapped_column(Integer)
    actor_id: Mapped[int | None] = mapped_column(Integer)
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)

    __table_args__ = (
        CheckConstraint("(kind IN ('replay', 'settle')) = (message_id IS NOT NULL)", name="message"),
        CheckConstraint("kind NOT IN ('settle', 'pause', 'throttle') OR reason IS NOT NULL", name="reason"),
    )
