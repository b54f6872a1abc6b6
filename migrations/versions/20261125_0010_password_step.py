"""Sign-ins: a right password that a code has to follow is a way of its own.

Revision: 0010, after 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NAME = "ck_sign_in_attempt_way_known"


def _replace(*ways: str) -> None:
    op.drop_constraint(op.f(_NAME), "sign_in_attempt", type_="check")
    op.create_check_constraint(op.f(_NAME), "sign_in_attempt", "way IN (" + ", ".join(f"'{way}'" for way in ways) + ")")


def upgrade() -> None:
    _replace("form", "link", "confirmation", "password")


def downgrade() -> None:
    # a table of the system: its rows are written in the system's role
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    connection.exec_driver_sql("UPDATE sign_in_attempt SET way = 'confirmation' WHERE way = 'password'")
    connection.exec_driver_sql("RESET ROLE")
    _replace("form", "link", "confirmation")
