"""Files of accounts to create, between their check and their confirmation, and the invitations that remain to be sent."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, DateTime, ForeignKey, Index, Integer, LargeBinary, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.extensions import db


class AccountBatch(db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """One file. ``data`` holds its rows encrypted, and goes when the accounts are made or the day has passed."""

    __tablename__ = "account_batch"
    __rls__ = "system"
    __audit__ = False
    __table_args__ = (
        Index("ix_account_batch_expires", "expires_at"),
        Index("ix_account_batch_to_invite", "id", postgresql_where=text("cardinality(to_invite) > 0")),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), nullable=False, index=True)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, nullable=False, default=uuid.uuid4)
    data: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False)
    applied_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Accounts made and not yet invited.
    to_invite: Mapped[list[int]] = mapped_column(ARRAY(Integer), nullable=False, default=list, server_default="{}")
