"""The journal: written by the database whatever the way in, append-only, sealed, and verified to the entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.audit.digests import pack_ids, unpack_ids
from app.core.tenancy import Scope
from app.core.transaction import transaction

TABLES = """
CREATE TABLE journal_probe (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, organisation_id integer, label text, name text,
    secret bytea, updated_at timestamptz, version integer DEFAULT 1);
CREATE TABLE journal_pair (a integer, b integer, v text, PRIMARY KEY (a, b));
"""


@pytest.fixture(scope="module")
def tables(kernel: Any) -> Any:
    from sqlalchemy import create_engine

    from app.core.audit import install_audit

    kernel.as_owner(*TABLES.strip().split(";\n"))
    engine = create_engine(kernel.owner_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        install_audit(connection, "journal_probe", redact=["name"])
        install_audit(connection, "journal_pair")
        for table in ("journal_probe", "journal_pair"):
            connection.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {table} TO portal_tenant, portal_region, portal_system"))
    engine.dispose()
    return kernel


@pytest.fixture
def region(tables: Any) -> Iterator[Any]:
    with tables.working(Scope.region(), actor=7) as session:
        yield session


def _run(session: Any, *statements: str) -> None:
    with transaction():
        for statement in statements:
            session.execute(text(statement))


def _fail_after(act: Callable[[], object]) -> None:
    act()
    raise ZeroDivisionError


def _last(session: Any, count: int = 1, table: str = "journal_probe") -> list[Any]:
    rows = session.execute(
        text("SELECT * FROM audit_entry WHERE table_name = :t ORDER BY id DESC LIMIT :n"), {"t": table, "n": count}
    ).all()
    session.rollback()
    return list(reversed(rows))


def _count(session: Any) -> int:
    found = int(session.scalar(text("SELECT count(*) FROM audit_entry")))
    session.rollback()
    return found


def test_an_insert_by_raw_sql_leaves_who_when_where_and_what(region: Any) -> None:
    _run(region, "INSERT INTO journal_probe (organisation_id, label, name, secret) VALUES (3, 'x', 'DUPONT', 'zz')")
    entry = _last(region)[0]
    assert (entry.operation, entry.actor_id, entry.organisation_id, entry.acting_role) == ("INSERT", 7, 3, "portal_region")
    assert entry.request_id == "0123456789abcdef"
    assert entry.at.tzinfo is not None
    assert entry.before is None
    assert entry.after["label"] == "x"
    assert entry.after["name"] == "•"
    assert entry.after["secret"] == "•"
    assert "DUPONT" not in str(entry.after)


def test_an_update_leaves_changed_columns_only_and_hides_values(region: Any) -> None:
    _run(region, "INSERT INTO journal_probe (organisation_id, label, name) VALUES (3, 'before', NULL)")
    _run(region, "UPDATE journal_probe SET label = 'after', name = 'MARTIN', version = 2, updated_at = now() WHERE label = 'before'")
    entry = _last(region)[0]
    assert entry.before == {"label": "before", "name": None}
    assert entry.after == {"label": "after", "name": "•"}


def test_an_update_that_changes_nothing_of_meaning_leaves_no_entry(region: Any) -> None:
    before = _count(region)
    _run(region, "UPDATE journal_probe SET updated_at = now(), version = version + 1, label = label")
    assert _count(region) == before


def test_delete_truncate_copy_upsert_and_composite_keys_are_seen(region: Any, tables: Any) -> None:
    _run(
        region,
        "INSERT INTO journal_pair VALUES (1, 2, 'a'), (3, 4, 'b')",
        "UPDATE journal_pair SET b = 9 WHERE a = 1",
        "INSERT INTO journal_pair VALUES (3, 4, 'c') ON CONFLICT (a, b) DO UPDATE SET v = EXCLUDED.v",
        "DELETE FROM journal_pair WHERE a = 3",
        "TRUNCATE journal_pair",
    )
    seen = [(e.operation, e.row_id) for e in _last(region, 7, "journal_pair")]
    assert seen[:2] == [("INSERT", "1:2"), ("INSERT", "3:4")]
    assert set(seen[2:4]) == {("DELETE", "1:2"), ("INSERT", "1:9")}
    assert seen[4:] == [("UPDATE", "3:4"), ("DELETE", "3:4"), ("TRUNCATE", None)]
    with psycopg.connect(tables.owner_url) as connection, connection.cursor().copy("COPY journal_pair FROM STDIN") as copy:
        copy.write_row((5, 5, "copied"))
    assert [(e.operation, e.row_id, e.actor_id) for e in _last(region, 1, "journal_pair")] == [("INSERT", "5:5", None)]


def test_a_bulk_statement_costs_one_insert_and_no_row_is_missed(region: Any) -> None:
    before = _count(region)
    _run(region, "INSERT INTO journal_probe (organisation_id, label) SELECT 1, 'bulk' FROM generate_series(1, 2000)")
    _run(region, "UPDATE journal_probe SET label = 'bulk2' WHERE label = 'bulk'")
    assert _count(region) == before + 4000


def test_a_rolled_back_change_leaves_nothing(region: Any) -> None:
    before = _count(region)
    with pytest.raises(ZeroDivisionError), transaction():
        _fail_after(lambda: region.execute(text("INSERT INTO journal_probe (label) VALUES ('never')")))
    assert _count(region) == before


@pytest.mark.parametrize("scope", [Scope.organisation(1), Scope.region(), Scope.support(), Scope.system()])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_entry (transaction_id, table_name, operation) VALUES (1, 'x', 'INSERT')",
        "UPDATE audit_entry SET actor_id = 1",
        "DELETE FROM audit_entry",
        "UPDATE audit_sealed SET digest = 'x'",
        "DELETE FROM audit_seal",
        "DELETE FROM nir_reading",
    ],
)
def test_no_scope_of_the_application_writes_a_journal(tables: Any, scope: Scope, statement: str) -> None:
    with tables.working(scope) as session, pytest.raises(DBAPIError) as caught:
        session.execute(text(statement))
    assert caught.value.orig.sqlstate == "42501"


@pytest.mark.parametrize("table", ["audit_entry", "audit_seal", "audit_sealed", "nir_reading"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = now()", "DELETE FROM {}", "TRUNCATE {}"])
def test_not_even_the_owner_alters_a_journal(tables: Any, table: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        tables.as_owner(statement.format(table))


def test_an_organisation_reads_its_own_entries_and_support_none_of_trainees(tables: Any) -> None:
    with tables.working(Scope.region()) as session:
        _run(session, "INSERT INTO journal_probe (organisation_id, label) VALUES (1, 'one'), (2, 'two')")
    with tables.working(Scope.organisation(1)) as session:
        assert set(session.scalars(text("SELECT DISTINCT organisation_id FROM audit_entry"))) == {1}
    with tables.working(Scope.support()) as session:
        assert "journal_probe" not in set(session.scalars(text("SELECT DISTINCT table_name FROM audit_entry")))
    with tables.working(Scope.nothing()) as session:
        assert session.scalar(text("SELECT count(*) FROM audit_entry")) == 0


def test_history_reads_as_a_timeline(region: Any) -> None:
    from app.core.audit.queries import history

    row = region.scalar(text("INSERT INTO journal_probe (label, name) VALUES ('old', 'A') RETURNING id"))
    region.commit()
    _run(region, f"UPDATE journal_probe SET label = 'new', name = 'B' WHERE id = {row}")
    lines = history("journal_probe", row)
    assert [line.operation for line in lines] == ["UPDATE", "INSERT"]
    label, name = lines[0].changes
    assert (label.column, label.before, label.after, label.hidden) == ("label", "old", "new", False)
    assert name.hidden
    assert lines[0].actor_id == 7
    assert [line.operation for line in history("journal_probe", row, before_id=lines[0].entry_id)] == ["INSERT"]


def test_every_table_is_under_the_journal_or_says_why_not(kernel: Any) -> None:
    from app.core.audit.ddl import is_audited
    from app.core.rls import owned_tables

    with kernel.working(Scope.system()) as session:
        watched = set(
            session.scalars(text("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'audit_update' AND tgenabled = 'O'"))
        )
    wanted = {table.name for table, entity in owned_tables() if is_audited(table, entity)}
    assert wanted <= watched


def test_the_triggers_in_the_database_hide_what_the_models_say(kernel: Any) -> None:
    """A column added to ``__audit_redact__`` needs a migration that makes the triggers again."""
    from app.core.audit.ddl import is_audited, organisation_column, redacted_columns
    from app.core.rls import owned_tables

    with kernel.working(Scope.system()) as session:
        found = {
            row.name: bytes(row.args).decode().split("\0")
            for row in session.execute(
                text("SELECT tgrelid::regclass::text AS name, tgargs AS args FROM pg_trigger WHERE tgname = 'audit_update'")
            )
        }
    for table, entity in owned_tables():
        if is_audited(table, entity):
            _keys, owner, hidden, _ignored, _end = found[table.name]
            assert owner == (organisation_column(table, entity) or ""), table.name
            assert set(filter(None, hidden.strip("{}").replace('"', "").split(","))) == set(redacted_columns(table, entity)), table.name


# -- seals ------------------------------------------------------------------------------------------------------------


def _findings() -> list[tuple[str, int | None]]:
    from app.core.audit.sealing import verify

    return [(finding.kind.value, finding.entry_id) for finding in verify()]


@pytest.fixture
def sealed(tables: Any) -> Iterator[Any]:
    """Everything sealed, the last entry being an update of a row of ``journal_probe``."""
    from app.core.audit.sealing import seal_entries

    with tables.working(Scope.system(), actor=7) as session:
        _run(session, "INSERT INTO journal_probe (organisation_id, label) SELECT 1, 'a' FROM generate_series(1, 200)")
        seal_entries(batch=70)
        _change(session)
        seal_entries()
        yield session


def _seal_until_the_floor_passes(session: Any, entry_id: int) -> None:
    """Go on changing and sealing until no entry up to ``entry_id`` can appear any more.

    How many seals that takes is not ours to say: a transaction of any database of the server, another test's too, holds the
    floor for as long as it runs.
    """
    from app.core.audit.sealing import seal_entries

    limit = time.monotonic() + 120
    while True:
        _change(session)
        seal_entries()
        floor = session.scalar(text("SELECT max(floor_id) FROM audit_seal"))
        session.rollback()
        if floor >= entry_id:
            return
        assert time.monotonic() < limit, f"the floor stays at {floor}, below {entry_id}"
        time.sleep(0.02)


def _change(session: Any) -> None:
    """Make exactly one entry."""
    _run(session, "UPDATE journal_probe SET label = gen_random_uuid()::text WHERE id = (SELECT max(id) FROM journal_probe)")


def test_an_untouched_journal_verifies_and_a_late_commit_is_not_skipped(tables: Any, sealed: Any) -> None:
    from app.core.audit.sealing import Verification, seal_entries, verify

    session = sealed
    assert _findings() == []
    with psycopg.connect(tables.owner_url) as late:
        late.execute("INSERT INTO journal_pair VALUES (100, 1, 'late')")
        for _ in range(4):
            _change(session)
            assert seal_entries() == 1
        late.commit()
    assert seal_entries() == 1
    totals = Verification()
    assert list(verify(totals)) == []
    assert totals.pending == 0
    # the floor rises again once the late one is over
    top = session.scalar(text("SELECT max(id) FROM audit_entry"))
    session.rollback()
    _seal_until_the_floor_passes(session, top)
    assert _findings() == []


def test_an_open_transaction_of_another_database_delays_the_floor_and_loses_nothing(tables: Any, sealed: Any) -> None:
    from app.core.audit.sealing import seal_entries

    with psycopg.connect(tables.owner_url, dbname="postgres") as elsewhere:
        elsewhere.execute("SELECT pg_current_xact_id()")
        _change(sealed)
        assert seal_entries() == 1
        top = sealed.scalar(text("SELECT max(id) FROM audit_entry"))
        for _ in range(4):
            _change(sealed)
            assert seal_entries() == 1
        assert sealed.scalar(text("SELECT max(floor_id) FROM audit_seal")) < top
        sealed.rollback()
        assert _findings() == []
    _seal_until_the_floor_passes(sealed, top)
    assert _findings() == []


def test_transaction_numbers_that_start_again_lose_nothing(tables: Any, sealed: Any) -> None:
    """After a restore into a new cluster the probe of the last seal may lie far ahead of the present numbers."""
    from app.core.audit import sealing

    tables.as_intruder("UPDATE audit_seal SET probe_xid = probe_xid + 1000000000 WHERE id = (SELECT max(id) FROM audit_seal)")
    for _ in range(3):
        _change(sealed)
        assert sealing.seal_entries() == 1
    tables.as_intruder("UPDATE audit_seal SET probe_xid = probe_xid - 1000000000 WHERE id = (SELECT max(id) - 3 FROM audit_seal)")
    assert _findings() == []


HOLD = "CREATE TABLE hold AS SELECT * FROM audit_entry WHERE id = {e}"
HOLD_SEAL = "CREATE TABLE hold2 AS SELECT * FROM audit_sealed WHERE entry_id = {e}"


@pytest.mark.parametrize(
    ("damage", "repair", "expected"),
    [
        ("UPDATE audit_entry SET actor_id = 99 WHERE id = {e}", "UPDATE audit_entry SET actor_id = {actor} WHERE id = {e}", "altered"),
        ("UPDATE audit_entry SET after = '{{}}' WHERE id = {e}", "UPDATE audit_entry SET after = '{after}' WHERE id = {e}", "altered"),
        ("UPDATE audit_entry SET at = at + interval '1 second' WHERE id = {e}",
         "UPDATE audit_entry SET at = at - interval '1 second' WHERE id = {e}", "altered"),
        ("UPDATE audit_sealed SET row_id = '0' WHERE entry_id = {e}", "UPDATE audit_sealed SET row_id = '{row}' WHERE entry_id = {e}", "altered"),
        (f"{HOLD}; DELETE FROM audit_entry WHERE id = {{e}}",
         "INSERT INTO audit_entry OVERRIDING SYSTEM VALUE SELECT * FROM hold; DROP TABLE hold", "removed"),
        (f"{HOLD}; {HOLD_SEAL}; DELETE FROM audit_entry WHERE id = {{e}}; DELETE FROM audit_sealed WHERE entry_id = {{e}}",
         "INSERT INTO audit_entry OVERRIDING SYSTEM VALUE SELECT * FROM hold; INSERT INTO audit_sealed SELECT * FROM hold2; DROP TABLE hold; DROP TABLE hold2",
         "removed"),
        (f"{HOLD_SEAL}; DELETE FROM audit_sealed WHERE entry_id = {{e}}",
         "INSERT INTO audit_sealed SELECT * FROM hold2; DROP TABLE hold2", "seal row removed"),
    ],
)  # fmt: skip
def test_damage_is_located_to_the_entry(tables: Any, sealed: Any, damage: str, repair: str, expected: str) -> None:
    import json

    entry = _last(sealed)[0]
    values = {"e": entry.id, "actor": entry.actor_id, "after": json.dumps(entry.after), "row": entry.row_id}
    tables.as_intruder(*damage.format(**values).split("; "))
    try:
        from app.core.audit.sealing import verify

        assert _findings() == [(expected, entry.id)]
        finding = next(iter(verify()))
        if expected == "altered":
            assert finding.table_name == "journal_probe"
            assert finding.at is not None
            assert str(entry.id) in str(finding)
    finally:
        tables.as_intruder(*repair.format(**values).split("; "))
    assert _findings() == []


def test_an_entry_slipped_in_behind_the_seals_is_found(tables: Any, sealed: Any) -> None:
    # a number that a rolled-back transaction left unused
    with psycopg.connect(tables.owner_url) as connection:
        connection.execute("INSERT INTO journal_pair VALUES (900, 1, 'x')")
        gap = connection.execute("SELECT last_value FROM audit_entry_id_seq").fetchone()[0]  # type: ignore[index]
        connection.rollback()
    _seal_until_the_floor_passes(sealed, gap)
    tables.as_intruder(
        "INSERT INTO audit_entry (id, transaction_id, table_name, row_id, operation) OVERRIDING SYSTEM VALUE "
        f"VALUES ({gap}, 1, 'journal_pair', '1:1', 'DELETE')"
    )
    assert _findings() == [("inserted", gap)]
    tables.as_intruder(f"DELETE FROM audit_entry WHERE id = {gap}")
    assert _findings() == []


def test_a_link_altered_or_cut_out_is_found_and_the_command_says_so(tables: Any, sealed: Any) -> None:
    runner = tables.app.test_cli_runner()
    assert runner.invoke(args=["audit", "seal"]).exit_code == 0
    good = runner.invoke(args=["audit", "verify"])
    assert good.exit_code == 0
    assert "0 findings" in good.output
    head = good.output.strip().splitlines()[-1].removeprefix("head ")
    assert runner.invoke(args=["audit", "verify", "--anchor", head]).exit_code == 0
    tables.as_intruder(
        "CREATE TABLE hold AS SELECT * FROM audit_seal WHERE id = (SELECT max(id) FROM audit_seal)",
        "DELETE FROM audit_seal WHERE id = (SELECT id FROM hold)",
    )
    cut = runner.invoke(args=["audit", "verify", "--anchor", head])
    assert cut.exit_code == 1
    assert "seal removed" in cut.output
    assert "anchor not found" in cut.output
    tables.as_intruder("INSERT INTO audit_seal SELECT * FROM hold", "DROP TABLE hold", "UPDATE audit_seal SET floor_id = floor_id - 1 WHERE id = 2")
    altered = runner.invoke(args=["audit", "verify"])
    assert altered.exit_code == 1
    assert "seal altered" in altered.output
    assert "seal 2" in altered.output
    tables.as_intruder("UPDATE audit_seal SET floor_id = floor_id + 1 WHERE id = 2")
    assert runner.invoke(args=["audit", "verify"]).exit_code == 0


def test_without_the_key_nothing_verifies(tables: Any, sealed: Any) -> None:
    key = tables.app.config["AUDIT_KEY"]
    tables.app.config["AUDIT_KEY"] = "another key, long enough to be accepted by the check"
    try:
        assert len(_findings()) > 100
    finally:
        tables.app.config["AUDIT_KEY"] = key


def test_two_sealers_at_once_seal_each_entry_once(tables: Any) -> None:
    from threading import Thread

    from app.core.audit.sealing import seal_entries

    with tables.working(Scope.system()) as session:
        _run(session, "INSERT INTO journal_probe (label) SELECT 'race' FROM generate_series(1, 3000)")

    def work() -> None:
        with tables.working(Scope.system()):
            seal_entries(batch=500)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tables.working(Scope.system()):
        seal_entries()
        assert _findings() == []


@given(st.sets(st.integers(min_value=1, max_value=10**9), max_size=50))
def test_ids_pack_and_unpack(ids: set[int]) -> None:
    assert list(unpack_ids(pack_ids(sorted(ids)))) == sorted(ids)
