"""``make chaos``: workers killed (kill -9) at random moments of an import and of its undoing: the content is that of a run nobody disturbed.

A base with people, enrolments and messages is copied; on one copy a file is read, checked, applied and undone in peace, on the others under kills
at moments drawn over the whole time that each of these takes.  The lease of a dead worker is let pass at once: waiting proves nothing more.
CHAOS_IMPORT_LINES (3000), CHAOS_KILLS (20, of each work), CHAOS_SEED.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url

from tests.bench.lists import _on
from tests.bench.world import ROOT, World, open_world

LINES = int(os.environ.get("CHAOS_IMPORT_LINES") or 3_000)
KILLS = int(os.environ.get("CHAOS_KILLS") or 20)
SEED = int(os.environ.get("CHAOS_SEED") or 20260105)
#: Kills of the process that takes the file in, before it is there at all.
SENDING_KILLS = max(KILLS // 5, 1)
ENROLLED = 30
PATIENCE = 240.0

pytestmark = [pytest.mark.chaos, pytest.mark.filterwarnings("default")]

_WORKER = "from app.core.jobs import runner; runner.application(); input(); from app.core.jobs.worker import run_worker; run_worker('back')"
_SENDER = "from tests.chaos import test_imports as t; from app import create_app; app = create_app(); input(); t.send(app)"


# ---- the world: people, some enrolled, some of whose files left for AGORA, and a file about them ------------------------


def prepare(world: World, folder: Path) -> None:
    """What is there before, and the file."""
    from app.actions.models import Component
    from app.core.extensions import db
    from app.core.outbox.console import pause
    from app.core.tenancy import Scope, bound_scope
    from app.core.transaction import transaction
    from app.trainees.models import Registration
    from app.trainees.services.enrolment import enrol
    from tests.actions.helpers import plan_of
    from tests.imports import faults
    from tests.imports.helpers import apply, send

    app = world.app()
    with app.app_context(), bound_scope(Scope.system()):
        with transaction():
            place = faults.World()
            place.prepare()
        maker = faults.Maker(place, SEED)
        there = [maker.fresh(place.action) for _number in range(LINES // 3)]
        account = _account()
        before = apply(send(account, faults.xlsx_of(there), name="avant.xlsx"))
        assert before.state == "applied", (before.state, before.counts, before.fault)
        component = db.session.scalars(db.select(Component).where(Component.action_id == place.action.id)).one()
        for number in db.session.scalars(db.select(Registration.id).where(Registration.action_id == place.action.id).order_by(Registration.id).limit(ENROLLED)):
            enrol(number, component.id, plan_of(component))
        for row in there:
            if maker.chance.random() < 0.8:
                row.update(email=f"neuf.{row['email']}", boe="Oui")
        for number in range(LINES - len(there)):
            maker.add(maker.chance.choice(("email: email=", "town: town=PARIS")) if number % 50 == 49 else None)
        rows = there + [line.cells for line in maker.lines]
        maker.chance.shuffle(rows)
        (folder / "lines.xlsx").write_bytes(faults.xlsx_of(rows))
        pause("agora", reason="épreuve des imports")  # what is told stays to be compared
        db.session.remove()
        db.engine.dispose()
    with psycopg.connect(_on(world, str(make_url(world.app_url).database)).superuser_url) as sql:
        sql.execute("SET session_replication_role = replica")
        sql.execute("UPDATE outbox_message SET sent_at = now(), attempts = 1 WHERE id % 2 = 0 AND state = 'pending'")  # their answers are not known


def _account() -> Any:
    from sqlalchemy import select

    from app.accounts.models import User
    from app.core.extensions import db

    return db.session.scalars(select(User).where(User.username == "principal")).one()


def send(app: Any) -> int:
    """Take the file in, as the page does; its number."""
    from app.core.tenancy import Scope, bound_scope
    from app.imports import services

    with app.app_context(), bound_scope(Scope.system()):
        account = _account()
        organisation_id, account_id = account.organisation_id, account.id
        with bound_scope(Scope.organisation(organisation_id), actor_id=account_id):
            return services.receive("stagiaires", "lines.xlsx", Path(os.environ["CHAOS_FILE"]).read_bytes())


# ---- one copy of the base ----------------------------------------------------------------------------------------------


@dataclass
class Copy:
    """A base of its own, with its processes."""

    world: World
    path: Path
    #: How long each work takes, as far as is known: shared by the copies, and shorter when one was over before it was to be killed.
    seconds: dict[str, float]
    killed: Counter[str] = field(default_factory=Counter)
    number: int = 0

    def __post_init__(self) -> None:
        self.app = self.world.app()
        self.sql = psycopg.connect(self.world.superuser_url, autocommit=True)
        self.spare: dict[str, subprocess.Popen[bytes]] = {}

    def process(self, code: str) -> subprocess.Popen[bytes]:
        """One that has loaded the application and is let go; the next is loaded meanwhile."""
        ready = self.spare.pop(code, None) or self._load(code)
        self.spare[code] = self._load(code)
        assert ready.stdin is not None
        ready.stdin.write(b"\n")
        ready.stdin.close()
        return ready

    def _load(self, code: str) -> subprocess.Popen[bytes]:
        environment = dict(self.world.environment(CHAOS_FILE=str(self.path), PORTAL_PROCESS="chaos"))
        with (self.path.parent / "output.log").open("ab") as output:
            return subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output)

    def close(self) -> None:
        """End what is left."""
        from app.core.extensions import db

        for process in self.spare.values():
            process.kill()
            process.communicate()
        self.sql.close()
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    # ---- the file

    def state(self) -> tuple[str, bool]:
        """Where the file stands, and whether a worker has it."""
        row = self.sql.execute("SELECT state, coalesce(leased_until > clock_timestamp(), false) FROM import_file WHERE id = %s", (self.number,)).fetchone()
        assert row is not None
        return str(row[0]), bool(row[1])

    def wait(self, *states: str, taken: bool = False) -> str:
        """Until the file is there, or, if ``taken``, in the hands of a worker; gives the state."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            state, held = self.state()
            if state in states or (taken and held):
                return state
            time.sleep(0.01)
        pytest.fail(f"waited {PATIENCE:.0f} s in vain: {self.state()}\n{(self.path.parent / 'output.log').read_text()[-3000:]}")

    def take_in(self, moments: list[float]) -> None:
        """Send the file; the sender is killed at these moments (shares of the time that it takes), and sends it again if nothing is there."""
        for moment in moments:
            sender = self.process(_SENDER)
            time.sleep(moment * self.seconds["sending"])
            self.killed["sending"] += sender.poll() is None
            sender.kill()
            sender.wait()
            rows = self.sql.execute("SELECT id, (SELECT count(*) FROM import_part p WHERE p.file_id = f.id) FROM import_file f WHERE state = 'received'").fetchall()
            assert len(rows) <= 1
            assert all(parts > 0 for _number, parts in rows)
            if rows:
                break
        begin = time.monotonic()
        row = self.sql.execute("SELECT id FROM import_file WHERE state = 'received'").fetchone()
        self.number = int(row[0]) if row is not None else send(self._with_file())
        if row is None:
            self.seconds["sending"] = time.monotonic() - begin

    def _with_file(self) -> Any:
        os.environ["CHAOS_FILE"] = str(self.path)
        return self.app

    def drive(self, work: str, until: str, moments: list[float]) -> list[float]:
        """Let workers do what the file waits for, killed at these moments (shares of the time that it takes); gives the moments that were not needed.

        At one file workers die as often as it survives (``MOST_DEATHS``): all of the usual moments.
        """
        from app.imports.domain import MOST_DEATHS

        left = list(moments)
        while left and len(moments) - len(left) < MOST_DEATHS:
            worker = self.process(_WORKER)
            self._nudge()
            if self.wait(until, taken=True) == until:
                worker.kill()
                worker.wait()
                self._let_pass()
                return left
            time.sleep(left.pop(0) * self.seconds[work])
            worker.kill()
            worker.wait()
            over = self.state()[0] == until
            self.killed[f"{work}, when it was over" if over else work] += 1
            if over:
                self.seconds[work] *= 0.8
                self._let_pass()
                return left
            self._let_pass()
        worker = self.process(_WORKER)
        self._nudge()
        self.wait(until, taken=True)
        begin = time.monotonic()
        self.wait(until)
        self.seconds[work] = time.monotonic() - begin
        end = time.monotonic() + 20
        while self.state()[1] and time.monotonic() < end:  # it gives the file back
            time.sleep(0.02)
        worker.kill()
        worker.wait()
        return left

    def _let_pass(self) -> None:
        """The time that the lease of a dead worker still has."""
        self.sql.execute("UPDATE import_file SET leased_until = clock_timestamp() - interval '1 second' WHERE id = %s", (self.number,))

    def _nudge(self) -> None:
        """What the scheduler does each minute."""
        from app.core.tenancy import Scope, bound_scope
        from app.imports import jobs

        with self.app.app_context(), bound_scope(Scope.system()):
            jobs.sweep()

    def ask(self, act: str) -> None:
        """What a person does on the page."""
        from app.core.extensions import db
        from app.core.tenancy import Scope, bound_scope
        from app.imports import services
        from app.imports.models import ImportFile

        with self.app.app_context(), bound_scope(Scope.system()):
            file = db.session.get_one(ImportFile, self.number, populate_existing=True)
            organisation_id, account_id, counts = file.organisation_id, file.account_id, dict(file.counts or {})
            with bound_scope(Scope.organisation(organisation_id), actor_id=account_id):
                if act == "apply":
                    services.confirm(self.number, expected=counts, partial=True)
                else:
                    services.undo(self.number)
            db.session.remove()

    # ---- what is there

    def content(self) -> dict[str, list[str]]:
        """Every row that an import may write, without ids and times; what is sealed, opened."""
        people = "(SELECT coalesce(encode(t.nir_hash, 'hex'), t.sort_name) FROM trainee t WHERE t.id = {})"
        of_sheet = f"(SELECT r.action_id || ' ' || {people.format('r.trainee_id')} FROM registration r WHERE r.id = {{}})"
        of_enrolment = f"(SELECT {of_sheet.format('e.registration_id')} FROM enrolment e WHERE e.id = x.subject_id)"
        named = {
            "trainee": "''", "registration": people.format("x.trainee_id"), "enrolment": of_sheet.format("x.registration_id"),
            "outbox_message": f"coalesce({of_enrolment}, x.subject_type)", "import_file": "''", "import_finding": "''", "import_heading": "''",
            "mail_message": "''",
        }  # fmt: skip
        found: dict[str, list[str]] = {}
        with psycopg.connect(self.world.superuser_url, row_factory=dict_row) as sql:
            for table, name in named.items():
                rows = sql.execute(f"SELECT x.*, {name} AS of_whom FROM {table} x").fetchall()  # type: ignore[arg-type]
                found[table] = sorted(json.dumps({key: value for key, value in row.items() if not _passing(key)}, default=str, sort_keys=True) for row in rows)
            counted = sql.execute("SELECT table_name, operation, count(*) FROM audit_entry GROUP BY 1, 2").fetchall()
            found["audit_entry"] = sorted(json.dumps(row, sort_keys=True) for row in counted)
        found["import_part"] = self._parts()
        return found

    def _parts(self) -> list[str]:
        from app.core.extensions import db
        from app.core.tenancy import Scope, bound_scope
        from app.imports import parts
        from app.imports.domain import PartKind

        out: list[str] = []
        with self.app.app_context(), bound_scope(Scope.system()):
            for kind in PartKind:
                if kind is PartKind.FILE:
                    out.append(str(len(parts.file_of(self.number))))
                    continue
                for item in parts.items_of(self.number, kind):
                    if kind in (PartKind.DONE, PartKind.KEPT):
                        item[2] = None  # the id
                    elif kind is PartKind.STEPS:
                        item[4:5] = [None] * len(item[4:5])  # the same, once applied
                    out.append(f"{kind} {json.dumps(item)}")
            db.session.remove()
        return out


_TIMES = ("_at", "_until", "waiting_since", "next_attempt_at")
_OWN = (
    "id", "seal_uid", "nir_ciphertext", "search_vector", "trainee_id", "registration_id", "subject_id", "file_id", "ordering_key", "idempotency_key",
    "external_reference", "request_id", "body", "body_digest", "failed_reference",
)  # fmt: skip


def _passing(name: str) -> bool:
    """What differs from one run to another."""
    return name in _OWN or name.endswith(_TIMES)


# ---- the proof ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base() -> Iterator[tuple[World, Path]]:
    """The base that is copied, and the folder of the file."""
    folder = Path(tempfile.mkdtemp(prefix="portal-chaos-imports-"))
    try:
        with open_world() as world:
            prepare(world, folder)
            yield world, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def copied(base: tuple[World, Path], name: str, seconds: dict[str, float]) -> Iterator[Copy]:
    """A copy of the base; Redis forgets the former one."""
    from redis import Redis

    world, folder = base
    database = make_url(world.app_url).database
    Redis.from_url(world.redis_url).flushall()
    with psycopg.connect(make_url(world.superuser_url).set(database="postgres").render_as_string(hide_password=False), autocommit=True) as sql:
        sql.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))
        sql.execute(f"CREATE DATABASE {name} TEMPLATE {database}")  # type: ignore[arg-type]
    copy = Copy(_on(world, name), folder / "lines.xlsx", seconds)
    try:
        yield copy
    finally:
        copy.close()


def run(copy: Copy, moments: dict[str, list[float]]) -> tuple[dict[str, dict[str, list[str]]], dict[str, list[float]]]:
    """From the sending to the undoing; gives the content after each work, and the moments that were not needed."""
    found, left = {"before": copy.content()}, {}
    copy.take_in(moments.get("sending", []))
    left["checking"] = copy.drive("checking", "ready", moments.get("checking", []))
    found["checked"] = copy.content()
    copy.ask("apply")
    left["applying"] = copy.drive("applying", "applied", moments.get("applying", []))
    found["applied"] = copy.content()
    copy.ask("undo")
    left["undoing"] = copy.drive("undoing", "undone", moments.get("undoing", []))
    found["undone"] = copy.content()
    return found, left


def differences(expected: dict[str, dict[str, list[str]]], found: dict[str, dict[str, list[str]]]) -> list[str]:
    """Everything that is not as in the run that nobody disturbed."""
    problems = []
    for moment, tables in expected.items():
        for table, rows in tables.items():
            other = found[moment][table]
            if rows != other:
                less, more = Counter(rows) - Counter(other), Counter(other) - Counter(rows)
                problems.append(f"{moment}, {table}: lacks {sum(less.values())} {list(less)[:2]}, has {sum(more.values())} too many {list(more)[:2]}")
    return problems


def _people(content: dict[str, list[str]]) -> dict[str, list[str]]:
    """Sheets and people, without the version that grows with each write."""
    return {
        table: sorted(json.dumps({name: value for name, value in json.loads(row).items() if name != "version"}) for row in content[table])
        for table in ("trainee", "registration", "enrolment")
    }


def test_an_import_ends_the_same_whatever_is_killed(base: tuple[World, Path]) -> None:
    chance = random.Random(SEED)
    seconds: dict[str, float] = {}
    with copied(base, "in_peace", seconds) as copy:
        expected, _left = run(copy, {})
    in_peace = dict(seconds)
    applied, undone, checked = expected["applied"], expected["undone"], expected["checked"]
    assert _people(checked) == _people(expected["before"])
    assert len(applied["registration"]) > len(checked["registration"])
    assert len(applied["outbox_message"]) > len(checked["outbox_message"])
    assert _people(undone) == _people(checked)
    moments = {
        work: [chance.random() for _number in range(SENDING_KILLS if work == "sending" else KILLS)]
        for work in ("sending", "checking", "applying", "undoing")
    }
    killed: Counter[str] = Counter()
    problems: list[str] = []
    rounds = 0
    begin = time.monotonic()
    while any(moments.values()) and rounds < 30:
        rounds += 1
        with copied(base, f"under_kills_{rounds}", seconds) as copy:
            found, moments = run(copy, moments)
            killed.update(copy.killed)
        problems += [f"round {rounds}: {problem}" for problem in differences(expected, found)]
    print(
        f"\nmake chaos, imports, seed {SEED}: {LINES} lines (in peace: checked in {in_peace['checking']:.1f} s, applied in {in_peace['applying']:.1f} s, undone in "
        f"{in_peace['undoing']:.1f} s); kill -9 while {', '.join(f'{work} × {count}' for work, count in sorted(killed.items()))}; {rounds} imports ended under "
        f"kills in {time.monotonic() - begin:.0f} s: {'the same content each time' if not problems else 'PROBLEMS'}"
    )
    assert not problems, "\n".join(problems[:20])
    assert all(killed[work] + killed[f"{work}, when it was over"] >= KILLS for work in ("checking", "applying", "undoing"))
