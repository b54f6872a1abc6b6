"""All tables of the first version.

Revision: 0001, after nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ab_group",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("label", sa.String(length=150), nullable=True),
        sa.Column("description", sa.String(length=512), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_group")),
        sa.UniqueConstraint("name", name=op.f("uq_ab_group_name")),
    )
    op.create_table(
        "ab_permission",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_permission")),
        sa.UniqueConstraint("name", name=op.f("uq_ab_permission_name")),
    )
    op.create_table(
        "ab_register_user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("first_name", sa.String(length=64), nullable=False),
        sa.Column("last_name", sa.String(length=64), nullable=False),
        sa.Column("username", sa.String(length=128), nullable=False),
        sa.Column("password", sa.String(length=256), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("registration_date", sa.DateTime(), nullable=True),
        sa.Column("registration_hash", sa.String(length=256), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_register_user")),
        sa.UniqueConstraint("email", name=op.f("uq_ab_register_user_email")),
        sa.UniqueConstraint("username", name=op.f("uq_ab_register_user_username")),
    )
    op.create_table(
        "ab_role",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_role")),
        sa.UniqueConstraint("name", name=op.f("uq_ab_role_name")),
    )
    op.create_table(
        "ab_view_menu",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=250), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_view_menu")),
        sa.UniqueConstraint("name", name=op.f("uq_ab_view_menu_name")),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("acting_role", sa.String(length=63), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("table_name", sa.String(length=63), nullable=False),
        sa.Column("row_id", sa.String(length=200), nullable=True),
        sa.Column("operation", sa.String(length=8), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')", name=op.f("ck_audit_entry_operation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_actor", "audit_entry", ["actor_id", "id"], unique=False)
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"], unique=False, postgresql_using="brin")
    op.create_index("ix_audit_entry_organisation", "audit_entry", ["organisation_id", "id"], unique=False)
    op.create_index("ix_audit_entry_row", "audit_entry", ["table_name", "row_id", "id"], unique=False)
    op.create_table(
        "audit_seal",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("entry_ids", sa.Text(), nullable=False),
        sa.Column("floor_id", sa.BigInteger(), nullable=False),
        sa.Column("probe_id", sa.BigInteger(), nullable=False),
        sa.Column("probe_xid", sa.BigInteger(), nullable=False),
        sa.Column("entries_digest", sa.LargeBinary(), nullable=False),
        sa.Column("previous_digest", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_seal")),
    )
    op.create_table(
        "audit_sealed",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seal_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("table_name", sa.String(length=63), nullable=False),
        sa.Column("row_id", sa.String(length=200), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit_sealed")),
    )
    op.create_index(op.f("ix_audit_sealed_seal_id"), "audit_sealed", ["seal_id"], unique=False)
    op.create_table(
        "exit_reason",
        sa.Column("early", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_exit_reason_code_filled")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_exit_reason_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exit_reason")),
        sa.UniqueConstraint("code", name="uq_exit_reason_code"),
    )
    op.create_table(
        "general_objective",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_general_objective_code_filled")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_general_objective_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_general_objective")),
        sa.UniqueConstraint("code", name="uq_general_objective_code"),
    )
    op.create_table(
        "highest_diploma",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_highest_diploma_code_filled")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_highest_diploma_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_highest_diploma")),
        sa.UniqueConstraint("code", name="uq_highest_diploma_code"),
    )
    op.create_table(
        "last_class",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_last_class_code_filled")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_last_class_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_last_class")),
        sa.UniqueConstraint("code", name="uq_last_class_code"),
    )
    op.create_table(
        "level",
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("old_label", sa.String(length=5), nullable=True),
        sa.Column("lheo_code", sa.String(length=5), nullable=True),
        sa.Column("lheo_old_code", sa.String(length=5), nullable=True),
        sa.Column("france_travail_code", sa.String(length=30), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_level_code_filled")),
        sa.CheckConstraint("old_label IN ('I', 'II', 'III', 'IV', 'V')", name=op.f("ck_level_old_label")),
        sa.CheckConstraint("number BETWEEN 1 AND 8", name=op.f("ck_level_number")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_level_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_level")),
        sa.UniqueConstraint("code", name="uq_level_code"),
        sa.UniqueConstraint("number", name="uq_level_number"),
    )
    op.create_table(
        "mail_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("template", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'sending', 'sent', 'kept', 'dead')", name=op.f("ck_mail_message_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_message")),
    )
    op.create_index("ix_mail_message_created", "mail_message", ["created_at"], unique=False)
    op.create_index("ix_mail_message_due", "mail_message", ["next_attempt_at"], unique=False, postgresql_where="state IN ('waiting', 'sending')")
    op.create_table(
        "nationality",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_nationality_code_filled")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_nationality_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nationality")),
        sa.UniqueConstraint("code", name="uq_nationality_code"),
    )
    op.create_table(
        "nir_reading",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("subject_type", sa.String(length=63), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=30), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("ip_address", sa.String(length=45), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nir_reading")),
    )
    op.create_index("ix_nir_reading_actor", "nir_reading", ["actor_id", "id"], unique=False)
    op.create_index("ix_nir_reading_organisation", "nir_reading", ["organisation_id", "id"], unique=False)
    op.create_index("ix_nir_reading_subject", "nir_reading", ["subject_type", "subject_id", "id"], unique=False)
    op.create_table(
        "organisation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("legal_name", sa.String(length=200), nullable=False),
        sa.Column("trade_name", sa.String(length=200), nullable=True),
        sa.Column("siret", sa.String(length=14), nullable=False),
        sa.Column("nda", sa.String(length=11), nullable=True),
        sa.Column("contact_email", sa.String(length=320), nullable=True),
        sa.Column("contact_phone", sa.String(length=20), nullable=True),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("sessions_valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(legal_name) <> ''", name=op.f("ck_organisation_legal_name_given")),
        sa.CheckConstraint("siret ~ '^[0-9]{14}$'", name=op.f("ck_organisation_siret_digits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("siret", name=op.f("uq_organisation_siret")),
    )
    op.create_table(
        "outbox_partner",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column(
            "state",
            sa.Enum("closed", "open", "half_open", name="state", native_enum=False, create_constraint=True, length=16),
            server_default="closed",
            nullable=False,
        ),
        sa.Column("recent", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("streak", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probe_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("pause_reason", sa.String(length=500), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failure_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failure", sa.String(length=200), nullable=True),
        sa.CheckConstraint("paused = (pause_reason IS NOT NULL)", name=op.f("ck_outbox_partner_pause_reason")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_outbox_partner")),
    )
    op.create_table(
        "periodic_run",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("func", sa.String(length=200), nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("every_seconds", sa.Integer(), nullable=True),
        sa.Column("cron", sa.String(length=64), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("enqueued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("succeeded", sa.Boolean(), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("runs", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed_runs", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("(every_seconds IS NULL) <> (cron IS NULL)", name=op.f("ck_periodic_run_timing")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_periodic_run")),
    )
    op.create_table(
        "professional_situation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_professional_situation_code_filled")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_professional_situation_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_professional_situation")),
        sa.UniqueConstraint("code", name="uq_professional_situation_code"),
    )
    op.create_table(
        "programme",
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("agora_enabled", sa.Boolean(), nullable=False),
        sa.Column("nir_required", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_programme_code_filled")),
        sa.CheckConstraint("kind IN ('market', 'convention')", name=op.f("ck_programme_kind")),
        sa.CheckConstraint("nir_required OR NOT agora_enabled", name=op.f("ck_programme_agora_needs_nir")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_programme_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_programme")),
        sa.UniqueConstraint("code", name="uq_programme_code"),
    )
    op.create_table(
        "public_category",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_public_category_code_filled")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_public_category_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_public_category")),
        sa.UniqueConstraint("code", name="uq_public_category_code"),
    )
    op.create_table(
        "seeded_value",
        sa.Column("list_name", sa.String(length=60), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("list_name", "key", name=op.f("pk_seeded_value")),
    )
    op.create_table(
        "site",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=150), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=True),
        sa.Column("postal_code", sa.String(length=5), nullable=False),
        sa.Column("insee_code", sa.String(length=5), nullable=True),
        sa.Column("town", sa.String(length=100), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("insee_code ~ '^[0-9][0-9AB][0-9]{3}$'", name=op.f("ck_site_insee_code")),
        sa.CheckConstraint("postal_code ~ '^[0-9]{5}$'", name=op.f("ck_site_postal_code")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_site_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        sa.UniqueConstraint("name", "postal_code", "town", name="uq_site_name"),
    )
    op.create_table(
        "street_type",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f("ck_street_type_code_filled")),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_street_type_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_street_type")),
        sa.UniqueConstraint("code", name="uq_street_type_code"),
    )
    op.create_table(
        "town",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("postal_code", sa.String(length=5), nullable=False),
        sa.Column("insee_code", sa.String(length=5), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("routing_name", sa.String(length=60), nullable=False),
        sa.Column("cedex", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint("insee_code ~ '^[0-9][0-9AB][0-9]{3}$'", name=op.f("ck_town_insee_code")),
        sa.CheckConstraint("postal_code ~ '^[0-9]{5}$'", name=op.f("ck_town_postal_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_town")),
        sa.UniqueConstraint("postal_code", "insee_code", "name", name="uq_town_postal_code"),
    )
    op.create_index("ix_town_insee_code", "town", ["insee_code"], unique=False)
    op.create_table(
        "ab_group_role",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("role_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["ab_group.id"], name=op.f("fk_ab_group_role_group_id_ab_group"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["role_id"], ["ab_role.id"], name=op.f("fk_ab_group_role_role_id_ab_role"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_group_role")),
        sa.UniqueConstraint("group_id", "role_id", name=op.f("uq_ab_group_role_group_id_role_id")),
    )
    op.create_index("idx_group_id", "ab_group_role", ["group_id"], unique=False)
    op.create_index("idx_group_role_id", "ab_group_role", ["role_id"], unique=False)
    op.create_table(
        "ab_permission_view",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("permission_id", sa.Integer(), nullable=False),
        sa.Column("view_menu_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["permission_id"], ["ab_permission.id"], name=op.f("fk_ab_permission_view_permission_id_ab_permission")),
        sa.ForeignKeyConstraint(["view_menu_id"], ["ab_view_menu.id"], name=op.f("fk_ab_permission_view_view_menu_id_ab_view_menu")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_permission_view")),
        sa.UniqueConstraint("permission_id", "view_menu_id", name=op.f("uq_ab_permission_view_permission_id_view_menu_id")),
    )
    op.create_index("idx_permission_id", "ab_permission_view", ["permission_id"], unique=False)
    op.create_index("idx_view_menu_id", "ab_permission_view", ["view_menu_id"], unique=False)
    op.create_table(
        "ab_user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("first_name", sa.String(length=64), nullable=False),
        sa.Column("last_name", sa.String(length=64), nullable=False),
        sa.Column("username", sa.String(length=128), nullable=False),
        sa.Column("password", sa.String(length=256), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("last_login", sa.DateTime(), nullable=True),
        sa.Column("login_count", sa.Integer(), nullable=True),
        sa.Column("fail_login_count", sa.Integer(), nullable=True),
        sa.Column("created_on", sa.DateTime(), nullable=True),
        sa.Column("changed_on", sa.DateTime(), nullable=True),
        sa.Column("created_by_fk", sa.Integer(), nullable=True),
        sa.Column("changed_by_fk", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("civility", sa.String(length=3), nullable=True),
        sa.Column("failed_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_in_window", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("blocked_reason", sa.String(length=30), nullable=True),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("session_epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sign_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("civility IN ('MME', 'M')", name=op.f("ck_ab_user_civility_known")),
        sa.CheckConstraint("failed_attempts >= 0 AND failed_in_window >= 0", name=op.f("ck_ab_user_failed_attempts_positive")),
        sa.ForeignKeyConstraint(["changed_by_fk"], ["ab_user.id"], name=op.f("fk_ab_user_changed_by_fk_ab_user")),
        sa.ForeignKeyConstraint(["created_by_fk"], ["ab_user.id"], name=op.f("fk_ab_user_created_by_fk_ab_user")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_ab_user_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_user")),
        sa.UniqueConstraint("username", name=op.f("uq_ab_user_username")),
    )
    op.create_index(op.f("ix_ab_user_organisation_id"), "ab_user", ["organisation_id"], unique=False)
    op.create_index("uq_ab_user_username_lower", "ab_user", [sa.literal_column("lower(username)")], unique=True)
    op.create_table(
        "contact",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=30), nullable=True),
        sa.Column("hours", sa.String(length=100), nullable=True),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("programme_id", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("email IS NOT NULL OR phone IS NOT NULL OR text IS NOT NULL", name=op.f("ck_contact_reachable")),
        sa.ForeignKeyConstraint(["programme_id"], ["programme.id"], name=op.f("fk_contact_programme_id_programme")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
        sa.UniqueConstraint("subject", name="uq_contact_subject"),
    )
    op.create_index(op.f("ix_contact_programme_id"), "contact", ["programme_id"], unique=False)
    op.create_table(
        "contract",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=300), nullable=False),
        sa.Column("lot_number", sa.String(length=10), server_default="", nullable=False),
        sa.Column("lot_label", sa.String(length=300), server_default="", nullable=False),
        sa.Column("territory", sa.String(length=120), server_default="", nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("programme_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('market', 'convention')", name=op.f("ck_contract_kind")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_contract_organisation_id_organisation")),
        sa.ForeignKeyConstraint(["programme_id"], ["programme.id"], name=op.f("fk_contract_programme_id_programme")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract")),
        sa.UniqueConstraint("number", "lot_number", name="uq_contract_number_lot"),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_contract_organisation_id_id")),
    )
    op.create_index(op.f("ix_contract_organisation_id"), "contract", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_contract_programme_id"), "contract", ["programme_id"], unique=False)
    op.create_table(
        "outbox_message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("partner", sa.String(length=32), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("subject_type", sa.String(length=64), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("ordering_key", sa.String(length=96), nullable=False),
        sa.Column("idempotency_key", sa.Uuid(), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column(
            "state",
            sa.Enum("pending", "sending", "done", "rejected", "dead", "cancelled", name="state", native_enum=False, create_constraint=True, length=16),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column(
            "error_kind", sa.Enum("unavailable", "rejected", "fault", name="error_kind", native_enum=False, create_constraint=True, length=16), nullable=True
        ),
        sa.Column("last_error_code", sa.String(length=64), nullable=True),
        sa.Column("last_error_title", sa.String(length=500), nullable=True),
        sa.Column("last_error_details", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waiting_since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state = 'sending') = (lease_until IS NOT NULL) AND (lease_until IS NULL) = (lease_token IS NULL)", name=op.f("ck_outbox_message_lease")
        ),
        sa.CheckConstraint("(state IN ('done', 'cancelled')) = (done_at IS NOT NULL)", name=op.f("ck_outbox_message_done_at")),
        sa.CheckConstraint("jsonb_typeof(params) = 'object'", name=op.f("ck_outbox_message_params")),
        sa.CheckConstraint("state NOT IN ('rejected', 'dead') OR last_error_code IS NOT NULL", name=op.f("ck_outbox_message_reason")),
        sa.CheckConstraint("attempts >= 0 AND failures >= 0", name=op.f("ck_outbox_message_counts")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_outbox_message_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_message")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_outbox_message_idempotency_key")),
    )
    op.create_index(
        "ix_outbox_message_due", "outbox_message", ["partner", "next_attempt_at", "id"], unique=False, postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index(
        "ix_outbox_message_lane",
        "outbox_message",
        ["partner", "ordering_key", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'sending', 'rejected', 'dead')"),
    )
    op.create_index("ix_outbox_message_lease", "outbox_message", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'sending'"))
    op.create_index(op.f("ix_outbox_message_organisation_id"), "outbox_message", ["organisation_id"], unique=False)
    op.create_index("ix_outbox_message_stuck", "outbox_message", ["partner", "id"], unique=False, postgresql_where=sa.text("state IN ('rejected', 'dead')"))
    op.create_index("ix_outbox_message_subject", "outbox_message", ["subject_type", "subject_id", "id"], unique=False)
    op.create_table(
        "trainee",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("nir_ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("nir_hash", sa.LargeBinary(), nullable=True),
        sa.Column("nir_kind", sa.String(length=3), nullable=True),
        sa.Column("nir_masked", sa.String(length=24), server_default="", nullable=False),
        sa.Column("civility", sa.String(length=3), nullable=False),
        sa.Column("birth_name", sa.String(length=60), nullable=False),
        sa.Column("usual_name", sa.String(length=60), nullable=True),
        sa.Column("first_name", sa.String(length=60), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("gender", sa.String(length=1), nullable=False),
        sa.Column("identity_source", sa.String(length=5), nullable=False),
        sa.Column("identity_finding", sa.String(length=9), nullable=True),
        sa.Column("identity_checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sort_name", sa.String(length=130), nullable=False),
        sa.Column(
            "search_vector",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('simple', btrim(regexp_replace(translate(replace(replace(replace(lower(birth_name || ' ' || coalesce(usual_name, '') || ' ' || first_name), 'œ', 'oe'), 'æ', 'ae'), 'ß', 'ss'), 'àáâãäåçèéêëìíîïñòóôõöùúûüýÿ', 'aaaaaaceeeeiiiinooooouuuuyy'), '[^a-z0-9]+', ' ', 'g')))",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("civility IN ('M', 'MME')", name=op.f("ck_trainee_civility")),
        sa.CheckConstraint("gender IN ('M', 'F')", name=op.f("ck_trainee_gender")),
        sa.CheckConstraint("identity_source IN ('AGORA', 'TYPED')", name=op.f("ck_trainee_identity_source")),
        sa.CheckConstraint("nir_kind IN ('NIR', 'NIA')", name=op.f("ck_trainee_nir_kind")),
        sa.CheckConstraint("(nir_kind IS NULL) = (nir_hash IS NULL) AND (nir_hash IS NULL) = (nir_ciphertext IS NULL)", name=op.f("ck_trainee_nir_whole")),
        sa.CheckConstraint("octet_length(nir_hash) = 32", name=op.f("ck_trainee_nir_hash")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_trainee_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainee")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_trainee_organisation_id_id")),
        sa.UniqueConstraint("organisation_id", "nir_hash", name="uq_trainee_nir"),
    )
    op.create_index("ix_trainee_name", "trainee", ["organisation_id", "sort_name", "id"], unique=False)
    op.create_index("ix_trainee_nia", "trainee", ["organisation_id", "sort_name", "id"], unique=False, postgresql_where="nir_kind = 'NIA'")
    op.create_index(op.f("ix_trainee_organisation_id"), "trainee", ["organisation_id"], unique=False)
    op.create_index("ix_trainee_search", "trainee", ["search_vector"], unique=False, postgresql_using="gin")
    op.create_index("ix_trainee_sort", "trainee", ["sort_name", "id"], unique=False)
    op.create_index("ix_trainee_to_check", "trainee", ["id"], unique=False, postgresql_where="identity_source = 'TYPED' AND nir_kind = 'NIR'")
    op.create_index(
        "uq_trainee_without_nir",
        "trainee",
        ["organisation_id", "sort_name", "birth_date", "gender", "civility"],
        unique=True,
        postgresql_where="nir_hash IS NULL",
    )
    op.create_table(
        "ab_api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("key_hash", sa.String(length=256), nullable=False),
        sa.Column("lookup_hash", sa.String(length=256), nullable=True),
        sa.Column("key_prefix", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_on", sa.DateTime(), nullable=True),
        sa.Column("expires_on", sa.DateTime(), nullable=True),
        sa.Column("revoked_on", sa.DateTime(), nullable=True),
        sa.Column("last_used_on", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_ab_api_key_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_api_key")),
        sa.UniqueConstraint("lookup_hash", name=op.f("uq_ab_api_key_lookup_hash")),
        sa.UniqueConstraint("uuid", name=op.f("uq_ab_api_key_uuid")),
    )
    op.create_index("idx_api_key_lookup_hash", "ab_api_key", ["lookup_hash"], unique=True)
    op.create_index("idx_api_key_prefix", "ab_api_key", ["key_prefix"], unique=False)
    op.create_index("idx_api_key_user_id", "ab_api_key", ["user_id"], unique=False)
    op.create_table(
        "ab_permission_view_role",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("permission_view_id", sa.Integer(), nullable=True),
        sa.Column("role_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["permission_view_id"], ["ab_permission_view.id"], name=op.f("fk_ab_permission_view_role_permission_view_id_ab_permission_view"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["role_id"], ["ab_role.id"], name=op.f("fk_ab_permission_view_role_role_id_ab_role"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_permission_view_role")),
        sa.UniqueConstraint("permission_view_id", "role_id", name=op.f("uq_ab_permission_view_role_permission_view_id_role_id")),
    )
    op.create_index("idx_permission_view_id", "ab_permission_view_role", ["permission_view_id"], unique=False)
    op.create_index("idx_role_id", "ab_permission_view_role", ["role_id"], unique=False)
    op.create_table(
        "ab_user_group",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["ab_group.id"], name=op.f("fk_ab_user_group_group_id_ab_group"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_ab_user_group_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_user_group")),
        sa.UniqueConstraint("user_id", "group_id", name=op.f("uq_ab_user_group_user_id_group_id")),
    )
    op.create_index("idx_user_group_id", "ab_user_group", ["group_id"], unique=False)
    op.create_index("idx_user_id", "ab_user_group", ["user_id"], unique=False)
    op.create_table(
        "ab_user_role",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("role_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["role_id"], ["ab_role.id"], name=op.f("fk_ab_user_role_role_id_ab_role"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_ab_user_role_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_user_role")),
        sa.UniqueConstraint("user_id", "role_id", name=op.f("uq_ab_user_role_user_id_role_id")),
    )
    op.create_table(
        "action",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contract_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("status", sa.String(length=2), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("planned_start", sa.Date(), nullable=False),
        sa.Column("planned_end", sa.Date(), nullable=False),
        sa.Column("actual_start", sa.Date(), nullable=True),
        sa.Column("declaration_frequency", sa.String(length=12), nullable=True),
        sa.Column("billing_period", sa.String(length=12), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("esf_cofunded", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "sort_key", sa.Text(), sa.Computed("split_part(number, '_', 1) || '_' || lpad(split_part(number, '_', 2), 6, '0')", persisted=True), nullable=False
        ),
        sa.Column(
            "search_vector",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('simple', btrim(regexp_replace(translate(replace(replace(replace(lower(number || ' ' || title), 'œ', 'oe'), 'æ', 'ae'), 'ß', 'ss'), 'àáâãäåçèéêëìíîïñòóôõöùúûüýÿ', 'aaaaaaceeeeiiiinooooouuuuyy'), '[^a-z0-9]+', ' ', 'g')))",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(status = 'CL') = (closed_at IS NOT NULL)", name=op.f("ck_action_closed_whole")),
        sa.CheckConstraint(
            "(status IN ('EC', 'CL')) = (actual_start IS NOT NULL AND declaration_frequency IS NOT NULL AND billing_period IS NOT NULL)",
            name=op.f("ck_action_opened_whole"),
        ),
        sa.CheckConstraint("billing_period IN ('monthly', 'quarterly', 'half_yearly', 'end')", name=op.f("ck_action_billing_period")),
        sa.CheckConstraint("declaration_frequency IN ('weekly', 'fortnightly', 'monthly', 'quarterly')", name=op.f("ck_action_declaration_frequency")),
        sa.CheckConstraint("status IN ('AO', 'EC', 'CL', 'AN')", name=op.f("ck_action_status")),
        sa.CheckConstraint("actual_start <= planned_end", name=op.f("ck_action_actual_start")),
        sa.CheckConstraint("planned_start <= planned_end", name=op.f("ck_action_planned_dates")),
        sa.ForeignKeyConstraint(["organisation_id", "contract_id"], ["contract.organisation_id", "contract.id"], name="fk_action_contract"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_action_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action")),
        sa.UniqueConstraint("number", name="uq_action_number"),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_action_organisation_id_id")),
    )
    op.create_index("ix_action_contract", "action", ["contract_id", "sort_key"], unique=False)
    op.create_index("ix_action_org_sort", "action", ["organisation_id", "sort_key", "id"], unique=False)
    op.create_index("ix_action_org_status", "action", ["organisation_id", "status", "sort_key", "id"], unique=False)
    op.create_index("ix_action_org_year", "action", ["organisation_id", "year"], unique=False)
    op.create_index(op.f("ix_action_organisation_id"), "action", ["organisation_id"], unique=False)
    op.create_index("ix_action_running", "action", ["organisation_id", "planned_end"], unique=False, postgresql_where="status = 'EC'")
    op.create_index("ix_action_search", "action", ["search_vector"], unique=False, postgresql_using="gin")
    op.create_index("ix_action_sort", "action", ["sort_key", "id"], unique=False)
    op.create_index("ix_action_status", "action", ["status", "sort_key", "id"], unique=False)
    op.create_index("ix_action_year", "action", ["year"], unique=False)
    op.create_table(
        "outbox_intervention",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("partner", sa.String(length=32), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Enum("replay", "settle", "pause", "resume", name="kind", native_enum=False, create_constraint=True, length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(kind IN ('replay', 'settle')) = (message_id IS NOT NULL)", name=op.f("ck_outbox_intervention_message")),
        sa.CheckConstraint("kind NOT IN ('settle', 'pause') OR reason IS NOT NULL", name=op.f("ck_outbox_intervention_reason")),
        sa.ForeignKeyConstraint(["message_id"], ["outbox_message.id"], name=op.f("fk_outbox_intervention_message_id_outbox_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_intervention")),
    )
    op.create_index(op.f("ix_outbox_intervention_message_id"), "outbox_intervention", ["message_id"], unique=False)
    op.create_table(
        "sign_in_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("blocking", sa.Boolean(), server_default="false", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_sign_in_attempt_user_id_ab_user"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempt")),
    )
    op.create_index("ix_sign_in_attempt_at", "sign_in_attempt", ["at"], unique=False)
    op.create_index("ix_sign_in_attempt_blocking", "sign_in_attempt", ["address", "at"], unique=False, postgresql_where=sa.text("blocking"))
    op.create_index("ix_sign_in_attempt_user", "sign_in_attempt", ["user_id", "at"], unique=False)
    op.create_table(
        "user_session",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=400), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_user_session_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_user_session_token_hash")),
    )
    op.create_index("ix_user_session_open", "user_session", ["user_id"], unique=False, postgresql_where=sa.text("revoked_at IS NULL"))
    op.create_table(
        "wizard_draft",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("subject_key", sa.String(length=120), nullable=False),
        sa.Column("step", sa.String(length=60), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result_url", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_wizard_draft_organisation_id_organisation"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_wizard_draft_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wizard_draft")),
        sa.UniqueConstraint("token", name=op.f("uq_wizard_draft_token")),
    )
    op.create_index("ix_wizard_draft_expires", "wizard_draft", ["expires_at"], unique=False)
    op.create_index(op.f("ix_wizard_draft_organisation_id"), "wizard_draft", ["organisation_id"], unique=False)
    op.create_index("uq_wizard_draft_open", "wizard_draft", ["user_id", "kind", "subject_key"], unique=True, postgresql_where="finished_at IS NULL")
    op.create_table(
        "action_history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=20), nullable=False),
        sa.Column("from_status", sa.String(length=2), nullable=False),
        sa.Column("to_status", sa.String(length=2), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("actor_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_action_history_action"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_action_history_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_history")),
    )
    op.create_index("ix_action_history_action", "action_history", ["action_id", "id"], unique=False)
    op.create_index(op.f("ix_action_history_organisation_id"), "action_history", ["organisation_id"], unique=False)
    op.create_table(
        "advance_invoice_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_advance_invoice_request_action"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_advance_invoice_request_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_advance_invoice_request")),
        sa.UniqueConstraint("action_id", name="uq_advance_invoice_request_action"),
    )
    op.create_index(op.f("ix_advance_invoice_request_organisation_id"), "advance_invoice_request", ["organisation_id"], unique=False)
    op.create_table(
        "component",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=4), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("level_id", sa.Integer(), nullable=True),
        sa.Column("certif_info", sa.String(length=12), nullable=True),
        sa.Column("formacode", sa.String(length=12), nullable=True),
        sa.Column("planned_start", sa.Date(), nullable=False),
        sa.Column("planned_end", sa.Date(), nullable=False),
        sa.Column("hours_centre", sa.Numeric(precision=10, scale=2), server_default="0", nullable=False),
        sa.Column("hours_company", sa.Numeric(precision=10, scale=2), server_default="0", nullable=False),
        sa.Column("places", sa.Integer(), server_default="0", nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("hours_centre >= 0 AND hours_company >= 0", name=op.f("ck_component_hours")),
        sa.CheckConstraint("places >= 0", name=op.f("ck_component_places")),
        sa.CheckConstraint("planned_start <= planned_end", name=op.f("ck_component_planned_dates")),
        sa.ForeignKeyConstraint(["level_id"], ["level.id"], name=op.f("fk_component_level_id_level")),
        sa.ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_component_action"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_component_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_component")),
        sa.UniqueConstraint("action_id", "number", name="uq_component_number"),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_component_organisation_id_id")),
    )
    op.create_index(op.f("ix_component_organisation_id"), "component", ["organisation_id"], unique=False)
    op.create_table(
        "identity_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("question", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'found', 'unknown', 'mismatch', 'unavailable')", name=op.f("ck_identity_request_state")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_identity_request_action", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_identity_request_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_request")),
        sa.UniqueConstraint("seal_uid", name=op.f("uq_identity_request_seal_uid")),
    )
    op.create_index("ix_identity_request_created", "identity_request", ["created_at"], unique=False)
    op.create_index(op.f("ix_identity_request_organisation_id"), "identity_request", ["organisation_id"], unique=False)
    op.create_table(
        "registration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("trainee_id", sa.Integer(), nullable=False),
        sa.Column("sort_name", sa.String(length=130), nullable=False),
        sa.Column("nationality_id", sa.Integer(), nullable=False),
        sa.Column("street_number", sa.String(length=10), nullable=True),
        sa.Column("street_extension", sa.String(length=10), nullable=True),
        sa.Column("street_type_id", sa.Integer(), nullable=False),
        sa.Column("street_name", sa.String(length=120), nullable=False),
        sa.Column("address_complement", sa.String(length=120), nullable=True),
        sa.Column("special_mention", sa.String(length=120), nullable=True),
        sa.Column("postal_code", sa.String(length=5), nullable=False),
        sa.Column("town", sa.String(length=80), nullable=False),
        sa.Column("insee_code", sa.String(length=5), nullable=True),
        sa.Column("cedex", sa.String(length=12), nullable=True),
        sa.Column("mobile", sa.String(length=20), nullable=False),
        sa.Column("landline", sa.String(length=20), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("other_information", sa.Text(), nullable=True),
        sa.Column("public_category_id", sa.Integer(), nullable=True),
        sa.Column("general_objective_id", sa.Integer(), nullable=False),
        sa.Column("professional_situation_id", sa.Integer(), nullable=False),
        sa.Column("ft_registered", sa.Boolean(), nullable=False),
        sa.Column("ft_registered_on", sa.Date(), nullable=True),
        sa.Column("ft_number", sa.String(length=11), nullable=True),
        sa.Column("ft_agency_code", sa.String(length=10), nullable=True),
        sa.Column("receives_are", sa.Boolean(), nullable=False),
        sa.Column("receives_rsa", sa.Boolean(), nullable=False),
        sa.Column("receives_aah", sa.Boolean(), nullable=False),
        sa.Column("receives_other", sa.Boolean(), nullable=False),
        sa.Column("boe", sa.String(length=8), nullable=False),
        sa.Column("school_leaver", sa.Boolean(), nullable=False),
        sa.Column("entry_level_id", sa.Integer(), nullable=False),
        sa.Column("last_class_id", sa.Integer(), nullable=False),
        sa.Column("last_class_year", sa.SmallInteger(), nullable=True),
        sa.Column("highest_diploma_id", sa.Integer(), nullable=False),
        sa.Column("highest_level_id", sa.Integer(), nullable=False),
        sa.Column("highest_level_year", sa.SmallInteger(), nullable=True),
        sa.Column("esf_state", sa.String(length=8), nullable=False),
        sa.Column("esf_parent_abroad", sa.String(length=7), nullable=True),
        sa.Column("esf_birth_postal_code", sa.String(length=5), nullable=True),
        sa.Column("esf_homeless", sa.String(length=7), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("boe IN ('yes', 'no', 'unknown', 'pending')", name=op.f("ck_registration_boe")),
        sa.CheckConstraint("esf_homeless IN ('yes', 'no', 'refused')", name=op.f("ck_registration_esf_homeless")),
        sa.CheckConstraint("esf_parent_abroad IN ('yes', 'no', 'refused')", name=op.f("ck_registration_esf_parent_abroad")),
        sa.CheckConstraint(
            "esf_state <> 'complete' OR (esf_parent_abroad IS NOT NULL AND esf_homeless IS NOT NULL AND esf_birth_postal_code IS NOT NULL)",
            name=op.f("ck_registration_esf_complete"),
        ),
        sa.CheckConstraint("esf_state IN ('none', 'complete', 'later')", name=op.f("ck_registration_esf_state")),
        sa.CheckConstraint("ft_registered = (ft_number IS NOT NULL)", name=op.f("ck_registration_ft_number")),
        sa.ForeignKeyConstraint(["entry_level_id"], ["level.id"], name=op.f("fk_registration_entry_level_id_level")),
        sa.ForeignKeyConstraint(["general_objective_id"], ["general_objective.id"], name=op.f("fk_registration_general_objective_id_general_objective")),
        sa.ForeignKeyConstraint(["highest_diploma_id"], ["highest_diploma.id"], name=op.f("fk_registration_highest_diploma_id_highest_diploma")),
        sa.ForeignKeyConstraint(["highest_level_id"], ["level.id"], name=op.f("fk_registration_highest_level_id_level")),
        sa.ForeignKeyConstraint(["last_class_id"], ["last_class.id"], name=op.f("fk_registration_last_class_id_last_class")),
        sa.ForeignKeyConstraint(["nationality_id"], ["nationality.id"], name=op.f("fk_registration_nationality_id_nationality")),
        sa.ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_registration_action"),
        sa.ForeignKeyConstraint(["organisation_id", "trainee_id"], ["trainee.organisation_id", "trainee.id"], name="fk_registration_trainee"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_registration_organisation_id_organisation")),
        sa.ForeignKeyConstraint(
            ["professional_situation_id"], ["professional_situation.id"], name=op.f("fk_registration_professional_situation_id_professional_situation")
        ),
        sa.ForeignKeyConstraint(["public_category_id"], ["public_category.id"], name=op.f("fk_registration_public_category_id_public_category")),
        sa.ForeignKeyConstraint(["street_type_id"], ["street_type.id"], name=op.f("fk_registration_street_type_id_street_type")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration")),
        sa.UniqueConstraint("action_id", "trainee_id", name="uq_registration_trainee"),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_registration_organisation_id_id")),
    )
    op.create_index("ix_registration_esf", "registration", ["organisation_id", "sort_name", "id"], unique=False, postgresql_where="esf_state = 'later'")
    op.create_index("ix_registration_list", "registration", ["action_id", "sort_name", "id"], unique=False)
    op.create_index("ix_registration_name", "registration", ["sort_name", "id"], unique=False)
    op.create_index("ix_registration_org_name", "registration", ["organisation_id", "sort_name", "id"], unique=False)
    op.create_index(op.f("ix_registration_organisation_id"), "registration", ["organisation_id"], unique=False)
    op.create_index("ix_registration_trainee", "registration", ["trainee_id"], unique=False)
    op.create_table(
        "component_site",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("component_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "component_id"], ["component.organisation_id", "component.id"], name="fk_component_site_component", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_component_site_organisation_id_organisation")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_component_site_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_component_site")),
        sa.UniqueConstraint("component_id", "site_id", name="uq_component_site"),
    )
    op.create_index(op.f("ix_component_site_organisation_id"), "component_site", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_component_site_site_id"), "component_site", ["site_id"], unique=False)
    op.create_table(
        "enrolment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("registration_id", sa.Integer(), nullable=False),
        sa.Column("component_id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("planned_start", sa.Date(), nullable=False),
        sa.Column("planned_end", sa.Date(), nullable=False),
        sa.Column("hours_centre", sa.Numeric(precision=8, scale=2), nullable=False),
        sa.Column("hours_company", sa.Numeric(precision=8, scale=2), nullable=False),
        sa.Column("actual_end", sa.Date(), nullable=True),
        sa.Column("exit_reason_id", sa.Integer(), nullable=True),
        sa.Column("early_exit", sa.Boolean(), nullable=True),
        sa.Column("external_reference", sa.Uuid(), nullable=False),
        sa.Column("agora_state", sa.String(length=8), nullable=False),
        sa.Column("agora_number", sa.String(length=12), nullable=True),
        sa.Column("agora_status", sa.String(length=20), nullable=True),
        sa.Column("agora_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_refusal", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("agora_state IN ('none', 'nir', 'waiting', 'done', 'rejected')", name=op.f("ck_enrolment_agora_state")),
        sa.CheckConstraint(
            "agora_status IN ('draft', 'validated', 'entered', 'exited', 'closed_full', 'closed_partial', 'closed_not_done', 'cancelled')",
            name=op.f("ck_enrolment_agora_status"),
        ),
        sa.CheckConstraint(
            "(actual_end IS NULL) = (exit_reason_id IS NULL) AND (actual_end IS NULL) = (early_exit IS NULL)", name=op.f("ck_enrolment_exit_whole")
        ),
        sa.CheckConstraint("actual_end >= planned_start", name=op.f("ck_enrolment_actual_end")),
        sa.CheckConstraint("agora_status IS NULL OR agora_number IS NOT NULL", name=op.f("ck_enrolment_agora_number")),
        sa.CheckConstraint("hours_centre >= 0 AND hours_company >= 0", name=op.f("ck_enrolment_hours")),
        sa.CheckConstraint("planned_start <= planned_end", name=op.f("ck_enrolment_planned_dates")),
        sa.ForeignKeyConstraint(["exit_reason_id"], ["exit_reason.id"], name=op.f("fk_enrolment_exit_reason_id_exit_reason")),
        sa.ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_enrolment_action"),
        sa.ForeignKeyConstraint(["organisation_id", "component_id"], ["component.organisation_id", "component.id"], name="fk_enrolment_component"),
        sa.ForeignKeyConstraint(["organisation_id", "registration_id"], ["registration.organisation_id", "registration.id"], name="fk_enrolment_registration"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_enrolment_organisation_id_organisation")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_enrolment_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment")),
        sa.UniqueConstraint("agora_number", name="uq_enrolment_agora_number"),
        sa.UniqueConstraint("external_reference", name="uq_enrolment_reference"),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_enrolment_organisation_id_id")),
    )
    op.create_index(
        "ix_enrolment_agora_todo",
        "enrolment",
        ["organisation_id", "agora_state"],
        unique=False,
        postgresql_where="agora_state IN ('waiting', 'rejected', 'nir')",
    )
    op.create_index("ix_enrolment_component", "enrolment", ["component_id"], unique=False)
    op.create_index("ix_enrolment_entry", "enrolment", ["action_id", "planned_start"], unique=False)
    op.create_index(op.f("ix_enrolment_organisation_id"), "enrolment", ["organisation_id"], unique=False)
    op.create_index("ix_enrolment_registration", "enrolment", ["registration_id"], unique=False)
    op.create_index("ix_enrolment_still_in", "enrolment", ["action_id"], unique=False, postgresql_where="actual_end IS NULL")
    op.create_index("uq_enrolment_current", "enrolment", ["registration_id", "component_id"], unique=True, postgresql_where="actual_end IS NULL")


def downgrade() -> None:
    op.drop_index("uq_enrolment_current", table_name="enrolment", postgresql_where="actual_end IS NULL")
    op.drop_index("ix_enrolment_still_in", table_name="enrolment", postgresql_where="actual_end IS NULL")
    op.drop_index("ix_enrolment_registration", table_name="enrolment")
    op.drop_index(op.f("ix_enrolment_organisation_id"), table_name="enrolment")
    op.drop_index("ix_enrolment_entry", table_name="enrolment")
    op.drop_index("ix_enrolment_component", table_name="enrolment")
    op.drop_index("ix_enrolment_agora_todo", table_name="enrolment", postgresql_where="agora_state IN ('waiting', 'rejected', 'nir')")
    op.drop_table("enrolment")
    op.drop_index(op.f("ix_component_site_site_id"), table_name="component_site")
    op.drop_index(op.f("ix_component_site_organisation_id"), table_name="component_site")
    op.drop_table("component_site")
    op.drop_index("ix_registration_trainee", table_name="registration")
    op.drop_index(op.f("ix_registration_organisation_id"), table_name="registration")
    op.drop_index("ix_registration_org_name", table_name="registration")
    op.drop_index("ix_registration_name", table_name="registration")
    op.drop_index("ix_registration_list", table_name="registration")
    op.drop_index("ix_registration_esf", table_name="registration", postgresql_where="esf_state = 'later'")
    op.drop_table("registration")
    op.drop_index(op.f("ix_identity_request_organisation_id"), table_name="identity_request")
    op.drop_index("ix_identity_request_created", table_name="identity_request")
    op.drop_table("identity_request")
    op.drop_index(op.f("ix_component_organisation_id"), table_name="component")
    op.drop_table("component")
    op.drop_index(op.f("ix_advance_invoice_request_organisation_id"), table_name="advance_invoice_request")
    op.drop_table("advance_invoice_request")
    op.drop_index(op.f("ix_action_history_organisation_id"), table_name="action_history")
    op.drop_index("ix_action_history_action", table_name="action_history")
    op.drop_table("action_history")
    op.drop_index("uq_wizard_draft_open", table_name="wizard_draft", postgresql_where="finished_at IS NULL")
    op.drop_index(op.f("ix_wizard_draft_organisation_id"), table_name="wizard_draft")
    op.drop_index("ix_wizard_draft_expires", table_name="wizard_draft")
    op.drop_table("wizard_draft")
    op.drop_index("ix_user_session_open", table_name="user_session", postgresql_where=sa.text("revoked_at IS NULL"))
    op.drop_table("user_session")
    op.drop_index("ix_sign_in_attempt_user", table_name="sign_in_attempt")
    op.drop_index("ix_sign_in_attempt_blocking", table_name="sign_in_attempt", postgresql_where=sa.text("blocking"))
    op.drop_index("ix_sign_in_attempt_at", table_name="sign_in_attempt")
    op.drop_table("sign_in_attempt")
    op.drop_index(op.f("ix_outbox_intervention_message_id"), table_name="outbox_intervention")
    op.drop_table("outbox_intervention")
    op.drop_index("ix_action_year", table_name="action")
    op.drop_index("ix_action_status", table_name="action")
    op.drop_index("ix_action_sort", table_name="action")
    op.drop_index("ix_action_search", table_name="action", postgresql_using="gin")
    op.drop_index("ix_action_running", table_name="action", postgresql_where="status = 'EC'")
    op.drop_index(op.f("ix_action_organisation_id"), table_name="action")
    op.drop_index("ix_action_org_year", table_name="action")
    op.drop_index("ix_action_org_status", table_name="action")
    op.drop_index("ix_action_org_sort", table_name="action")
    op.drop_index("ix_action_contract", table_name="action")
    op.drop_table("action")
    op.drop_table("ab_user_role")
    op.drop_index("idx_user_id", table_name="ab_user_group")
    op.drop_index("idx_user_group_id", table_name="ab_user_group")
    op.drop_table("ab_user_group")
    op.drop_index("idx_role_id", table_name="ab_permission_view_role")
    op.drop_index("idx_permission_view_id", table_name="ab_permission_view_role")
    op.drop_table("ab_permission_view_role")
    op.drop_index("idx_api_key_user_id", table_name="ab_api_key")
    op.drop_index("idx_api_key_prefix", table_name="ab_api_key")
    op.drop_index("idx_api_key_lookup_hash", table_name="ab_api_key")
    op.drop_table("ab_api_key")
    op.drop_index("uq_trainee_without_nir", table_name="trainee", postgresql_where="nir_hash IS NULL")
    op.drop_index("ix_trainee_to_check", table_name="trainee", postgresql_where="identity_source = 'TYPED' AND nir_kind = 'NIR'")
    op.drop_index("ix_trainee_sort", table_name="trainee")
    op.drop_index("ix_trainee_search", table_name="trainee", postgresql_using="gin")
    op.drop_index(op.f("ix_trainee_organisation_id"), table_name="trainee")
    op.drop_index("ix_trainee_nia", table_name="trainee", postgresql_where="nir_kind = 'NIA'")
    op.drop_index("ix_trainee_name", table_name="trainee")
    op.drop_table("trainee")
    op.drop_index("ix_outbox_message_subject", table_name="outbox_message")
    op.drop_index("ix_outbox_message_stuck", table_name="outbox_message", postgresql_where=sa.text("state IN ('rejected', 'dead')"))
    op.drop_index(op.f("ix_outbox_message_organisation_id"), table_name="outbox_message")
    op.drop_index("ix_outbox_message_lease", table_name="outbox_message", postgresql_where=sa.text("state = 'sending'"))
    op.drop_index("ix_outbox_message_lane", table_name="outbox_message", postgresql_where=sa.text("state IN ('pending', 'sending', 'rejected', 'dead')"))
    op.drop_index("ix_outbox_message_due", table_name="outbox_message", postgresql_where=sa.text("state = 'pending'"))
    op.drop_table("outbox_message")
    op.drop_index(op.f("ix_contract_programme_id"), table_name="contract")
    op.drop_index(op.f("ix_contract_organisation_id"), table_name="contract")
    op.drop_table("contract")
    op.drop_index(op.f("ix_contact_programme_id"), table_name="contact")
    op.drop_table("contact")
    op.drop_index("uq_ab_user_username_lower", table_name="ab_user")
    op.drop_index(op.f("ix_ab_user_organisation_id"), table_name="ab_user")
    op.drop_table("ab_user")
    op.drop_index("idx_view_menu_id", table_name="ab_permission_view")
    op.drop_index("idx_permission_id", table_name="ab_permission_view")
    op.drop_table("ab_permission_view")
    op.drop_index("idx_group_role_id", table_name="ab_group_role")
    op.drop_index("idx_group_id", table_name="ab_group_role")
    op.drop_table("ab_group_role")
    op.drop_index("ix_town_insee_code", table_name="town")
    op.drop_table("town")
    op.drop_table("street_type")
    op.drop_table("site")
    op.drop_table("seeded_value")
    op.drop_table("public_category")
    op.drop_table("programme")
    op.drop_table("professional_situation")
    op.drop_table("periodic_run")
    op.drop_table("outbox_partner")
    op.drop_table("organisation")
    op.drop_index("ix_nir_reading_subject", table_name="nir_reading")
    op.drop_index("ix_nir_reading_organisation", table_name="nir_reading")
    op.drop_index("ix_nir_reading_actor", table_name="nir_reading")
    op.drop_table("nir_reading")
    op.drop_table("nationality")
    op.drop_index("ix_mail_message_due", table_name="mail_message", postgresql_where="state IN ('waiting', 'sending')")
    op.drop_index("ix_mail_message_created", table_name="mail_message")
    op.drop_table("mail_message")
    op.drop_table("level")
    op.drop_table("last_class")
    op.drop_table("highest_diploma")
    op.drop_table("general_objective")
    op.drop_table("exit_reason")
    op.drop_index(op.f("ix_audit_sealed_seal_id"), table_name="audit_sealed")
    op.drop_table("audit_sealed")
    op.drop_table("audit_seal")
    op.drop_index("ix_audit_entry_row", table_name="audit_entry")
    op.drop_index("ix_audit_entry_organisation", table_name="audit_entry")
    op.drop_index("ix_audit_entry_at", table_name="audit_entry", postgresql_using="brin")
    op.drop_index("ix_audit_entry_actor", table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_table("ab_view_menu")
    op.drop_table("ab_role")
    op.drop_table("ab_register_user")
    op.drop_table("ab_permission")
    op.drop_table("ab_group")
