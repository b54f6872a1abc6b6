"""The worker process: ``run_worker``.

In-process (``SimpleWorker``), not forking: ``make bench`` measures both; on the same busy machine 50 ms against 220 ms from
the call to its written result, and four times the rate, because the application and its connections stay warm. What a fork
would protect from is covered otherwise: a job that hangs is interrupted by its time limit, and a process that dies is restarted
by its supervisor while leases and the sweeper give its work to others.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer

from app.core.extensions import IDLE, give_connections_back
from app.core.jobs import heartbeat, runner
from app.core.jobs.connection import nudging_client, working_client
from app.core.jobs.queues import WORKER_QUEUES

log = structlog.get_logger(__name__)

WORKER_TTL = 45  # what says that a worker lives is good for so long
LOOK_AROUND = 10  # seconds after which an idle worker says so again
MAINTENANCE_INTERVAL = 15  # so the job of a dead one is noticed within a minute
_PAUSE = 1.0


class PortalWorker(SimpleWorker):
    """RQ's in-process worker that tells its jobs when to make room, and outlives Redis."""

    max_connection_wait_time = 5.0

    stopping = False
    current_queue: str | None = None
    idle_since: float | None = None  # None: has given its connections back, or never opened one
    asked_before: Callable[[], bool] = staticmethod(lambda: False)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """SIGTERM or Ctrl-C: finish the job in hand, then end."""
        self._remember_to_stop()
        super().request_stop(signum, frame)  # raises where no job runs; where that is swallowed, the next look for work sees the flag

    def _install_signal_handlers(self) -> None:
        """Take the signals over, and what was asked while this worker was still registering itself."""
        super()._install_signal_handlers()
        if self.asked_before():
            self._remember_to_stop()

    def _remember_to_stop(self) -> None:
        self.stopping = self._stop_requested = True

    def heartbeat(self, *args: Any, **named: Any) -> None:
        """Say that this worker lives; one that has had nothing to do gives its connections back."""
        if self.idle_since is not None and self.current_queue is None and time.monotonic() - self.idle_since > IDLE:
            give_connections_back(runner.application())
            self.idle_since = None
        super().heartbeat(*args, **named)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run one job, remembering which queue it came from."""
        self.current_queue = queue.name
        try:
            super().execute_job(job, queue)
        finally:
            self.current_queue = None
            self.idle_since = time.monotonic()

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """What RQ asks each time before it looks for work, with no job in hand: the moment to end, if that was asked and swallowed."""
        if self.stopping:
            raise StopRequested
        return bool(super().should_run_maintenance_tasks)

    @property
    def dequeue_timeout(self) -> int:
        """Seconds that one look into the queues lasts."""
        return LOOK_AROUND

    def interrupted(self) -> bool:
        """Whether the running job should make room: the worker stops, or a more urgent queue has work."""
        if self.stopping:
            return True
        names = self.queue_names()
        if self.current_queue not in names:
            return False
        urgent = names[: names.index(self.current_queue)]
        try:
            client = nudging_client()
            return any(client.llen(Queue.redis_queue_namespace_prefix + name) for name in urgent)
        except RedisError:
            return False


def run_worker(kind: str = "front") -> None:
    """Run one worker until it is asked to stop (SIGTERM or Ctrl-C finish the job in hand first).

    ``kind`` gives the order of the queues: ``front`` for what somebody waits for, ``back`` for long work. Run at least one of
    each; any number of either, on any number of machines. Redis or PostgreSQL going away only makes it wait.
    """
    queues = WORKER_QUEUES[kind]
    _quiet_rq()
    app = runner.application()
    stop = _Stop()
    _declare(app, stop)
    log.info("worker_ready", kind=kind, queues=",".join(queues))
    while not stop.asked:
        worker: PortalWorker | None = None
        try:
            worker = PortalWorker(
                list(queues),
                connection=working_client(),
                serializer=JSONSerializer,
                worker_ttl=WORKER_TTL,
                maintenance_interval=MAINTENANCE_INTERVAL,
                log_job_description=False,
            )
            worker.log_result_lifespan = False
            worker.asked_before = lambda: stop.asked
            worker.idle_since = time.monotonic()
            runner.set_interruption(worker.interrupted)
            _work(worker)
        except RedisError as error:
            log.warning("worker_waits_for_redis", error=type(error).__name__)
        if worker is not None and worker.stopping:
            break
        stop.install()  # RQ replaced the handlers
        stop.wait(_PAUSE)
    log.info("worker_stopped", kind=kind)


def _work(worker: PortalWorker) -> None:
    """Take jobs until asked to stop, or until Redis fails at a bad moment."""
    try:
        worker.work(logging_level="WARNING")
    except StopRequested:  # between RQ's taking the signals over and its loop
        worker.teardown()


class _Stop:
    """SIGTERM and SIGINT outside of RQ's loop."""

    def __init__(self) -> None:
        self.asked = False
        self.install()

    def install(self) -> None:
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, _signum: int, _frame: FrameType | None) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.asked and time.monotonic() < end:
            time.sleep(0.1)


def _declare(app: Any, stop: _Stop) -> None:
    """Publish the declared periodic jobs; without the database there is no work to do, so wait for it."""
    while not stop.asked:
        try:
            with app.app_context():
                heartbeat.declare()
            return
        except Exception as error:
            log.warning("worker_waits_for_database", error=type(error).__name__)
            stop.wait(2.0)


def _quiet_rq() -> None:
    """RQ's own lines only when something is wrong, and through the portal's logging."""
    for name in ("rq.worker", "rq.job", "rq.queue", "rq.registry"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]  # RQ adds its coloured handler where it finds none
        logger.propagate = True
        logger.setLevel(logging.WARNING)
