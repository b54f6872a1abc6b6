"""Drain of 10,000 outbox rows against one RQ job per row; and what a queue round trip costs with each kind of RQ worker."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.report import Report
from tests.bench.world import ROOT, World

ROWS = int(os.environ.get("BENCH_ROWS") or 10_000)
ROWS_BY_JOB = min(300, ROWS)  # enough for a rate: all of them would take minutes

_ROW_WORKER = """
import sys
from rq import {kind} as Kind
from rq.serializers import JSONSerializer
import httpx
from tests.bench import partner
from app.core.extensions import db
from app.core.jobs import runner, worker
from app.core.jobs.connection import working_client
partner.register()
app = runner.application()
worker._quiet_rq()
with app.app_context():
    client = working_client()
class Ours(Kind):
    def main_work_horse(self, job, queue):  # a forked child inherits the application, not its sockets
        runner.set_application(app)
        with app.app_context():
            db.engine.dispose(close=False)
        super().main_work_horse(job, queue)
print("ready", flush=True)
Ours(["rows"], connection=client, serializer=JSONSerializer, log_job_description=False).work(logging_level="WARNING")
"""


def run(world: World, report: Report) -> None:
    """All measures of this module."""
    from tests.bench import partner

    port = _Process([sys.executable, "-m", "tests.bench.partner"], dict(os.environ))
    try:
        os.environ["BENCH_PORT"] = port.line
        partner.register()
        app = world.app()
        _prepare(world)
        report.note(f"drain: {ROWS} rows")
        drained = _drain(app)
        report.note(f"one job per row: {ROWS_BY_JOB} rows each")
        forked = _one_job_per_row(app, world, "Worker", port.line)
        simple = _one_job_per_row(app, world, "SimpleWorker", port.line)
        report.add("outbox_drain_rate", drained, "rows/s", f"{ROWS} rows, partner answering in 20 ms, one process")
        report.add("rq_job_per_row_rate", forked, "rows/s", f"{ROWS_BY_JOB} rows, RQ's default (forking) worker, one process, same work")
        report.add("rq_job_per_row_rate_simple", simple, "rows/s", f"{ROWS_BY_JOB} rows, RQ's SimpleWorker, one process, same work")
        report.add("outbox_drain_ratio", drained / forked, "times", "outbox_drain_rate / rq_job_per_row_rate", least=10)
        report.add("outbox_drain_ratio_simple", drained / simple, "times", "outbox_drain_rate / rq_job_per_row_rate_simple")
        for kind in ("Worker", "SimpleWorker"):
            median, worst = _latency(app, world, kind, port.line)
            report.add(f"job_latency_{kind.lower()}", median * 1000, "ms", f"median of 40 calls from enqueue to the row written; worst {worst * 1000:.0f} ms")
    finally:
        port.stop()


class _Process:
    """A child whose output goes to a file; its last line of a single word is what it had to say."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._output = tempfile.NamedTemporaryFile("w+", prefix="bench-", suffix=".log")  # noqa: SIM115 - closed by stop()
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=self._output, stderr=subprocess.STDOUT)
        self.line = self._first_word()

    def _first_word(self) -> str:
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            for line in Path(self._output.name).read_text().splitlines():
                if line.isalnum():
                    return line
            time.sleep(0.05)
        raise RuntimeError(f"did not start: {self.tail()}")

    def tail(self) -> str:
        """The end of its output."""
        return Path(self._output.name).read_text()[-2000:]

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()


def _prepare(world: World) -> None:
    import psycopg

    with psycopg.connect(world.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bench_subject (id bigint PRIMARY KEY, label text, number text)")
        connection.execute("GRANT ALL ON bench_subject TO portal_system")
        connection.execute("INSERT INTO bench_subject SELECT n, 'Sujet ' || n FROM generate_series(1, 20000) n ON CONFLICT DO NOTHING")


def _publish(app: Any, first: int, rows: int) -> list[int]:
    from sqlalchemy import text

    from app.core.outbox.publishing import NewMessage, publish_many
    from app.core.tenancy import Scope, bound_scope
    from app.core.transaction import transaction
    from tests.bench.partner import NAME

    with app.app_context(), bound_scope(Scope.system()), transaction() as session:
        organisation = session.scalar(text("SELECT min(id) FROM organisation"))
        return publish_many(NAME, [NewMessage("create", "bench", first + n, f"bench:{first + n}", organisation) for n in range(rows)])


def _drain(app: Any) -> float:
    from app.core.outbox import drain
    from tests.bench.partner import NAME

    _publish(app, 1, ROWS)
    with app.app_context():
        begin = time.perf_counter()
        done = 0
        while True:
            report = drain.drain(NAME, seconds=120)
            done += report.done
            if report.finished:
                break
        elapsed = time.perf_counter() - begin
    if done != ROWS:
        raise RuntimeError(f"{done} of {ROWS} drained")
    return ROWS / elapsed


def _one_job_per_row(app: Any, world: World, kind: str, port: str) -> float:
    ids = _publish(app, 1, ROWS_BY_JOB)
    _push(app, ids)
    worker = _worker(world, kind, port)
    begin = time.perf_counter()
    _wait(app, ids, worker=worker)
    elapsed = time.perf_counter() - begin
    worker.stop()
    return ROWS_BY_JOB / elapsed


def _latency(app: Any, world: World, kind: str, port: str) -> tuple[float, float]:
    worker = _worker(world, kind, port)
    times = []
    ids = _publish(app, 1, 42)
    for number, identifier in enumerate(ids):
        begin = time.perf_counter()
        _push(app, [identifier])
        _wait(app, [identifier], worker=worker, pause=0.002)
        if number >= 2:  # the first ones warm the worker up
            times.append(time.perf_counter() - begin)
    worker.stop()
    return statistics.median(times), max(times)


def _worker(world: World, kind: str, port: str) -> _Process:
    return _Process([sys.executable, "-c", _ROW_WORKER.format(kind=kind)], dict(world.environment(BENCH_PORT=port)))


def _push(app: Any, ids: list[int]) -> None:
    from rq import Queue
    from rq.serializers import JSONSerializer

    from app.core.jobs.connection import nudging_client

    with app.app_context():
        queue = Queue("rows", connection=nudging_client(), serializer=JSONSerializer)
        function = "app.core.jobs.runner.perform"
        queue.enqueue_many(
            [Queue.prepare_data(function, args=["tests.bench.partner:row_job", [identifier], None, None], timeout=60, result_ttl=0) for identifier in ids]
        )


def _wait(app: Any, ids: list[int], *, worker: _Process, pause: float = 0.02) -> None:
    from sqlalchemy import text

    from app.core.extensions import db
    from app.core.tenancy import Scope, bound_scope

    end = time.monotonic() + 120
    with app.app_context(), bound_scope(Scope.system()):
        while True:
            left = db.session.scalar(text("SELECT count(*) FROM outbox_message WHERE id = ANY(:ids) AND state <> 'done'"), {"ids": ids})
            db.session.rollback()
            if not left:
                return
            if time.monotonic() > end:
                raise RuntimeError(f"{left} rows left: {worker.tail()}")
            time.sleep(pause)
