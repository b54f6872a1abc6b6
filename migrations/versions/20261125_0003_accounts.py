"""Accounts: links, second factor, tokens, delegations, reviews, observations; on whose behalf an act was done.

The grants, policies, triggers and functions stand in the two SQL files beside this one, written from the models and frozen.

Revision: 0003, after 0002
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HERE = Path(__file__)


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261125_0003_accounts_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def upgrade() -> None:
    op.create_unique_constraint(op.f("uq_ab_user_organisation_id_id"), "ab_user", ["organisation_id", "id"])
    op.create_table(
        "account_review",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_by", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("(completed_at IS NULL) = (completed_by IS NULL)", name=op.f("ck_account_review_completed_whole")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_account_review_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_review")),
    )
    op.create_index("ix_account_review_organisation", "account_review", ["organisation_id", "opened_at"], unique=False)
    op.create_index(op.f("ix_account_review_organisation_id"), "account_review", ["organisation_id"], unique=False)
    op.create_index("uq_account_review_open", "account_review", ["organisation_id"], unique=True, postgresql_where=sa.text("completed_at IS NULL"))
    op.create_table(
        "access_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("purpose IN ('invitation', 'regeneration', 'recovery')", name=op.f("ck_access_link_purpose_known")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_access_link_expires_later")),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_access_link_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_access_link_token_hash")),
    )
    op.create_index("ix_access_link_expires", "access_link", ["expires_at"], unique=False)
    op.create_index("ix_access_link_user", "access_link", ["user_id", "id"], unique=False)
    op.create_index("uq_access_link_pending", "access_link", ["user_id"], unique=True, postgresql_where=sa.text("used_at IS NULL AND revoked_at IS NULL"))
    op.create_table(
        "api_token",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.String(length=40)), nullable=False),
        sa.Column("allowed_networks", sa.ARRAY(sa.String(length=43)), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_ip", sa.String(length=45), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_api_token_name_given")),
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_api_token_scopes_given")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_api_token_expires_later")),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_api_token_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token_token_hash")),
    )
    op.create_index("ix_api_token_user", "api_token", ["user_id", "id"], unique=False)
    op.create_table(
        "delegation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("delegator_id", sa.Integer(), nullable=False),
        sa.Column("delegate_id", sa.Integer(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.text("int8range(organisation_id, organisation_id, '[]')"), "&&"),
            (sa.text("daterange(starts_on, ends_on, '[]')"), "&&"),
            where=sa.text("ended_at IS NULL"),
            using="gist",
            name="ex_delegation_overlap",
        ),
        sa.CheckConstraint("delegator_id <> delegate_id", name=op.f("ck_delegation_two_accounts")),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_delegation_dates")),
        sa.ForeignKeyConstraint(["organisation_id", "delegate_id"], ["ab_user.organisation_id", "ab_user.id"], name="fk_delegation_delegate"),
        sa.ForeignKeyConstraint(["organisation_id", "delegator_id"], ["ab_user.organisation_id", "ab_user.id"], name="fk_delegation_delegator"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_delegation_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegation")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_delegation_organisation_id_id")),
    )
    op.create_index("ix_delegation_delegate", "delegation", ["delegate_id", "starts_on"], unique=False)
    op.create_index(op.f("ix_delegation_organisation_id"), "delegation", ["organisation_id"], unique=False)
    op.create_table(
        "observation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("observer_id", sa.Integer(), nullable=False),
        sa.Column("observed_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("btrim(reason) <> ''", name=op.f("ck_observation_reason_given")),
        sa.CheckConstraint("observer_id <> observed_id", name=op.f("ck_observation_two_accounts")),
        sa.ForeignKeyConstraint(["observed_id"], ["ab_user.id"], name=op.f("fk_observation_observed_id_ab_user")),
        sa.ForeignKeyConstraint(["observer_id"], ["ab_user.id"], name=op.f("fk_observation_observer_id_ab_user")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_observation_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observation")),
    )
    op.create_index("ix_observation_observed", "observation", ["observed_id", "id"], unique=False)
    op.create_index("ix_observation_observer", "observation", ["observer_id", "id"], unique=False)
    op.create_index(op.f("ix_observation_organisation_id"), "observation", ["organisation_id"], unique=False)
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_recovery_code_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
    )
    op.create_index("uq_recovery_code_hash", "recovery_code", ["user_id", "code_hash"], unique=True)
    op.create_table(
        "recovery_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_recovery_request_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_request")),
    )
    op.create_index("ix_recovery_request_address", "recovery_request", ["address", "at"], unique=False)
    op.create_index("ix_recovery_request_user", "recovery_request", ["user_id", "at"], unique=False)
    op.create_index("ix_recovery_request_waiting", "recovery_request", ["id"], unique=False, postgresql_where=sa.text("handled_at IS NULL"))
    op.create_table(
        "second_factor",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_second_factor_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factor")),
    )
    op.add_column("ab_user", sa.Column("is_principal", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("ab_user", sa.Column("functions", sa.ARRAY(sa.String(length=20)), nullable=True))
    op.add_column("ab_user", sa.Column("limited_to_actions", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("ab_user", sa.Column("inactivity_notice_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("uq_ab_user_principal", "ab_user", ["organisation_id"], unique=True, postgresql_where=sa.text("is_principal AND deleted_at IS NULL"))
    op.add_column("audit_entry", sa.Column("on_behalf_of_id", sa.Integer(), nullable=True))
    op.add_column("user_session", sa.Column("purpose", sa.String(length=20), server_default="full", nullable=False))
    op.add_column("user_session", sa.Column("observation_id", sa.Integer(), nullable=True))
    op.create_foreign_key(op.f("fk_user_session_observation_id_observation"), "user_session", "observation", ["observation_id"], ["id"], ondelete="SET NULL")
    op.create_check_constraint(op.f("ck_user_session_purpose_known"), "user_session", "purpose IN ('full', 'second_factor')")
    _run("up")


def downgrade() -> None:
    _run("down")
    op.drop_constraint(op.f("ck_user_session_purpose_known"), "user_session", type_="check")
    op.drop_constraint(op.f("fk_user_session_observation_id_observation"), "user_session", type_="foreignkey")
    op.drop_column("user_session", "observation_id")
    op.drop_column("user_session", "purpose")
    op.drop_column("audit_entry", "on_behalf_of_id")
    op.drop_index("uq_ab_user_principal", table_name="ab_user", postgresql_where=sa.text("is_principal AND deleted_at IS NULL"))
    op.drop_column("ab_user", "inactivity_notice_at")
    op.drop_column("ab_user", "limited_to_actions")
    op.drop_column("ab_user", "functions")
    op.drop_column("ab_user", "is_principal")
    op.drop_table("second_factor")
    op.drop_index("ix_recovery_request_waiting", table_name="recovery_request", postgresql_where=sa.text("handled_at IS NULL"))
    op.drop_index("ix_recovery_request_user", table_name="recovery_request")
    op.drop_index("ix_recovery_request_address", table_name="recovery_request")
    op.drop_table("recovery_request")
    op.drop_index("uq_recovery_code_hash", table_name="recovery_code")
    op.drop_table("recovery_code")
    op.drop_index(op.f("ix_observation_organisation_id"), table_name="observation")
    op.drop_index("ix_observation_observer", table_name="observation")
    op.drop_index("ix_observation_observed", table_name="observation")
    op.drop_table("observation")
    op.drop_index(op.f("ix_delegation_organisation_id"), table_name="delegation")
    op.drop_index("ix_delegation_delegate", table_name="delegation")
    op.drop_table("delegation")
    op.drop_index("ix_api_token_user", table_name="api_token")
    op.drop_table("api_token")
    op.drop_index("uq_access_link_pending", table_name="access_link", postgresql_where=sa.text("used_at IS NULL AND revoked_at IS NULL"))
    op.drop_index("ix_access_link_user", table_name="access_link")
    op.drop_index("ix_access_link_expires", table_name="access_link")
    op.drop_table("access_link")
    op.drop_index("uq_account_review_open", table_name="account_review", postgresql_where=sa.text("completed_at IS NULL"))
    op.drop_index(op.f("ix_account_review_organisation_id"), table_name="account_review")
    op.drop_index("ix_account_review_organisation", table_name="account_review")
    op.drop_table("account_review")
    op.drop_constraint(op.f("uq_ab_user_organisation_id_id"), "ab_user", type_="unique")
