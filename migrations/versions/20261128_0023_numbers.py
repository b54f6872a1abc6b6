"""NIRs from a file, requests for the correction of an identity with their documents, reminders about provisional numbers.

An identity may come from the Région, which corrected it.

The grants, policies and triggers stand in the SQL file beside this one, written from the models and frozen.

Revision: 0023, after 0022
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


_SOURCE, _TO_CHECK = "ck_trainee_identity_source", "ix_trainee_to_check"


def upgrade() -> None:
    op.drop_index(_TO_CHECK, table_name="trainee")
    op.drop_constraint(op.f(_SOURCE), "trainee", type_="check")
    op.alter_column("trainee", "identity_source", type_=sa.String(length=6), existing_type=sa.String(length=5), existing_nullable=False)
    op.create_check_constraint(op.f(_SOURCE), "trainee", "identity_source IN ('AGORA', 'TYPED', 'REGION')")
    op.create_index(_TO_CHECK, "trainee", ["id"], unique=False, postgresql_where="identity_source <> 'AGORA' AND nir_kind = 'NIR'")
    op.create_table(
        "identity_correction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("trainee_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("civility", sa.String(length=3), nullable=False),
        sa.Column("birth_name", sa.String(length=60), nullable=False),
        sa.Column("usual_name", sa.String(length=60), nullable=True),
        sa.Column("first_name", sa.String(length=60), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("gender", sa.String(length=1), nullable=False),
        sa.Column("nir_ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("nir_hash", sa.LargeBinary(), nullable=True),
        sa.Column("nir_kind", sa.String(length=3), nullable=True),
        sa.Column("nir_masked", sa.String(length=24), server_default="", nullable=False),
        sa.Column("asked_by_id", sa.Integer(), nullable=True),
        sa.Column("asked_by_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by_id", sa.Integer(), nullable=True),
        sa.Column("decided_by_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("observations", sa.Text(), server_default="", nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name=op.f("ck_identity_correction_decided")),
        sa.CheckConstraint("civility IN ('M', 'MME')", name=op.f("ck_identity_correction_civility")),
        sa.CheckConstraint("gender IN ('M', 'F')", name=op.f("ck_identity_correction_gender")),
        sa.CheckConstraint("nir_kind IN ('NIR', 'NIA')", name=op.f("ck_identity_correction_nir_kind")),
        sa.CheckConstraint("state <> 'refused' OR observations <> ''", name=op.f("ck_identity_correction_refusal_said")),
        sa.CheckConstraint("state = 'pending' OR nir_ciphertext IS NULL", name=op.f("ck_identity_correction_nir_dropped")),
        sa.CheckConstraint("state IN ('pending', 'validated', 'refused', 'withdrawn')", name=op.f("ck_identity_correction_state")),
        sa.CheckConstraint(
            "(nir_kind IS NULL) = (nir_hash IS NULL) AND (nir_hash IS NULL) = (nir_ciphertext IS NULL)", name=op.f("ck_identity_correction_nir_whole")
        ),
        sa.ForeignKeyConstraint(["organisation_id", "trainee_id"], ["trainee.organisation_id", "trainee.id"], name="fk_identity_correction_trainee"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_identity_correction_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_correction")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_identity_correction_organisation_id_id")),
    )
    op.create_index("ix_identity_correction_decided", "identity_correction", ["decided_at", "id"], unique=False, postgresql_where="state <> 'pending'")
    op.create_index(op.f("ix_identity_correction_organisation_id"), "identity_correction", ["organisation_id"], unique=False)
    op.create_index("ix_identity_correction_queue", "identity_correction", ["asked_at", "id"], unique=False, postgresql_where="state = 'pending'")
    op.create_index("uq_identity_correction_pending", "identity_correction", ["trainee_id"], unique=True, postgresql_where="state = 'pending'")
    op.create_table(
        "identity_document",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("correction_id", sa.Integer(), nullable=False),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("account_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_identity_document_name")),
        sa.CheckConstraint("size > 0", name=op.f("ck_identity_document_size")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "correction_id"], ["identity_correction.organisation_id", "identity_correction.id"], name="fk_identity_document_correction"
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_identity_document_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_document")),
        sa.UniqueConstraint("correction_id", "sha256", name="uq_identity_document"),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_identity_document_organisation_id_id")),
    )
    op.create_index(op.f("ix_identity_document_organisation_id"), "identity_document", ["organisation_id"], unique=False)
    op.create_table(
        "identity_document_content",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "id"], ["identity_document.organisation_id", "identity_document.id"],
            name="fk_identity_document_content_document", ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_identity_document_content_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_document_content")),
    )  # fmt: skip
    op.create_index(op.f("ix_identity_document_content_organisation_id"), "identity_document_content", ["organisation_id"], unique=False)
    op.create_table(
        "nia_reminder",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_nia_reminder_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nia_reminder")),
        sa.UniqueConstraint("organisation_id", name="uq_nia_reminder_organisation"),
    )
    op.create_index(op.f("ix_nia_reminder_organisation_id"), "nia_reminder", ["organisation_id"], unique=False)
    op.create_table(
        "number_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("account_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("file_format", sa.String(length=4), nullable=False),
        sa.Column("lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("file_format IN ('xlsx', 'ods', 'csv')", name=op.f("ck_number_file_file_format")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_number_file_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number_file")),
    )
    op.create_index("ix_number_file_list", "number_file", ["organisation_id", "id"], unique=False)
    op.create_index(op.f("ix_number_file_organisation_id"), "number_file", ["organisation_id"], unique=False)
    op.create_table(
        "number_repair",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("account_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("valid", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("(state = 'checked') = (confirmed_at IS NULL)", name=op.f("ck_number_repair_confirmed")),
        sa.CheckConstraint("(state = 'done') = (finished_at IS NOT NULL)", name=op.f("ck_number_repair_finished")),
        sa.CheckConstraint("state <> 'done' OR content IS NULL", name=op.f("ck_number_repair_content_dropped")),
        sa.CheckConstraint("state IN ('checked', 'running', 'done')", name=op.f("ck_number_repair_state")),
        sa.CheckConstraint("done BETWEEN 0 AND valid", name=op.f("ck_number_repair_done")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_number_repair_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number_repair")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_number_repair_organisation_id_id")),
    )
    op.create_index("ix_number_repair_checked", "number_repair", ["created_at"], unique=False, postgresql_where="state = 'checked'")
    op.create_index("ix_number_repair_list", "number_repair", ["organisation_id", "id"], unique=False)
    op.create_index(op.f("ix_number_repair_organisation_id"), "number_repair", ["organisation_id"], unique=False)
    op.create_index("ix_number_repair_running", "number_repair", ["leased_until", "id"], unique=False, postgresql_where="state = 'running'")
    op.create_table(
        "number_repair_line",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("repair_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("trainee_id", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("problem", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.String(length=20), server_default="", nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("(problem IS NOT NULL) = (outcome IN ('wrong', 'refused'))", name=op.f("ck_number_repair_line_problem_said")),
        sa.CheckConstraint("outcome IN ('wrong', 'pending', 'saved', 'refused')", name=op.f("ck_number_repair_line_outcome")),
        sa.CheckConstraint("outcome NOT IN ('pending', 'saved') OR trainee_id IS NOT NULL", name=op.f("ck_number_repair_line_trainee")),
        sa.CheckConstraint(
            "problem IN ('no_reference', 'unknown', 'same_line', 'name', 'scientific', 'decimal', 'figure', 'lost_zero', 'date', 'number', 'nia', 'same_number', 'taken', 'has_number', 'incoherent', 'agora_name', 'agora_unknown', 'agora_different', 'agora_silent', 'gone')",
            name=op.f("ck_number_repair_line_problem"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "repair_id"], ["number_repair.organisation_id", "number_repair.id"], name="fk_number_repair_line_repair", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["organisation_id", "trainee_id"], ["trainee.organisation_id", "trainee.id"], name="fk_number_repair_line_trainee"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_number_repair_line_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number_repair_line")),
        sa.UniqueConstraint("repair_id", "number", name="uq_number_repair_line"),
    )
    op.create_index(op.f("ix_number_repair_line_organisation_id"), "number_repair_line", ["organisation_id"], unique=False)
    op.create_index("ix_number_repair_line_pending", "number_repair_line", ["repair_id", "number"], unique=False, postgresql_where="outcome = 'pending'")
    op.create_index(
        "uq_number_repair_line_trainee", "number_repair_line", ["repair_id", "trainee_id"], unique=True, postgresql_where="outcome IN ('pending', 'saved')"
    )
    sql = Path(__file__).with_name("20261128_0023_numbers_up.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def downgrade() -> None:
    """What the Région corrected counts as typed again.  In the system's role: the owner sees no row."""
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    connection.exec_driver_sql("UPDATE trainee SET identity_source = 'TYPED' WHERE identity_source = 'REGION'")
    connection.exec_driver_sql("RESET ROLE")
    op.drop_index(_TO_CHECK, table_name="trainee")
    op.drop_constraint(op.f(_SOURCE), "trainee", type_="check")
    op.alter_column("trainee", "identity_source", type_=sa.String(length=5), existing_type=sa.String(length=6), existing_nullable=False)
    op.create_check_constraint(op.f(_SOURCE), "trainee", "identity_source IN ('AGORA', 'TYPED')")
    op.create_index(_TO_CHECK, "trainee", ["id"], unique=False, postgresql_where="identity_source = 'TYPED' AND nir_kind = 'NIR'")
    for table in ("number_repair_line", "number_repair", "number_file", "nia_reminder", "identity_document_content", "identity_document", "identity_correction"):
        op.drop_table(table)
