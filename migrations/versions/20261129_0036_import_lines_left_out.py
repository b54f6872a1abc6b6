"""Lines of a file that somebody left out, lines that are wrong because of another one, and how many the undoing of an import kept.

Revision: 0036, after 0035
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_file", sa.Column("left_out", postgresql.JSONB(), server_default="[]", nullable=False))
    op.add_column("import_finding", sa.Column("other_line", sa.Integer(), nullable=True))
    op.add_column("import_file", sa.Column("kept", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("import_file", "kept")
    op.drop_column("import_finding", "other_line")
    op.drop_column("import_file", "left_out")
