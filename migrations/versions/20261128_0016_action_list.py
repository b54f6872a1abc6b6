"""The list of the actions: what it sorts and searches by, the searches accounts keep, and the journal of exports.

Revision: 0016, after 0015
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_HERE = Path(__file__)


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261128_0016_action_list_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def upgrade() -> None:
    op.create_table(
        "saved_search",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("slot BETWEEN 1 AND 20", name=op.f("ck_saved_search_slot")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_saved_search_name")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_saved_search_organisation_id_organisation"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_saved_search_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_search")),
        sa.UniqueConstraint("user_id", "slot", name="uq_saved_search_slot"),
    )
    op.create_index(op.f("ix_saved_search_organisation_id"), "saved_search", ["organisation_id"])
    op.create_index("uq_saved_search_name", "saved_search", ["user_id", sa.text("lower(name)")], unique=True)
    op.create_table(
        "action_export",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("on_behalf_of_id", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("file_format", sa.String(length=4), nullable=False),
        sa.Column("columns", sa.ARRAY(sa.String(length=40)), nullable=False),
        sa.Column("query", sa.Text(), server_default="", nullable=False),
        sa.Column("lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('actions', 'composantes')", name=op.f("ck_action_export_kind")),
        sa.CheckConstraint("file_format IN ('xlsx', 'ods', 'csv')", name=op.f("ck_action_export_file_format")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_export")),
    )
    op.create_index("ix_action_export_organisation", "action_export", ["organisation_id", "id"])
    op.create_index("ix_action_export_actor", "action_export", ["actor_id", "id"])
    _run("up")


def downgrade() -> None:
    _run("down")
    op.drop_table("action_export")
    op.drop_table("saved_search")
