"""Export of the trainees with 1,000 and with 1,000,000 of one organisation: CSV against PostgreSQL's COPY, memory, and a file prepared in the background.

``BENCH_EXPORT_LINES`` sets the larger number.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.actions import _copied
from tests.bench.lists import _fill, _on
from tests.bench.report import Report
from tests.bench.world import ROOT, World

SMALL = 1_000
LARGE = int(os.environ.get("BENCH_EXPORT_LINES") or 1_000_000)
ROUNDS = 3
_NAMES = ("export", "first", "copy", "lines", "memory")


def run(world: World, report: Report) -> None:
    """All measures of this module."""
    import psycopg
    from sqlalchemy.engine import make_url

    database = make_url(world.app_url).database
    places: dict[int, World] = {}
    with psycopg.connect(make_url(world.superuser_url).set(database="postgres").render_as_string(hide_password=False), autocommit=True) as connection:
        for count in (SMALL, LARGE):
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))  # idle pools
            connection.execute(f"CREATE DATABASE bench_export_{count} TEMPLATE {database}")  # type: ignore[arg-type]
            places[count] = _on(world, f"bench_export_{count}")
    for count, place in places.items():
        begin = time.perf_counter()
        _fill(place, count)
        report.note(f"export: {count} trainees made in {time.perf_counter() - begin:.0f} s")
    for list_name in ("stagiaires", "inscriptions"):
        found = {count: _in_own_process(place, f"export_once({list_name!r})") for count, place in places.items()}
        whole, name = found[LARGE], f"export_{list_name}_csv"
        report.add(f"{name}_seconds", whole["export"], "s", f"{whole['lines']:,.0f} lines", lines=whole["lines"], first_byte_ms=round(whole["first"] * 1000, 1))
        report.add(f"{name}_against_copy", whole["export"] / whole["copy"], "times", "PostgreSQL's COPY of the same rows", most=3, copy_seconds=round(whole["copy"], 3))
        report.add(f"{name}_memory", whole["memory"] - found[SMALL]["memory"], "MiB", f"more at {LARGE:,} than at {SMALL:,} lines", most=8)
    found = {count: _in_own_process(place, "prepared_once()") for count, place in places.items()}
    whole = found[LARGE]
    report.add("export_prepared_seconds", whole["export"], "s", f"{whole['lines']:,.0f} lines encrypted and kept", fetched_seconds=round(whole["first"], 3))
    report.add("export_prepared_memory", whole["memory"] - found[SMALL]["memory"], "MiB", f"more at {LARGE:,} than at {SMALL:,} lines", most=16)


def _in_own_process(world: World, call: str) -> dict[str, float]:
    """Whose memory is then its own."""
    code = f"from tests.bench import export; export.{call}"
    answer = subprocess.run([sys.executable, "-c", code], env=dict(world.environment()), cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(answer.stderr[-2000:])
    return dict(zip(_NAMES, map(float, answer.stdout.split()[-len(_NAMES) :]), strict=True))


def _most_memory() -> float:
    # Not getrusage, which counts what the process was before it became this one.
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")) / 1024


def export_once(list_name: str) -> None:
    """Export all columns as the Région, and COPY the same statement, in turn; print the best of each, the lines, and the most memory."""
    from app import create_app
    from app.core import clock
    from app.core.exports.registry import SqlList, args_of, find_list
    from app.core.exports.services import Wanted, take_out
    from app.core.extensions import db
    from app.core.tabular.writing import FileFormat
    from app.core.tenancy import Scope, bound_scope

    app = create_app()
    times: dict[str, list[float]] = {"export": [], "first": [], "copy": []}
    lines = 0
    with app.test_request_context(), bound_scope(Scope.region()):
        one = find_list(list_name)
        assert isinstance(one, SqlList)
        asked = one.read(args_of(""))
        columns = one.columns(asked)
        for _round in range(ROUNDS):
            begin = time.perf_counter()
            pieces = iter(take_out(Wanted(one, asked, columns, FileFormat.CSV)))
            next(pieces)
            times["first"].append(time.perf_counter() - begin)
            for _piece in pieces:
                pass
            times["export"].append(time.perf_counter() - begin)
            statement = one.statement(asked, one.sources(columns, clock.today()), clock.today())
            begin = time.perf_counter()
            lines = _copied(db.session.connection(), statement)
            times["copy"].append(time.perf_counter() - begin)
            db.session.rollback()
    print(min(times["export"]), min(times["first"]), min(times["copy"]), lines, _most_memory())


def prepared_once() -> None:
    """A file prepared by the job, then fetched by its account; print both times, the lines and the most memory."""
    from sqlalchemy import select

    from app import create_app
    from app.accounts.models import User
    from app.core.exports import jobs, services
    from app.core.exports.account import in_place_of
    from app.core.exports.models import ExportFile
    from app.core.exports.registry import args_of, find_list
    from app.core.exports.services import Wanted
    from app.core.extensions import db
    from app.core.tabular.writing import FileFormat
    from app.core.tenancy import Scope, bound_scope

    app = create_app()
    with app.app_context(), bound_scope(Scope.system()):
        account = db.session.scalars(select(User.id).where(User.username == "principal")).one()
        db.session.rollback()
        with in_place_of(account):
            one = find_list("stagiaires")
            assert one is not None
            asked = one.read(args_of(""))
            wanted = Wanted(one, asked, one.columns(asked), FileFormat.CSV)
            number = services.prepare(wanted).id
        begin = time.perf_counter()
        jobs.build(number)
        made = time.perf_counter() - begin
        with in_place_of(account):
            begin = time.perf_counter()
            answer = services.fetch(number, wanted)
            for _piece in answer.response:
                pass
            answer.close()
            fetched = time.perf_counter() - begin
        lines = db.session.scalars(select(ExportFile.lines).where(ExportFile.id == number)).one()
    print(made, fetched, 0.0, lines, _most_memory())
