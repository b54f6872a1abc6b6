"""Whoever is deleted is looked for where something refers to people: a whole import undone looks for each of its own.

Revision: 0038, after 0037
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_identity_correction_trainee", "identity_correction", ["organisation_id", "trainee_id"])
    op.create_index(
        "ix_number_repair_line_trainee", "number_repair_line", ["organisation_id", "trainee_id"], postgresql_where=sa.text("trainee_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_number_repair_line_trainee", "number_repair_line")
    op.drop_index("ix_identity_correction_trainee", "identity_correction")
