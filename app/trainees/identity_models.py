"""Requests for the correction of an identity, their documents, and the reminders about provisional numbers."""

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
from app.core.documents.kept import KeptDocument
from app.core.documents.kept import checks as document_checks
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
        UniqueConstraint("organisation_id", "id"),
        ForeignKeyConstraint(["organisation_id", "trainee_id"], ["trainee.organisation_id", "trainee.id"], name="fk_identity_correction_trainee"),
        CheckConstraint(one_of("state", CorrectionState), name="state"),
        CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("state <> 'refused' OR observations <> ''", name="refusal_said"),
        CheckConstraint(one_of("nir_kind", NirKind), name="nir_kind"),
        CheckConstraint("(nir_kind IS NULL) = (nir_hash IS NULL) AND (nir_hash IS NULL) = (nir_ciphertext IS NULL)", name="nir_whole"),
        CheckConstraint("state = 'pending' OR nir_ciphertext IS NULL", name="nir_dropped"),
        CheckConstraint(one_of("gender", Gender), name="gender"),
        CheckConstraint(one_of("civility", Civility), name="civility"),
        Index("ix_identity_correction_trainee", "organisation_id", "trainee_id"),
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


class IdentityDocument(TenantMixin, KeptDocument, Model):
    """A document that shows who somebody is (identity card, certificate of social security), put in with a request and never changed.

    It goes with a request that is withdrawn, and some time after the decision on the others (``services.identity_documents.purge``).
    """

    __tablename__ = "identity_document"
    __rls_limited__ = "correction_id IN (SELECT c.id FROM identity_correction c)"
    #: What files are called may speak of people.
    __audit_redact__ = ("name", "seal")
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        ForeignKeyConstraint(
            ["organisation_id", "correction_id"], ["identity_correction.organisation_id", "identity_correction.id"], name="fk_identity_document_correction"
        ),
        *document_checks(),
        UniqueConstraint("correction_id", "sha256", name="uq_identity_document"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    correction_id: Mapped[int] = mapped_column(Integer)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4)
    #: The key of the content, which is this document's alone, encrypted: a change of keys touches no content.
    seal: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class IdentityDocumentContent(TenantMixin, Model):
    """The encrypted bytes of a document; its line, which the journal holds, has their digest."""

    __tablename__ = "identity_document_content"
    __rls_limited__ = "id IN (SELECT d.id FROM identity_document d)"
    __audit__ = False
    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "id"], ["identity_document.organisation_id", "identity_document.id"],
            name="fk_identity_document_content_document", ondelete="CASCADE",
        ),
    )  # fmt: skip

    #: That of the document.
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)


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


def _documents(account_id: int) -> Any:
    document: Any = IdentityDocument.__table__
    correction: Any = IdentityCorrection.__table__
    corrections = select(correction.c.id).where(correction.c.trainee_id.in_(_visible(account_id)))
    return select(document.c.id).where(document.c.correction_id.in_(corrections))


tenancy.register_limit(IdentityDocument, lambda account: IdentityDocument.id.in_(_documents(account)))
tenancy.register_limit(IdentityDocumentContent, lambda account: IdentityDocumentContent.id.in_(_documents(account)))
tenancy.register_limit(IdentityCorrection, lambda account: IdentityCorrection.trainee_id.in_(_visible(account)))
register_constraint("uq_identity_correction_pending", _l("A correction of this identity waits for its decision already."))
