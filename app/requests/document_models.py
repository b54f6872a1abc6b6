"""Documents attached to modification requests, and confirmations of the letter (guide 003 §2: « un courrier validé par une personne habilitée »).

The bytes stand in a table of their own, which no list reads.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, Integer, LargeBinary, String, UniqueConstraint, Uuid, select
from sqlalchemy.orm import Mapped, mapped_column

from app.actions.models import given_actions
from app.core import clock, tenancy
from app.core.db import TenantMixin
from app.core.documents.kept import KeptDocument
from app.core.documents.kept import checks as document_checks
from app.core.rls import GIVEN_ACTIONS


class DocumentRole(StrEnum):
    """What a document is to its request."""

    SUPPORTING = "supporting"
    #: The letter, signed by the person entitled.
    LETTER = "letter"
    #: The amendment (avenant), put in by the Région at the decision.
    AMENDMENT = "amendment"


#: Once sent, or one's own.
_SEEN = "request_id IS NOT NULL OR account_id = NULLIF(current_setting('app.actor_id', true), '')::integer"


#: The policies of the document narrow it further.
_OF_DOCUMENT = "id IN (SELECT d.id FROM request_document d)"


class RequestDocument(TenantMixin, KeptDocument, Model):
    """A document: of a draft, which its author alone sees, then of the request it was sent with.  Never changed once sent."""

    __tablename__ = "request_document"
    #: What files are called may speak of people.
    __audit_redact__ = ("name",)
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    __rls_extra__ = (
        f"CREATE POLICY own_draft ON request_document AS RESTRICTIVE FOR ALL TO portal_tenant, portal_region USING ({_SEEN}) WITH CHECK ({_SEEN})",
    )
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_request_document_action"),
        ForeignKeyConstraint(
            ["organisation_id", "request_id"], ["modification_request.organisation_id", "modification_request.id"], name="fk_request_document_request"
        ),
        CheckConstraint(f"role IN ({', '.join(repr(role.value) for role in DocumentRole)})", name="role"),
        CheckConstraint("(request_id IS NULL) <> (draft_token IS NULL)", name="draft_or_sent"),
        *document_checks(),
        Index("ix_request_document_request", "request_id", "id"),
        Index("ix_request_document_action", "action_id", "id"),
        Index("ix_request_document_draft", "draft_token", postgresql_where="draft_token IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(Integer)
    request_id: Mapped[int | None] = mapped_column(Integer)
    #: The draft of the wizard: a draft that is given up or expires takes its documents with it.
    draft_token: Mapped[uuid.UUID | None] = mapped_column(Uuid, ForeignKey("wizard_draft.token", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(12), default=DocumentRole.SUPPORTING.value)
    #: What the request asked when a letter was attached (``services.restate``): a corrected request asks for another letter.
    stated: Mapped[str | None] = mapped_column(String(24))


class RequestDocumentContent(TenantMixin, Model):
    """The bytes of a document; its line, which the journal holds, has their digest."""

    __tablename__ = "request_document_content"
    __rls_limited__ = _OF_DOCUMENT
    __audit__ = False
    __rls_extra__ = (
        f"CREATE POLICY own_draft ON request_document_content AS RESTRICTIVE FOR SELECT TO portal_tenant, portal_region USING ({_OF_DOCUMENT})",
    )
    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "id"], ["request_document.organisation_id", "request_document.id"],
            name="fk_request_document_content_document", ondelete="CASCADE",
        ),
    )  # fmt: skip

    #: That of the document.
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class RequestSignature(TenantMixin, Model):
    """« Confirmation à l'écran » of the letter by an account entitled to sign: who, when, and of what exactly."""

    __tablename__ = "request_signature"
    __rls_limited__ = "request_id IN (SELECT r.id FROM modification_request r)"  # the policy of the request narrows it further
    __table_args__ = (
        UniqueConstraint("request_id", "stated", name="uq_request_signature"),
        ForeignKeyConstraint(
            ["organisation_id", "request_id"], ["modification_request.organisation_id", "modification_request.id"], name="fk_request_signature_request"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(Integer)
    stated: Mapped[str] = mapped_column(String(24))
    signed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    account_id: Mapped[int | None] = mapped_column(Integer)
    account_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    #: The principal whose delegate signed.
    on_behalf_of_id: Mapped[int | None] = mapped_column(Integer)
    on_behalf_of_name: Mapped[str] = mapped_column(String(140), default="", server_default="")


def _documents(account_id: int) -> Any:
    table: Any = RequestDocument.__table__
    return select(table.c.id).where(table.c.action_id.in_(given_actions(account_id)))


def _requests(account_id: int) -> Any:
    from .models import ModificationRequest

    table: Any = ModificationRequest.__table__
    return select(table.c.id).where(table.c.action_id.in_(given_actions(account_id)))


tenancy.register_limit(RequestDocument, lambda account: RequestDocument.action_id.in_(given_actions(account)))
tenancy.register_limit(RequestDocumentContent, lambda account: RequestDocumentContent.id.in_(_documents(account)))
tenancy.register_limit(RequestSignature, lambda account: RequestSignature.request_id.in_(_requests(account)))
