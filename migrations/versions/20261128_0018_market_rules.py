"""Market rules in versions, what they said of each request, observations on single lines, reminders sent once.

The grants, policies, triggers and functions stand in the two SQL files beside this one, written from the models and frozen.

Revision: 0018, after 0017
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_HERE = Path(__file__)
_REQUEST, _EVENT = "modification_request", "modification_request_event"
_EVENTS = "'send', 'validate', 'ask_correction', 'refuse', 'withdraw'"
_WITH_OBSERVATIONS = "state NOT IN ('refused', 'to_correct') OR observations <> ''"


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261128_0018_market_rules_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def _as_system(statement: str) -> None:
    """The owner sees no row of these tables: rows are written in the system's role."""
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    connection.exec_driver_sql(statement)
    connection.exec_driver_sql("RESET ROLE")


def _versioned() -> tuple[sa.Column, ...]:
    return (
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def _replace_check(table: str, name: str, condition: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)


def upgrade() -> None:
    op.create_table(
        "market_rule_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("remind_days", sa.Integer(), server_default="15", nullable=False),
        sa.Column("escalate_days", sa.Integer(), server_default="30", nullable=False),
        sa.Column("correction_days", sa.Integer(), server_default="15", nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by_id", sa.Integer(), nullable=True),
        sa.Column("published_by_name", sa.String(length=140), server_default="", nullable=False),
        *_versioned(),
        sa.CheckConstraint("number > 0", name=op.f("ck_market_rule_version_number")),
        sa.CheckConstraint("remind_days BETWEEN 1 AND 365 AND correction_days BETWEEN 1 AND 365", name=op.f("ck_market_rule_version_delays")),
        sa.CheckConstraint("escalate_days BETWEEN 1 AND 365 AND escalate_days > remind_days", name=op.f("ck_market_rule_version_escalation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_rule_version")),
        sa.UniqueConstraint("number", name=op.f("uq_market_rule_version_number")),
    )
    op.create_index(
        "uq_market_rule_version_draft", "market_rule_version", [sa.text("(published_at IS NULL)")], unique=True,
        postgresql_where=sa.text("published_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "market_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("programme_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=12), nullable=True),
        sa.Column("field", sa.String(length=20), nullable=True),
        sa.Column("opening", sa.String(length=8), nullable=True),
        sa.Column("moment", sa.String(length=8), nullable=True),
        sa.Column("direction", sa.String(length=8), nullable=True),
        sa.Column("days_at_most", sa.Integer(), nullable=True),
        sa.Column("percent_at_most", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("needs_amendment", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("reason", sa.String(length=600), nullable=True),
        *_versioned(),
        sa.CheckConstraint("kind ~ '^[a-z_]+$' AND field ~ '^[a-z_]+$'", name=op.f("ck_market_rule_target")),
        sa.CheckConstraint("outcome IN ('record', 'instruct', 'forbid')", name=op.f("ck_market_rule_outcome")),
        sa.CheckConstraint("opening IN ('waiting', 'opened')", name=op.f("ck_market_rule_opening")),
        sa.CheckConstraint("moment IN ('before', 'after')", name=op.f("ck_market_rule_moment")),
        sa.CheckConstraint("direction IN ('up', 'down')", name=op.f("ck_market_rule_direction")),
        sa.CheckConstraint("days_at_most BETWEEN 0 AND 3650", name=op.f("ck_market_rule_days")),
        sa.CheckConstraint("percent_at_most BETWEEN 0 AND 1000", name=op.f("ck_market_rule_percent")),
        sa.CheckConstraint("outcome <> 'forbid' OR COALESCE(reason, '') <> ''", name=op.f("ck_market_rule_reason")),
        sa.CheckConstraint("NOT needs_amendment OR outcome = 'instruct'", name=op.f("ck_market_rule_amendment")),
        sa.CheckConstraint("position BETWEEN 1 AND 9999", name=op.f("ck_market_rule_position")),
        sa.ForeignKeyConstraint(["version_id"], ["market_rule_version.id"], name=op.f("fk_market_rule_version_id_market_rule_version")),
        sa.ForeignKeyConstraint(["programme_id"], ["programme.id"], name=op.f("fk_market_rule_programme_id_programme")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_rule")),
        sa.UniqueConstraint("version_id", "id", name=op.f("uq_market_rule_version_id_id")),
    )
    op.create_index("ix_market_rule_order", "market_rule", ["version_id", "position", "id"])
    op.create_index(op.f("ix_market_rule_programme_id"), "market_rule", ["programme_id"])

    op.add_column(_REQUEST, sa.Column("notes", JSONB(), server_default="[]", nullable=False))
    op.add_column(_REQUEST, sa.Column("treatment", sa.String(length=12), server_default="instruct", nullable=False))
    op.add_column(_REQUEST, sa.Column("needs_amendment", sa.Boolean(), server_default="false", nullable=False))
    op.add_column(_EVENT, sa.Column("notes", JSONB(), nullable=True))
    for table in (_REQUEST, _EVENT):
        op.add_column(table, sa.Column("rule_version_id", sa.Integer(), nullable=True))
        op.add_column(table, sa.Column("rule_id", sa.Integer(), nullable=True))
        version = op.f(f"fk_{table}_rule_version_id_market_rule_version")
        op.create_foreign_key(version, table, "market_rule_version", ["rule_version_id"], ["id"])
        op.create_foreign_key(f"fk_{table}_rule", table, "market_rule", ["rule_version_id", "rule_id"], ["version_id", "id"])
        op.create_check_constraint(op.f(f"ck_{table}_rule_of_version"), table, "rule_id IS NULL OR rule_version_id IS NOT NULL")
    op.create_check_constraint(op.f(f"ck_{_REQUEST}_notes"), _REQUEST, "jsonb_typeof(notes) = 'array'")
    op.create_check_constraint(op.f(f"ck_{_REQUEST}_treatment"), _REQUEST, "treatment IN ('record', 'instruct')")
    op.create_check_constraint(op.f(f"ck_{_REQUEST}_recorded"), _REQUEST, "treatment <> 'record' OR (state = 'validated' AND rule_id IS NOT NULL)")
    amendment = "NOT needs_amendment OR state <> 'validated' OR amendment_number IS NOT NULL"
    op.create_check_constraint(op.f(f"ck_{_REQUEST}_needs_amendment"), _REQUEST, amendment)
    op.create_check_constraint(op.f(f"ck_{_EVENT}_notes"), _EVENT, "notes IS NULL OR jsonb_typeof(notes) = 'array'")
    _replace_check(_REQUEST, "observations", f"{_WITH_OBSERVATIONS} OR notes <> '[]'::jsonb")
    _replace_check(_EVENT, "event", f"event IN ({_EVENTS}, 'record')")
    op.create_unique_constraint(op.f(f"uq_{_EVENT}_organisation_id_id"), _EVENT, ["organisation_id", "id"])

    op.create_table(
        "request_reminder",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('validators', 'escalation', 'correction')", name=op.f("ck_request_reminder_kind")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_request_reminder_organisation_id_organisation")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "event_id"], ["modification_request_event.organisation_id", "modification_request_event.id"],
            name="fk_request_reminder_event",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_reminder")),
        sa.UniqueConstraint("event_id", "kind", name=op.f("uq_request_reminder_event_id_kind")),
    )  # fmt: skip
    op.create_index(op.f("ix_request_reminder_organisation_id"), "request_reminder", ["organisation_id"])
    _run("up")


def downgrade() -> None:
    # What the rules recorded stays validated, its line of history is said as a validation; comments on lines join the observations.
    _as_system(f"UPDATE {_EVENT} SET event = 'validate' WHERE event = 'record'")
    said = "(SELECT string_agg(n ->> 'text', E'\\n') FROM jsonb_array_elements(notes) n)"
    for table, column in ((_REQUEST, "observations"), (_EVENT, "comment")):
        _as_system(f"UPDATE {table} SET {column} = concat_ws(E'\\n', NULLIF({column}, ''), {said}) WHERE notes <> '[]'::jsonb")
    _run("down")
    op.drop_table("request_reminder")
    op.drop_constraint(op.f(f"uq_{_EVENT}_organisation_id_id"), _EVENT, type_="unique")
    _replace_check(_EVENT, "event", f"event IN ({_EVENTS})")
    _replace_check(_REQUEST, "observations", _WITH_OBSERVATIONS)
    for name in ("needs_amendment", "recorded", "treatment", "notes", "rule_of_version"):
        op.drop_constraint(op.f(f"ck_{_REQUEST}_{name}"), _REQUEST, type_="check")
    for name in ("notes", "rule_of_version"):
        op.drop_constraint(op.f(f"ck_{_EVENT}_{name}"), _EVENT, type_="check")
    for table in (_REQUEST, _EVENT):
        op.drop_constraint(f"fk_{table}_rule", table, type_="foreignkey")
        for column in ("rule_id", "rule_version_id", "notes"):
            op.drop_column(table, column)
    for column in ("treatment", "needs_amendment"):
        op.drop_column(_REQUEST, column)
    op.drop_table("market_rule")
    op.drop_table("market_rule_version")
