"""How often workers died at an imported file, so that one that kills each of them ends as failed; the journal, of what people do, has no word of it.

Revision: 0037, after 0036
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_TRIGGERS = (
    ("audit_insert", "INSERT", "NEW TABLE AS new_rows"),
    ("audit_update", "UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ("audit_delete", "DELETE", "OLD TABLE AS old_rows"),
)


def _journal(ignored: str) -> None:
    for name, operation, tables in _TRIGGERS:
        op.execute(f'DROP TRIGGER {name} ON public."import_file"')
        op.execute(
            f'CREATE TRIGGER {name} AFTER {operation} ON public."import_file" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION '
            f"""public.audit_write('{{"id"}}', 'organisation_id', '{{"digest","heading"}}', '{ignored}')"""
        )


def upgrade() -> None:
    op.add_column("import_file", sa.Column("deaths", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_import_file_deaths"), "import_file", "deaths >= 0")
    _journal('{"deaths","done","leased_until","phase","total"}')


def downgrade() -> None:
    _journal('{"done","leased_until","phase","total"}')
    op.drop_constraint(op.f("ck_import_file_deaths"), "import_file", type_="check")
    op.drop_column("import_file", "deaths")
