"""Modification requests: what an organisation asks, what the Région decides, and each step of it.

The grants, policies and triggers stand in the SQL file beside this one, written from the models and frozen.

Revision: 0012, after 0011
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('dates', 'reference', 'volumes', 'sites')"
_STATES = "IN ('pending', 'to_correct', 'validated', 'refused', 'withdrawn')"
_EVENTS = "event IN ('send', 'validate', 'ask_correction', 'refuse', 'withdraw')"


def upgrade() -> None:
    op.create_table(
        "modification_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.Column("motivation", sa.Text(), nullable=False),
        sa.Column("observations", sa.Text(), server_default="", nullable=False),
        sa.Column("amendment_number", sa.String(length=40), nullable=True),
        sa.Column("sender_id", sa.Integer(), nullable=True),
        sa.Column("sender_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(_KINDS, name=op.f("ck_modification_request_kind")),
        sa.CheckConstraint(f"state {_STATES}", name=op.f("ck_modification_request_state")),
        sa.CheckConstraint("jsonb_typeof(changes) = 'array' AND changes <> '[]'::jsonb", name=op.f("ck_modification_request_changes")),
        sa.CheckConstraint("(state IN ('validated', 'refused')) = (decided_at IS NOT NULL)", name=op.f("ck_modification_request_decided_whole")),
        sa.CheckConstraint("state NOT IN ('refused', 'to_correct') OR observations <> ''", name=op.f("ck_modification_request_observations")),
        sa.CheckConstraint("amendment_number IS NULL OR state = 'validated'", name=op.f("ck_modification_request_amendment")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_modification_request_organisation_id_organisation")),
        sa.ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_modification_request_action"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_modification_request")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_modification_request_organisation_id_id")),
    )
    op.create_index("ix_modification_request_action", "modification_request", ["action_id", "id"])
    op.create_index(op.f("ix_modification_request_organisation_id"), "modification_request", ["organisation_id"])
    op.create_index("ix_modification_request_queue", "modification_request", ["state", "sent_at", "id"])
    op.create_index("ix_modification_request_sent", "modification_request", ["sent_at", "id"])
    op.create_index(
        "uq_modification_request_open", "modification_request", ["action_id", "kind"], unique=True,
        postgresql_where=sa.text("state IN ('pending', 'to_correct')"),
    )  # fmt: skip
    op.create_table(
        "modification_request_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("from_state", sa.String(length=12), nullable=True),
        sa.Column("to_state", sa.String(length=12), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("actor_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("on_behalf_of_id", sa.Integer(), nullable=True),
        sa.Column("on_behalf_of_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint(_EVENTS, name=op.f("ck_modification_request_event_event")),
        sa.CheckConstraint(f"from_state {_STATES}", name=op.f("ck_modification_request_event_from_state")),
        sa.CheckConstraint(f"to_state {_STATES}", name=op.f("ck_modification_request_event_to_state")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_modification_request_event_organisation_id_organisation")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "request_id"], ["modification_request.organisation_id", "modification_request.id"],
            name="fk_modification_request_event_request",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_modification_request_event")),
    )  # fmt: skip
    op.create_index(op.f("ix_modification_request_event_organisation_id"), "modification_request_event", ["organisation_id"])
    op.create_index("ix_modification_request_event_request", "modification_request_event", ["request_id", "id"])
    sql = Path(__file__).with_name("20261128_0012_modification_requests_up.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def downgrade() -> None:
    op.drop_table("modification_request_event")
    op.drop_table("modification_request")
