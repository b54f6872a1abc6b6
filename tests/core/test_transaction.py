"""The transaction owner: one commit, nudges after it, nothing half-kept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from app.core.transaction import after_commit, in_transaction, part, rehearsal, transaction


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


def test_a_part_fails_by_itself_and_the_rest_is_kept(db_session: Any) -> None:
    seen: list[str] = []
    with transaction() as session:
        _insert(session, "TX5")
        with pytest.raises(ValueError), part():
            _insert(session, "TX6")
            after_commit(lambda: seen.append("part"))
            session.info["noted"] = True
            with transaction():
                raise ValueError
        assert "noted" not in session.info
        with part():
            _insert(session, "TX7")
            after_commit(lambda: seen.append("kept"))
    assert seen == ["kept"]
    assert db_session.scalars(text("SELECT code FROM general_objective WHERE code LIKE 'TX%' ORDER BY code")).all() == ["TX5", "TX7"]


def test_a_part_in_which_an_inner_failure_was_swallowed_is_not_kept(db_session: Any) -> None:
    with transaction() as session:
        with pytest.raises(RuntimeError, match="inner block"), part():
            _insert(session, "TX8")
            try:
                with transaction():
                    raise ValueError
            except ValueError:
                pass
        _insert(session, "TX9")
    assert db_session.scalars(text("SELECT code FROM general_objective WHERE code LIKE 'TX%'")).all() == ["TX9"]


def test_a_part_belongs_inside_a_transaction(db_session: Any) -> None:
    with pytest.raises(RuntimeError), part():
        pass


@pytest.mark.parametrize("within", [False, True])
def test_a_rehearsal_leaves_nothing(db_session: Any, within: bool) -> None:
    """Use cases that open their own transactions run in it, and neither commit nor break the one around."""
    seen: list[str] = []

    def rehearse() -> None:
        with rehearsal() as session:
            with transaction():
                _insert(session, "TX10")
                after_commit(lambda: seen.append("x"))
            assert _count(session) == (2 if within else 1)
            with pytest.raises(ValueError), part(), transaction():
                raise ValueError

    if within:
        with transaction() as session:
            _insert(session, "TX11")
            rehearse()
            assert in_transaction()
    else:
        rehearse()
    assert (seen, in_transaction(), _count(db_session)) == ([], False, 1 if within else 0)
