"""The second factor: the secret of another telephone waits beside the one that counts.

Revision: 0011, after 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_EVENTS = (
    ("insert", "AFTER INSERT", "REFERENCING NEW TABLE AS new_rows"),
    ("update", "AFTER UPDATE", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ("delete", "AFTER DELETE", "REFERENCING OLD TABLE AS old_rows"),
)


def _journal(hidden: str, ignored: str) -> None:
    connection = op.get_bind()
    for name, event, rows in _EVENTS:
        connection.exec_driver_sql(f'DROP TRIGGER audit_{name} ON public."second_factor"')
        connection.exec_driver_sql(
            f'CREATE TRIGGER audit_{name} {event} ON public."second_factor" {rows} FOR EACH STATEMENT '
            f"EXECUTE FUNCTION public.audit_write('{{\"user_id\"}}', 'organisation_id', '{hidden}', '{ignored}')"
        )


def upgrade() -> None:
    op.add_column("second_factor", sa.Column("next_secret", sa.LargeBinary(), nullable=True))
    op.add_column("second_factor", sa.Column("next_created_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_second_factor_next_whole"), "second_factor", "(next_secret IS NULL) = (next_created_at IS NULL)")
    op.create_check_constraint(op.f("ck_second_factor_next_after_first"), "second_factor", "next_secret IS NULL OR confirmed_at IS NOT NULL")
    _journal('{"next_secret","secret"}', '{"last_step","next_created_at","next_secret"}')


def downgrade() -> None:
    _journal('{"secret"}', '{"last_step"}')
    op.drop_constraint(op.f("ck_second_factor_next_after_first"), "second_factor", type_="check")
    op.drop_constraint(op.f("ck_second_factor_next_whole"), "second_factor", type_="check")
    op.drop_column("second_factor", "next_created_at")
    op.drop_column("second_factor", "next_secret")
