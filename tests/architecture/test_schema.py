"""The schema holds the invariants by itself: tenancy, versions, one line of migrations that goes both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from app.core import rls, schema
from app.core.db import TenantMixin, VersionedMixin
from app.core.extensions import db

schema.load_models()

MAPPED = sorted((mapper.class_ for mapper in db.Model.registry.mappers), key=lambda c: c.__name__)

#: Rows nobody edits on a screen: written once, by the system, or by Flask-AppBuilder's own security tables.
NOT_EDITED = {
    "AuditEntry",
    "AuditSeal",
    "AuditSealed",
    "NirReading",
    "MailMessage",
    "OutboxMessage",
    "OutboxPartner",
    "OutboxAttempt",
    "ReconciliationRun",
    "ReconciliationFile",
    "PeriodicRun",
    "WizardDraft",
    "UserSession",
    "SignInAttempt",
    "AccessLink",
    "RecoveryRequest",
    "SecondFactor",
    "RecoveryCode",
    "ApiToken",
    "Delegation",
    "AccountBatch",
    "AccountReview",
    "Observation",
    "IdentityRequest",
    "IdentityDocument",
    "IdentityDocumentContent",
    "NiaReminder",
    "NumberFile",
    "NumberRepair",
    "NumberRepairLine",
    "ListExport",
    "ExportChoice",
    "ExportFile",
    "ExportChunk",
    "ImportFile",
    "ImportPart",
    "ImportFinding",
    "ImportHeading",
    "AdvanceInvoiceRequest",
    "ActionHistory",
    "ModificationRequestEvent",
    "RequestReminder",
    "SurveyLink",
    "SurveyOptOut",
    "SurveyReply",
    "RequestDocument",
    "RequestDocumentContent",
    "RequestSignature",
    "FinishDeclaration",
    "EnrolmentAct",
    "ActionAccess",
    "OutboxIntervention",
    "SeededValue",
    "ComponentSite",
    "Town",
    "ApiKey",
    "Group",
    "Permission",
    "PermissionView",
    "RegisterUser",
    "Role",
    "User",
    "ViewMenu",
}


def test_one_head() -> None:
    assert len(schema.heads()) == 1


def test_heads_are_those_alembic_sees() -> None:
    assert set(schema.heads()) == set(ScriptDirectory(str(schema.MIGRATIONS)).get_heads())


def test_every_editable_model_is_versioned() -> None:
    unversioned = {c.__name__ for c in MAPPED if not issubclass(c, VersionedMixin)}
    assert unversioned <= NOT_EDITED, unversioned - NOT_EDITED


def test_no_stale_exemption() -> None:
    assert {c.__name__ for c in MAPPED} >= NOT_EDITED - {"NirReading"}


@pytest.mark.parametrize("entity", [c for c in MAPPED if issubclass(c, TenantMixin)], ids=lambda c: c.__name__)
def test_no_row_can_point_into_another_organisation(entity: type[Any]) -> None:
    """A foreign key between tenant tables carries the organisation, so the database refuses a crossing."""
    tenant_tables = {c.__table__ for c in MAPPED if issubclass(c, TenantMixin)}
    for constraint in entity.__table__.foreign_key_constraints:
        if constraint.referred_table in tenant_tables:
            columns = {column.name for column in constraint.columns}
            referred = {element.column.name for element in constraint.elements}
            assert "organisation_id" in columns and "organisation_id" in referred, constraint.name


def test_row_security_everywhere(app: Any, db_session: Any) -> None:
    """Every table has row-level security, forced, and the application's role neither owns one nor steps over it."""
    rows = db_session.execute(
        text(
            "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner::regrole::text, "
            "(SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) "
            "FROM pg_class c WHERE c.relkind IN ('r','p') AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'"
        )
    ).all()
    assert len(rows) > 20
    weak = [row for row in rows if not (row[1] and row[2] and row[4] > 0) or row[3].startswith("portal_app")]
    assert not weak
    roles = db_session.execute(
        text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names) AND (rolsuper OR rolbypassrls)"),
        {"names": ["portal_app", *rls.ROLES, rls.LIMITED]},
    ).all()
    assert not roles


def test_migrations_match_the_models(databases: Any, make_settings: Callable[..., Any]) -> None:
    settings = make_settings(*databases.create_empty("fresh"))
    schema.upgrade(settings)
    engine = create_engine(settings.sqlalchemy_owner_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []
    engine.dispose()
    databases.drop("fresh")


def test_security_of_a_migrated_database_is_what_the_models_say(databases: Any, make_settings: Callable[..., Any]) -> None:
    """The frozen statements of the migrations give the same policies and grants as the models ask for."""
    settings = make_settings(*databases.create_empty("policies"))
    schema.upgrade(settings)
    engine = create_engine(settings.sqlalchemy_owner_url)
    with engine.connect() as connection:
        found = {(row[0], row[1]) for row in connection.execute(text("SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public'"))}
    engine.dispose()
    databases.drop("policies")
    expected = set()
    for table, entity in rls.owned_tables():
        for statement in rls.statements_for(table, entity):
            if statement.startswith("CREATE POLICY"):
                words = statement.split()
                expected.add((words[4], words[2]))
    assert expected <= found, expected - found


@pytest.mark.slow
def test_every_migration_goes_both_ways(databases: Any, make_settings: Callable[..., Any]) -> None:
    settings = make_settings(*databases.create_empty("updown"))
    revisions = [revision.revision for revision in ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions()]
    for revision in reversed(revisions):
        schema.upgrade(settings, revision)
    for revision in [*revisions[1:], "base"]:
        schema.downgrade(settings, revision)
    engine = create_engine(settings.sqlalchemy_owner_url)
    with engine.connect() as connection:
        left = connection.scalars(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r','v','S') AND relname <> 'alembic_version'")
        ).all()
        functions = connection.scalars(text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")).all()
    engine.dispose()
    assert left == [] and functions == []
    schema.upgrade(settings)
    databases.drop("updown")


def test_surplus_principals_of_an_older_base_become_secondary(
    databases: Any, make_settings: Callable[..., Any], engines: dict[str, str]
) -> None:
    """Before 0003 an organisation could have several principal accounts: the open one, or else the oldest, stays."""
    import psycopg
    from sqlalchemy.engine import make_url

    app_url, owner_url = databases.create_empty("principals")
    settings = make_settings(app_url, owner_url)
    schema.upgrade(settings, "0002")
    url = make_url(engines["superuser"]).set(database=make_url(app_url).database).render_as_string(hide_password=False)
    with psycopg.connect(url) as sql:
        sql.execute("SET session_replication_role = replica")
        sql.execute("INSERT INTO ab_role (id, name) VALUES (1, 'Compte principal'), (2, 'Compte secondaire')")
        sql.execute("INSERT INTO organisation (id, legal_name, siret, active, version, created_at, updated_at) VALUES (1, 'X', '12345678913000', true, 1, now(), now())")
        for number, active in ((1, False), (2, True), (3, True)):
            sql.execute(
                "INSERT INTO ab_user (id, first_name, last_name, username, email, active, organisation_id) VALUES (%s, 'a', 'b', %s, 'a@b.fr', %s, 1)",
                (number, f"u{number}", active),
            )
            sql.execute("INSERT INTO ab_user_role (id, user_id, role_id) VALUES (%s, %s, 1)", (number, number))
        sql.execute("INSERT INTO ab_user_role (id, user_id, role_id) VALUES (4, 3, 2)")
        sql.execute("SELECT setval('ab_user_role_id_seq', 10)")
    schema.upgrade(settings)
    with psycopg.connect(url) as sql:
        rows = sql.execute("SELECT user_id, role_id FROM ab_user_role ORDER BY 1, 2").fetchall()
        marked = sql.execute("SELECT id FROM ab_user WHERE is_principal").fetchall()
    databases.drop("principals")
    assert rows == [(1, 2), (2, 1), (3, 2)] and marked == [(2,)]


def test_rights_given_before_are_told_and_the_journal_is_not(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str]) -> None:
    """0011: the numbers of the actions of accounts limited already, which nobody changed just now."""
    import psycopg
    from sqlalchemy.engine import make_url

    app_url, owner_url = databases.create_empty("given")
    settings = make_settings(app_url, owner_url)
    schema.upgrade(settings, "0010")
    url = make_url(engines["superuser"]).set(database=make_url(app_url).database).render_as_string(hide_password=False)
    with psycopg.connect(url) as sql:
        sql.execute("SET session_replication_role = replica")
        for number, limited in ((1, True), (2, False)):
            sql.execute(
                "INSERT INTO ab_user (id, first_name, last_name, username, email, active, organisation_id, limited_to_actions) "
                "VALUES (%s, 'a', 'b', %s, 'a@b.fr', true, 1, %s)",
                (number, f"u{number}", limited),
            )
        for number, name in ((1, "23C1_10"), (2, "23C1_9")):
            sql.execute(
                "INSERT INTO action (id, organisation_id, contract_id, number, title, status, year, planned_start, planned_end, version, created_at, updated_at) "
                "VALUES (%s, 1, 1, %s, 'T', 'AO', 2026, '2026-01-01', '2026-12-31', 1, now(), now())",
                (number, name),
            )
            sql.execute("INSERT INTO action_access (organisation_id, user_id, action_id) VALUES (1, 1, %s)", (number,))
    schema.upgrade(settings, "0011")
    with psycopg.connect(url) as sql:
        told = sql.execute("SELECT id, given_actions FROM ab_user ORDER BY id").fetchall()
        entries = sql.execute("SELECT count(*) FROM audit_entry WHERE table_name = 'ab_user'").fetchone()
        enabled = sql.execute("SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'ab_user'::regclass AND tgname = 'audit_update'").fetchone()
    databases.drop("given")
    assert told == [(1, "23C1_9, 23C1_10"), (2, None)]
    assert entries == (0,)
    assert enabled == ("O",)
