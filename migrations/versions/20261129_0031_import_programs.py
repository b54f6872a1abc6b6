"""Files sent by the organisations' own software: the token they came with, the key of the request, what is applied without a look.

Revision: 0031, after 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Three columns that are empty for the files that are there."""
    op.add_column("import_file", sa.Column("program", sa.String(length=80), server_default="", nullable=False))
    op.add_column("import_file", sa.Column("request_key", sa.String(length=64), nullable=True))
    op.add_column("import_file", sa.Column("wish", sa.String(length=5), nullable=True))
    op.create_check_constraint(op.f("ck_import_file_wish"), "import_file", "wish IN ('all', 'valid')")
    op.create_index(
        "uq_import_file_request", "import_file", ["organisation_id", "account_id", "request_key"], unique=True, postgresql_where="request_key IS NOT NULL"
    )


def downgrade() -> None:
    """The files stay; a file that waits to be applied by itself waits for somebody."""
    op.drop_index("uq_import_file_request", table_name="import_file")
    op.drop_constraint(op.f("ck_import_file_wish"), "import_file", type_="check")
    op.drop_column("import_file", "wish")
    op.drop_column("import_file", "request_key")
    op.drop_column("import_file", "program")
