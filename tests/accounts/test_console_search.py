"""The console's search: by beginnings of words, by state and organisation; fast among many accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from app.accounts import queries
from app.accounts.queries import Shown
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


def found(typed: str, shown: Shown = Shown.ALL, **narrowed: int) -> list[str]:
    with bound_scope(Scope.support()):
        return [user.username for user in queries.find_accounts(typed, shown, page=1, size=100, **narrowed)[0]]


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("mor kar", ["secondaire"]),
        ("garcia ines", ["autre-of"]),
        ("123 456 789", ["principal", "secondaire"]),
        ("12345678913000", ["principal", "secondaire"]),
        ("moreau garonne", ["secondaire"]),
        ("secondaire@example.org", ["secondaire"]),
        ("oreau", []),
        ("'; drop", []),
    ],
)
def test_search(db_session: Session, typed: str, names: list[str]) -> None:
    assert sorted(found(typed)) == names


def test_marks_alone_find_nobody(db_session: Session) -> None:
    for typed in ("%", "***", "…", "' --"):
        assert queries.find_accounts(typed, queries.Shown.ALL, page=1, size=25) == ([], 0), typed
    assert queries.find_accounts("  ", queries.Shown.ALL, page=1, size=25)[1] > 0


def test_states_and_organisation(db_session: Session) -> None:
    own = db_session.scalar(text("SELECT organisation_id FROM ab_user WHERE username = 'principal'"))
    db_session.execute(text("UPDATE ab_user SET active = false, deactivated_at = now() WHERE username = 'secondaire'"))
    db_session.execute(text("UPDATE ab_user SET password = NULL WHERE username = 'autre-of'"))
    db_session.execute(text("UPDATE ab_user SET created_on = '2020-01-01', password_changed_at = NULL, last_sign_in_at = '2020-02-01' WHERE username = 'region'"))
    db_session.flush()
    assert found("", Shown.INACTIVE) == ["secondaire"]
    assert found("", Shown.PENDING) == ["autre-of"]
    assert found("", Shown.UNUSED) == ["region"]
    assert sorted(found("", organisation_id=own)) == ["principal", "secondaire"]


@pytest.mark.slow
def test_among_thousands_of_accounts(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()), transaction() as session:
        session.execute(
            text(
                "INSERT INTO organisation (legal_name, siret, active, version, created_at, updated_at) "
                "SELECT 'ORGANISME ' || md5(n::text), lpad((10000000000000 + n)::text, 14, '0'), true, 1, now(), now() FROM generate_series(1, 5000) n"
            )
        )
        session.execute(
            text(
                "INSERT INTO ab_user (id, first_name, last_name, username, email, active, organisation_id, created_on) "
                "SELECT 1000000 + n, 'P' || md5(n::text), 'N' || md5('x' || n), 'u' || n, 'u' || n || '@example.org', true, "
                "(SELECT id FROM organisation WHERE siret = lpad((10000000000000 + 1 + n % 5000)::text, 14, '0')), now() FROM generate_series(1, 6000) n"
            )
        )
    with committed.app_context(), bound_scope(Scope.system()), transaction() as session:
        session.execute(text("UPDATE ab_user SET failed_attempts = 3, blocked_at = now() WHERE id % 300 = 0 AND id > 1000000"))
    with committed.app_context(), bound_scope(Scope.support()):
        totals = {}
        for typed, shown in (("moreau", Shown.ALL), ("10000000000123", Shown.ALL), ("u99", Shown.ALL), ("", Shown.BLOCKED), ("", Shown.ALL), ("organisme", Shown.ALL)):
            users, totals[typed, shown.value] = queries.find_accounts(typed, shown, page=1, size=25)
            assert users, typed
        assert totals["", "blocked"] == 20
        assert totals["moreau", "all"] == 1
        db.session.remove()
