"""A file of trainees, XLSX and CSV: read, checked, compared, then applied, against the fastest reader with COPY, and against the ORM row by row.

``BENCH_IMPORT_LINES`` sets how many lines.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.report import Report
from tests.bench.world import ROOT, World

LINES = int(os.environ.get("BENCH_IMPORT_LINES") or 100_000)
#: Rows written one by one by the ORM: the time of all is in proportion.
ORM_ROWS = 2_000


def run(world: World, report: Report) -> None:
    """All measures of this module."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-imports-") as folder:
        for kind in ("csv", "xlsx"):
            found = _in_own_process(world, kind, Path(folder))
            report.note(f"imports: {found}")
            whole = found["checked"] + found["applied"]
            shown = {name: round(value, 2) for name, value in found.items() if name != "memory"}
            report.add(f"import_{kind}_lines_a_second", LINES / whole, "lines/s", f"{LINES:,} lines, read, checked, compared and applied", **shown)
            report.add(f"import_{kind}_against_copy", whole / (found["read"] + found["copy"]), "times", "the fastest reader and COPY of the same rows", most=4)
            report.add(f"import_{kind}_against_orm", found["orm"] / whole, "times faster", "the ORM, row by row, without any check", least=5)
            report.add(f"import_{kind}_memory", found["memory"], "MiB", "at most, from the file to the rows", most=600)


def _in_own_process(world: World, kind: str, folder: Path) -> dict[str, float]:
    """Whose memory is then its own."""
    code = f"from tests.bench import imports; imports.import_once({kind!r}, {str(folder)!r})"
    answer = subprocess.run([sys.executable, "-c", code], env=dict(world.environment()), cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(answer.stderr[-3000:])
    return dict(json.loads(answer.stdout.strip().splitlines()[-1]))


def _lines(serial: int) -> Any:
    """The lines of a file: people of their own, on one action."""
    from sqlalchemy import select

    from app.actions.models import Action
    from app.core.extensions import db
    from app.core.matrix.definition import Need, describe
    from app.core.nir import compute_key
    from app.trainees.matrices.trainees import MATRIX
    from tests.imports.helpers import SHEET

    action = db.session.scalars(select(Action.number).where(Action.status == "EC", ~Action.esf_cofunded).order_by(Action.id)).first()
    described = describe(MATRIX)
    base = {one.column.name: "" for one in described} | SHEET | {"action_number": action}
    for one in described:
        if not base[one.column.name] and one.choices and one.need is Need.ALWAYS:
            base[one.column.name] = one.choices[0].words
    yield [one.header for one in described]
    for place in range(LINES):
        body = f"1{60 + serial}{place % 12 + 1:02d}{place // 12 % 90 + 1:02d}{place // 1080 % 900 + 1:03d}{place % 999 + 1:03d}"
        yield list(
            (
                base
                | {
                    "nir": body, "key": compute_key(body), "birth_name": f"Nom {_letters(place)}", "first_name": f"Prénom {_letters(place % 800)}",
                    "birth_date": f"{place % 28 + 1:02d}/{place % 12 + 1:02d}/19{60 + serial}", "mobile": f"06{place % 10**8:08d}",
                    "email": f"personne{place}@exemple.fr", "ft_number": f"{place + 1:07d}A", "street_name": f"rue du Lot {place % 3000}",
                }
            ).values()
        )  # fmt: skip


def _letters(number: int) -> str:
    return "".join(chr(97 + number // 26**power % 26) for power in range(4))


def _file(kind: str, path: Path, serial: int) -> None:
    if kind == "csv":
        with path.open("w", encoding="utf-8-sig", newline="") as target:
            csv.writer(target, delimiter=";").writerows(_lines(serial))
        return
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("Stagiaires")
        for number, cells in enumerate(_lines(serial)):
            for place, cell in enumerate(cells):
                sheet.write_string(number, place, cell)


def _most_memory() -> float:
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")) / 1024


def import_once(kind: str, folder: str) -> None:
    """Send a file, let it be checked and applied; then what it is measured against.  Prints the times in seconds."""
    from sqlalchemy import select

    from app import create_app
    from app.accounts.models import User
    from app.core.extensions import db
    from app.core.tenancy import Scope, bound_scope
    from app.imports import services, work
    from app.imports.models import ImportFile

    serial = {"csv": 0, "xlsx": 1}[kind]
    app, path, found = create_app(), Path(folder) / f"lines.{kind}", {}
    with app.app_context(), bound_scope(Scope.system()):
        _file(kind, path, serial)
        account = db.session.scalars(select(User).where(User.username == "principal")).one()
        organisation_id, account_id = account.organisation_id, account.id
        begin = time.perf_counter()
        with bound_scope(Scope.organisation(organisation_id), actor_id=account_id):
            file_id = services.receive("stagiaires", path.name, path.read_bytes())
        work.run(file_id)
        found["checked"] = time.perf_counter() - begin
        file = db.session.get_one(ImportFile, file_id, populate_existing=True)
        counts = dict(file.counts or {})
        if counts != {"create": LINES, "change": 0, "same": 0, "wrong": 0}:
            raise RuntimeError(f"not what the file says: {file.state} {counts} {file.fault}")
        begin = time.perf_counter()
        with bound_scope(Scope.organisation(organisation_id), actor_id=account_id):
            services.confirm(file_id, expected=counts, partial=False)
        work.run(file_id)
        found["applied"] = time.perf_counter() - begin
        if db.session.get_one(ImportFile, file_id, populate_existing=True).state != "applied":
            raise RuntimeError("not applied")
        found["memory"] = _most_memory()
        found["read"] = _bare_reading(kind, path)
        found["copy"], found["orm"] = _bare_writing()
    print(json.dumps(found))


def _bare_reading(kind: str, path: Path) -> float:
    """The fastest reader of this format, and nothing else."""
    begin = time.perf_counter()
    if kind == "xlsx":
        from python_calamine import CalamineWorkbook

        CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    else:
        list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=";"))
    return time.perf_counter() - begin


def _bare_writing() -> tuple[float, float]:
    """COPY of the very rows that were imported, into the tables with their indexes, constraints and journal; and the ORM, one row after the other."""
    import psycopg
    from sqlalchemy import select, text

    from app.core.extensions import db
    from app.trainees.models import Registration, Trainee

    url = db.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    sheets = db.session.scalars(select(Registration.id).order_by(Registration.id.desc()).limit(LINES)).all()
    first, people = sheets[-1], db.session.scalar(select(Trainee.id).order_by(Trainee.id.desc()).offset(LINES - 1).limit(1))
    columns = {
        model: [column.name for column in model.__table__.columns if column.computed is None] for model in (Trainee, Registration)
    }
    kept: dict[Any, list[bytes]] = {}
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE portal_system")
        for model, start in ((Trainee, people), (Registration, first)):
            with connection.cursor().copy(f"COPY (SELECT {', '.join(columns[model])} FROM {model.__tablename__} WHERE id >= {start} ORDER BY id) TO STDOUT") as rows:
                kept[model] = [bytes(row) for row in rows]
    orm = _by_orm(first)
    db.session.rollback()
    with db.engine.begin() as connection:
        connection.execute(text("SET LOCAL ROLE portal_system"))
        connection.execute(text("DELETE FROM registration WHERE id >= :first"), {"first": first})
        connection.execute(text("DELETE FROM trainee WHERE id >= :people"), {"people": people})
    owner = os.environ["DATABASE_OWNER_URL"].replace("+psycopg", "")
    begin = time.perf_counter()
    with psycopg.connect(owner) as connection:
        connection.execute("ALTER TABLE trainee DISABLE ROW LEVEL SECURITY; ALTER TABLE registration DISABLE ROW LEVEL SECURITY")
        for model in (Trainee, Registration):
            with connection.cursor().copy(f"COPY {model.__tablename__} ({', '.join(columns[model])}) FROM STDIN") as target:
                for row in kept[model]:
                    target.write(row)
        connection.execute(
            "ALTER TABLE trainee ENABLE ROW LEVEL SECURITY; ALTER TABLE registration ENABLE ROW LEVEL SECURITY"
        )
    copied = time.perf_counter() - begin
    return copied, (orm + _by_orm(first)) / 2  # before and after: what the machine gives changes from one minute to the next


def _by_orm(first: int) -> float:
    """The same rows made by the ORM, each with its own flush; undone.  In seconds for all the lines."""
    from uuid import uuid4

    from sqlalchemy import select
    from sqlalchemy.orm import undefer

    from app.core.extensions import db
    from app.trainees.models import Registration, Trainee

    rows = db.session.execute(
        select(Registration, Trainee).join(Trainee, Trainee.id == Registration.trainee_id).where(Registration.id >= first)
        .options(undefer(Trainee.nir_ciphertext), undefer(Trainee.nir_hash)).order_by(Registration.id).limit(ORM_ROWS)
    ).all()  # fmt: skip
    left_out = {"id", "version", "created_at", "updated_at"}
    values = [
        (
            {column.name: getattr(trainee, column.name) for column in Trainee.__table__.columns if column.computed is None and column.name not in left_out},
            {column.name: getattr(sheet, column.name) for column in Registration.__table__.columns if column.name not in left_out},
        )
        for sheet, trainee in rows
    ]
    db.session.expunge_all()
    begin = time.perf_counter()
    for place, (person, sheet) in enumerate(values):
        trainee = Trainee(**(person | {"seal_uid": uuid4(), "nir_hash": place.to_bytes(32, "big")}))
        db.session.add(trainee)
        db.session.flush()
        db.session.add(Registration(**(sheet | {"trainee_id": trainee.id})))
        db.session.flush()
    spent = time.perf_counter() - begin
    db.session.rollback()
    return spent / len(values) * LINES


__all__ = ["import_once", "run"]
