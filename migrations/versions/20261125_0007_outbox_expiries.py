"""Messages to partners: how many leases in a row ran out without an answer.

Revision: 0007, after 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox_message", sa.Column("expiries", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_outbox_message_expiries"), "outbox_message", "expiries >= 0")
    op.create_index(
        "ix_outbox_message_suspect",
        "outbox_message",
        ["partner", "expiries"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' AND expiries > 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_message_suspect", table_name="outbox_message", postgresql_where=sa.text("state = 'pending' AND expiries > 0"))
    op.drop_constraint(op.f("ck_outbox_message_expiries"), "outbox_message", type_="check")
    op.drop_column("outbox_message", "expiries")
