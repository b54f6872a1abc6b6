"""Exports of every list: the journal of the exports of actions becomes the one of all, with the columns chosen and the files prepared in the background.

Revision: 0027, after 0026
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_HERE = Path(__file__)


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261129_0027_exports_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def upgrade() -> None:
    """The journal keeps its lines, its policies and its triggers under its new name."""
    _run("up")


def downgrade() -> None:
    """What was exported of other lists than the actions is forgotten; the journal of changes keeps it."""
    _run("down")
