"""Requests for the correction of an identity, and the reminders about provisional numbers."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, Index, Integer, LargeBinary, String, Text, UniqueConstraint, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core import clock, tenancy
from app.core.db import TenantMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint
from app.core.nir import NirKind
from app.partners.agora.port import Civility, Gender

from .domain import CorrectionState
from .models import Registration, Trainee

if TYPE_CHECKING:
    from app.accounts.models import Organisation


class IdentityCorrection(TenantMixin, VersionedMixin, Model):
    """"Demande de correction d'identité": asked by the organisation, decided by the Région, applied and sent to AGORA when validated.

    The number asked for is dropped with the decision; its masked form stays.
    """

    __tablename__ = "identity_correction"
    __rls_limited__ = "trainee_id IN (SELECT t.id FROM trainee t)"
    __audit_redact__ = (
        "nir_ciphertext", "nir_hash", "nir_masked", "birth_name", "usual_name", "first_name", "birth_date", "gender", "civility", "before", "reason",
        "observations",
    )  # fmt: skip
    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "trainee_id"], ["trainee.organisation_id", "trainee.id"], name="fk_identity_correction_trainee"),
        CheckConstraint(one_of("state", CorrectionState), name="state"),
        CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("state <> 'refused' OR observations <> ''", name="refusal_said"),
        CheckConstraint(one_of("nir_kind", NirKind), name="nir_kind"),
        CheckConstraint("(nir_kind IS NULL) = (nir_hash IS NULL) AND (nir_hash IS NULL) = (nir_ciphertext IS NULL)", name="nir_whole"),
        CheckConstraint("state = 'pending' OR nir_ciphertext IS NULL", name="nir_dropped"),
        CheckConstraint(one_of("gender", Gender), name="gender"),
        CheckConstraint(one_of("civility", Civility), name="civility"),
        Index("uq_identity_correction_pending", "trainee_id", unique=True, postgresql_where="state = 'pending'"),
        Index("ix_identity_correction_queue", "asked_at", "id", postgresql_where="state = 'pending'"),
        Index("ix_identity_correction_decided", "decided_at", "id", postgresql_where="state <> 'pending'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4)
    trainee_id: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(9), default=CorrectionState.PENDING.value)
    reason: Mapped[str] = mapped_column(Text)
    #: The civil status as it was when the request was made, and the masked number.
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    civility: Mapped[str] = mapped_column(String(3))
    birth_name: Mapped[str] = mapped_column(String(60))
    usual_name: Mapped[str | None] = mapped_column(String(60))
    first_name: Mapped[str] = mapped_column(String(60))
    birth_date: Mapped[date]
    gender: Mapped[str] = mapped_column(String(1))
    #: The number to put in the place of the present one; nothing when it stays.
    nir_ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    nir_hash: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    nir_kind: Mapped[str | None] = mapped_column(String(3))
    nir_masked: Mapped[str] = mapped_column(String(24), default="", server_default="")
    asked_by_id: Mapped[int | None]
    asked_by_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    decided_by_id: Mapped[int | None]
    decided_by_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    observations: Mapped[str] = mapped_column(Text, default="", server_default="")

    trainee: Mapped[Trainee] = relationship("Trainee", primaryjoin="foreign(IdentityCorrection.trainee_id) == Trainee.id", viewonly=True)
    organisation: Mapped[Organisation] = relationship(
        "Organisation", primaryjoin="foreign(IdentityCorrection.organisation_id) == Organisation.id", viewonly=True
    )


class NiaReminder(TenantMixin, Model):
    """When an organisation was last told by mail that NIA wait: one row each, so that nothing is told twice."""

    __tablename__ = "nia_reminder"
    __rls__ = "system"
    __table_args__ = (UniqueConstraint("organisation_id", name="uq_nia_reminder_organisation"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sent_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    waiting: Mapped[int]


def _visible(account_id: int) -> Any:
    from app.actions.models import given_actions

    table: Any = Registration.__table__
    return select(table.c.trainee_id).where(table.c.action_id.in_(given_actions(account_id)))


tenancy.register_limit(IdentityCorrection, lambda account: IdentityCorrection.trainee_id.in_(_visible(account)))
register_constraint("uq_identity_correction_pending", _l("A correction of this identity waits for its decision already."))
