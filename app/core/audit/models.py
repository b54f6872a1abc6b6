"""The journals: what changed (written by triggers), its seals, and who read a number in clear.

``audit_entry`` is written by the database alone (:mod:`app.core.audit.ddl`): no code of the portal inserts there.  All
four tables are append-only, for the owner of the schema too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.extensions import db

_OWN = "organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer"
#: What the support may read of the journal: accounts and organisations, never anything about a trainee.
SUPPORT_TABLES = (
    "ab_user",
    "ab_user_role",
    "organisation",
    "access_link",
    "second_factor",
    "recovery_code",
    "api_token",
    "delegation",
    "account_review",
    "observation",
)
#: What an account limited to some actions reads of the journal: the rows it sees, and itself.
_SEEN = " ".join(
    f"WHEN '{name}' THEN EXISTS (SELECT FROM {name} o WHERE o.id = {{number}})"
    for name in ("action", "component", "registration", "enrolment", "trainee", "modification_request_event")
)
_NUMBER = "CASE WHEN audit_entry.row_id ~ '^[0-9]{1,9}$' THEN audit_entry.row_id::integer END"
LIMITED_ENTRIES = (
    f"CASE audit_entry.table_name {_SEEN.format(number=_NUMBER)}"
    f" WHEN 'ab_user' THEN {_NUMBER} = NULLIF(current_setting('app.limited_account', true), '')::integer ELSE false END"
)
_SUPPORT = ", ".join(repr(name) for name in SUPPORT_TABLES)


class AuditEntry(db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """One row changed by one statement: who, when, in which request, and the columns before and after.

    ``actor_id`` is the account (none: the system itself).  ``acting_role`` is the database role of the scope, so that
    an act of the Région on an organisation's row shows as such.  Columns of bytes and those a model lists in
    ``__audit_redact__`` show as changed without their value.  References are kept as plain numbers: an entry
    outlives the account and the row it speaks of.
    """

    __tablename__ = "audit_entry"
    __rls__ = "journal"
    __audit__ = False
    __append_only__ = True
    __rls_limited__ = LIMITED_ENTRIES
    __rls_extra__ = (
        # The triggers run as the owner, whom FORCE ROW LEVEL SECURITY subjects to policies as well.
        "CREATE POLICY owner_insert ON audit_entry FOR INSERT TO CURRENT_USER WITH CHECK (true)",
        "CREATE POLICY owner_select ON audit_entry FOR SELECT TO CURRENT_USER USING (true)",
        (
            "CREATE POLICY support_select ON audit_entry FOR SELECT TO portal_support"
            f" USING (table_name IN ({', '.join(repr(name) for name in SUPPORT_TABLES)}))"
        ),
        (
            "CREATE POLICY observer_select ON audit_entry FOR SELECT TO portal_observer"
            f" USING ({_OWN} AND table_name IN ({', '.join(repr(name) for name in SUPPORT_TABLES)}))"
        ),
    )
    __table_args__ = (
        CheckConstraint("operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')", name="operation"),
        Index("ix_audit_entry_row", "table_name", "row_id", "id"),
        Index("ix_audit_entry_organisation", "organisation_id", "id"),
        Index("ix_audit_entry_actor", "actor_id", "id"),
        Index("ix_audit_entry_at", "at", postgresql_using="brin"),
        # The journal of accounts is read apart from that of trainees, which is far longer.
        Index("ix_audit_entry_accounts", "id", postgresql_where=text(f"table_name IN ({_SUPPORT})")),
        Index(
            "ix_audit_entry_role_account",
            text("((COALESCE(after, before) ->> 'user_id')::integer)"),
            "id",
            postgresql_where=text("table_name = 'ab_user_role'"),
        ),
        Index("ix_audit_entry_accounts_of", "organisation_id", "id", postgresql_where=text(f"table_name IN ({_SUPPORT})")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()"))
    #: Groups the entries of one act.  Unique within one life of the database cluster only; nothing relies on its order.
    transaction_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    actor_id: Mapped[int | None] = mapped_column(Integer)
    #: The account for which the actor acted: a delegation, or support looking through its eyes.
    on_behalf_of_id: Mapped[int | None] = mapped_column(Integer)
    acting_role: Mapped[str | None] = mapped_column(String(63))
    request_id: Mapped[str | None] = mapped_column(String(64))
    organisation_id: Mapped[int | None] = mapped_column(Integer)
    table_name: Mapped[str] = mapped_column(String(63), nullable=False)
    row_id: Mapped[str | None] = mapped_column(String(200))
    operation: Mapped[str] = mapped_column(String(8), nullable=False)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

    def __repr__(self) -> str:
        return f"{self.id} {self.operation} {self.table_name} {self.row_id}"


class AuditSeal(db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """One link of the chain: a batch of entries, bound to the link before by a keyed digest.

    ``entry_ids`` lists the batch as ranges (``12-40,43``), so that an entry removed together with its seal row is still
    named.  ``floor_id``: every entry up to it is sealed, hence one that has no seal was slipped in afterwards.
    ``probe_id`` and ``probe_xid`` let the next batch raise the floor (:mod:`app.core.audit.sealing`).
    """

    __tablename__ = "audit_seal"
    __rls__ = "journal"
    __audit__ = False
    __append_only__ = True
    __rls_extra__ = (
        "GRANT INSERT ON audit_seal TO portal_system",
        "CREATE POLICY system_insert ON audit_seal FOR INSERT TO portal_system WITH CHECK (true)",
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    entry_count: Mapped[int] = mapped_column(Integer, nullable=False)
    entry_ids: Mapped[str] = mapped_column(Text, nullable=False)
    floor_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    probe_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    probe_xid: Mapped[int] = mapped_column(BigInteger, nullable=False)
    entries_digest: Mapped[bytes] = mapped_column(LargeBinary, nullable=False)
    previous_digest: Mapped[bytes] = mapped_column(LargeBinary, nullable=False)
    digest: Mapped[bytes] = mapped_column(LargeBinary, nullable=False)

    def __repr__(self) -> str:
        return f"{self.id}:{self.digest.hex()}"


class AuditSealed(db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """The keyed digest of one entry, with enough beside it to name an entry that has disappeared."""

    __tablename__ = "audit_sealed"
    __rls__ = "journal"
    __audit__ = False
    __append_only__ = True
    __rls_extra__ = (
        "GRANT INSERT ON audit_sealed TO portal_system",
        "CREATE POLICY system_insert ON audit_sealed FOR INSERT TO portal_system WITH CHECK (true)",
    )

    # No foreign key to the entry: the seal has to outlive a tampering.
    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seal_id: Mapped[int] = mapped_column(BigInteger, nullable=False, index=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False)
    table_name: Mapped[str] = mapped_column(String(63), nullable=False)
    row_id: Mapped[str | None] = mapped_column(String(200))
    digest: Mapped[bytes] = mapped_column(LargeBinary, nullable=False)


class NirReading(db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """A number was read in clear: by whom, when, whose, for which organisation and why (security bar B2.4).

    Written in the transaction of the reading.  Holds no personal value but the identity of the reader; each row is
    itself journaled, hence sealed.
    """

    __tablename__ = "nir_reading"
    __rls__ = "journal"
    __append_only__ = True
    __rls_limited__ = "subject_type = 'trainee' AND EXISTS (SELECT FROM trainee t WHERE t.id = nir_reading.subject_id)"
    __rls_extra__ = (
        "GRANT INSERT ON nir_reading TO portal_tenant, portal_region, portal_system",
        f"CREATE POLICY tenant_insert ON nir_reading FOR INSERT TO portal_tenant WITH CHECK ({_OWN})",
        "CREATE POLICY region_insert ON nir_reading FOR INSERT TO portal_region WITH CHECK (true)",
        "CREATE POLICY system_insert ON nir_reading FOR INSERT TO portal_system WITH CHECK (true)",
    )
    __table_args__ = (
        Index("ix_nir_reading_subject", "subject_type", "subject_id", "id"),
        Index("ix_nir_reading_organisation", "organisation_id", "id"),
        Index("ix_nir_reading_actor", "actor_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    actor_id: Mapped[int | None] = mapped_column(Integer)
    subject_type: Mapped[str] = mapped_column(String(63), nullable=False)
    subject_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    organisation_id: Mapped[int] = mapped_column(Integer, nullable=False)
    #: What the reading was: ``screen``, ``agora``, ``export``, ``search``…
    purpose: Mapped[str] = mapped_column(String(30), nullable=False)
    reason: Mapped[str] = mapped_column(String(500), nullable=False)
    request_id: Mapped[str | None] = mapped_column(String(64))
    ip_address: Mapped[str | None] = mapped_column(String(45))

    def __repr__(self) -> str:
        return f"{self.id} {self.subject_type} {self.subject_id}"
