"""The catalogue of partner codes, and what the reconciliations found."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    String,
    UniqueConstraint,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, tenancy
from app.core.db import TimestampMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint
from app.core.outbox.models import OutboxAttempt, OutboxMessage
from app.partners.agora.port import FileStatus
from app.trainees.models import enrolments_given

from .domain import Actor, Assignee, DifferenceKind, DifferenceState, Nature, Phase, RunState, Trigger

_OWN = "organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer"


class PartnerCode(VersionedMixin, TimestampMixin, Model):
    """What a code of a partner, or of the portal about it, means: cause, who can act and what to do, in plain French."""

    __tablename__ = "partner_code"
    __table_args__ = (
        UniqueConstraint("partner", "code", name="uq_partner_code_code"),
        CheckConstraint(one_of("nature", Nature), name="nature"),
        CheckConstraint(one_of("actor", Actor), name="actor"),
        CheckConstraint("cause <> '' AND remedy <> ''", name="texts"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    partner: Mapped[str] = mapped_column(String(32), default="agora", server_default="agora")
    code: Mapped[str] = mapped_column(String(64))
    nature: Mapped[str] = mapped_column(String(12))
    actor: Mapped[str] = mapped_column(String(12))
    cause: Mapped[str] = mapped_column(String(400))
    remedy: Mapped[str] = mapped_column(String(800))
    #: Sending the same again can help.
    replay: Mapped[bool] = mapped_column(default=True)
    #: Portal's name of what is to be mended when the partner names no field (``holder.nir``).
    path: Mapped[str | None] = mapped_column(String(64))

    def __str__(self) -> str:
        return self.code


class ReconciliationRun(Model):
    """One comparison with the partner's copy: how far it is, and its report."""

    __tablename__ = "reconciliation_run"
    __audit__ = False
    __rls__ = "private"
    __table_args__ = (
        CheckConstraint(one_of("state", RunState), name="state"),
        CheckConstraint(one_of("phase", Phase), name="phase"),
        CheckConstraint(one_of("trigger", Trigger), name="trigger"),
        CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished"),
        CheckConstraint("pages >= 0 AND failures >= 0 AND idle_pages >= 0", name="numbers"),
        # one at a time
        Index("uq_reconciliation_run_running", "partner", unique=True, postgresql_where=text("state = 'running'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    partner: Mapped[str] = mapped_column(String(32))
    trigger: Mapped[str] = mapped_column(String(8))
    actor_id: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(8), default=RunState.RUNNING.value)
    phase: Mapped[str] = mapped_column(String(10), default=Phase.READING.value)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Only the files changed since then are asked for; None: all of them.
    since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Where the reading goes on: what the partner gave with the last page.
    cursor: Mapped[str | None] = mapped_column(String(2048))
    pages: Mapped[int] = mapped_column(default=0, server_default="0")
    #: Pages in a row that brought nothing new.
    idle_pages: Mapped[int] = mapped_column(default=0, server_default="0")
    #: Calls in a row without a usable answer.
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Key up to which the present phase has looked.
    position: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Whether the whole list was read.
    complete: Mapped[bool] = mapped_column(default=False, server_default="false")
    #: The report: files read, files compared, and for each kind found, healed, assigned.
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
    failure: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_token: Mapped[UUID | None] = mapped_column(Uuid)


class ReconciliationFile(Model):
    """A file as a page of the partner gave it; forgotten when the run is over."""

    __tablename__ = "reconciliation_file"
    __audit__ = False
    __rls__ = "system"
    __table_args__ = (
        UniqueConstraint("run_id", "reference", "number"),
        CheckConstraint(one_of("status", FileStatus), name="status"),
        Index("ix_reconciliation_file_uid", "run_id", "uid"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("reconciliation_run.id", ondelete="CASCADE"))
    reference: Mapped[str] = mapped_column(String(64))
    #: The reference when it is one of ours: an enrolment's stable id.
    uid: Mapped[UUID | None] = mapped_column(Uuid)
    number: Mapped[str] = mapped_column(String(12))
    status: Mapped[str] = mapped_column(String(20))
    file_version: Mapped[int] = mapped_column(Integer)


class ReconciliationDifference(VersionedMixin, Model):
    """One difference between the two copies of a file: healed, or somebody's to look at by a day."""

    __tablename__ = "reconciliation_difference"
    __rls__ = "private"
    __rls_limited__ = "EXISTS (SELECT FROM enrolment e WHERE e.id = reconciliation_difference.enrolment_id)"
    __rls_extra__ = (f"CREATE POLICY tenant_select ON reconciliation_difference FOR SELECT TO portal_tenant USING ({_OWN})",)
    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "enrolment_id"], ["enrolment.organisation_id", "enrolment.id"], name="fk_reconciliation_difference_enrolment"),
        CheckConstraint(one_of("kind", DifferenceKind), name="kind"),
        CheckConstraint(one_of("state", DifferenceState), name="state"),
        CheckConstraint(one_of("assignee", Assignee), name="assignee"),
        CheckConstraint("(organisation_id IS NULL) = (enrolment_id IS NULL)", name="whose"),
        CheckConstraint("state <> 'open' OR (assignee IS NOT NULL AND due_on IS NOT NULL)", name="assigned"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
        CheckConstraint("state <> 'settled' OR COALESCE(reason, '') <> ''", name="reason"),
        # found again each night, told once
        Index("uq_reconciliation_difference_open", "partner", "reference", unique=True, postgresql_where=text("state = 'open'")),
        Index("ix_reconciliation_difference_run", "run_id", "id"),
        # the last word about a file
        Index("ix_reconciliation_difference_reference", "partner", "reference", "id"),
        Index("ix_reconciliation_difference_enrolment", "organisation_id", "enrolment_id"),
        Index("ix_reconciliation_difference_due", "due_on", "id", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    #: The run that found it, and the last that looked at it.
    run_id: Mapped[int] = mapped_column(ForeignKey("reconciliation_run.id"))
    last_run_id: Mapped[int] = mapped_column(Integer)
    partner: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(8))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    enrolment_id: Mapped[int | None] = mapped_column(Integer)
    reference: Mapped[str] = mapped_column(String(64))
    #: {"number", "status", "version"} on each side; empty where there is no file.
    ours: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
    theirs: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
    state: Mapped[str] = mapped_column(String(8))
    assignee: Mapped[str | None] = mapped_column(String(12))
    due_on: Mapped[date | None]
    found_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    closed_by_id: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(String(500))


tenancy.register_tenant_entity(ReconciliationDifference, "organisation_id")
tenancy.register_limit(ReconciliationDifference, lambda account: ReconciliationDifference.enrolment_id.in_(enrolments_given(account)))
tenancy.register_limit(OutboxAttempt, lambda account: OutboxAttempt.message_id.in_(_messages_given(account)))


def _messages_given(account_id: int) -> Any:
    table: Any = OutboxMessage.__table__
    return select(table.c.id).where(table.c.subject_type == "enrolment", table.c.subject_id.in_(enrolments_given(account_id)))


register_constraint("uq_partner_code_code", _l("This code is already in the catalogue."), field="code")
register_constraint("uq_reconciliation_run_running", _l("A comparison with AGORA is already running: its page follows it."))

__all__ = ["PartnerCode", "ReconciliationDifference", "ReconciliationFile", "ReconciliationRun"]
