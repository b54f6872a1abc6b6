"""Help for tests: run what is queued, in this process."""

from __future__ import annotations

from app.core.jobs.queues import QUEUES


def work_off() -> None:
    """Run every queued job now, those they queue included, as a worker would; Redis is the application's.

    Inside an application context. Jobs run in an application of their own context, so what the test has not committed is
    invisible to them.
    """
    from rq import SimpleWorker
    from rq.serializers import JSONSerializer
    from rq.timeouts import TimerDeathPenalty

    from app.core.jobs.connection import working_client
    from app.core.jobs.worker import _quiet_rq

    class _Worker(SimpleWorker):
        death_penalty_class = TimerDeathPenalty

        def _install_signal_handlers(self) -> None:
            return

    _quiet_rq()
    worker = _Worker(list(QUEUES), connection=working_client(), serializer=JSONSerializer)
    worker.log_result_lifespan = False
    worker.work(burst=True, logging_level="WARNING")
