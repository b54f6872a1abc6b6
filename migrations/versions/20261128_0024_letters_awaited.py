"""Accounts limited to some actions read in the journal which changes a modification request made.

Revision: 0024, after 0019
"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0019"
branch_labels = None
depends_on = None

_NUMBER = "CASE WHEN audit_entry.row_id ~ '^[0-9]{1,9}$' THEN audit_entry.row_id::integer END"
_BEFORE = ("action", "component", "registration", "enrolment", "trainee")


def _journal_of(*tables: str) -> None:
    """What an account limited to some actions reads of the journal: rows of these tables that it sees, and itself."""
    seen = " ".join(f"WHEN '{name}' THEN EXISTS (SELECT FROM {name} o WHERE o.id = {_NUMBER})" for name in tables)
    own = f"WHEN 'ab_user' THEN {_NUMBER} = NULLIF(current_setting('app.limited_account', true), '')::integer ELSE false END"
    condition = f"CASE audit_entry.table_name {seen} {own}"
    connection = op.get_bind()
    connection.exec_driver_sql("DROP POLICY limited_all ON audit_entry")
    connection.exec_driver_sql(
        f"CREATE POLICY limited_all ON audit_entry AS RESTRICTIVE FOR ALL TO portal_limited USING ({condition}) WITH CHECK ({condition})"
    )


def upgrade() -> None:
    """One more table in the policy."""
    _journal_of(*_BEFORE, "modification_request_event")


def downgrade() -> None:
    """The policy of before."""
    _journal_of(*_BEFORE)
