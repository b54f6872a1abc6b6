"""How often workers died at an imported file: one that kills each of them ends as failed.

Revision: 0037, after 0036
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_file", sa.Column("deaths", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_import_file_deaths"), "import_file", "deaths >= 0")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_import_file_deaths"), "import_file", type_="check")
    op.drop_column("import_file", "deaths")
