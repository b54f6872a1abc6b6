"""Selections of columns that accounts keep under a name for the exports of their lists.

The grants, policies and triggers stand in the SQL file beside this one, written from the model and frozen.

Revision: 0033, after 0032
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table of its own: what was chosen last stays where it is."""
    op.create_table(
        "export_selection",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("list_name", sa.String(length=80), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("columns", postgresql.ARRAY(sa.String(length=80)), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("slot BETWEEN 1 AND 20", name=op.f("ck_export_selection_slot")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_export_selection_name")),
        sa.CheckConstraint("cardinality(columns) > 0", name=op.f("ck_export_selection_columns")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_export_selection_organisation_id_organisation"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_export_selection_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_selection")),
        sa.UniqueConstraint("user_id", "list_name", "slot", name="uq_export_selection_slot"),
    )
    op.create_index(op.f("ix_export_selection_organisation_id"), "export_selection", ["organisation_id"])
    op.create_index("uq_export_selection_name", "export_selection", ["user_id", "list_name", sa.text("lower(name)")], unique=True)
    sql = Path(__file__).with_name("20261129_0033_export_selections_up.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def downgrade() -> None:
    """The selections go; nothing else names them."""
    op.drop_table("export_selection")
