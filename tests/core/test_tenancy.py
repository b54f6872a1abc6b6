"""Both walls between organisations: the session's criteria, and the database's own when Python forgets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core import rls, schema, tenancy
from app.core.db import TenantMixin
from app.core.extensions import db
from app.core.tenancy import Scope, TenancyError, bound_scope
from app.core.transaction import transaction

schema.load_models()

TENANT_TABLES = sorted(table.name for table, entity in rls.owned_tables() if rls.kind_of(table, entity) == "tenant" and "organisation_id" in table.c)
TENANT_CLASSES = sorted((mapper.class_ for mapper in db.Model.registry.mappers if issubclass(mapper.class_, TenantMixin)), key=lambda c: c.__name__)


@pytest.fixture
def organisations(db_session: Any) -> tuple[int, int]:
    """Two organisations of the demonstration, each with rows."""
    first, second = db_session.scalars(text("SELECT id FROM organisation ORDER BY id LIMIT 2")).all()
    return first, second


@pytest.fixture
def first_wall_down() -> Iterator[None]:
    """The session's criteria and guard switched off: only the database stands."""
    event.remove(Session, "do_orm_execute", tenancy._wall)
    event.remove(Session, "before_flush", tenancy._guard)
    try:
        yield
    finally:
        event.listen(Session, "do_orm_execute", tenancy._wall)
        event.listen(Session, "before_flush", tenancy._guard)


def test_there_is_something_to_protect() -> None:
    assert {"action", "component", "contract", "trainee", "registration", "enrolment", "ab_user"} <= set(TENANT_TABLES)


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_raw_sql_sees_nothing_of_another_organisation(db_session: Any, organisations: tuple[int, int], table: str) -> None:
    own, other = organisations
    count = text(f"SELECT count(*) FROM {table} WHERE organisation_id IS DISTINCT FROM :own")
    with bound_scope(Scope.organisation(own)):
        assert db_session.scalar(count, {"own": own}) == 0
        assert db_session.scalar(text(f"SELECT count(*) FROM {table} WHERE organisation_id = :other"), {"other": other}) == 0
    with bound_scope(Scope.nothing()):
        assert db_session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


@pytest.mark.parametrize("table", ["action", "contract", "trainee", "registration", "enrolment", "component", "ab_user"])
def test_the_other_side_has_rows_that_stay_hidden(db_session: Any, organisations: tuple[int, int], table: str) -> None:
    """The checks above mean something: the rows exist, and each side sees its own."""
    for organisation in organisations:
        with bound_scope(Scope.organisation(organisation)):
            assert db_session.scalar(text(f"SELECT count(*) FROM {table}")) > 0


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_raw_sql_changes_nothing_of_another_organisation(db_session: Any, organisations: tuple[int, int], table: str) -> None:
    own, other = organisations
    with bound_scope(Scope.organisation(own)):
        for statement in (
            f"UPDATE {table} SET organisation_id = organisation_id WHERE organisation_id = :other",
            f"DELETE FROM {table} WHERE organisation_id = :other",
        ):
            nested = db_session.begin_nested()
            try:
                assert db_session.execute(text(statement), {"other": other}).rowcount == 0
            except DBAPIError as error:
                assert getattr(error.orig, "sqlstate", "") == "42501"  # not even the privilege
            finally:
                nested.rollback()


def test_a_row_cannot_be_given_away(db_session: Any, organisations: tuple[int, int]) -> None:
    own, other = organisations
    with bound_scope(Scope.organisation(own)):
        nested = db_session.begin_nested()
        with pytest.raises(DBAPIError):
            db_session.execute(text("UPDATE contract SET organisation_id = :other"), {"other": other})
        nested.rollback()


@pytest.mark.parametrize("entity", TENANT_CLASSES, ids=lambda c: c.__name__)
def test_the_orm_sees_its_own_only(db_session: Any, organisations: tuple[int, int], entity: type[Any]) -> None:
    own, _other = organisations
    with bound_scope(Scope.organisation(own)):
        assert {row.organisation_id for row in db_session.scalars(select(entity))} <= {own}
    for scope in (Scope.nothing(),) if getattr(entity, "__rls_support__", False) else (Scope.nothing(), Scope.support()):
        with bound_scope(scope):
            assert db_session.scalars(select(entity)).all() == []


@pytest.mark.parametrize("entity", TENANT_CLASSES, ids=lambda c: c.__name__)
def test_the_database_stands_alone(db_session: Any, organisations: tuple[int, int], first_wall_down: None, entity: type[Any]) -> None:
    own, _other = organisations
    with bound_scope(Scope.organisation(own)):
        assert {row.organisation_id for row in db_session.scalars(select(entity))} <= {own}
    with bound_scope(Scope.nothing()):
        assert db_session.scalars(select(entity)).all() == []


def test_writing_for_another_organisation_is_a_defect(db_session: Any, organisations: tuple[int, int]) -> None:
    from app.actions.models import Contract

    own, other = organisations
    programme = db_session.scalar(text("SELECT id FROM programme LIMIT 1"))
    with bound_scope(Scope.organisation(own)), pytest.raises(TenancyError), transaction() as session:
        session.add(Contract(organisation_id=other, number="X1", label="x", programme_id=programme))


def test_a_new_row_gets_its_organisation(db_session: Any, organisations: tuple[int, int]) -> None:
    from app.actions.models import Contract

    own, _other = organisations
    programme = db_session.scalar(text("SELECT id FROM programme LIMIT 1"))
    with bound_scope(Scope.organisation(own)):
        contract = Contract(number="X2", label="x", programme_id=programme)
        with transaction() as session:
            session.add(contract)
        assert contract.organisation_id == own


def test_what_was_loaded_is_not_read_from_memory_in_another_scope(db_session: Any, organisations: tuple[int, int]) -> None:
    from app.actions.models import Contract

    own, other = organisations
    with bound_scope(Scope.organisation(other)):
        theirs = db_session.scalars(select(Contract)).first()
        identifier = theirs.id
    with bound_scope(Scope.organisation(own)):
        assert db_session.get(Contract, identifier) is None


def test_the_sign_in_role_alone_reads_nothing(app: Any) -> None:
    """A connection that took no role (a forgotten path) has no grant at all."""
    import psycopg

    url = app.config["DATABASE_URL"]
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM organisation")
