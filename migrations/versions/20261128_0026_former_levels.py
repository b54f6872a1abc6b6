"""The former level of each level is the one of the decree; another one that was written beside a level gives way to it.

Revision: 0026, after 0025
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_NAME = "ck_level_old_label"
_RIGHT = "CASE number WHEN 3 THEN 'V' WHEN 4 THEN 'IV' WHEN 5 THEN 'III' WHEN 6 THEN 'II' WHEN 7 THEN 'I' WHEN 8 THEN 'I' END"


def upgrade() -> None:
    """In the system's role: the owner sees no row."""
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    connection.exec_driver_sql(f"UPDATE level SET old_label = {_RIGHT} WHERE old_label IS DISTINCT FROM {_RIGHT} AND old_label IS NOT NULL")
    connection.exec_driver_sql("RESET ROLE")
    op.drop_constraint(op.f(_NAME), "level", type_="check")
    pairs = "(3, 'V'), (4, 'IV'), (5, 'III'), (6, 'II'), (7, 'I'), (8, 'I')"
    op.create_check_constraint(op.f(_NAME), "level", f"old_label IS NULL OR (number, old_label) IN ({pairs})")


def downgrade() -> None:
    """Any of the five beside any level."""
    op.drop_constraint(op.f(_NAME), "level", type_="check")
    op.create_check_constraint(op.f(_NAME), "level", "old_label IN ('I', 'II', 'III', 'IV', 'V')")
