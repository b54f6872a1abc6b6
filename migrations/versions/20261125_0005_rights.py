"""Rights: actions given to an account, policies of accounts limited to some actions, delegations that end with an account.

The grants, policies, triggers and functions stand in the two SQL files beside this one, written from the models and frozen.

Revision: 0005, after 0004_sign_ins
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004_sign_ins"
branch_labels = None
depends_on = None

_HERE = Path(__file__)


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261125_0005_rights_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def upgrade() -> None:
    op.create_table(
        "action_access",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_action_access_action", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "user_id"], ["ab_user.organisation_id", "ab_user.id"], name="fk_action_access_account", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_action_access_organisation_id_organisation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_access")),
        sa.UniqueConstraint("user_id", "action_id", name="uq_action_access"),
    )
    op.create_index("ix_action_access_action", "action_access", ["action_id"], unique=False)
    op.create_index(op.f("ix_action_access_organisation_id"), "action_access", ["organisation_id"], unique=False)
    op.add_column("action_history", sa.Column("on_behalf_of_id", sa.Integer(), nullable=True))
    op.add_column("action_history", sa.Column("on_behalf_of_name", sa.String(length=140), server_default="", nullable=False))
    _run("up")


def downgrade() -> None:
    _run("down")
    op.drop_column("action_history", "on_behalf_of_name")
    op.drop_column("action_history", "on_behalf_of_id")
    op.drop_index(op.f("ix_action_access_organisation_id"), table_name="action_access")
    op.drop_index("ix_action_access_action", table_name="action_access")
    op.drop_table("action_access")
