"""The token that a file came with: what it asked for is not done once it is revoked.

Revision: 0035, after 0034
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empty for the files that are there: one that waits to be applied by itself waits for somebody."""
    op.add_column("import_file", sa.Column("token_id", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """The files stay."""
    op.drop_column("import_file", "token_id")
