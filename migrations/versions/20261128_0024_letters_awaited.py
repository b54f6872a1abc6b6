"""What the letter of a request says stands with the request; validated without letter stays in its history; and accounts limited to some
actions read in the journal which changes a modification request made.

Revision: 0024, after 0023
"""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
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


def _stated() -> None:
    """What the letters of the requests there are say, as the portal found it each time until now. In the system's role: the owner sees no row."""
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    pieces: dict[int, list[str]] = {}
    for request_id, digest in connection.exec_driver_sql("SELECT request_id, sha256 FROM request_document WHERE role = 'supporting' AND request_id IS NOT NULL"):
        pieces.setdefault(request_id, []).append(digest)
    last, write = 0, sa.text("UPDATE modification_request SET stated = :stated WHERE id = :id")
    read = sa.text("SELECT id, changes, motivation FROM modification_request WHERE id > :last ORDER BY id LIMIT 1000")
    while rows := connection.execute(read, {"last": last}).all():
        said = [(row.id, json.dumps([row.changes, row.motivation, sorted(pieces.get(row.id, []))], sort_keys=True)) for row in rows]
        connection.execute(write, [{"id": number, "stated": hashlib.sha256(words.encode()).hexdigest()[:24]} for number, words in said])
        last = rows[-1].id
    connection.exec_driver_sql("RESET ROLE")


def upgrade() -> None:
    """Two columns, and one more table in the policy."""
    op.add_column("modification_request", sa.Column("stated", sa.String(length=24), server_default="", nullable=False))
    op.add_column("modification_request_event", sa.Column("without_letter", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_check_constraint(op.f("ck_modification_request_event_without_letter"), "modification_request_event", "NOT without_letter OR event = 'validate'")
    _stated()
    _journal_of(*_BEFORE, "modification_request_event")


def downgrade() -> None:
    """The policy and the columns of before."""
    _journal_of(*_BEFORE)
    op.drop_constraint(op.f("ck_modification_request_event_without_letter"), "modification_request_event", type_="check")
    op.drop_column("modification_request_event", "without_letter")
    op.drop_column("modification_request", "stated")
