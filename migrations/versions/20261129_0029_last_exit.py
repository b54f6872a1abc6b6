"""The situation survey comes with the last exit from an action; the answers about a cancelled exit fall with it, and its links say so.

The functions and triggers stand in the SQL files beside this one.

Revision: 0029, after 0028
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_RANK = "uq_survey_link_rank"


def _run(name: str) -> None:
    sql = Path(__file__).with_name(f"20261129_0029_last_exit_{name}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def _as_system(statement: str) -> None:
    """In the system's role: the owner sees no row."""
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    connection.exec_driver_sql(statement)
    connection.exec_driver_sql("RESET ROLE")


def upgrade() -> None:
    """One column, and the trigger of the exits."""
    op.add_column("survey_link", sa.Column("void_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(_RANK, "survey_link", type_="unique")
    op.create_index(_RANK, "survey_link", ["survey_id", "rank"], unique=True, postgresql_where="void_at IS NULL")
    _run("up")
    _as_system(Path(__file__).with_name("20261129_0029_last_exit_data.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Links of cancelled exits go; what is hidden because the person goes on shows again with the next change of the exit."""
    _run("down")
    _as_system("DELETE FROM survey_link WHERE void_at IS NOT NULL")
    op.drop_index(_RANK, table_name="survey_link")
    op.create_unique_constraint(op.f(_RANK), "survey_link", ["survey_id", "rank"])
    op.drop_column("survey_link", "void_at")
