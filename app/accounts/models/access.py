"""Ways in besides the password: links sent by mail, the second factor, tokens of the programming interface.

Only the system's scope sees these tables: a screen reads them through ``app.accounts.queries``, after the account was checked.
Secrets are never stored, only their SHA-256 (links, tokens, recovery codes) or their ciphertext (second factor).
"""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, Integer, LargeBinary, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.extensions import db


class LinkPurpose(StrEnum):
    """Why a link was sent."""

    INVITATION = "invitation"
    REGENERATION = "regeneration"
    RECOVERY = "recovery"
    #: Sent to an address that its holder wants for the account: it confirms the address, and opens nothing.
    EMAIL = "email"


class AccessLink(db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """A single-use link sent by mail: it leads to the choice of identifiant and password (guide 004 §1), or confirms a new address.

    A newer one ends the older ones of its sort: what is asked without signing in takes no change of address away.
    """

    __tablename__ = "access_link"
    __rls__ = "system"
    __audit_redact__ = ("token_hash",)
    __table_args__ = (
        CheckConstraint("purpose IN ('invitation', 'regeneration', 'recovery', 'email')", name="purpose_known"),
        CheckConstraint(
            "CASE WHEN purpose = 'email' THEN wanted_email IS NOT NULL OR used_at IS NOT NULL OR revoked_at IS NOT NULL ELSE wanted_email IS NULL END",
            name="wanted_email_given",
        ),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index("uq_access_link_pending", "user_id", unique=True, postgresql_where=text("used_at IS NULL AND revoked_at IS NULL AND purpose <> 'email'")),
        Index("uq_access_link_email", "user_id", unique=True, postgresql_where=text("used_at IS NULL AND revoked_at IS NULL AND purpose = 'email'")),
        Index("ix_access_link_user", "user_id", "id"),
        Index("ix_access_link_expires", "expires_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True, nullable=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), nullable=False)
    #: The account's organisation: who may read of it in the journal.
    organisation_id: Mapped[int | None] = mapped_column(Integer)
    purpose: Mapped[str] = mapped_column(String(20), nullable=False)
    #: The address to be confirmed, for the links of that sort; forgotten when the account is deleted.
    wanted_email: Mapped[str | None] = mapped_column(String(320))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False)
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Set by the database when the account is closed or gets another password, and by a newer link.
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class RecoveryRequest(db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """Someone filled in "Génération de mot de passe". Written in the same statements whether or not it named an account; a job answers."""

    __tablename__ = "recovery_request"
    __rls__ = "system"
    __audit__ = False
    __table_args__ = (
        Index("ix_recovery_request_address", "address", "at"),
        Index("ix_recovery_request_user", "user_id", "at"),
        Index("ix_recovery_request_waiting", "id", postgresql_where=text("handled_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    address: Mapped[str] = mapped_column(String(45), nullable=False)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    handled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SecondFactor(db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """The shared secret of an authenticator application (TOTP), encrypted; it counts once confirmed by a first code."""

    __tablename__ = "second_factor"
    __rls__ = "system"
    __audit_ignore__ = ("last_step", "next_secret", "begun_by")
    __table_args__ = (
        CheckConstraint("(next_secret IS NULL) = (next_created_at IS NULL)", name="next_whole"),
        CheckConstraint("next_secret IS NULL OR confirmed_at IS NOT NULL", name="next_after_first"),
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    organisation_id: Mapped[int | None] = mapped_column(Integer)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, nullable=False, default=uuid.uuid4)
    secret: Mapped[bytes] = mapped_column(LargeBinary, nullable=False)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Time step of the last code accepted: a code is good once.
    last_step: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0, server_default="0")
    #: The secret of another telephone, which replaces the present one with its first code; encrypted.
    next_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    next_created_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Digest of the session that was shown a secret: no other one may read it, or give its first code.
    begun_by: Mapped[str | None] = mapped_column(String(64))


class RecoveryCode(db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """A single-use code for those who lost their authenticator application."""

    __tablename__ = "recovery_code"
    __rls__ = "system"
    __audit_redact__ = ("code_hash",)
    __table_args__ = (Index("uq_recovery_code_hash", "user_id", "code_hash", unique=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), nullable=False)
    organisation_id: Mapped[int | None] = mapped_column(Integer)
    code_hash: Mapped[str] = mapped_column(String(64), nullable=False)
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ApiToken(db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """A token of the programming interface: named, scoped, expiring; shown once, kept as a digest."""

    __tablename__ = "api_token"
    __rls__ = "system"
    __audit_redact__ = ("token_hash",)
    __audit_ignore__ = ("last_used_at", "last_used_ip")
    __table_args__ = (
        CheckConstraint("expires_at > created_at", name="expires_later"),
        CheckConstraint("btrim(name) <> ''", name="name_given"),
        CheckConstraint("cardinality(scopes) > 0", name="scopes_given"),
        Index("ix_api_token_user", "user_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), nullable=False)
    organisation_id: Mapped[int | None] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(80), nullable=False)
    #: Its first characters, by which its holder recognises it.
    prefix: Mapped[str] = mapped_column(String(16), nullable=False)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True, nullable=False)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(40)), nullable=False)
    #: Networks it may be used from, in CIDR notation; empty: any.
    allowed_networks: Mapped[list[str]] = mapped_column(ARRAY(String(43)), nullable=False, default=list, server_default="{}")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False)
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_ip: Mapped[str | None] = mapped_column(String(45))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
