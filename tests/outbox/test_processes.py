"""Workers and schedulers as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.outbox.conftest import World

pytestmark = [pytest.mark.processes, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[[str], subprocess.Popen[str]]


def nap() -> None:
    """A job that takes two seconds; run in the worker's process."""
    from app.core.jobs.connection import nudging_client

    nudging_client().set("nap", "begun")
    time.sleep(2)
    nudging_client().set("nap", "done")


def look() -> None:
    """A job that asks the database something."""
    from sqlalchemy import text

    from app.core.extensions import db
    from app.core.jobs.connection import nudging_client

    db.session.execute(text("SELECT 1"))
    nudging_client().set("looked", "yes")


@pytest.fixture
def redis(world: World) -> Iterator[Any]:
    from app.core.jobs.connection import nudging_client

    client = nudging_client()
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def start(world: World, tmp_path: Path) -> Iterator[Start]:
    """``start("from … import …; …")``: a process on the world's database and Redis."""
    from app.core.extensions import db

    settings = {name: world.app.config.get(name.upper()) for name in asdict_names()}
    environment = os.environ | {name.upper(): str(value) for name, value in settings.items() if value not in (None, "", False)}
    environment |= {"DEMO": "1", "PORTAL_ENV": "test", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    started: list[subprocess.Popen[str]] = []
    db.session.remove()

    def run(code: str) -> subprocess.Popen[str]:
        log = tmp_path / f"{len(started)}.log"
        with log.open("w") as output:
            process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True)
        process.log = log  # type: ignore[attr-defined]
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def asdict_names() -> list[str]:
    from dataclasses import fields

    from config import Settings

    return [field.name for field in fields(Settings) if field.name != "process"]


def wait_for(condition: Callable[[], Any], seconds: float = 40, why: Callable[[], str] = lambda: "") -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    pytest.fail(f"waited {seconds} s in vain: {why()}")


WORKER = "from app.core.jobs.worker import run_worker; run_worker('back')"
SCHEDULER = "from app.core.jobs.scheduler import run_scheduler; run_scheduler()"


def said(process: subprocess.Popen[str], word: str) -> bool:
    return word in process.log.read_text()  # type: ignore[attr-defined]


def test_a_worker_asked_to_stop_finishes_its_job(world: World, redis: Any, start: Start) -> None:
    from app.core.jobs.queues import push

    worker = start(WORKER)
    push(redis, "tests.outbox.test_processes:nap", [], queue="default")
    wait_for(lambda: redis.get("nap") == b"begun", why=worker.log.read_text)  # type: ignore[attr-defined]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert redis.get("nap") == b"done"


def test_an_idle_worker_stops_at_once(world: World, redis: Any, start: Start) -> None:
    worker = start(WORKER)
    wait_for(lambda: redis.scard("rq:workers"), why=worker.log.read_text)  # type: ignore[attr-defined]
    begin = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("moment", ["register_birth", "subscribe", "set_state", "_install_signal_handlers"])
def test_a_worker_asked_to_stop_while_it_begins_stops(world: World, redis: Any, start: Start, moment: str) -> None:
    worker = start(
        "import os, signal\n"
        "from app.core.jobs.worker import PortalWorker, run_worker\n"
        f"begin = PortalWorker.{moment}\n"
        "def asked(self, *args, **named):\n"
        "    begin(self, *args, **named)\n"
        f"    PortalWorker.{moment} = begin\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        f"PortalWorker.{moment} = asked\n"
        "run_worker('back')"
    )
    assert worker.wait(25) == 0, worker.log.read_text()  # type: ignore[attr-defined]


def test_a_request_to_stop_that_was_swallowed_is_remembered(world: World, redis: Any, start: Start) -> None:
    worker = start(
        "import os, signal\n"
        "from rq.exceptions import StopRequested\n"
        "from app.core.jobs.worker import PortalWorker, run_worker\n"
        "reported = PortalWorker.procline\n"
        "def asked(self, message):\n"
        "    PortalWorker.procline = reported\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        [None for _ in range(1000)]\n"
        "    except StopRequested:\n"
        "        pass\n"
        "PortalWorker.procline = asked\n"
        "run_worker('back')"
    )
    assert worker.wait(25) == 0, worker.log.read_text()  # type: ignore[attr-defined]


def test_an_idle_worker_gives_its_connections_back(world: World, redis: Any, start: Start) -> None:
    """PostgreSQL holds some 20 MB for each."""
    from app.core.jobs.queues import push

    def open_ones() -> int:
        return int(world.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'portail-idle'")[0][0])

    worker = start("import os; os.environ['PORTAL_PROCESS'] = 'idle'\n" + WORKER)
    for _round in range(2):  # and works again afterwards
        wait_for(lambda: open_ones() == 1, why=worker.log.read_text)  # type: ignore[attr-defined]
        wait_for(lambda: open_ones() == 0, why=worker.log.read_text)  # type: ignore[attr-defined]
        push(redis, "tests.outbox.test_processes:look", [], queue="default")
    wait_for(lambda: redis.get("looked"))


def test_a_second_scheduler_stands_by_and_takes_over(world: World, redis: Any, start: Start) -> None:
    from app.core.jobs import heartbeat

    heartbeat.declare()
    world.sql("UPDATE periodic_run SET active = (name = 'outbox-sweep')")
    first = start(SCHEDULER)
    wait_for(lambda: said(first, "scheduler_ready"), why=first.log.read_text)  # type: ignore[attr-defined]
    second = start(SCHEDULER)
    wait_for(lambda: redis.llen("rq:queue:partners") == 1)
    time.sleep(4)
    assert redis.llen("rq:queue:partners") == 1  # due once in fifteen seconds, though two look
    assert not said(second, "scheduler_ready")
    first.kill()
    wait_for(lambda: said(second, "scheduler_ready"), why=second.log.read_text)  # type: ignore[attr-defined]
    world.sql("UPDATE periodic_run SET next_due_at = now()")
    wait_for(lambda: redis.llen("rq:queue:partners") == 2)
    second.send_signal(signal.SIGTERM)
    assert second.wait(15) == 0


def test_scheduler_and_worker_outlive_their_connections(world: World, redis: Any, start: Start, engines: dict[str, str]) -> None:
    import psycopg

    from app.core.jobs import heartbeat

    heartbeat.declare()
    scheduler, worker = start(SCHEDULER), start(WORKER)
    wait_for(lambda: said(scheduler, "scheduler_ready") and redis.scard("rq:workers"), why=worker.log.read_text)  # type: ignore[attr-defined]
    # those of this world alone: other tests share the two servers
    mine = redis.connection_pool.connection_kwargs["db"]
    for client in redis.client_list():
        if int(client["db"]) == mine and client["id"] != str(redis.client_id()):
            redis.client_kill_filter(_id=client["id"])
    redis.flushdb()
    database = world.sql("SELECT current_database()")[0][0]
    with psycopg.connect(engines["superuser"], autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'portal_app' AND datname = %s", (database,))
    world.sql("UPDATE periodic_run SET next_due_at = now(), started_at = NULL WHERE name = 'outbox-sweep'")
    wait_for(
        lambda: world.sql("SELECT 1 FROM periodic_run WHERE name = 'outbox-sweep' AND started_at IS NOT NULL"),
        why=lambda: scheduler.log.read_text() + worker.log.read_text(),  # type: ignore[attr-defined]
    )
    assert (scheduler.poll(), worker.poll()) == (None, None)


# ---- one SIGTERM ends a scheduler, whatever it is doing ---------------------------------------------------------------

#: Above the time it may take to say goodbye to a Redis that hangs, and to be ended by its own alarm; below the launcher's patience.
PATIENCE = 12


def stop(process: subprocess.Popen[str], *, code: int = 0) -> float:
    """One SIGTERM; returns the seconds it took."""
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == code, process.log.read_text()  # type: ignore[attr-defined]
    assert said(process, "scheduler_stopped") is (code == 0)
    assert "Traceback" not in process.log.read_text()  # type: ignore[attr-defined]
    return time.monotonic() - begin


def ready(process: subprocess.Popen[str], word: str = "scheduler_ready") -> None:
    wait_for(lambda: said(process, word), why=process.log.read_text)  # type: ignore[attr-defined]


@pytest.fixture
def own_redis(world: World, tmp_path: Path) -> Iterator[Any]:
    """A Redis of the test's own, to be frozen and killed."""
    from launcher import embedded

    server = embedded.start_redis(tmp_path / "redis", durable=False)
    yield server
    server.child.signal(signal.SIGCONT)
    server.stop()


def at(**environment: str) -> str:
    return f"import os; os.environ.update({environment!r}); {SCHEDULER}"


def test_a_sigterm_in_its_loop(world: World, redis: Any, start: Start) -> None:
    scheduler = start(SCHEDULER)
    ready(scheduler)
    time.sleep(1.5)
    assert stop(scheduler) < 5
    assert not redis.zcard("rq:cron_schedulers")  # it said goodbye


def test_a_sigterm_while_it_stands_by(world: World, redis: Any, start: Start) -> None:
    import psycopg

    from app.core.locks import Lock

    with psycopg.connect(str(world.app.config["DATABASE_URL"]), autocommit=True) as holder:
        holder.execute(f"SELECT pg_advisory_lock({Lock.SCHEDULER:d})")
        scheduler = start(SCHEDULER)
        wait_for(lambda: holder.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'portail-scheduler'").fetchone())
        time.sleep(1)
        assert stop(scheduler) < 5


@pytest.mark.parametrize(
    "elsewhere",
    [{"DATABASE_URL": "postgresql://nobody@/none?host=/none"}, {"REDIS_URL": "unix:///none/redis.sock"}, {"REDIS_URL": "redis://127.0.0.1:1/0"}],
    ids=["postgresql", "redis", "redis-tcp"],
)
def test_a_sigterm_while_it_waits_for_an_engine(world: World, start: Start, elsewhere: dict[str, str]) -> None:
    scheduler = start(at(**elsewhere))
    ready(scheduler, "scheduler_waits")
    assert stop(scheduler) < 5


@pytest.mark.parametrize("delay", [0.0, 0.3, 1.0, 2.5])
def test_a_sigterm_as_redis_dies(world: World, own_redis: Any, start: Start, delay: float) -> None:
    scheduler = start(at(REDIS_URL=own_redis.url))
    ready(scheduler)
    own_redis.child.signal(signal.SIGKILL)
    time.sleep(delay)
    stop(scheduler)


def test_a_sigterm_while_redis_hangs(world: World, own_redis: Any, start: Start) -> None:
    scheduler = start(at(REDIS_URL=own_redis.url))
    ready(scheduler)
    own_redis.child.signal(signal.SIGSTOP)
    time.sleep(3)
    stop(scheduler)


def test_a_sigterm_while_postgresql_makes_it_wait(world: World, redis: Any, start: Start, engines: dict[str, str]) -> None:
    import psycopg

    scheduler = start(SCHEDULER)
    ready(scheduler)
    with psycopg.connect(world.app.config["DATABASE_OWNER_URL"]) as owner:
        owner.execute("LOCK TABLE periodic_run IN ACCESS EXCLUSIVE MODE")
        time.sleep(3)
        assert stop(scheduler) < 5


def test_a_sigterm_that_a_library_loses(world: World, redis: Any, start: Start) -> None:
    """An exception raised in a callback or a destructor is swallowed by Python itself."""
    lost = """
import time
from app.core.jobs.scheduler import PortalScheduler
def heartbeat(self):
    try:
        time.sleep(2)
    except Exception:
        pass
PortalScheduler.heartbeat = heartbeat
"""
    scheduler = start(lost + SCHEDULER)
    ready(scheduler)
    time.sleep(0.5)
    assert stop(scheduler) < 5


def test_a_sigterm_when_it_hangs_for_good(world: World, redis: Any, start: Start) -> None:
    hung = """
import time
from app.core.jobs.scheduler import PortalScheduler
def heartbeat(self):
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass
PortalScheduler.heartbeat = heartbeat
"""
    scheduler = start(hung + SCHEDULER)
    ready(scheduler)
    time.sleep(0.5)
    stop(scheduler, code=-signal.SIGALRM)


def test_a_second_sigterm_changes_nothing(world: World, own_redis: Any, start: Start) -> None:
    scheduler = start(at(REDIS_URL=own_redis.url))
    ready(scheduler)
    own_redis.child.signal(signal.SIGSTOP)
    time.sleep(1)
    scheduler.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    stop(scheduler)
