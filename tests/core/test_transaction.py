"""The transaction owner: one commit, nudges after it, nothing half-kept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from app.core.transaction import after_commit, in_transaction, transaction


def _count(session: Any) -> int:
    return int(session.scalar(text("SELECT count(*) FROM general_objective WHERE code LIKE 'TX%'")))


def _insert(session: Any, code: str) -> None:
    session.execute(
        text(
            "INSERT INTO general_objective (code, label, position, version, created_at, updated_at, valid_from) "
            "VALUES (:code, :code, 1, 1, now(), now(), current_date)"
        ),
        {"code": code},
    )


def test_callbacks_run_after_the_outermost_commit_only(db_session: Any) -> None:
    seen: list[str] = []
    with transaction():
        with transaction():
            after_commit(lambda: seen.append("inner"))
        after_commit(lambda: seen.append("outer"))
        assert seen == [] and in_transaction()
    assert seen == ["inner", "outer"] and not in_transaction()


def test_a_released_savepoint_runs_nothing(db_session: Any) -> None:
    seen: list[str] = []
    with transaction() as session:
        with session.begin_nested():
            after_commit(lambda: seen.append("x"))
        assert seen == []
    assert seen == ["x"]


def test_a_rollback_keeps_nothing_and_nudges_nobody(db_session: Any) -> None:
    seen: list[str] = []
    with pytest.raises(ZeroDivisionError), transaction() as session:
        _insert(session, "TX1")
        after_commit(lambda: seen.append("x"))
        raise ZeroDivisionError
    assert seen == [] and _count(db_session) == 0


def test_a_swallowed_inner_failure_refuses_the_commit(db_session: Any) -> None:
    with pytest.raises(RuntimeError, match="inner block"), transaction() as session:
        _insert(session, "TX2")
        try:
            with transaction():
                raise ValueError
        except ValueError:
            pass
    assert _count(db_session) == 0


def test_a_failing_nudge_does_not_lie_about_the_commit(db_session: Any) -> None:
    def fail() -> None:
        raise ConnectionError

    with transaction() as session:
        _insert(session, "TX3")
        after_commit(fail)
    assert _count(db_session) == 1


def test_after_commit_belongs_in_a_transaction(db_session: Any) -> None:
    with pytest.raises(RuntimeError):
        after_commit(lambda: None)
