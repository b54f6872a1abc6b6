"""An import that a defect ended several times over ends in a state of its own, with the reference under which the logs tell how.

Revision: 0032, after 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_STATES = "'received', 'refused', 'to_map', 'checking', 'ready', 'applying', 'applied', 'undoing', 'undone'"
_FAILED = (
    "CASE state WHEN 'failed' THEN failed_in IS NOT NULL AND failed_in IN ('received', 'checking', 'applying')"
    " WHEN 'applied' THEN failed_in IS NULL OR failed_in = 'undoing' ELSE failed_in IS NULL END"
)


def _states(allowed: str) -> None:
    op.drop_constraint(op.f("ck_import_file_state"), "import_file", type_="check")
    op.create_check_constraint(op.f("ck_import_file_state"), "import_file", f"state IN ({allowed})")


def upgrade() -> None:
    op.add_column("import_file", sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
    op.add_column("import_file", sa.Column("failed_in", sa.String(length=8), nullable=True))
    op.add_column("import_file", sa.Column("failed_reference", sa.String(length=64), server_default="", nullable=False))
    _states(f"{_STATES}, 'failed'")
    op.create_check_constraint(op.f("ck_import_file_failed"), "import_file", _FAILED)
    op.create_check_constraint(op.f("ck_import_file_tries"), "import_file", "tries >= 0")
    op.create_index("ix_import_file_failed", "import_file", ["id"], unique=False, postgresql_where="failed_in IS NOT NULL")


def downgrade() -> None:
    """What failed is at work again, as it was before: nothing of it was written."""
    connection = op.get_bind()
    op.drop_index("ix_import_file_failed", table_name="import_file")
    op.drop_constraint(op.f("ck_import_file_failed"), "import_file", type_="check")
    op.drop_constraint(op.f("ck_import_file_tries"), "import_file", type_="check")
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")  # the owner sees no row
    connection.exec_driver_sql("UPDATE import_file SET state = failed_in WHERE state = 'failed'")
    connection.exec_driver_sql("RESET ROLE")
    _states(_STATES)
    for name in ("failed_reference", "failed_in", "tries"):
        op.drop_column("import_file", name)
