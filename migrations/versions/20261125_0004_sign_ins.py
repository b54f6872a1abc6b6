"""Sign-ins: by which way, with which browser, and whether the holder was told of a blocking.

Revision: 0004_sign_ins, after 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_sign_ins"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sign_in_attempt", sa.Column("way", sa.String(length=12), server_default="form", nullable=False))
    op.add_column("sign_in_attempt", sa.Column("user_agent", sa.String(length=400), nullable=True))
    op.add_column("sign_in_attempt", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    # Nobody is told today of a blocking of last month. The table's owner is under its policies, too.
    op.get_bind().exec_driver_sql("SET LOCAL ROLE portal_system")
    op.get_bind().exec_driver_sql("UPDATE sign_in_attempt SET told_at = at WHERE blocking")
    op.get_bind().exec_driver_sql("RESET ROLE")
    op.create_index("ix_sign_in_attempt_to_tell", "sign_in_attempt", ["id"], unique=False, postgresql_where=sa.text("blocking AND told_at IS NULL"))
    op.create_check_constraint(op.f("ck_sign_in_attempt_way_known"), "sign_in_attempt", "way IN ('form', 'link', 'confirmation')")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_sign_in_attempt_way_known"), "sign_in_attempt", type_="check")
    op.drop_index("ix_sign_in_attempt_to_tell", table_name="sign_in_attempt", postgresql_where=sa.text("blocking AND told_at IS NULL"))
    op.drop_column("sign_in_attempt", "told_at")
    op.drop_column("sign_in_attempt", "user_agent")
    op.drop_column("sign_in_attempt", "way")
