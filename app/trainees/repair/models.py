"""Files of NIRs: what was taken out, what was sent in, and what became of each line (guide 000, "redressement des NIR en masse")."""

from __future__ import annotations

import uuid
from datetime import datetime

from flask_appbuilder import Model
from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, Index, Integer, LargeBinary, String, UniqueConstraint, Uuid, select
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, tenancy
from app.core.db import TenantMixin, one_of
from app.core.rls import LIMITED_ACCOUNT
from app.core.tabular.writing import FileFormat

from .rules import Outcome, Problem, RepairState


class NumberFile(TenantMixin, Model):
    """The journal of the files taken out: they hold names and birth dates.  Written before the first byte leaves; one without end was cut short."""

    __tablename__ = "number_file"
    #: An account limited to some actions sees what it did itself.
    __rls_limited__ = f"account_id = {LIMITED_ACCOUNT}"
    __table_args__ = (
        CheckConstraint(one_of("file_format", FileFormat), name="file_format"),
        Index("ix_number_file_list", "organisation_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    #: A plain number and a name: an entry outlives the account.
    account_id: Mapped[int | None]
    account_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    file_format: Mapped[str] = mapped_column(String(4))
    lines: Mapped[int] = mapped_column(default=0, server_default="0")
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class NumberRepair(TenantMixin, Model):
    """One file sent in.  ``content`` holds its numbers, encrypted, until the last line is applied; then only the report stays."""

    __tablename__ = "number_repair"
    __rls_limited__ = f"account_id = {LIMITED_ACCOUNT}"
    __audit_ignore__ = ("leased_until", "done")
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        CheckConstraint(one_of("state", RepairState), name="state"),
        CheckConstraint("state <> 'done' OR content IS NULL", name="content_dropped"),
        CheckConstraint("(state = 'checked') = (confirmed_at IS NULL)", name="confirmed"),
        CheckConstraint("(state = 'done') = (finished_at IS NOT NULL)", name="finished"),
        CheckConstraint("done BETWEEN 0 AND valid", name="done"),
        Index("ix_number_repair_list", "organisation_id", "id"),
        Index("ix_number_repair_running", "leased_until", "id", postgresql_where="state = 'running'"),
        Index("ix_number_repair_checked", "created_at", postgresql_where="state = 'checked'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4)
    account_id: Mapped[int | None]
    account_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    state: Mapped[str] = mapped_column(String(8), default=RepairState.CHECKED.value)
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    #: Lines of the file, and those to apply; ``done`` of them are.
    lines: Mapped[int]
    valid: Mapped[int] = mapped_column(default=0, server_default="0")
    done: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Until then a worker has it, or it waits for AGORA; later, anybody may take it up again.
    leased_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class NumberRepairLine(TenantMixin, Model):
    """What became of one line: no number, no name; the person is found through the trainee, within the reader's scope."""

    __tablename__ = "number_repair_line"
    __rls_limited__ = "repair_id IN (SELECT r.id FROM number_repair r)"
    __audit__ = False
    __table_args__ = (
        UniqueConstraint("repair_id", "number", name="uq_number_repair_line"),
        ForeignKeyConstraint(
            ["organisation_id", "repair_id"], ["number_repair.organisation_id", "number_repair.id"], name="fk_number_repair_line_repair", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organisation_id", "trainee_id"], ["trainee.organisation_id", "trainee.id"], name="fk_number_repair_line_trainee"),
        CheckConstraint(one_of("outcome", Outcome), name="outcome"),
        CheckConstraint(one_of("problem", Problem), name="problem"),
        CheckConstraint("(problem IS NOT NULL) = (outcome IN ('wrong', 'refused'))", name="problem_said"),
        CheckConstraint("outcome NOT IN ('pending', 'saved') OR trainee_id IS NOT NULL", name="trainee"),
        Index("ix_number_repair_line_trainee", "organisation_id", "trainee_id", postgresql_where="trainee_id IS NOT NULL"),
        Index("uq_number_repair_line_trainee", "repair_id", "trainee_id", unique=True, postgresql_where="outcome IN ('pending', 'saved')"),
        Index("ix_number_repair_line_pending", "repair_id", "number", postgresql_where="outcome = 'pending'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    repair_id: Mapped[int] = mapped_column(Integer)
    number: Mapped[int]
    trainee_id: Mapped[int | None]
    outcome: Mapped[str] = mapped_column(String(8))
    problem: Mapped[str | None] = mapped_column(String(16))
    #: A line, or a code of the rules of numbers; never what was typed.
    detail: Mapped[str] = mapped_column(String(20), default="", server_default="")


tenancy.register_limit(NumberFile, lambda account: NumberFile.account_id == account)
tenancy.register_limit(NumberRepair, lambda account: NumberRepair.account_id == account)
tenancy.register_limit(
    NumberRepairLine, lambda account: NumberRepairLine.repair_id.in_(select(NumberRepair.id).where(NumberRepair.account_id == account))
)
