"""Queues, the runner, the nudge, the scheduler: with a real Redis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.outbox.conftest import World

SEEN: list[Any] = []


def remember(*arguments: Any) -> None:
    """The job of these tests."""
    from app.core import context
    from app.core.tenancy import current_scope

    SEEN.append((arguments, context.request_id(), context.actor_id(), current_scope().kind))
    if arguments == (13,):
        raise ValueError("a failure quotes 1620713155089")


@pytest.fixture
def redis(world: World) -> Iterator[Any]:
    from app.core.jobs import runner
    from app.core.jobs.connection import nudging_client

    client = nudging_client()
    client.flushdb()
    runner.set_application(world.app)
    SEEN.clear()
    yield client
    runner.set_application(None)
    client.flushdb()


def work_off() -> None:
    from app.core.jobs.testing import work_off

    work_off()


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> str:
    from app.core.jobs import runner

    monkeypatch.setattr(runner, "load", lambda path: remember)
    return "app.core.outbox.jobs:sweep"


def test_a_job_runs_in_the_system_scope_as_its_author_under_the_same_reference(world: World, redis: Any, job: str) -> None:
    from app.core import context
    from app.core.jobs import enqueue

    key = uuid4()
    with context.acting(actor=5, reference="reference-12"):
        enqueue(job, 7, key)
    work_off()
    assert [((7, str(key)), "reference-12", 5, "system")] == SEEN
    assert context.actor_id() is None


@pytest.mark.parametrize("argument", ["1620713155089", "SION", {"nir": 1}, 1.5, True, None])
def test_jobs_carry_ids_only(world: World, redis: Any, argument: Any) -> None:
    from app.core.jobs import enqueue

    with pytest.raises(TypeError):
        enqueue("app.core.outbox.jobs:sweep", argument)
    assert redis.keys("rq:*") == []


@pytest.mark.parametrize(("path", "queue"), [("os:system", "default"), ("app.core", "default"), ("app.x:y", "elsewhere")])
def test_only_functions_of_the_portal_on_known_queues(world: World, redis: Any, path: str, queue: str) -> None:
    from app.core.jobs import enqueue

    with pytest.raises(ValueError, match=r"."):
        enqueue(path, queue=queue)


def test_enqueue_inside_a_transaction_is_refused(world: World, redis: Any) -> None:
    from app.core.jobs import enqueue
    from app.core.transaction import transaction

    with transaction(), pytest.raises(RuntimeError):
        enqueue("app.core.outbox.jobs:sweep", 1)


def test_a_failed_job_leaves_nothing_personal_in_redis_and_the_worker_goes_on(world: World, redis: Any, job: str) -> None:
    from app.core.jobs import enqueue

    enqueue(job, 13)
    enqueue(job, 14)
    work_off()
    assert [seen[0] for seen in SEEN] == [(13,), (14,)]
    assert redis.keys("rq:job:*") == []
    dump = b" ".join(redis.dump(key) or b"" for key in redis.keys("*"))
    assert b"1620713155089" not in dump


def test_redis_holds_json_not_pickle(world: World, redis: Any) -> None:
    import contextlib
    import json
    import zlib

    from app.core.jobs import enqueue

    enqueue("app.core.outbox.jobs:sweep", 1, queue="default")
    [key] = redis.keys("rq:job:*")
    data = redis.hget(key, "data")
    with contextlib.suppress(zlib.error):
        data = zlib.decompress(data)
    assert json.loads(data)[0] == "app.core.jobs.runner.perform"


# ---- the nudge -------------------------------------------------------------------------------------------------------


def test_nudges_coalesce_and_a_drain_under_way_lets_the_next_one_in(world: World, redis: Any) -> None:
    from app.core.outbox.nudge import nudge, taken

    for subject in range(20):
        world.publish(subject)
    assert redis.llen("rq:queue:partners") == 1
    taken("echo")
    assert nudge("echo")
    assert redis.llen("rq:queue:partners") == 2


def test_one_transaction_nudges_once(world: World, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.core.outbox import publish, publishing
    from app.core.transaction import transaction

    nudged: list[str] = []
    monkeypatch.setattr(publishing, "nudge", nudged.append)
    with transaction():
        for subject in range(30):
            publish(
                partner="echo",
                operation="tell",
                subject_type="thing",
                subject_id=subject,
                ordering_key=f"t:{subject}",
                organisation_id=1,
            )
    assert nudged == ["echo"]
    with pytest.raises(ZeroDivisionError), transaction():
        publish(partner="echo", operation="tell", subject_type="t", subject_id=1, ordering_key="k", organisation_id=1)
        raise ZeroDivisionError
    assert nudged == ["echo"]
    world.publish(99)
    assert nudged == ["echo", "echo"]


def test_redis_away_is_harmless_and_the_sweeper_makes_up_for_it(world: World, redis: Any) -> None:
    from app.core.jobs.connection import _nudging_client
    from app.core.outbox.jobs import sweep

    good = world.app.config["REDIS_URL"]
    world.app.config["REDIS_URL"] = "redis://127.0.0.1:1/0"
    try:
        message = world.publish(1)
    finally:
        world.app.config["REDIS_URL"] = good
        _nudging_client.cache_clear()
    assert world.row(message).state == "pending"
    assert redis.llen("rq:queue:partners") == 0
    sweep()
    work_off()
    assert world.row(message).state == "done"


def test_a_wiped_redis_loses_nothing(world: World, redis: Any) -> None:
    from app.core.outbox.jobs import sweep

    messages = [world.publish(n) for n in range(10)]
    redis.flushdb()
    sweep()
    work_off()
    assert {world.row(i).state for i in messages} == {"done"}


def test_a_drain_that_must_make_room_leaves_the_rest_to_a_new_job(world: World, redis: Any) -> None:
    from app.core.jobs import runner
    from app.core.outbox import jobs

    for n in range(3):
        world.publish(1, key="same", n=n)  # three rounds
    redis.flushdb()
    runner.set_interruption(lambda: True)
    try:
        jobs.drain("echo")
    finally:
        runner.set_interruption(lambda: False)
    assert world.states() == {"done": 1, "pending": 2}
    assert redis.llen("rq:queue:partners") == 1
    work_off()
    assert world.states() == {"done": 3}


# ---- periodic jobs ---------------------------------------------------------------------------------------------------

PARIS = ZoneInfo("Europe/Paris")


def due(**arguments: Any) -> datetime:
    from app.core.jobs.schedule import next_due

    return next_due(**{"every": None, "cron": None, "last": None, **arguments})


def test_intervals_and_cron_times() -> None:
    now = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
    assert due(every=15, now=now) == now
    assert due(every=15, last=now, now=now) == now + timedelta(seconds=15)
    assert due(cron="30 2 * * *", now=now) == datetime(2026, 1, 6, 1, 30, tzinfo=UTC)
    assert due(cron="30 2 * * *", now=datetime(2026, 7, 1, 10, tzinfo=UTC)) == datetime(2026, 7, 2, 0, 30, tzinfo=UTC)


def test_the_nights_when_the_clock_changes() -> None:
    spring = due(cron="30 2 * * *", last=datetime(2026, 3, 28, 1, 30, tzinfo=UTC), now=datetime(2026, 3, 28, 2, tzinfo=UTC))
    assert spring.astimezone(PARIS).date().isoformat() == "2026-03-29"
    assert due(cron="30 2 * * *", last=spring, now=spring).astimezone(PARIS).date().isoformat() == "2026-03-30"
    autumn = due(cron="30 2 * * *", last=datetime(2026, 10, 24, 0, 30, tzinfo=UTC), now=datetime(2026, 10, 24, 1, tzinfo=UTC))
    assert autumn == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    after = due(cron="30 2 * * *", last=autumn, now=autumn)
    assert after == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)  # once, though the hour comes twice


def test_lateness() -> None:
    from app.core.jobs.schedule import is_late

    now = datetime(2026, 1, 5, tzinfo=UTC)
    assert not is_late(due=None, every=15, now=now)
    assert not is_late(due=now - timedelta(seconds=59), every=15, now=now)
    assert is_late(due=now - timedelta(seconds=61), every=15, now=now)
    assert not is_late(due=now - timedelta(minutes=59), every=3600, now=now)


@pytest.fixture
def declared() -> Iterator[list[Any]]:
    """An empty declared list, given back as it was."""
    from app.core.jobs.schedule import PERIODIC

    before = PERIODIC[:]
    PERIODIC.clear()
    yield PERIODIC
    PERIODIC[:] = before


def _psycopg_url(world: World) -> str:
    return str(world.app.config["DATABASE_URL"])


def test_two_schedulers_never_double_a_job(world: World, redis: Any, declared: list[Any]) -> None:
    import psycopg

    from app.core.jobs import heartbeat, register_periodic
    from app.core.jobs.scheduler import PortalScheduler

    register_periodic(name="test-often", func="app.core.outbox.jobs:sweep", every=5, label="x")
    register_periodic(name="test-nightly", func="app.core.outbox.jobs:sweep", cron="0 3 * * *", label="x", queue="mail")
    heartbeat.declare()
    with psycopg.connect(_psycopg_url(world), autocommit=True) as one, psycopg.connect(_psycopg_url(world), autocommit=True) as two:
        for database in (one, two):
            database.execute("SELECT set_config('role', 'portal_system', false)")
        schedulers = [PortalScheduler(redis, database) for database in (one, two)]
        for _ in range(3):
            for scheduler in schedulers:
                scheduler.enqueue_jobs()
        assert (redis.llen("rq:queue:default"), redis.llen("rq:queue:mail")) == (1, 0)
        world.sql("UPDATE periodic_run SET next_due_at = now() - interval '1 second' WHERE name LIKE 'test-%'")
        for scheduler in schedulers:
            scheduler.enqueue_jobs()
        assert (redis.llen("rq:queue:default"), redis.llen("rq:queue:mail")) == (2, 1)
        # a fresh scheduler, after a restart or a wiped Redis, neither repeats nor forgets
        redis.flushdb()
        PortalScheduler(redis, one).enqueue_jobs()
        assert redis.llen("rq:queue:default") == 0
        world.sql("UPDATE periodic_run SET next_due_at = now() WHERE name = 'test-often'")
        PortalScheduler(redis, one).enqueue_jobs()
        assert redis.llen("rq:queue:default") == 1


def test_a_job_redis_did_not_take_is_not_marked_as_queued(world: World, redis: Any, declared: list[Any]) -> None:
    import psycopg
    from redis import Redis
    from redis.exceptions import RedisError

    from app.core.jobs import heartbeat, register_periodic
    from app.core.jobs.scheduler import PortalScheduler

    register_periodic(name="test-often", func="app.core.outbox.jobs:sweep", every=5, label="x")
    heartbeat.declare()
    with psycopg.connect(_psycopg_url(world), autocommit=True) as database:
        database.execute("SELECT set_config('role', 'portal_system', false)")
        with pytest.raises(RedisError):
            PortalScheduler(Redis(port=1), database).enqueue_jobs()
        PortalScheduler(redis, database).enqueue_jobs()
    assert redis.llen("rq:queue:default") == 1


def test_the_heartbeat_tells_start_end_and_result(world: World, redis: Any, declared: list[Any]) -> None:
    from app.core.jobs import heartbeat, queries, register_periodic, runner

    register_periodic(name="test-good", func="app.core.outbox.jobs:sweep", every=15, label="Good")
    register_periodic(name="test-bad", func="app.core.outbox.missing:nothing", every=15, label="Bad")
    heartbeat.declare()
    for name in ("test-good", "test-bad", "never-declared"):
        runner.perform_periodic(name, [], None, None)
    found = {status.name: status for status in queries.periodic_statuses()}
    assert (found["test-good"].succeeded, found["test-good"].runs) == (True, 1)
    assert (found["test-bad"].succeeded, found["test-bad"].error) == (False, "ModuleNotFoundError")
    assert found["test-good"].started_at <= found["test-good"].ended_at
    assert not found["test-good"].late
    world.sql("UPDATE periodic_run SET next_due_at = now() - interval '2 minutes' WHERE name = 'test-good'")
    assert {status.name: status.late for status in queries.periodic_statuses()}["test-good"]
    declared.pop()
    heartbeat.declare()
    assert [status.name for status in queries.periodic_statuses()] == ["test-good"]
    assert [row.name for row in world.sql("SELECT name FROM periodic_run WHERE active")] == ["test-good"]


def test_the_scheduler_imports_neither_the_application_nor_its_frameworks() -> None:
    import subprocess
    import sys

    code = "import sys, app.core.jobs.scheduler; print([m for m in ('flask_appbuilder', 'sqlalchemy', 'app.core.extensions', 'flask') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_tries_of_what_is_long_over_are_forgotten_by_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only those: a message that still waits keeps its tries however old, and no message goes."""
    from app.core.jobs import PERIODIC
    from app.core.outbox import jobs, store

    over, settled, recent, waiting = (world.publish(subject) for subject in range(4))
    ages = {over: ("done", 91), settled: ("cancelled", 200), recent: ("done", 89), waiting: ("pending", None)}
    for message, (state, days) in ages.items():
        world.sql(
            "UPDATE outbox_message SET state = :state, done_at = CASE WHEN :days > 0 THEN now() - make_interval(days => :days) END WHERE id = :id",
            state=state, days=days or 0, id=message,
        )  # fmt: skip
        world.sql(
            "INSERT INTO outbox_attempt (organisation_id, message_id, at, state, error_kind, code) "
            "SELECT 1, :id, now() - interval '300 days', 'pending', 'unavailable', 'network' FROM generate_series(1, 5)",
            id=message,
        )
    monkeypatch.setattr(store, "PURGED_AT_ONCE", 3)
    batches: list[int] = []
    purge_attempts = store.purge_attempts
    monkeypatch.setattr(store, "purge_attempts", lambda session: batches.append(purge_attempts(session, limit=3)) or batches[-1])
    jobs.purge()
    assert {row.message_id for row in world.sql("SELECT DISTINCT message_id FROM outbox_attempt")} == {recent, waiting}
    assert batches == [3, 3, 3, 1]
    assert sum(world.states().values()) == 4
    assert [one.cron for one in PERIODIC if one.name == "outbox-purge"] == ["50 3 * * *"]
