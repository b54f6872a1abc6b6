"""Files that people send in: what they hold (sealed), what is wrong with them, what their headings stand for.

The grants, policies and triggers stand in the SQL file beside this one, written from the models and frozen.

Revision: 0028, after 0027
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def _of_file(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organisation_id", "file_id"], ["import_file.organisation_id", "import_file.id"], name=f"fk_{table}_file", ondelete="CASCADE"
    )


def _of_organisation(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f(f"fk_{table}_organisation_id_organisation"))


def upgrade() -> None:
    op.create_table(
        "import_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("account_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("origin", sa.String(length=4), server_default="page", nullable=False),
        sa.Column("matrix", sa.String(length=20), nullable=False),
        sa.Column("file_name", sa.String(length=120), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("phase", sa.String(length=9), nullable=True),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("heading", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("sheet", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("fault", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("held", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("partial", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_by", sa.String(length=140), server_default="", nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.String(length=140), server_default="", nullable=False),
        sa.Column("dropped", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('received', 'refused', 'to_map', 'checking', 'ready', 'applying', 'applied', 'undoing', 'undone')",
            name=op.f("ck_import_file_state"),
        ),
        sa.CheckConstraint("origin IN ('page', 'api')", name=op.f("ck_import_file_origin")),
        sa.CheckConstraint("phase IN ('reading', 'checking', 'comparing', 'writing', 'undoing')", name=op.f("ck_import_file_phase")),
        sa.CheckConstraint("done BETWEEN 0 AND total", name=op.f("ck_import_file_done")),
        sa.CheckConstraint("(state = 'refused') = (fault IS NOT NULL)", name=op.f("ck_import_file_refused_why")),
        sa.CheckConstraint("state NOT IN ('applied', 'undoing', 'undone') OR applied_at IS NOT NULL", name=op.f("ck_import_file_applied")),
        sa.CheckConstraint("(state = 'undone') = (undone_at IS NOT NULL)", name=op.f("ck_import_file_undone")),
        _of_organisation("import_file"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_file")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_import_file_organisation_id_id")),
    )
    op.create_index(
        "ix_import_file_at_work", "import_file", ["leased_until", "id"], unique=False,
        postgresql_where="state IN ('received', 'checking', 'applying', 'undoing')",
    )  # fmt: skip
    op.create_index("ix_import_file_created", "import_file", ["created_at"], unique=False, postgresql_where="NOT dropped")
    op.create_index("ix_import_file_digest", "import_file", ["organisation_id", "matrix", "digest"], unique=False)
    op.create_index("ix_import_file_list", "import_file", ["organisation_id", "id"], unique=False)
    op.create_index(op.f("ix_import_file_organisation_id"), "import_file", ["organisation_id"], unique=False)
    op.create_table(
        "import_part",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=5), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('file', 'rows', 'steps', 'done', 'kept')", name=op.f("ck_import_part_kind")),
        _of_file("import_part"),
        _of_organisation("import_part"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_part")),
        sa.UniqueConstraint("file_id", "kind", "number", name="uq_import_part"),
    )
    op.create_index(op.f("ix_import_part_organisation_id"), "import_part", ["organisation_id"], unique=False)
    op.create_table(
        "import_finding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("column_name", sa.String(length=40), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        _of_file("import_finding"),
        _of_organisation("import_finding"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_finding")),
    )
    op.create_index("ix_import_finding_line", "import_finding", ["file_id", "line", "id"], unique=False)
    op.create_index(op.f("ix_import_finding_organisation_id"), "import_finding", ["organisation_id"], unique=False)
    op.create_table(
        "import_heading",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("matrix", sa.String(length=20), nullable=False),
        sa.Column("heading", sa.String(length=200), nullable=False),
        sa.Column("column_name", sa.String(length=40), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        _of_organisation("import_heading"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_heading")),
        sa.UniqueConstraint("organisation_id", "matrix", "heading", name="uq_import_heading"),
    )
    op.create_index(op.f("ix_import_heading_organisation_id"), "import_heading", ["organisation_id"], unique=False)
    sql = Path(__file__).with_name("20261128_0028_imports_up.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def downgrade() -> None:
    """The tables go, and with them their policies and triggers."""
    for table in ("import_heading", "import_finding", "import_part", "import_file"):
        op.drop_table(table)
