"""Unfinished input, kept in the database: it survives sign-out, a closed browser and a restart."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, Integer, LargeBinary, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.extensions import db

_OWN_ACCOUNT = "user_id = NULLIF(current_setting('app.actor_id', true), '')::integer"


class WizardDraft(db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """What one account has typed so far in one wizard about one subject.

    ``data`` is encrypted: it may hold numbers and addresses that are not yet anyone's record.  A finished draft loses its data
    and stays a while as the proof that its final act was done: ``token`` makes that act happen once.
    """

    __tablename__ = "wizard_draft"
    __rls__ = "tenant"
    __rls_support__ = True
    __audit__ = False
    __rls_extra__ = (
        # On top of the organisation: nobody reads what a colleague has not sent yet.
        (
            "CREATE POLICY own_account ON wizard_draft AS RESTRICTIVE FOR ALL TO portal_tenant, portal_region, portal_support"
            f" USING ({_OWN_ACCOUNT}) WITH CHECK ({_OWN_ACCOUNT})"
        ),
    )
    __table_args__ = (
        Index("uq_wizard_draft_open", "user_id", "kind", "subject_key", unique=True, postgresql_where="finished_at IS NULL"),
        Index("ix_wizard_draft_expires", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("organisation.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(Integer, ForeignKey("ab_user.id", ondelete="CASCADE"), nullable=False)
    kind: Mapped[str] = mapped_column(String(60), nullable=False)
    subject_key: Mapped[str] = mapped_column(String(120), nullable=False)
    step: Mapped[str] = mapped_column(String(60), nullable=False)
    token: Mapped[uuid.UUID] = mapped_column(Uuid, nullable=False, unique=True)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, nullable=False, default=uuid.uuid4)
    data: Mapped[bytes | None] = mapped_column(LargeBinary)
    version: Mapped[int] = mapped_column(Integer, nullable=False, default=1, server_default="1")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    result_url: Mapped[str | None] = mapped_column(String(500))

    def __repr__(self) -> str:
        return f"{self.kind} {self.subject_key}"
