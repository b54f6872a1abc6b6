"""Arrangements between accounts: delegations, yearly reviews, observations by support.

Their organisation, the Région and support read them; only the system's scope writes, after the service checked who asks.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.db import TenantMixin
from app.core.extensions import db

_READ_ONLY = "REVOKE INSERT, UPDATE, DELETE ON {table} FROM portal_tenant, portal_support, portal_region"


class Delegation(TenantMixin, db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """A principal hands its rights to a secondary account from one day to another, both included; it ends by itself."""

    __tablename__ = "delegation"
    __rls_support__ = True
    __rls_observer__ = True
    __rls_extra__ = (_READ_ONLY.format(table="delegation"),)
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        ForeignKeyConstraint(["organisation_id", "delegator_id"], ["ab_user.organisation_id", "ab_user.id"], name="fk_delegation_delegator"),
        ForeignKeyConstraint(["organisation_id", "delegate_id"], ["ab_user.organisation_id", "ab_user.id"], name="fk_delegation_delegate"),
        CheckConstraint("starts_on <= ends_on", name="dates"),
        CheckConstraint("delegator_id <> delegate_id", name="two_accounts"),
        # one account stands in for the principal at a time
        ExcludeConstraint(
            (text("int8range(organisation_id, organisation_id, '[]')"), "&&"),
            (text("daterange(starts_on, ends_on, '[]')"), "&&"),
            where=text("ended_at IS NULL"),
            using="gist",
            name="ex_delegation_overlap",
        ),
        Index("ix_delegation_delegate", "delegate_id", "starts_on"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    delegator_id: Mapped[int] = mapped_column(Integer, nullable=False)
    delegate_id: Mapped[int] = mapped_column(Integer, nullable=False)
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    #: Taken back before its last day.
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


#: Whatever writes the row of an account, its delegations end for good when it is closed, when the one who gives is no longer the
#: principal, and when the one who receives becomes it: waking an account up does not wake up what it had been lent.
DELEGATION_DDL: Final = (
    """
CREATE OR REPLACE FUNCTION portal_end_delegations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE delegation SET ended_at = clock_timestamp()
     WHERE (delegate_id = NEW.id OR delegator_id = NEW.id) AND ended_at IS NULL
       AND ends_on >= (clock_timestamp() AT TIME ZONE 'Europe/Paris')::date;
    RETURN NULL;
END $$
""".strip(),
    """
CREATE TRIGGER ab_user_end_delegations AFTER UPDATE ON ab_user FOR EACH ROW WHEN (
    (OLD.active AND NEW.active IS NOT TRUE)
    OR (OLD.deactivated_at IS NULL AND NEW.deactivated_at IS NOT NULL)
    OR (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
    OR OLD.is_principal IS DISTINCT FROM NEW.is_principal
    OR OLD.organisation_id IS DISTINCT FROM NEW.organisation_id
) EXECUTE FUNCTION portal_end_delegations()
""".strip(),
)
DELEGATION_DDL_DOWN: Final = (
    "DROP TRIGGER IF EXISTS ab_user_end_delegations ON ab_user",
    "DROP FUNCTION IF EXISTS portal_end_delegations()",
)


class AccountReview(TenantMixin, db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """The yearly question to a principal: which secondary accounts are still needed?"""

    __tablename__ = "account_review"
    __rls_support__ = True
    __rls_observer__ = True
    __rls_extra__ = (_READ_ONLY.format(table="account_review"),)
    __table_args__ = (
        CheckConstraint("(completed_at IS NULL) = (completed_by IS NULL)", name="completed_whole"),
        Index("uq_account_review_open", "organisation_id", unique=True, postgresql_where=text("completed_at IS NULL")),
        Index("ix_account_review_organisation", "organisation_id", "opened_at"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    due_on: Mapped[date]
    reminded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    completed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    completed_by: Mapped[int | None] = mapped_column(Integer)


class Observation(TenantMixin, db.Model):  # type: ignore[name-defined,misc]  # db.Model is dynamic
    """Support looked through an account's eyes, read only: who, whose, why, from when to when."""

    __tablename__ = "observation"
    __rls_support__ = True
    __rls_observer__ = True
    __rls_extra__ = (_READ_ONLY.format(table="observation"),)
    __table_args__ = (
        CheckConstraint("btrim(reason) <> ''", name="reason_given"),
        CheckConstraint("observer_id <> observed_id", name="two_accounts"),
        Index("ix_observation_observed", "observed_id", "id"),
        Index("ix_observation_observer", "observer_id", "id"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    observer_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), nullable=False)
    observed_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), nullable=False)
    reason: Mapped[str] = mapped_column(String(500), nullable=False)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
