"""No two rules of a version have the same order; those that had are numbered anew, by tens, in the order they were asked in.

Revision: 0025, after 0024
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_NUMBERED = """
WITH twice AS (SELECT DISTINCT version_id FROM (SELECT version_id FROM market_rule GROUP BY version_id, position HAVING count(*) > 1) doubled),
     placed AS (
        SELECT id, 10 * row_number() OVER (PARTITION BY version_id ORDER BY position, id) AS place
        FROM market_rule WHERE version_id IN (SELECT version_id FROM twice)
     )
UPDATE market_rule SET position = placed.place FROM placed WHERE placed.id = market_rule.id
"""


def upgrade() -> None:
    """The constraint takes the place of the index. In the system's role: the owner sees no row.

    A published version never changes, which its trigger holds: here it decides as it did, since its rules keep their order.
    """
    connection = op.get_bind()
    connection.exec_driver_sql("ALTER TABLE market_rule DISABLE TRIGGER published")
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    connection.exec_driver_sql(_NUMBERED)
    connection.exec_driver_sql("RESET ROLE")
    connection.exec_driver_sql("ALTER TABLE market_rule ENABLE TRIGGER published")
    op.drop_index("ix_market_rule_order", table_name="market_rule")
    op.create_unique_constraint("uq_market_rule_order", "market_rule", ["version_id", "position"], deferrable=True, initially="DEFERRED")


def downgrade() -> None:
    """The index of before; the orders stay as they are."""
    op.drop_constraint("uq_market_rule_order", "market_rule", type_="unique")
    op.create_index("ix_market_rule_order", "market_rule", ["version_id", "position", "id"])
