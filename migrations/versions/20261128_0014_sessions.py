"""Sessions and information meetings, the declaration that an action is finished, and dates that lie within one another.

The grants, policies, triggers and functions stand in the two SQL files beside this one, written from the models and frozen.

Revision: 0014, after 0012
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

_HERE = Path(__file__)


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261128_0014_sessions_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def _organisation(table: str) -> tuple[sa.Column, sa.ForeignKeyConstraint]:
    return (
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f(f"fk_{table}_organisation_id_organisation")),
    )


def _versioned() -> tuple[sa.Column, ...]:
    return (
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def upgrade() -> None:
    op.add_column("programme", sa.Column("closing_on_request", sa.Boolean(), server_default="false", nullable=False))
    # DOMAIN §3: the establishments of FORPRO SUP, bought by convention, may ask for the closing.
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")  # the owner sees no row of this table
    connection.exec_driver_sql("UPDATE programme SET closing_on_request = true WHERE kind = 'convention'")
    connection.exec_driver_sql("RESET ROLE")
    op.create_table(
        "finish_declaration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("declared_by_id", sa.Integer(), nullable=True),
        sa.Column("declared_by_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("closing_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        *_organisation("finish_declaration"),
        sa.ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_finish_declaration_action"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finish_declaration")),
    )
    op.create_index("ix_finish_declaration_action", "finish_declaration", ["action_id"])
    op.create_index("uq_finish_declaration_in_force", "finish_declaration", ["action_id"], unique=True, postgresql_where=sa.text("withdrawn_at IS NULL"))
    op.create_index(op.f("ix_finish_declaration_organisation_id"), "finish_declaration", ["organisation_id"])
    op.create_table(
        "training_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("component_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("places", sa.Integer(), server_default="0", nullable=False),
        sa.Column("registration_address", sa.String(length=255), nullable=True),
        sa.Column("registration_terms", sa.String(length=255), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        *_organisation("training_session"),
        *_versioned(),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_training_session_site_id_site")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "component_id"], ["component.organisation_id", "component.id"], name="fk_training_session_component"
        ),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_training_session_dates")),
        sa.CheckConstraint("places >= 0", name=op.f("ck_training_session_places")),
        sa.CheckConstraint(
            "(cancelled_at IS NULL) = (cancel_reason IS NULL) AND cancel_reason <> ''", name=op.f("ck_training_session_cancelled_whole")
        ),
        sa.CheckConstraint("cancelled_at IS NULL OR places = 0", name=op.f("ck_training_session_cancelled_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_session")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_training_session_organisation_id_id")),
        sa.UniqueConstraint("component_id", "number", name="uq_training_session_number"),
    )
    op.create_index(op.f("ix_training_session_organisation_id"), "training_session", ["organisation_id"])
    op.create_index(op.f("ix_training_session_site_id"), "training_session", ["site_id"])
    op.create_table(
        "information_meeting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("starts_at", sa.Time(), nullable=False),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        *_organisation("information_meeting"),
        *_versioned(),
        sa.ForeignKeyConstraint(
            ["organisation_id", "session_id"], ["training_session.organisation_id", "training_session.id"], name="fk_information_meeting_session"
        ),
        sa.CheckConstraint("place <> ''", name=op.f("ck_information_meeting_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_information_meeting")),
        sa.UniqueConstraint("session_id", "held_on", "starts_at", "place", name="uq_information_meeting"),
    )
    op.create_index(op.f("ix_information_meeting_organisation_id"), "information_meeting", ["organisation_id"])
    op.add_column("action_history", sa.Column("session_id", sa.Integer(), nullable=True))
    op.add_column("action_history", sa.Column("details", JSONB(), nullable=True))
    op.create_foreign_key(
        "fk_action_history_session", "action_history", "training_session", ["organisation_id", "session_id"], ["organisation_id", "id"]
    )
    op.create_index("ix_action_history_session", "action_history", ["session_id", "id"], postgresql_where=sa.text("session_id IS NOT NULL"))
    _run("up")


def downgrade() -> None:
    _run("down")
    op.drop_index("ix_action_history_session", table_name="action_history")
    op.drop_constraint("fk_action_history_session", "action_history", type_="foreignkey")
    op.drop_column("action_history", "details")
    op.drop_column("action_history", "session_id")
    op.drop_table("information_meeting")
    op.drop_table("training_session")
    op.drop_table("finish_declaration")
    op.drop_column("programme", "closing_on_request")
