"""Situation surveys: their value lists, one survey for each exit and moment, the trainee's reply, the links sent.

The grants, policies and triggers stand in the SQL file beside this one, written from the models and frozen, with the functions that make
the surveys of an exit and copy what a situation asks.

Revision: 0020, after 0019
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_HERE = Path(__file__)
_STATE = "CASE WHEN situation_id IS NOT NULL OR replied_at IS NOT NULL THEN 'answered' WHEN unreached_at IS NOT NULL THEN 'unreached' ELSE 'waiting' END"


def _run(direction: str) -> None:
    sql = _HERE.with_name(f"20261128_0020_situation_surveys_{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def _versioned() -> tuple[sa.Column, ...]:
    return (
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def _organisation(table: str) -> tuple[sa.Column, sa.ForeignKeyConstraint]:
    return (
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f(f"fk_{table}_organisation_id_organisation")),
    )


def _value_list(table: str, *own: sa.schema.SchemaItem) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agora_code", sa.String(length=30), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        *_versioned(),
        *own,
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f(f"ck_{table}_validity")),
        sa.CheckConstraint("code <> '' AND label <> ''", name=op.f(f"ck_{table}_code_filled")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("code", name=f"uq_{table}_code"),
    )


def _answers(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("situation_id", sa.Integer(), nullable=True),
        sa.Column("employed", sa.Boolean(), nullable=True),
        sa.Column("contract_type_id", sa.Integer(), nullable=True),
        sa.Column("company", sa.String(length=150), nullable=True),
        sa.Column("sector_id", sa.Integer(), nullable=True),
        sa.Column("job_title", sa.String(length=150), nullable=True),
        sa.Column("category_id", sa.Integer(), nullable=True),
        sa.Column("job_related", sa.Boolean(), nullable=True),
        sa.Column("certification", sa.String(length=7), nullable=True),
        sa.Column("certification_level_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["situation_id", "employed"], ["survey_situation.id", "survey_situation.employed"], name=f"fk_{table}_situation"),
        sa.ForeignKeyConstraint(["contract_type_id"], ["employment_contract.id"], name=op.f(f"fk_{table}_contract_type_id_employment_contract")),
        sa.ForeignKeyConstraint(["sector_id"], ["professional_sector.id"], name=op.f(f"fk_{table}_sector_id_professional_sector")),
        sa.ForeignKeyConstraint(["category_id"], ["socio_professional_category.id"], name=op.f(f"fk_{table}_category_id_socio_professional_category")),
        sa.ForeignKeyConstraint(["certification_level_id"], ["level.id"], name=op.f(f"fk_{table}_certification_level_id_level")),
        sa.CheckConstraint(
            "(situation_id IS NULL) = (certification IS NULL) AND (situation_id IS NULL) = (employed IS NULL)", name=op.f(f"ck_{table}_whole")
        ),
        sa.CheckConstraint("employed IS NOT TRUE OR (contract_type_id IS NOT NULL AND category_id IS NOT NULL)", name=op.f(f"ck_{table}_job_asked")),
        sa.CheckConstraint(
            "employed IS TRUE OR (contract_type_id IS NULL AND company IS NULL AND sector_id IS NULL AND job_title IS NULL AND category_id IS NULL "
            "AND job_related IS NULL)",
            name=op.f(f"ck_{table}_job_not_asked"),
        ),
        sa.CheckConstraint("COALESCE(certification = 'yes', false) = (certification_level_id IS NOT NULL)", name=op.f(f"ck_{table}_level_asked")),
        sa.CheckConstraint("certification IN ('yes', 'no', 'unknown')", name=op.f(f"ck_{table}_certification")),
    )


def _of_survey(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organisation_id", "survey_id"], ["situation_survey.organisation_id", "situation_survey.id"], name=f"fk_{table}_survey", ondelete="CASCADE"
    )


def upgrade() -> None:
    _value_list(
        "survey_situation",
        sa.Column("employed", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("id", "employed", name="uq_survey_situation_employed"),
    )
    for table in ("employment_contract", "professional_sector", "socio_professional_category"):
        _value_list(table)
    op.create_table(
        "situation_survey",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("moment", sa.String(length=4), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by_id", sa.Integer(), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unreached_at", sa.DateTime(timezone=True), nullable=True),
        *_answers("situation_survey"),
        sa.Column("state", sa.String(length=9), sa.Computed(_STATE, persisted=True), nullable=False),
        *_organisation("situation_survey"),
        *_versioned(),
        sa.ForeignKeyConstraint(["organisation_id", "enrolment_id"], ["enrolment.organisation_id", "enrolment.id"], name="fk_situation_survey_enrolment"),
        sa.ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_situation_survey_action"),
        sa.CheckConstraint("moment IN ('exit', '3m', '6m')", name=op.f("ck_situation_survey_moment")),
        sa.CheckConstraint("answered_at IS NULL OR situation_id IS NOT NULL", name=op.f("ck_situation_survey_answered_at")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_situation_survey")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_situation_survey_organisation_id_id")),
        sa.UniqueConstraint("enrolment_id", "moment", name="uq_situation_survey_moment"),
    )
    op.create_index(op.f("ix_situation_survey_organisation_id"), "situation_survey", ["organisation_id"])
    shown, waiting = sa.text("due_on IS NOT NULL"), sa.text("state = 'waiting' AND due_on IS NOT NULL")
    op.create_index("ix_situation_survey_list", "situation_survey", ["organisation_id", "due_on", "id"], postgresql_where=shown)
    op.create_index("ix_situation_survey_all", "situation_survey", ["due_on", "id"], postgresql_where=shown)
    op.create_index("ix_situation_survey_action", "situation_survey", ["action_id", "due_on", "id"], postgresql_where=shown)
    op.create_index("ix_situation_survey_waiting", "situation_survey", ["organisation_id", "due_on", "moment"], postgresql_where=waiting)
    op.create_index("ix_situation_survey_to_write", "situation_survey", ["due_on", "id"], postgresql_where=waiting)
    op.create_table(
        "survey_reply",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=False),
        *_answers("survey_reply"),
        *_organisation("survey_reply"),
        _of_survey("survey_reply"),
        sa.CheckConstraint("situation_id IS NOT NULL", name=op.f("ck_survey_reply_answered")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_reply")),
        sa.UniqueConstraint("survey_id", name="uq_survey_reply_survey"),
    )
    op.create_index(op.f("ix_survey_reply_organisation_id"), "survey_reply", ["organisation_id"])
    op.create_table(
        "survey_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        *_organisation("survey_link"),
        _of_survey("survey_link"),
        sa.CheckConstraint("rank BETWEEN 1 AND 3", name=op.f("ck_survey_link_rank")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_link")),
        sa.UniqueConstraint("survey_id", "rank", name="uq_survey_link_rank"),
        sa.UniqueConstraint("token_hash", name="uq_survey_link_token"),
    )
    op.create_index(op.f("ix_survey_link_organisation_id"), "survey_link", ["organisation_id"])
    op.create_table(
        "survey_opt_out",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trainee_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        *_organisation("survey_opt_out"),
        sa.ForeignKeyConstraint(["organisation_id", "trainee_id"], ["trainee.organisation_id", "trainee.id"], name="fk_survey_opt_out_trainee", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_opt_out")),
        sa.UniqueConstraint("trainee_id", name="uq_survey_opt_out_trainee"),
    )
    op.create_index(op.f("ix_survey_opt_out_organisation_id"), "survey_opt_out", ["organisation_id"])
    _run("up")
    # Those who left before: their surveys are to be answered too; the messages go only to those who left lately (``domain.FIRST_WITHIN``).
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")
    connection.exec_driver_sql(
        "INSERT INTO situation_survey (organisation_id, enrolment_id, action_id, moment, due_on, created_at, updated_at) "
        "SELECT e.organisation_id, e.id, e.action_id, m.moment, (e.actual_end + m.wait)::date, clock_timestamp(), clock_timestamp() "
        "FROM enrolment e CROSS JOIN (VALUES ('exit', interval '0'), ('3m', interval '3 months'), ('6m', interval '6 months')) m (moment, wait) "
        "WHERE e.actual_end IS NOT NULL"
    )
    connection.exec_driver_sql("RESET ROLE")


def downgrade() -> None:
    _run("down")
    for table in ("survey_opt_out", "survey_link", "survey_reply", "situation_survey"):
        op.drop_table(table)
    for table in ("socio_professional_category", "professional_sector", "employment_contract", "survey_situation"):
        op.drop_table(table)
