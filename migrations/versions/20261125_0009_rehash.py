"""The same password under a newer hash no longer ends the sessions, links and tokens of its account.

Revision: 0009, after 0008
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OTHER_CAUSES = """
    OR OLD.organisation_id IS DISTINCT FROM NEW.organisation_id
    OR (OLD.active AND NEW.active IS NOT TRUE)
    OR (OLD.blocked_at IS NULL AND NEW.blocked_at IS NOT NULL)
    OR (OLD.deactivated_at IS NULL AND NEW.deactivated_at IS NOT NULL)
    OR (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
) EXECUTE FUNCTION portal_end_sessions()"""
_CREATE = "CREATE TRIGGER ab_user_end_sessions BEFORE UPDATE ON ab_user FOR EACH ROW WHEN ("


def _replace(password: str) -> None:
    connection = op.get_bind()
    connection.exec_driver_sql("DROP TRIGGER ab_user_end_sessions ON ab_user")
    connection.exec_driver_sql(_CREATE + password + _OTHER_CAUSES)


def upgrade() -> None:
    _replace(
        "(OLD.password IS DISTINCT FROM NEW.password"
        " AND (OLD.password IS NULL OR NEW.password IS NULL OR OLD.password_changed_at IS DISTINCT FROM NEW.password_changed_at"
        " OR NULLIF(current_setting('app.rehash', true), '') IS NULL))"
    )


def downgrade() -> None:
    _replace("OLD.password IS DISTINCT FROM NEW.password")
