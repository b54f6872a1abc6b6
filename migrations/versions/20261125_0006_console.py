"""The console: search of accounts, files of accounts, support's read-only observation, the journal of accounts.

The grants, policies and triggers stand in the two SQL files beside this one, written from the models and frozen.

Revision: 0006, after 0005
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_HERE = Path(__file__)
_OF_ACCOUNT = (
    "to_tsvector('simple', btrim(regexp_replace(translate(replace(replace(replace(lower(last_name || ' ' || first_name || ' ' || username || ' ' || email), 'œ', 'oe'), 'æ', 'ae'), 'ß', 'ss'), 'àáâãäåçèéêëìíîïñòóôõöùúûüýÿ', 'aaaaaaceeeeiiiinooooouuuuyy'), '[^a-z0-9]+', ' ', 'g')))"
)
_OF_ORGANISATION = (
    "to_tsvector('simple', btrim(regexp_replace(translate(replace(replace(replace(lower(legal_name || ' ' || coalesce(trade_name, '') || ' ' || siret), 'œ', 'oe'), 'æ', 'ae'), 'ß', 'ss'), 'àáâãäåçèéêëìíîïñòóôõöùúûüýÿ', 'aaaaaaceeeeiiiinooooouuuuyy'), '[^a-z0-9]+', ' ', 'g')))"
)
_ACCOUNTS = sa.text(
    "table_name IN ('ab_user', 'ab_user_role', 'organisation', 'access_link', 'second_factor', 'recovery_code', 'api_token', 'delegation', 'account_review', 'observation')"
)


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261125_0006_console_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def upgrade() -> None:
    op.create_table(
        "account_batch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("seal_uid", sa.Uuid(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("to_invite", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_account_batch_user_id_ab_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_batch")),
    )
    op.create_index("ix_account_batch_expires", "account_batch", ["expires_at"])
    op.create_index(op.f("ix_account_batch_user_id"), "account_batch", ["user_id"])
    op.create_index("ix_account_batch_to_invite", "account_batch", ["id"], postgresql_where=sa.text("cardinality(to_invite) > 0"))
    op.add_column("ab_user", sa.Column("search_vector", postgresql.TSVECTOR(), sa.Computed(_OF_ACCOUNT, persisted=True), nullable=True))
    op.add_column("organisation", sa.Column("search_vector", postgresql.TSVECTOR(), sa.Computed(_OF_ORGANISATION, persisted=True), nullable=False))
    op.create_index("ix_ab_user_search", "ab_user", ["search_vector"], postgresql_using="gin")
    op.create_index("ix_organisation_search", "organisation", ["search_vector"], postgresql_using="gin")
    op.create_index(
        "ix_ab_user_name", "ab_user", [sa.text("lower(last_name)"), sa.text("lower(first_name)"), "id"], postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.create_index("ix_audit_entry_accounts", "audit_entry", ["id"], postgresql_where=_ACCOUNTS)
    op.create_index("ix_audit_entry_accounts_of", "audit_entry", ["organisation_id", "id"], postgresql_where=_ACCOUNTS)
    op.create_index(
        "ix_audit_entry_role_account",
        "audit_entry",
        [sa.text("((COALESCE(after, before) ->> 'user_id')::integer)"), "id"],
        postgresql_where=sa.text("table_name = 'ab_user_role'"),
    )
    _run("up")


def downgrade() -> None:
    _run("down")
    op.drop_index("ix_audit_entry_role_account", table_name="audit_entry")
    op.drop_index("ix_audit_entry_accounts_of", table_name="audit_entry")
    op.drop_index("ix_audit_entry_accounts", table_name="audit_entry")
    op.drop_index("ix_ab_user_name", table_name="ab_user")
    op.drop_index("ix_organisation_search", table_name="organisation")
    op.drop_index("ix_ab_user_search", table_name="ab_user")
    op.drop_column("organisation", "search_vector")
    op.drop_column("ab_user", "search_vector")
    op.drop_table("account_batch")
