"""The life of an enrolment: interruptions, acts with their reasons, enrolments made by mistake, outcomes.

The grants, policies, triggers and functions stand in the two SQL files beside this one, written from the models and frozen.

Revision: 0021, after 0020
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_HERE = Path(__file__)
_KINDS = "'change', 'interrupt', 'resume', 'leave', 'mend_exit', 'undo_exit', 'move', 'cancel', 'judge', 'close'"


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261128_0021_enrolment_life_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def _of_enrolment(table: str) -> tuple[sa.Column | sa.ForeignKeyConstraint, ...]:
    return (
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f(f"fk_{table}_organisation_id_organisation")),
        sa.ForeignKeyConstraint(["organisation_id", "enrolment_id"], ["enrolment.organisation_id", "enrolment.id"], name=f"fk_{table}_enrolment"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def upgrade() -> None:
    op.create_table(
        "interruption",
        *_of_enrolment("interruption"),
        sa.Column("interrupted_on", sa.Date(), nullable=False),
        sa.Column("resumed_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(length=13), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_interruption_organisation_id_id")),
        sa.CheckConstraint("resumed_on > interrupted_on", name=op.f("ck_interruption_dates")),
        sa.CheckConstraint("reason IN ('SANTE', 'PERSONNEL', 'EMPLOI', 'ORGANISME', 'FORCE_MAJEURE')", name=op.f("ck_interruption_reason")),
    )
    op.create_index(op.f("ix_interruption_organisation_id"), "interruption", ["organisation_id"])
    op.create_index("ix_interruption_enrolment", "interruption", ["enrolment_id", "interrupted_on"])
    op.create_index("uq_interruption_open", "interruption", ["enrolment_id"], unique=True, postgresql_where=sa.text("resumed_on IS NULL"))
    op.execute(
        "ALTER TABLE interruption ADD CONSTRAINT ex_interruption_overlap EXCLUDE USING gist "
        "(int4range(enrolment_id, enrolment_id, '[]') WITH &&, daterange(interrupted_on, resumed_on) WITH &&)"
    )
    op.create_table(
        "enrolment_act",
        *_of_enrolment("enrolment_act"),
        sa.Column("kind", sa.String(length=9), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("details", JSONB(), nullable=True),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("actor_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("on_behalf_of_id", sa.Integer(), nullable=True),
        sa.Column("on_behalf_of_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_enrolment_act_kind")),
        sa.CheckConstraint("kind NOT IN ('undo_exit', 'cancel', 'judge') OR reason <> ''", name=op.f("ck_enrolment_act_reason")),
    )
    op.create_index(op.f("ix_enrolment_act_organisation_id"), "enrolment_act", ["organisation_id"])
    op.create_index("ix_enrolment_act_enrolment", "enrolment_act", ["enrolment_id", "id"])

    op.add_column("enrolment", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("enrolment", sa.Column("outcome", sa.String(length=8), nullable=True))
    op.add_column("enrolment", sa.Column("outcome_corrected", sa.Boolean(), server_default="false", nullable=False))
    op.create_check_constraint(op.f("ck_enrolment_cancelled"), "enrolment", "cancelled_at IS NULL OR actual_end IS NULL")
    op.create_check_constraint(op.f("ck_enrolment_outcome"), "enrolment", "outcome IN ('full', 'partial', 'not_done')")
    op.create_check_constraint(op.f("ck_enrolment_outcome_left"), "enrolment", "outcome IS NULL OR actual_end IS NOT NULL")
    op.create_check_constraint(op.f("ck_enrolment_outcome_corrected"), "enrolment", "NOT outcome_corrected OR outcome IS NOT NULL")
    _current("actual_end IS NULL AND cancelled_at IS NULL")
    _run("up")


def _current(condition: str) -> None:
    op.drop_index("uq_enrolment_current", table_name="enrolment")
    op.create_index("uq_enrolment_current", "enrolment", ["registration_id", "component_id"], unique=True, postgresql_where=sa.text(condition))


def downgrade() -> None:
    """Refused by the index while somebody is enrolled again after a mistake: two current enrolments cannot be told apart without this column."""
    _run("down")
    _current("actual_end IS NULL")
    for name in ("outcome_corrected", "outcome_left", "outcome", "cancelled"):
        op.drop_constraint(op.f(f"ck_enrolment_{name}"), "enrolment", type_="check")
    for name in ("outcome_corrected", "outcome", "cancelled_at"):
        op.drop_column("enrolment", name)
    op.drop_table("enrolment_act")
    op.drop_table("interruption")
