"""List, search and export of the actions with 5,000 and with 500,000 of one organisation.

Lists must cost the same in both worlds; a file must take no more than three times what PostgreSQL's own COPY takes to hand over the same
rows, and no more memory for a hundred times the lines.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.filling import copy_rows, filling
from tests.bench.lists import BASE, _measure, _on
from tests.bench.report import Report
from tests.bench.world import ROOT, World

SMALL = 5_000
LARGE = int(os.environ.get("BENCH_ACTIONS") or 500_000)
PER_CONTRACT = 4
ROUNDS = 5

#: As many actions as this bear a word that no other has, in both worlds: what is found is the same, what it is found in is not.
RARE = 40

_CONTRACT = f"(n - 1) / {PER_CONTRACT} + 1"
_RARELY = "CASE WHEN n % {every} = 0 THEN ' en verrerie' ELSE '' END"
_COPIES: dict[str, dict[str, str]] = {
    "contract": {"id": f"{BASE} + n", "number": "'B' || lpad(n::text, 9, '0')"},
    "action": {
        "id": f"{BASE} + n",
        "contract_id": f"{BASE} + {_CONTRACT}",
        "number": f"'B' || lpad(({_CONTRACT})::text, 9, '0') || '_' || ((n - 1) % {PER_CONTRACT} + 1)",
        "title": "'Préparation & formation numéro ' || n || " + _RARELY,
        "year": "2015 + n % 10",
        "planned_start": "date '2015-01-01'",
        "actual_start": "date '2015-01-01' + (n % 1500) * 7919 % 1500",
        "planned_end": "date '2025-01-01' + (n % 1500) * 7919 % 1500",
    },
    "component": {"id": f"{BASE} + n", "action_id": f"{BASE} + n", "title": "'Composante numéro ' || n || " + _RARELY},
    "component_site": {"id": f"{BASE} + n", "component_id": f"{BASE} + n"},
}
_MIDDLE = BASE + SMALL // 2
_PATHS = (
    ("actions_list", "/actions-de-formation/"),
    ("actions_list_deep", f"/actions-de-formation/?after={_MIDDLE}"),
    ("actions_by_title", "/actions-de-formation/?sort=intitule&order=desc"),
    ("actions_by_start_deep", f"/actions-de-formation/?sort=debut&after={_MIDDLE}"),
    ("actions_search_number", "/actions-de-formation/?numero=B000000100"),
    ("actions_search_contract", "/actions-de-formation/?contrat=B000000100"),
)
#: Reading these in the whole region goes by an index of words, which row-level security does not let an organisation use.
_PATHS_OF_REGION = (
    ("actions_search_word", "/actions-de-formation/?texte=verrerie"),
    ("actions_search_component", "/actions-de-formation/?composante=verrerie"),
)


def run(world: World, report: Report) -> None:
    """All measures of this module."""
    import psycopg
    from sqlalchemy.engine import make_url

    database = make_url(world.app_url).database
    with psycopg.connect(make_url(world.superuser_url).set(database="postgres").render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))  # idle pools
        for name in ("bench_actions_small", "bench_actions_large"):
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {database}")  # type: ignore[arg-type]
    worlds = {SMALL: _on(world, "bench_actions_small"), LARGE: _on(world, "bench_actions_large")}
    for count, place in worlds.items():
        begin = time.perf_counter()
        _fill(place, count)
        report.note(f"actions: {count} actions made in {time.perf_counter() - begin:.0f} s")
    apps = {count: place.app() for count, place in worlds.items()}
    for who, paths in (("principal", _PATHS), ("region", (*_PATHS, *_PATHS_OF_REGION))):
        for name, path in paths:
            _measure(apps, who, name, path, report, rows="actions")
    for kind in ("actions", "composantes"):
        for file_format in ("csv", "xlsx", "ods"):
            _measure_export(worlds, kind, file_format, report)


def _fill(world: World, actions: int) -> None:
    """Copies of demonstration rows, made by SQL; triggers rest meanwhile."""
    with filling(world) as connection:
        model = connection.execute(
            "SELECT a.contract_id, a.id, c.id, s.id FROM action a JOIN component c ON c.action_id = a.id JOIN component_site s ON s.component_id = c.id "
            "JOIN ab_user u ON u.organisation_id = a.organisation_id AND u.username = 'principal' WHERE a.status = 'EC' ORDER BY a.id, c.id LIMIT 1"
        ).fetchone()
        if model is None:
            raise RuntimeError("the demonstration world has no action to copy")
        for (table, changes), key in zip(_COPIES.items(), model, strict=True):
            values = {column: value.replace("{every}", str(actions // RARE)) for column, value in changes.items()}
            copy_rows(connection, table, values, model=key, count=actions // PER_CONTRACT if table == "contract" else actions)
        connection.execute(
            "INSERT INTO training_session (organisation_id, component_id, number, site_id, starts_on, ends_on, places, version, created_at, updated_at) "
            "SELECT c.organisation_id, c.id, 1, s.site_id, c.planned_start, c.planned_end, 10, 1, now(), now() "
            "FROM component c JOIN component_site s ON s.component_id = c.id WHERE c.id > %s",
            (BASE,),
        )
        connection.execute(
            "INSERT INTO information_meeting (organisation_id, session_id, held_on, starts_at, place, version, created_at, updated_at) "
            "SELECT t.organisation_id, t.id, t.starts_on - 7 * n, '09:00', 'Sur place', 1, now(), now() "
            "FROM training_session t JOIN component c ON c.id = t.component_id, generate_series(1, 2) n WHERE c.id > %s",
            (BASE,),
        )


def _measure_export(worlds: dict[int, World], kind: str, file_format: str, report: Report) -> None:
    """Each world in a process of its own, whose memory is then its own too."""
    found = {count: _in_own_process(world, kind, file_format) for count, world in worlds.items()}
    whole = found[LARGE]
    name = f"export_{kind}_{file_format}"
    report.add(f"{name}_seconds", whole["export"], "s", f"{whole['lines']:,.0f} lines", lines=whole["lines"], first_byte_ms=round(whole["first"] * 1000, 1))
    report.add(f"{name}_against_copy", whole["export"] / whole["copy"], "times", "PostgreSQL's COPY of the same rows", most=3, copy_seconds=round(whole["copy"], 3))
    report.add(f"{name}_memory", whole["memory"] - found[SMALL]["memory"], "MiB", f"more at {LARGE:,} than at {SMALL:,} actions", most=8)


def _in_own_process(world: World, kind: str, file_format: str) -> dict[str, float]:
    code = f"from tests.bench.actions import export_once; export_once({kind!r}, {file_format!r})"
    answer = subprocess.run([sys.executable, "-c", code], env=dict(world.environment()), cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(answer.stderr[-2000:])
    names = ("export", "first", "copy", "lines", "memory")
    return dict(zip(names, map(float, answer.stdout.split()[-len(names) :]), strict=True))


def export_once(kind_name: str, format_name: str) -> None:
    """Export as the Région, and COPY the same statement, in turn; print the best of each, the lines, and the most memory."""
    from app import create_app
    from app.actions import exports
    from app.actions.domain import ExportKind
    from app.actions.listing import ActionFilter, ActionOrder
    from app.core import clock
    from app.core.extensions import db
    from app.core.tabular.writing import FileFormat
    from app.core.tenancy import Scope, bound_scope

    app = create_app()
    kind, file_format = ExportKind(kind_name), FileFormat(format_name)
    columns = exports.COLUMNS[kind]
    times: dict[str, list[float]] = {"export": [], "first": [], "copy": []}
    lines = 0
    with app.test_request_context(), bound_scope(Scope.region()):
        for _round in range(ROUNDS):
            begin = time.perf_counter()
            pieces = iter(exports.export(kind, file_format, columns, ActionFilter(), ActionOrder(), query=""))
            next(pieces)
            times["first"].append(time.perf_counter() - begin)
            for _piece in pieces:
                pass
            times["export"].append(time.perf_counter() - begin)
            statement = exports.statement_of(kind, columns, ActionFilter(), ActionOrder(), clock.today())
            begin = time.perf_counter()
            lines = _copied(db.session.connection(), statement)
            times["copy"].append(time.perf_counter() - begin)
            db.session.rollback()
    # Not getrusage, which counts what the process was before it became this one.
    memory = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")) / 1024
    print(min(times["export"]), min(times["first"]), min(times["copy"]), lines, memory)


def _copied(connection: Any, statement: Any) -> int:
    """The rows received as PostgreSQL hands them over, and thrown away."""
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    count = 0
    with connection.connection.driver_connection.cursor() as cursor, cursor.copy(f"COPY ({compiled}) TO STDOUT", compiled.params) as copy:
        for _line in copy:
            count += 1
    return count
