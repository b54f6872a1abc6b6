"""Accounts: another telephone for the second factor, names counted whether or not they exist, closed organisations opened with a principal.

The secret of another telephone waits beside the one that counts, bound to the session that began.

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


_OPENED = """
CREATE FUNCTION portal_opens_with_a_principal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.organisation WHERE id = NEW.id AND active)
       AND NOT EXISTS (SELECT FROM public.ab_user WHERE organisation_id = NEW.id AND is_principal
                          AND active AND deactivated_at IS NULL AND deleted_at IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'organisation_keeps_a_principal',
            MESSAGE = 'the organisation would be opened without an active principal account';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_opens_with_a_principal() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER organisation_opens_with_a_principal AFTER UPDATE OF active ON organisation DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.active AND NOT OLD.active) EXECUTE FUNCTION portal_opens_with_a_principal();
"""


def _as_system(statement: str) -> None:
    """A table of the system: its rows are written in the system's role."""
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    connection.exec_driver_sql(statement)
    connection.exec_driver_sql("RESET ROLE")


def _tell_given_actions() -> None:
    """Of the accounts that are limited already; nobody did anything, so the journal says nothing."""
    op.get_bind().exec_driver_sql("ALTER TABLE ab_user DISABLE TRIGGER audit_update")
    _as_system(
        "UPDATE ab_user u SET given_actions = (SELECT string_agg(a.number, ', ' ORDER BY a.sort_key) FROM action_access g"
        " JOIN action a ON a.id = g.action_id WHERE g.user_id = u.id) WHERE u.limited_to_actions"
    )
    op.get_bind().exec_driver_sql("ALTER TABLE ab_user ENABLE TRIGGER audit_update")


def upgrade() -> None:
    op.add_column("ab_user", sa.Column("given_actions", sa.Text(), nullable=True))
    _tell_given_actions()
    op.add_column("second_factor", sa.Column("begun_by", sa.String(64), nullable=True))
    op.add_column("sign_in_attempt", sa.Column("name_key", sa.LargeBinary(), nullable=True))
    op.add_column("sign_in_attempt", sa.Column("spending", sa.Boolean(), server_default="false", nullable=False))
    _as_system("UPDATE sign_in_attempt SET spending = true WHERE blocking")
    op.drop_index("ix_sign_in_attempt_blocking", "sign_in_attempt")
    op.create_index("ix_sign_in_attempt_spending", "sign_in_attempt", ["address", "at"], postgresql_where=sa.text("spending"))
    op.create_index("ix_sign_in_attempt_name", "sign_in_attempt", ["name_key"], postgresql_where=sa.text("name_key IS NOT NULL"))
    op.get_bind().exec_driver_sql(_OPENED)
    op.add_column("second_factor", sa.Column("next_secret", sa.LargeBinary(), nullable=True))
    op.add_column("second_factor", sa.Column("next_created_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_second_factor_next_whole"), "second_factor", "(next_secret IS NULL) = (next_created_at IS NULL)")
    op.create_check_constraint(op.f("ck_second_factor_next_after_first"), "second_factor", "next_secret IS NULL OR confirmed_at IS NOT NULL")
    _journal('{"next_secret","secret"}', '{"begun_by","last_step","next_secret"}')


def downgrade() -> None:
    op.get_bind().exec_driver_sql("DROP TRIGGER organisation_opens_with_a_principal ON organisation; DROP FUNCTION portal_opens_with_a_principal()")
    op.drop_index("ix_sign_in_attempt_name", "sign_in_attempt")
    op.drop_index("ix_sign_in_attempt_spending", "sign_in_attempt")
    op.create_index("ix_sign_in_attempt_blocking", "sign_in_attempt", ["address", "at"], postgresql_where=sa.text("blocking"))
    op.drop_column("sign_in_attempt", "spending")
    op.drop_column("sign_in_attempt", "name_key")
    _journal('{"secret"}', '{"last_step"}')
    op.drop_constraint(op.f("ck_second_factor_next_after_first"), "second_factor", type_="check")
    op.drop_constraint(op.f("ck_second_factor_next_whole"), "second_factor", type_="check")
    op.drop_column("second_factor", "next_created_at")
    op.drop_column("second_factor", "next_secret")
    op.drop_column("second_factor", "begun_by")
    op.drop_column("ab_user", "given_actions")
