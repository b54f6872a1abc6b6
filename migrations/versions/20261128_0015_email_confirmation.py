"""Accounts: a change of one's own address waits for a link sent to the new one.

Such links stand beside the others: one of each sort is pending at most. Other rights end a change that waits, as they end sessions.

Revision: 0015, after 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_PENDING = "used_at IS NULL AND revoked_at IS NULL"
_GIVEN = "CASE WHEN purpose = 'email' THEN wanted_email IS NOT NULL OR used_at IS NOT NULL OR revoked_at IS NOT NULL ELSE wanted_email IS NULL END"
_END_CHANGES = """
    UPDATE access_link SET revoked_at = clock_timestamp()
     WHERE user_id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.user_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.user_id END)
       AND purpose = 'email' AND used_at IS NULL AND revoked_at IS NULL;"""


def _role_change(more: str) -> None:
    op.get_bind().exec_driver_sql(
        f"""CREATE OR REPLACE FUNCTION portal_end_sessions_of_role_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ab_user u SET session_epoch = session_epoch + 1,
           is_principal = EXISTS (SELECT FROM ab_user_role l JOIN ab_role r ON r.id = l.role_id
                                   WHERE l.user_id = u.id AND r.name = 'Compte principal')
     WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.user_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.user_id END);{more}
    RETURN NULL;
END $$"""
    )


def _purposes(*known: str) -> None:
    listed = ", ".join(f"'{purpose}'" for purpose in known)
    op.drop_constraint(op.f("ck_access_link_purpose_known"), "access_link", type_="check")
    op.create_check_constraint(op.f("ck_access_link_purpose_known"), "access_link", f"purpose IN ({listed})")


def upgrade() -> None:
    op.add_column("access_link", sa.Column("wanted_email", sa.String(320), nullable=True))
    _purposes("invitation", "regeneration", "recovery", "email")
    op.create_check_constraint(op.f("ck_access_link_wanted_email_given"), "access_link", _GIVEN)
    op.drop_index("uq_access_link_pending", "access_link")
    op.create_index("uq_access_link_pending", "access_link", ["user_id"], unique=True, postgresql_where=sa.text(f"{_PENDING} AND purpose <> 'email'"))
    op.create_index("uq_access_link_email", "access_link", ["user_id"], unique=True, postgresql_where=sa.text(f"{_PENDING} AND purpose = 'email'"))
    _role_change(_END_CHANGES)


def downgrade() -> None:
    _role_change("")
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")  # a table of the system: its rows are written in the system's role
    connection.exec_driver_sql("DELETE FROM access_link WHERE purpose = 'email'")
    connection.exec_driver_sql("RESET ROLE")
    op.drop_index("uq_access_link_email", "access_link")
    op.drop_index("uq_access_link_pending", "access_link")
    op.create_index("uq_access_link_pending", "access_link", ["user_id"], unique=True, postgresql_where=sa.text(_PENDING))
    op.drop_constraint(op.f("ck_access_link_wanted_email_given"), "access_link", type_="check")
    _purposes("invitation", "regeneration", "recovery")
    op.drop_column("access_link", "wanted_email")
