"""Files sent in, what they hold, what is wrong with them and what they did.

What comes from the file is personal: it is sealed, in parts, and dropped when nobody needs it any more.  The report has no personal value.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKeyConstraint, Index, Integer, LargeBinary, String, Text, UniqueConstraint, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, tenancy
from app.core.db import TenantMixin, one_of
from app.core.rls import LIMITED_ACCOUNT

from .domain import FileState, Origin, PartKind, Phase, Wish


class ImportFile(TenantMixin, Model):
    """One file of one matrix."""

    __tablename__ = "import_file"
    #: An account limited to some actions sees what it sent itself.
    __rls_limited__ = f"account_id = {LIMITED_ACCOUNT}"
    __audit_ignore__ = ("leased_until", "phase", "done", "total", "deaths")
    #: What somebody wrote, whatever it is.
    __audit_redact__ = ("heading",)
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        CheckConstraint(one_of("state", FileState), name="state"),
        CheckConstraint(one_of("origin", Origin), name="origin"),
        CheckConstraint(one_of("phase", Phase), name="phase"),
        CheckConstraint(one_of("wish", Wish), name="wish"),
        CheckConstraint("done BETWEEN 0 AND total", name="done"),
        CheckConstraint("(state = 'refused') = (fault IS NOT NULL)", name="refused_why"),
        CheckConstraint("state NOT IN ('applied', 'undoing', 'undone') OR applied_at IS NOT NULL", name="applied"),
        CheckConstraint("(state = 'undone') = (undone_at IS NOT NULL)", name="undone"),
        CheckConstraint(
            "CASE state WHEN 'failed' THEN failed_in IS NOT NULL AND failed_in IN ('received', 'checking', 'applying')"
            " WHEN 'applied' THEN failed_in IS NULL OR failed_in = 'undoing' ELSE failed_in IS NULL END",
            name="failed",
        ),
        CheckConstraint("tries >= 0", name="tries"),
        CheckConstraint("deaths >= 0", name="deaths"),
        Index("ix_import_file_failed", "id", postgresql_where="failed_in IS NOT NULL"),
        Index("ix_import_file_list", "organisation_id", "id"),
        Index("ix_import_file_at_work", "leased_until", "id", postgresql_where="state IN ('received', 'checking', 'applying', 'undoing')"),
        Index("ix_import_file_digest", "organisation_id", "matrix", "digest"),
        Index("uq_import_file_request", "organisation_id", "account_id", "request_key", unique=True, postgresql_where="request_key IS NOT NULL"),
        Index("ix_import_file_created", "created_at", postgresql_where="NOT dropped"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4)
    #: A plain number and a name: a report outlives the account.
    account_id: Mapped[int | None]
    account_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    origin: Mapped[str] = mapped_column(String(4), default=Origin.PAGE.value, server_default=Origin.PAGE.value)
    #: The token it came with, as its holder called it; "" for a file sent on a page.
    program: Mapped[str] = mapped_column(String(80), default="", server_default="")
    #: That token itself: revoked, or expired, it has nothing applied any more.  A plain number, as the account.
    token_id: Mapped[int | None] = mapped_column(BigInteger)
    #: Digest of the key that the request bore, so that sent again it is recognised (header « Idempotency-Key »).
    request_key: Mapped[str | None] = mapped_column(String(64))
    #: What is to be applied once it is checked; nothing more once somebody else decides.
    wish: Mapped[str | None] = mapped_column(String(5))
    matrix: Mapped[str] = mapped_column(String(20))
    #: As it was called, without the numbers that it may bear.
    file_name: Mapped[str] = mapped_column(String(120))
    size: Mapped[int]
    #: Keyed hash of the content: the same file is recognised, and nothing can be guessed from it.
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(8), default=FileState.RECEIVED.value)
    phase: Mapped[str | None] = mapped_column(String(9))
    done: Mapped[int] = mapped_column(default=0, server_default="0")
    total: Mapped[int] = mapped_column(default=0, server_default="0")
    lines: Mapped[int] = mapped_column(default=0, server_default="0")
    #: The first line of the file, numbers of persons masked, and the column of the matrix that each of its cells stands for ("" for none).
    heading: Mapped[list[str] | None] = mapped_column(JSONB)
    columns: Mapped[list[str] | None] = mapped_column(JSONB)
    #: {"sheet": name, "others": how many other sheets hold something}
    sheet: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    #: Why it is no table: {"fault", "line", "column", "value"}
    fault: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    #: Lines by what they do (``core.matrix.plan.Act``).
    counts: Mapped[dict[str, int] | None] = mapped_column(JSONB)
    #: Lines that somebody left out: they are neither judged nor applied, and can be put back.
    left_out: Mapped[list[int]] = mapped_column(JSONB, default=list, server_default="[]")
    #: Of how many lines the undoing kept something.
    kept: Mapped[int] = mapped_column(default=0, server_default="0")
    #: What it would do was found changed at the moment of the act.
    held: Mapped[bool] = mapped_column(default=False, server_default="false")
    #: Only the right lines are applied.
    partial: Mapped[bool] = mapped_column(default=False, server_default="false")
    #: Grows with each mended cell, so that two windows do not overwrite each other.
    revision: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    checked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    applied_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    applied_by: Mapped[str] = mapped_column(String(140), default="", server_default="")
    undone_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    undone_by: Mapped[str] = mapped_column(String(140), default="", server_default="")
    #: The account whose act it is that the file is applied, then that it is undone.
    decided_by_id: Mapped[int | None]
    #: How often the work under way ended by a defect (``domain.MOST_TRIES``).
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    #: How often a worker took it and did not live to give it back, the one at work included (``domain.MOST_DEATHS``).
    deaths: Mapped[int] = mapped_column(default=0, server_default="0")
    #: At which work it failed, and the reference under which the logs tell how; of an undoing, the file stays applied.
    failed_in: Mapped[str | None] = mapped_column(String(8))
    failed_reference: Mapped[str] = mapped_column(String(64), default="", server_default="")
    #: Its parts are dropped.
    dropped: Mapped[bool] = mapped_column(default=False, server_default="false")
    #: Until then a worker has it; later, anybody may take it up again.
    leased_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ImportPart(TenantMixin, Model):
    """A sealed part of what a file holds (``domain.PartKind``)."""

    __tablename__ = "import_part"
    __rls_limited__ = "file_id IN (SELECT f.id FROM import_file f)"
    __audit__ = False
    __table_args__ = (
        UniqueConstraint("file_id", "kind", "number", name="uq_import_part"),
        CheckConstraint(one_of("kind", PartKind), name="kind"),
        ForeignKeyConstraint(["organisation_id", "file_id"], ["import_file.organisation_id", "import_file.id"], name="fk_import_part_file", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4)
    file_id: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(5))
    number: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class ImportFinding(TenantMixin, Model):
    """One thing to mend: where, and the sentence; what stands in the cell is sealed with the lines."""

    __tablename__ = "import_finding"
    __rls_limited__ = "file_id IN (SELECT f.id FROM import_file f)"
    __audit__ = False
    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "file_id"], ["import_file.organisation_id", "import_file.id"], name="fk_import_finding_file", ondelete="CASCADE"
        ),
        Index("ix_import_finding_line", "file_id", "line", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[int] = mapped_column(Integer)
    line: Mapped[int]
    #: The column of the matrix; "" for the line as a whole.
    column_name: Mapped[str] = mapped_column(String(40))
    message: Mapped[str] = mapped_column(Text)
    #: The other line that makes this one wrong.
    other_line: Mapped[int | None]


class ImportHeading(TenantMixin, Model):
    """What a heading of the organisation's own files stands for, as somebody said once."""

    __tablename__ = "import_heading"
    __rls_limited__ = None
    __audit__ = False
    __table_args__ = (UniqueConstraint("organisation_id", "matrix", "heading", name="uq_import_heading"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    matrix: Mapped[str] = mapped_column(String(20))
    #: Folded: accents, case and marks do not matter.
    heading: Mapped[str] = mapped_column(String(200))
    #: "" for a column that is left out.
    column_name: Mapped[str] = mapped_column(String(40))


def _sent_by(account_id: int) -> Any:
    return select(ImportFile.id).where(ImportFile.account_id == account_id)


tenancy.register_limit(ImportFile, lambda account: ImportFile.account_id == account)
tenancy.register_limit(ImportPart, lambda account: ImportPart.file_id.in_(_sent_by(account)))
tenancy.register_limit(ImportFinding, lambda account: ImportFinding.file_id.in_(_sent_by(account)))
