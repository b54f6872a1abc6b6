"""Support, looking through the eyes of an account limited to some actions, reads which they are.

Revision: 0008, after 0007
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        "CREATE POLICY observer_select ON action_access FOR SELECT TO portal_observer "
        "USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer)"
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql("DROP POLICY observer_select ON action_access")
