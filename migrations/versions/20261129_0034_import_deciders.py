"""Who had a file applied or undone, whose act it is; the journal holds no heading, which may be a line of data.

Revision: 0034, after 0033
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_TRIGGERS = (
    ("audit_insert", "INSERT", "NEW TABLE AS new_rows"),
    ("audit_update", "UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ("audit_delete", "DELETE", "OLD TABLE AS old_rows"),
)


def _journal(hidden: str) -> None:
    for name, operation, tables in _TRIGGERS:
        op.execute(f'DROP TRIGGER {name} ON public."import_file"')
        op.execute(
            f'CREATE TRIGGER {name} AFTER {operation} ON public."import_file" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION '
            f"""public.audit_write('{{"id"}}', 'organisation_id', '{hidden}', '{{"done","leased_until","phase","total"}}')"""
        )


def upgrade() -> None:
    op.add_column("import_file", sa.Column("decided_by_id", sa.Integer(), nullable=True))
    _journal('{"digest","heading"}')


def downgrade() -> None:
    _journal('{"digest"}')
    op.drop_column("import_file", "decided_by_id")
