"""Organisation, what the portal adds to Flask-AppBuilder's account, sessions and sign-in attempts.

Columns are attached to Flask-AppBuilder's ``User``: a subclass would give a second object for one row, blind to the other's
changes. Only the system's scope writes accounts; an organisation, the Région and support read.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts import domain
from app.core import clock, tenancy, textsearch
from app.core.db import TimestampMixin, VersionedMixin
from app.core.extensions import db


class Civility(StrEnum):
    """Civilité, as stored."""

    MADAME = "MME"
    MONSIEUR = "M"


class Organisation(VersionedMixin, TimestampMixin, db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """A training organisation (organisme de formation): the tenant. It reads itself; the Région writes."""

    __tablename__ = "organisation"
    __table_args__ = (
        CheckConstraint("siret ~ '^[0-9]{14}$'", name="siret_digits"),
        CheckConstraint("btrim(legal_name) <> ''", name="legal_name_given"),
        Index("ix_organisation_search", "search_vector", postgresql_using="gin"),
    )
    __audit_ignore__ = ("search_vector",)
    __rls__ = "tenant"
    __rls_key__ = "id"
    __rls_support__ = True
    __rls_observer__ = True
    # Reading is by policy; writing is nobody's but the Région's and the system's.
    __rls_extra__ = (
        "REVOKE INSERT, UPDATE, DELETE ON organisation FROM portal_tenant, portal_support",
        # The check that a principal remains runs as the owner, whom FORCE ROW LEVEL SECURITY subjects to policies as well.
        "CREATE POLICY owner_select ON organisation FOR SELECT TO CURRENT_USER USING (true)",
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    legal_name: Mapped[str] = mapped_column(String(200), nullable=False)
    trade_name: Mapped[str | None] = mapped_column(String(200))
    siret: Mapped[str] = mapped_column(String(14), unique=True, nullable=False)
    nda: Mapped[str | None] = mapped_column(String(11))
    contact_email: Mapped[str | None] = mapped_column(String(320))
    contact_phone: Mapped[str | None] = mapped_column(String(20))
    active: Mapped[bool] = mapped_column(Boolean, nullable=False, default=True, server_default="true")
    #: Set by the database when the organisation is closed: a session opened before is worth nothing, even after a reopening.
    sessions_valid_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    search_vector: Mapped[Any] = mapped_column(
        TSVECTOR, Computed(textsearch.vector_sql("legal_name || ' ' || coalesce(trade_name, '') || ' ' || siret"), persisted=True), deferred=True
    )

    def __str__(self) -> str:
        return self.legal_name


class SessionPurpose(StrEnum):
    """What a session opens: the portal, or only the page that asks the second factor."""

    FULL = "full"
    SECOND_FACTOR = "second_factor"


class UserSession(db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """A signed-in browser. The cookie holds a random identifier; here is only its SHA-256."""

    __tablename__ = "user_session"
    __table_args__ = (
        Index("ix_user_session_open", "user_id", postgresql_where=text("revoked_at IS NULL")),
        CheckConstraint("purpose IN ('full', 'second_factor')", name="purpose_known"),
    )
    __rls__ = "system"
    __audit__ = False

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True, nullable=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), nullable=False)
    #: ``session_epoch`` of the account when it signed in; the session is dead once they differ.
    epoch: Mapped[int] = mapped_column(Integer, nullable=False)
    purpose: Mapped[str] = mapped_column(String(20), nullable=False, default=SessionPurpose.FULL.value, server_default="full")
    #: The observation under way: support looks through another account's eyes, read only.
    observation_id: Mapped[int | None] = mapped_column(ForeignKey("observation.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    last_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ip: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(400))


class SignInOutcome(StrEnum):
    """How a sign-in attempt ended."""

    STARTED = "started"
    SUCCESS = "success"
    REFUSED = "refused"


class SignInWay(StrEnum):
    """How someone tried to get in: the sign-in form, a link sent by mail, or the present password asked again.

    ``PASSWORD``: a right password that a code had to follow; the code itself is a try of its own, by the form.
    """

    FORM = "form"
    PASSWORD = "password"  # noqa: S105 - a name
    LINK = "link"
    CONFIRMATION = "confirmation"


class SignInAttempt(db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """One try to sign in. It holds no identifiant as typed: people type passwords there; only a hash under a key of the portal's."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (
        Index("ix_sign_in_attempt_spending", "address", "at", postgresql_where=text("spending")),
        Index("ix_sign_in_attempt_user", "user_id", "at"),
        Index("ix_sign_in_attempt_at", "at"),
        Index("ix_sign_in_attempt_name", "name_key", postgresql_where=text("name_key IS NOT NULL")),
        Index("ix_sign_in_attempt_to_tell", "id", postgresql_where=text("blocking AND told_at IS NULL")),
        CheckConstraint("way IN ('form', 'link', 'confirmation', 'password')", name="way_known"),
    )
    __rls__ = "system"
    __audit__ = False

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    address: Mapped[str] = mapped_column(String(45), nullable=False)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"))
    outcome: Mapped[str] = mapped_column(String(10), nullable=False, default=SignInOutcome.STARTED)
    #: Whether it took the account's last try (until the password proves right).
    blocking: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False, server_default="false")
    #: The same for any name, whether or not it opens something: an address is slowed down by it, and so tells nobody which names exist.
    spending: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False, server_default="false")
    name_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    way: Mapped[str] = mapped_column(String(12), nullable=False, default=SignInWay.FORM.value, server_default="form")
    user_agent: Mapped[str | None] = mapped_column(String(400))
    #: When the holder was told that this try blocked the account: by a periodic job, so that the answer to the try waits for nothing.
    told_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


# ---- Flask-AppBuilder's account --------------------------------------------------------------------------------------

_USER_COLUMNS: Final[dict[str, Any]] = {
    "organisation_id": lambda: mapped_column(Integer, ForeignKey("organisation.id"), nullable=True, index=True),
    "civility": lambda: mapped_column(String(3), nullable=True),
    "failed_attempts": lambda: mapped_column(Integer, nullable=False, default=0, server_default="0"),
    "failed_in_window": lambda: mapped_column(Integer, nullable=False, default=0, server_default="0"),
    "failed_since": lambda: mapped_column(DateTime(timezone=True), nullable=True),
    "last_failed_at": lambda: mapped_column(DateTime(timezone=True), nullable=True),
    "blocked_at": lambda: mapped_column(DateTime(timezone=True), nullable=True),
    "blocked_reason": lambda: mapped_column(String(30), nullable=True),
    "deactivated_at": lambda: mapped_column(DateTime(timezone=True), nullable=True),
    "deleted_at": lambda: mapped_column(DateTime(timezone=True), nullable=True),
    "session_epoch": lambda: mapped_column(Integer, nullable=False, default=0, server_default="0"),
    "password_changed_at": lambda: mapped_column(DateTime(timezone=True), nullable=True),
    "last_sign_in_at": lambda: mapped_column(DateTime(timezone=True), nullable=True),
    # Kept by the database from the roles: what "one principal account per organisation" is checked on.
    "is_principal": lambda: mapped_column(Boolean, nullable=False, default=False, server_default="false"),
    # What a secondary account may do (domain.Function); NULL: everything its role allows.
    "functions": lambda: mapped_column(ARRAY(String(20)), nullable=True),
    # Whether it sees only the actions given to it.
    "limited_to_actions": lambda: mapped_column(Boolean, nullable=False, default=False, server_default="false"),
    # The numbers of those, as the journal tells them; the table ``action_access`` is what counts.
    "given_actions": lambda: mapped_column(Text, nullable=True),
    # When its holder was told that it would be deactivated for want of use.
    "inactivity_notice_at": lambda: mapped_column(DateTime(timezone=True), nullable=True),
    # What the console searches, by beginnings of words.
    "search_vector": lambda: mapped_column(
        TSVECTOR, Computed(textsearch.vector_sql("last_name || ' ' || first_name || ' ' || username || ' ' || email"), persisted=True), deferred=True
    ),
}


def _facts(user: User) -> domain.AccountFacts:
    return domain.AccountFacts(
        active=bool(user.active),
        has_password=user.password is not None,
        failed_attempts=user.failed_attempts or 0,
        blocked_at=user.blocked_at,
        deactivated_at=user.deactivated_at,
        deleted_at=user.deleted_at,
    )


def _full_name(user: User) -> str:
    """Nom d'usage, then prénom, as the guides write them."""
    return f"{user.last_name} {user.first_name}".strip()


def _is_active(user: User) -> bool:
    """Closes sign-in, live sessions and every permission at once."""
    return bool(user.active) and user.blocked_at is None and user.deactivated_at is None and user.deleted_at is None


def _party(user: User) -> domain.Party:
    party = domain.Party(id=user.id, roles=frozenset(role.name for role in user.roles), organisation_id=user.organisation_id)
    return party if user.mandate is None else domain.standing_in(party, user.mandate.delegator_id)


def _extend_user() -> None:
    if "organisation_id" in User.__table__.c:
        return
    for name, column in _USER_COLUMNS.items():
        setattr(User, name, column())
    User.organisation = relationship(Organisation, foreign_keys=[User.organisation_id])
    User.facts = property(_facts)
    User.party = property(_party)
    # For whom it acts today (``mandates.Mandate``), where that was asked: no column of the table.
    User.mandate = None
    #: Whether files that it asked for are ready, and it has not looked at them (``sessions.find``).
    User.has_unseen_exports = False
    User.is_active = property(_is_active)
    User.get_full_name = _full_name
    User.__str__ = _full_name

    table = User.__table__
    # Several accounts may share a mailbox (a secretariat's); identifiants are unique without regard to case.
    for constraint in [c for c in table.constraints if isinstance(c, UniqueConstraint)]:
        if [column.name for column in constraint.columns] == ["email"]:
            table.constraints.discard(constraint)
    table.c.email.unique = None
    Index("uq_ab_user_username_lower", func.lower(table.c.username), unique=True)
    table.append_constraint(CheckConstraint("failed_attempts >= 0 AND failed_in_window >= 0", name="failed_attempts_positive"))
    Index(
        "uq_ab_user_principal",
        table.c.organisation_id,
        unique=True,
        postgresql_where=text("is_principal AND deleted_at IS NULL"),
    )
    Index("ix_ab_user_search", table.c.search_vector, postgresql_using="gin")
    # Pages of the console: blocked, inactive and unused accounts are few among many.
    Index("ix_ab_user_name", func.lower(table.c.last_name), func.lower(table.c.first_name), table.c.id, postgresql_where=text("deleted_at IS NULL"))
    table.append_constraint(UniqueConstraint("organisation_id", "id"))
    table.append_constraint(CheckConstraint("civility IN ('MME', 'M')", name="civility_known"))

    User.__rls__ = "tenant"
    User.__rls_support__ = True
    User.__rls_observer__ = True
    User.__audit_redact__ = ("password",)
    # The life of the counters is in sign_in_attempt; what they lead to (blocked_at…) is in the journal.
    User.__audit_ignore__ = (
        "failed_attempts",
        "failed_in_window",
        "failed_since",
        "last_failed_at",
        "last_sign_in_at",
        "session_epoch",
        "is_principal",
        "search_vector",
    )
    User.__rls_extra__ = (
        "REVOKE INSERT, UPDATE, DELETE ON ab_user FROM portal_tenant, portal_support, portal_region",
        "CREATE POLICY owner_select ON ab_user FOR SELECT TO CURRENT_USER USING (true)",
    )


# What the database does by itself, whatever writes the row, stands in the migrations 0002, 0003, 0009 and 0011:
# - an account's sessions, links and tokens end when it is closed, gets another password or another organisation;
# - its sessions end when it gets other roles (what a token or a link opens is looked up when it is used);
# - the sessions of an organisation's accounts end when it is closed (``sessions_valid_from``);
# - ``is_principal`` follows the roles; an open organisation never loses its last active principal, a closed one opens with one.

_extend_user()
tenancy.register_tenant_entity(Organisation, "id")
tenancy.register_tenant_entity(User, "organisation_id")

__all__ = ["Civility", "Organisation", "SignInAttempt", "SignInOutcome", "SignInWay", "User", "UserSession"]
