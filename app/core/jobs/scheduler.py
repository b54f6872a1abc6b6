"""The scheduler process: ``run_scheduler``. It imports neither the application nor Flask-AppBuilder.

RQ's cron scheduler gives the loop, the signals and its registry; what it lacks comes from PostgreSQL: the declared list, the
time each job was last queued (so a restart neither repeats nor skips), and a lock, so that of several schedulers one acts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import FrameType
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from psycopg.rows import namedtuple_row
from redis import Redis
from redis.exceptions import RedisError
from rq.cron import CronJob, CronScheduler
from rq.exceptions import SchedulerNotFound, StopRequested

from app.core.jobs.connection import nudging_client, working_client
from app.core.jobs.queues import QUEUES, push
from app.core.jobs.schedule import next_due
from app.core.locks import Lock

log = structlog.get_logger(__name__)

PERFORM_PERIODIC: Final = "app.core.jobs.runner.perform_periodic"
_TICK: Final = 1.0
_STANDBY: Final = 3.0
_CRON_TTL: Final = 6 * 3600
_STOP_WITHIN: Final = 8  # seconds; nothing is in hand that another scheduler would not take up

_SELECT: Final = (
    "SELECT name, func, queue, every_seconds, cron, enqueued_at, next_due_at, clock_timestamp() AS now FROM periodic_run WHERE active ORDER BY name"
)


class Declared(NamedTuple):
    """One row of the declared list."""

    name: str
    func: str
    queue: str
    every_seconds: int | None
    cron: str | None
    enqueued_at: datetime | None
    next_due_at: datetime | None
    now: datetime


class PortalScheduler(CronScheduler):
    """RQ's cron scheduler over the declared list in PostgreSQL."""

    def __init__(self, connection: Redis, database: psycopg.Connection[Any], *, stop_asked: Callable[[], bool] = lambda: False) -> None:
        super().__init__(connection=connection, logging_level=logging.WARNING)
        self.database = database
        self.stop_asked = stop_asked

    def _install_signal_handlers(self) -> None:
        """Those of ``run_scheduler`` stay: they hold before, during and after RQ's loop."""

    def enqueue_jobs(self) -> list[CronJob]:
        """Queue every job that is due. The mark and the job share a fate: no mark is kept for a job Redis did not take."""
        if self.stop_asked():  # the exception of the signal was lost in a library
            raise StopRequested
        with self.database.transaction():
            rows = [Declared(*row) for row in self.database.execute(_SELECT).fetchall()]
        queued = []
        for row in rows:
            due = row.next_due_at or next_due(every=row.every_seconds, cron=row.cron, last=row.enqueued_at, now=row.now)
            if due <= row.now:
                queued += self._enqueue(row, due)
            elif row.next_due_at is None:
                self._mark(row, due)
        self._cron_jobs = [_monitored(row) for row in rows]
        return queued

    def _enqueue(self, row: Declared, due: datetime) -> list[CronJob]:
        following = _following(row, due)
        with self.database.transaction():
            taken = self.database.execute(
                "UPDATE periodic_run SET enqueued_at = %s, next_due_at = %s WHERE name = %s AND active AND next_due_at IS NOT DISTINCT FROM %s",
                (row.now, following, row.name, row.next_due_at),
            ).rowcount
            if not taken:
                return []
            ttl = max(60, 2 * row.every_seconds) if row.every_seconds else _CRON_TTL
            push(self.connection, row.name, [], queue=row.queue, function=PERFORM_PERIODIC, ttl=ttl)
        return [_monitored(row)]

    def _mark(self, row: Declared, due: datetime) -> None:
        with self.database.transaction():
            self.database.execute("UPDATE periodic_run SET next_due_at = %s WHERE name = %s AND next_due_at IS NULL", (due, row.name))

    def register_death(self, pipeline: Any = None) -> None:
        """Say goodbye, if there is still someone to say it to: a wiped or absent Redis must neither hide why the loop ended nor hold it up."""
        self.connection = nudging_client()
        with contextlib.suppress(SchedulerNotFound, RedisError):
            super().register_death(pipeline)

    def calculate_sleep_interval(self) -> float:
        """Look again every second: the list may change, and a job may be asked for at once."""
        return _TICK


def _following(row: Declared, due: datetime) -> datetime:
    if row.every_seconds is not None:
        step = timedelta(seconds=row.every_seconds)
        return due + step if due + step > row.now else row.now + step
    return next_due(every=None, cron=row.cron, last=row.now, now=row.now)


def _monitored(row: Declared) -> CronJob:
    """The row as RQ's own monitoring shows it."""
    queue = row.queue if row.queue in QUEUES else "default"
    job = CronJob(queue, func_name=row.func, interval=row.every_seconds, cron=row.cron, name=row.name)
    job.latest_enqueue_time, job.next_enqueue_time = row.enqueued_at, row.next_due_at
    return job


class _Stop:
    """Hears SIGTERM and Ctrl-C wherever the process is: in RQ's loop, standing by, waiting for Redis or PostgreSQL.

    The signal interrupts what runs by an exception. As a library may lose one raised in the middle of it, the wish is also
    remembered and asked for at each turn; and should the process hang where no exception reaches it, an alarm ends it.
    """

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._hear)
        signal.signal(signal.SIGINT, self._hear)

    def _hear(self, _signum: int, _frame: FrameType | None) -> None:
        if self.asked:
            return
        self.asked = True
        signal.alarm(_STOP_WITHIN)
        raise StopRequested

    def wait(self, seconds: float) -> None:
        """Sleep; a stop cuts it short by its exception."""
        if self.asked:
            raise StopRequested
        time.sleep(seconds)


def run_scheduler() -> None:
    """Queue the declared periodic jobs when they are due, until asked to stop (SIGTERM, Ctrl-C; once is enough).

    Any number may run; the one that holds the lock acts, the others stand by. Redis or PostgreSQL going away makes it wait.
    """
    _quiet_rq()
    stop = _Stop()
    with contextlib.suppress(StopRequested):
        while not stop.asked:
            try:
                _run_once(os.environ["DATABASE_URL"], stop)
            except (psycopg.Error, RedisError) as error:
                log.warning("scheduler_waits", error=type(error).__name__)
                stop.wait(_STANDBY)
    log.info("scheduler_stopped")
    signal.alarm(0)


def _run_once(database_url: str, stop: _Stop) -> None:
    """Stand by for the lock, then act until something breaks or a stop is asked."""
    with psycopg.connect(database_url, autocommit=True, row_factory=namedtuple_row, connect_timeout=5, application_name="portail-scheduler") as database:
        database.execute("SELECT set_config('role', 'portal_system', false)")
        while not _scalar(database, f"SELECT pg_try_advisory_lock({Lock.SCHEDULER:d})"):
            stop.wait(_STANDBY)
        while not _scalar(database, "SELECT to_regclass('periodic_run') IS NOT NULL"):
            stop.wait(_STANDBY)
        client = working_client()
        client.ping()
        log.info("scheduler_ready")
        PortalScheduler(client, database, stop_asked=lambda: stop.asked).start()  # returns when a stop is asked, raises when a server goes away


def _scalar(database: psycopg.Connection[Any], statement: str) -> Any:
    row = database.execute(statement).fetchone()
    return row[0] if row else None


def _quiet_rq() -> None:
    logger = logging.getLogger("rq.cron")
    logger.handlers[:] = [logging.NullHandler()]
    logger.propagate = True
    logger.setLevel(logging.WARNING)
