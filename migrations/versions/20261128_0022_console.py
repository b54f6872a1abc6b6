"""The partner console: tries of messages, a rate per partner, the catalogue of codes, and the comparisons with the partner's copy.

The grants, policies and triggers stand in the SQL file beside this one, written from the models and frozen.

Revision: 0022, after 0021
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_HERE = Path(__file__)
_MESSAGE, _PARTNER, _INTERVENTION = "outbox_message", "outbox_partner", "outbox_intervention"


def _as_system(statement: str) -> None:
    """The owner sees no row of these tables: rows are written in the system's role."""
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    connection.exec_driver_sql(statement)
    connection.exec_driver_sql("RESET ROLE")


def _intervention_checks(*, throttle: bool) -> None:
    kinds = ("replay", "settle", "pause", "resume", *(("throttle",) if throttle else ()))
    reasons = "'settle', 'pause', 'throttle'" if throttle else "'settle', 'pause'"
    for name, condition in (
        ("kind", f"kind IN ({', '.join(repr(kind) for kind in kinds)})"),
        ("reason", f"kind NOT IN ({reasons}) OR reason IS NOT NULL"),
    ):
        op.drop_constraint(op.f(f"ck_{_INTERVENTION}_{name}"), _INTERVENTION, type_="check")
        op.create_check_constraint(op.f(f"ck_{_INTERVENTION}_{name}"), _INTERVENTION, condition)


def upgrade() -> None:
    op.add_column(_PARTNER, sa.Column("rate_per_minute", sa.Integer(), nullable=True))
    op.add_column(_PARTNER, sa.Column("tokens", sa.Double(), server_default="0", nullable=False))
    op.add_column(_PARTNER, sa.Column("tokens_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f(f"ck_{_PARTNER}_rate"), _PARTNER, "rate_per_minute BETWEEN 1 AND 100000")
    op.add_column(_INTERVENTION, sa.Column("amount", sa.Integer(), nullable=True))
    _intervention_checks(throttle=True)
    op.add_column(_MESSAGE, sa.Column("body_digest", sa.LargeBinary(), nullable=True))
    op.create_unique_constraint(op.f(f"uq_{_MESSAGE}_organisation_id_id"), _MESSAGE, ["organisation_id", "id"])
    op.create_table(
        "outbox_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum("pending", "sending", "done", "rejected", "dead", "cancelled", name="state", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column(
            "error_kind", sa.Enum("unavailable", "rejected", "fault", name="error_kind", native_enum=False, create_constraint=True, length=16), nullable=True
        ),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("title", sa.String(length=500), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'rejected', 'dead')", name=op.f("ck_outbox_attempt_failed")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "message_id"], ["outbox_message.organisation_id", "outbox_message.id"], name="fk_outbox_attempt_message", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_outbox_attempt_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_attempt")),
    )
    op.create_index("ix_outbox_attempt_message", "outbox_attempt", ["message_id", "id"], unique=False)
    op.create_index(op.f("ix_outbox_attempt_organisation_id"), "outbox_attempt", ["organisation_id"], unique=False)
    op.create_table(
        "partner_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=32), server_default="agora", nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("nature", sa.String(length=12), nullable=False),
        sa.Column("actor", sa.String(length=12), nullable=False),
        sa.Column("cause", sa.String(length=400), nullable=False),
        sa.Column("remedy", sa.String(length=800), nullable=False),
        sa.Column("replay", sa.Boolean(), nullable=False),
        sa.Column("path", sa.String(length=64), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("actor IN ('organisation', 'region', 'support', 'agora', 'nobody')", name=op.f("ck_partner_code_actor")),
        sa.CheckConstraint("cause <> '' AND remedy <> ''", name=op.f("ck_partner_code_texts")),
        sa.CheckConstraint("nature IN ('technical', 'functional')", name=op.f("ck_partner_code_nature")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_code")),
        sa.UniqueConstraint("partner", "code", name="uq_partner_code_code"),
    )
    op.create_table(
        "reconciliation_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=32), nullable=False),
        sa.Column("trigger", sa.String(length=8), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("phase", sa.String(length=10), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor", sa.String(length=2048), nullable=True),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("idle_pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("complete", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("counts", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("failure", sa.String(length=200), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.CheckConstraint("(state = 'running') = (finished_at IS NULL)", name=op.f("ck_reconciliation_run_finished")),
        sa.CheckConstraint("phase IN ('reading', 'comparing', 'unknown', 'absent', 'rechecking', 'over')", name=op.f("ck_reconciliation_run_phase")),
        sa.CheckConstraint("state IN ('running', 'done', 'partial', 'failed')", name=op.f("ck_reconciliation_run_state")),
        sa.CheckConstraint("trigger IN ('night', 'demand')", name=op.f("ck_reconciliation_run_trigger")),
        sa.CheckConstraint("pages >= 0 AND failures >= 0 AND idle_pages >= 0", name=op.f("ck_reconciliation_run_numbers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_run")),
    )
    op.create_index("uq_reconciliation_run_running", "reconciliation_run", ["partner"], unique=True, postgresql_where=sa.text("state = 'running'"))
    op.create_table(
        "reconciliation_file",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("uid", sa.Uuid(), nullable=True),
        sa.Column("number", sa.String(length=12), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("file_version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'validated', 'entered', 'exited', 'closed_full', 'closed_partial', 'closed_not_done', 'cancelled')",
            name=op.f("ck_reconciliation_file_status"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["reconciliation_run.id"], name=op.f("fk_reconciliation_file_run_id_reconciliation_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_file")),
        sa.UniqueConstraint("run_id", "reference", "number", name=op.f("uq_reconciliation_file_run_id_reference_number")),
    )
    op.create_index("ix_reconciliation_file_uid", "reconciliation_file", ["run_id", "uid"], unique=False)
    op.create_table(
        "reconciliation_difference",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("last_run_id", sa.Integer(), nullable=False),
        sa.Column("partner", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("enrolment_id", sa.Integer(), nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("ours", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("theirs", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("assignee", sa.String(length=12), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name=op.f("ck_reconciliation_difference_closed")),
        sa.CheckConstraint("assignee IN ('organisation', 'region')", name=op.f("ck_reconciliation_difference_assignee")),
        sa.CheckConstraint("kind IN ('unknown', 'absent', 'status', 'number', 'newer')", name=op.f("ck_reconciliation_difference_kind")),
        sa.CheckConstraint("state <> 'open' OR (assignee IS NOT NULL AND due_on IS NOT NULL)", name=op.f("ck_reconciliation_difference_assigned")),
        sa.CheckConstraint("state <> 'settled' OR COALESCE(reason, '') <> ''", name=op.f("ck_reconciliation_difference_reason")),
        sa.CheckConstraint("state IN ('open', 'healed', 'gone', 'settled')", name=op.f("ck_reconciliation_difference_state")),
        sa.CheckConstraint("(organisation_id IS NULL) = (enrolment_id IS NULL)", name=op.f("ck_reconciliation_difference_whose")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "enrolment_id"], ["enrolment.organisation_id", "enrolment.id"], name="fk_reconciliation_difference_enrolment"
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_reconciliation_difference_organisation_id_organisation")),
        sa.ForeignKeyConstraint(["run_id"], ["reconciliation_run.id"], name=op.f("fk_reconciliation_difference_run_id_reconciliation_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_difference")),
    )
    op.create_index("ix_reconciliation_difference_due", "reconciliation_difference", ["due_on", "id"], unique=False, postgresql_where=sa.text("state = 'open'"))
    op.create_index("ix_reconciliation_difference_enrolment", "reconciliation_difference", ["organisation_id", "enrolment_id"], unique=False)
    op.create_index("ix_reconciliation_difference_reference", "reconciliation_difference", ["partner", "reference", "id"], unique=False)
    op.create_index("ix_reconciliation_difference_run", "reconciliation_difference", ["run_id", "id"], unique=False)
    op.create_index(
        "uq_reconciliation_difference_open", "reconciliation_difference", ["partner", "reference"], unique=True, postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(
        "ix_outbox_message_code", "outbox_message", ["last_error_code", "id"], unique=False, postgresql_where=sa.text("last_error_code IS NOT NULL")
    )
    op.create_index("ix_outbox_message_done", "outbox_message", ["partner", "done_at"], unique=False, postgresql_where=sa.text("state = 'done'"))
    op.create_index("ix_outbox_message_kind", "outbox_message", ["error_kind", "id"], unique=False, postgresql_where=sa.text("error_kind IS NOT NULL"))
    op.create_index(
        "ix_outbox_message_open", "outbox_message", ["id"], unique=False, postgresql_where=sa.text("state IN ('pending', 'sending', 'rejected', 'dead')")
    )
    op.get_bind().exec_driver_sql(_HERE.with_name("20261128_0022_console_up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    for table in ("reconciliation_difference", "reconciliation_file", "reconciliation_run", "partner_code", "outbox_attempt"):
        op.drop_table(table)
    for name in ("done", "code", "kind", "open"):
        op.drop_index(f"ix_{_MESSAGE}_{name}", _MESSAGE)
    op.drop_constraint(op.f(f"uq_{_MESSAGE}_organisation_id_id"), _MESSAGE, type_="unique")
    op.drop_column(_MESSAGE, "body_digest")
    _as_system(f"DELETE FROM {_INTERVENTION} WHERE kind = 'throttle'")  # a limit that no longer exists
    _as_system("DELETE FROM seeded_value WHERE list_name = 'partner_code'")
    _intervention_checks(throttle=False)
    op.drop_column(_INTERVENTION, "amount")
    op.drop_constraint(op.f(f"ck_{_PARTNER}_rate"), _PARTNER, type_="check")
    for column in ("tokens_at", "tokens", "rate_per_minute"):
        op.drop_column(_PARTNER, column)
