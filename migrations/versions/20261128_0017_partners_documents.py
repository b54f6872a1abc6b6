"""Partners of the actions, asked for by a fifth kind of request; documents of the requests, and confirmations of their letters.

The grants, policies and triggers stand in the SQL file beside this one, written from the models and frozen.

Revision: 0017, after 0016
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('dates', 'reference', 'volumes', 'sites'{more})"
_KIND = "ck_modification_request_kind"


def _organisation(table: str) -> tuple[sa.Column, sa.ForeignKeyConstraint]:
    return (
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f(f"fk_{table}_organisation_id_organisation")),
    )


def _of_request(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organisation_id", "request_id"], ["modification_request.organisation_id", "modification_request.id"], name=f"fk_{table}_request"
    )


def _of_action(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name=f"fk_{table}_action")


def upgrade() -> None:
    op.drop_constraint(op.f(_KIND), "modification_request")
    op.create_check_constraint(op.f(_KIND), "modification_request", _KINDS.format(more=", 'partners'"))
    op.create_table(
        "action_partner",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("legal_name", sa.String(length=200), nullable=False),
        sa.Column("siret", sa.String(length=14), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        *_organisation("action_partner"),
        sa.CheckConstraint("role IN ('co_traitant', 'sous_traitant')", name=op.f("ck_action_partner_role")),
        sa.CheckConstraint("siret ~ '^[0-9]{14}$'", name=op.f("ck_action_partner_siret")),
        sa.CheckConstraint("legal_name <> ''", name=op.f("ck_action_partner_legal_name")),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_action_partner_dates")),
        _of_action("action_partner"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_partner")),
        sa.UniqueConstraint("action_id", "siret", name="uq_action_partner_siret"),
    )
    op.create_index(op.f("ix_action_partner_organisation_id"), "action_partner", ["organisation_id"])
    op.create_table(
        "request_document",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=True),
        sa.Column("draft_token", sa.Uuid(), nullable=True),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("stated", sa.String(length=24), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("account_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        *_organisation("request_document"),
        sa.CheckConstraint("role IN ('supporting', 'letter', 'amendment')", name=op.f("ck_request_document_role")),
        sa.CheckConstraint("(request_id IS NULL) <> (draft_token IS NULL)", name=op.f("ck_request_document_draft_or_sent")),
        sa.CheckConstraint("size > 0", name=op.f("ck_request_document_size")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_request_document_name")),
        _of_action("request_document"),
        _of_request("request_document"),
        sa.ForeignKeyConstraint(["draft_token"], ["wizard_draft.token"], name=op.f("fk_request_document_draft_token_wizard_draft"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_document")),
        sa.UniqueConstraint("organisation_id", "id", name=op.f("uq_request_document_organisation_id_id")),
    )
    op.create_index("ix_request_document_action", "request_document", ["action_id", "id"])
    op.create_index("ix_request_document_draft", "request_document", ["draft_token"], postgresql_where=sa.text("draft_token IS NOT NULL"))
    op.create_index(op.f("ix_request_document_organisation_id"), "request_document", ["organisation_id"])
    op.create_index("ix_request_document_request", "request_document", ["request_id", "id"])
    op.create_table(
        "request_document_content",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        *_organisation("request_document_content"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "id"], ["request_document.organisation_id", "request_document.id"],
            name="fk_request_document_content_document", ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_document_content")),
    )  # fmt: skip
    op.create_index(op.f("ix_request_document_content_organisation_id"), "request_document_content", ["organisation_id"])
    op.create_table(
        "request_signature",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Integer(), nullable=False),
        sa.Column("stated", sa.String(length=24), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("account_name", sa.String(length=140), server_default="", nullable=False),
        sa.Column("on_behalf_of_id", sa.Integer(), nullable=True),
        sa.Column("on_behalf_of_name", sa.String(length=140), server_default="", nullable=False),
        *_organisation("request_signature"),
        _of_request("request_signature"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_signature")),
        sa.UniqueConstraint("request_id", "stated", name="uq_request_signature"),
    )
    op.create_index(op.f("ix_request_signature_organisation_id"), "request_signature", ["organisation_id"])
    sql = Path(__file__).with_name("20261128_0017_partners_documents_up.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(sql)


def downgrade() -> None:
    for table in ("request_signature", "request_document_content", "request_document", "action_partner"):
        op.drop_table(table)
    # What was asked about partners means nothing to the schema of before.
    partners = "(SELECT id FROM modification_request WHERE kind = 'partners')"
    connection = op.get_bind()
    connection.exec_driver_sql("SET LOCAL ROLE portal_system")  # the owner sees no row of these tables
    connection.exec_driver_sql(f"DELETE FROM modification_request_event WHERE request_id IN {partners}")
    connection.exec_driver_sql("DELETE FROM modification_request WHERE kind = 'partners'")
    connection.exec_driver_sql("RESET ROLE")
    op.drop_constraint(op.f(_KIND), "modification_request")
    op.create_check_constraint(op.f(_KIND), "modification_request", _KINDS.format(more=""))
