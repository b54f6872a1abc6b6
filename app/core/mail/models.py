"""Mail waiting, sent, kept for the demonstration, or given up."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, Index, Integer, LargeBinary, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.extensions import db


class MailState(StrEnum):
    """Life of a message."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    KEPT = "kept"
    DEAD = "dead"


class MailMessage(db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """One message to one person.

    The body is encrypted at rest: it may hold a link with a secret token.  It is forgotten once sent.  Anyone may write one
    (a signed-out visitor asks for a new password); only the system and the Région read them, hence the key drawn here.
    """

    __tablename__ = "mail_message"
    __rls__ = "private"
    __audit__ = False
    __rls_extra__ = (
        "CREATE POLICY tenant_insert ON mail_message FOR INSERT TO portal_tenant WITH CHECK (true)",
        "CREATE POLICY support_insert ON mail_message FOR INSERT TO portal_support WITH CHECK (true)",
    )
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(repr(str(state)) for state in MailState)})", name="state"),
        Index("ix_mail_message_due", "next_attempt_at", postgresql_where="state IN ('waiting', 'sending')"),
        Index("ix_mail_message_created", "created_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    organisation_id: Mapped[int | None] = mapped_column(Integer)
    recipient: Mapped[str] = mapped_column(String(320), nullable=False)
    template: Mapped[str] = mapped_column(String(80), nullable=False)
    subject: Mapped[str] = mapped_column(String(300), nullable=False)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(10), nullable=False, default=MailState.WAITING.value)
    attempts: Mapped[int] = mapped_column(Integer, nullable=False, default=0)
    #: When to try next; while sending, when the try is taken for lost.
    next_attempt_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_error: Mapped[str | None] = mapped_column(String(200))
    request_id: Mapped[str | None] = mapped_column(String(64))

    def __repr__(self) -> str:
        return f"{self.template} {self.id}"
