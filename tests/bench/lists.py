"""Server time and number of statements of the lists, with 1,000 and with 1,000,000 trainees of one organisation.

Both worlds stand side by side and are asked in turn, so that whatever else the machine does weighs on both.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.bench import search
from tests.bench.filling import copy_rows, filling
from tests.bench.report import Report
from tests.bench.world import World

SMALL = 1_000
LARGE = int(os.environ.get("BENCH_TRAINEES") or 1_000_000)
PER_ACTION = 20
ROUNDS = 41
BASE = 100_000_000  # first id of what is made here

#: What differs from the row copied; ``n`` counts the trainees, or the actions, from 1.
_NAME = "'NOM ' || upper(substr(md5(n::text), 1, 12))"
_FIRST = "'Prénom ' || n % 997"
_SORT = "'nom ' || substr(md5(n::text), 1, 12) || ' prenom ' || n % 997"
_COPIES: dict[str, dict[str, str]] = {
    "action": {"id": f"{BASE} + n", "number": "'B' || lpad(n::text, 9, '0') || '_1'", "title": "'Action de formation numéro ' || n"},
    "component": {"id": f"{BASE} + n", "action_id": f"{BASE} + n"},
    "trainee": {
        "id": f"{BASE} + n",
        "seal_uid": "gen_random_uuid()",
        "nir_hash": "sha256(n::text::bytea)",
        "birth_name": _NAME,
        "usual_name": "NULL",
        "first_name": _FIRST,
        "sort_name": _SORT,
    },
    "registration": {"id": f"{BASE} + n", "trainee_id": f"{BASE} + n", "action_id": f"{BASE} + (n - 1) / {PER_ACTION} + 1", "sort_name": _SORT},
    "enrolment": {
        "id": f"{BASE} + n",
        "registration_id": f"{BASE} + n",
        "component_id": f"{BASE} + (n - 1) / {PER_ACTION} + 1",
        "action_id": f"{BASE} + (n - 1) / {PER_ACTION} + 1",
        "external_reference": "gen_random_uuid()",
        "agora_number": "lpad((20000000 + n)::text, 10, '0')",
    },
}


def run(world: World, report: Report) -> None:
    """All measures of this module."""
    import psycopg
    from sqlalchemy.engine import make_url

    database = make_url(world.app_url).database
    with psycopg.connect(make_url(world.superuser_url).set(database="postgres").render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))  # idle pools
        connection.execute(f"CREATE DATABASE bench_large TEMPLATE {database}")  # type: ignore[arg-type]
    large = _on(world, "bench_large")
    for place, count in ((world, SMALL), (large, LARGE)):
        begin = time.perf_counter()
        _fill(place, count)
        report.note(f"lists: {count} trainees made in {time.perf_counter() - begin:.0f} s")
    apps = {SMALL: world.app(), LARGE: large.app()}
    for who in ("principal", "region"):
        for name, path in (
            ("action_list", "/actions-de-formation/"),
            ("trainee_list", "/stagiaires/"),
            ("trainee_list_of_action", f"/stagiaires/action/{BASE + 1}"),
            ("action_list_deep", f"/actions-de-formation/?after={BASE + SMALL // PER_ACTION // 2}~B{SMALL // PER_ACTION // 2:09d}_000001"),
        ):
            _measure(apps, who, name, path, report)
    search.run(large, apps[LARGE], report, count=LARGE, first_id=BASE)


def _on(world: World, database: str) -> World:
    from sqlalchemy.engine import make_url

    def moved(url: str) -> str:
        return make_url(url).set(database=database).render_as_string(hide_password=False)

    settings = world.settings.replace(database_url=moved(world.app_url), database_owner_url=moved(world.owner_url))
    return replace(world, settings=settings, app_url=moved(world.app_url), owner_url=moved(world.owner_url), superuser_url=moved(world.superuser_url))


def _fill(world: World, trainees: int) -> None:
    """Copies of demonstration rows, made by SQL; triggers rest meanwhile."""
    with filling(world) as connection:
        model = connection.execute(
            "SELECT e.id, e.registration_id, r.trainee_id, e.component_id, e.action_id FROM enrolment e "
            "JOIN registration r ON r.id = e.registration_id JOIN trainee t ON t.id = r.trainee_id JOIN action a ON a.id = e.action_id "
            "JOIN ab_user u ON u.organisation_id = e.organisation_id AND u.username = 'principal' "
            "WHERE t.nir_hash IS NOT NULL AND a.status = 'EC' AND e.actual_end IS NULL ORDER BY e.id LIMIT 1"
        ).fetchone()
        if model is None:
            raise RuntimeError("the demonstration world has no trainee to copy")
        models = dict(zip(("enrolment", "registration", "trainee", "component", "action"), model, strict=True))
        for table, changes in _COPIES.items():
            copy_rows(connection, table, changes, model=models[table], count=trainees // PER_ACTION if table in ("action", "component") else trainees)


@contextmanager
def _counted(app: Any) -> Iterator[list[str]]:
    from sqlalchemy import event

    from app.core.extensions import db

    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _measure(apps: dict[int, Any], who: str, name: str, path: str, report: Report, *, rows: str = "trainees") -> None:
    """A page in both worlds, in turn; ``apps`` by the number of ``rows`` each has."""
    from app.accounts.testing import sign_in

    browsers = {}
    for size, app in apps.items():
        browsers[size] = app.test_client()
        sign_in(app, browsers[size], who)
    times: dict[int, list[float]] = {size: [] for size in apps}
    counts: dict[int, int] = {}
    for turn in range(ROUNDS):
        for size, app in apps.items():
            with _counted(app) as statements:
                begin = time.perf_counter()
                answer = browsers[size].get(path)
                elapsed = time.perf_counter() - begin
            if answer.status_code != 200:
                raise RuntimeError(f"{path} as {who}: {answer.status_code}")
            if turn:  # the first one warms up
                times[size].append(elapsed)
                counts[size] = len(statements)
    medians = {size: statistics.median(values) * 1000 for size, values in times.items()}
    for size in apps:
        report.add(f"{name}_{who}_{size}", medians[size], "ms", "server time, median", fastest_ms=round(min(times[size]) * 1000, 2))
        report.add(f"{name}_{who}_{size}_sql", counts[size], "statements", "the transaction's own included")
    few, many = min(apps), max(apps)
    reference = f"{many:,} against {few:,} {rows}"
    report.add(f"{name}_{who}_ratio", medians[many] / medians[few], "times", reference, most=1.3)
    report.add(f"{name}_{who}_sql_growth", counts[many] - counts[few], "statements", reference, most=0)
