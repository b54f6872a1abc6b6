"""Grants, row-level security and the journal's triggers of the first version.

The statements stand in the two SQL files beside this one. They were written from the models (``core.rls``, ``core.audit``)
and are frozen: a later table brings its own in its own migration.

Revision: 0002, after 0001
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_HERE = Path(__file__)


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261122_0002_security_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def upgrade() -> None:
    _run("up")


def downgrade() -> None:
    _run("down")
