"""The rate an operator sets is never exceeded, by any number of workers; and what went wrong is kept, try by try."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.outbox.errors import Cause, Rejected, Throttled, Unavailable
from app.core.outbox.throttle import Bucket

if TYPE_CHECKING:
    from tests.outbox.conftest import World

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


@given(rate=st.integers(1, 3_000), gaps=st.lists(st.integers(0, 20_000), min_size=1, max_size=60), wanted=st.integers(1, 500))
def test_no_minute_sees_more_than_the_rate(rate: int, gaps: list[int], wanted: int) -> None:
    bucket, now = Bucket(rate, 1_000_000.0, START), START
    sent: deque[tuple[datetime, int]] = deque()
    for gap in gaps:
        now += timedelta(milliseconds=gap)
        bucket = bucket.filled(now)
        taken = min(bucket.whole, wanted)
        bucket = bucket.less(taken)
        assert bucket.tokens >= -1e-6
        sent.append((now, taken))
        while now - sent[0][0] >= timedelta(minutes=1):
            sent.popleft()
        assert sum(count for _, count in sent) <= rate


@given(rate=st.integers(1, 3_000))
def test_the_rate_is_reached(rate: int) -> None:
    """A worker that waits as told sends nearly as many as it may."""
    bucket, now, sent = Bucket(rate, 0.0, START), START, 0
    while now < START + timedelta(minutes=10):
        now += timedelta(seconds=bucket.wait + 1e-6)
        bucket = bucket.filled(now)
        sent += bucket.whole
        bucket = bucket.less(bucket.whole)
    assert sent >= 9 * rate


def test_a_clock_set_back_gives_nothing() -> None:
    bucket = Bucket(600, 2.0, START).filled(START - timedelta(hours=1))
    assert bucket.tokens == 2.0
    assert bucket.filled(START).tokens == 2.0


def test_two_drains_keep_to_the_rate_together(world: World) -> None:
    from app.core.outbox import console, drain
    from app.core.tenancy import Scope, bound_scope

    rate = 240  # four a second
    console.set_rate("echo", rate, reason="charge d’AGORA")
    for subject in range(60):
        world.publish(subject)
    started: list[float] = []
    world.partner.behave = lambda request, tries: started.append(time.monotonic()) or {}

    def run() -> None:
        with world.app.app_context(), bound_scope(Scope.system()):
            drain.drain("echo", seconds=6.0)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    took = started[-1] - started[0]
    # what leaves in a time is what the rate lets in, and the second's worth that may leave at once
    assert len(started) <= took * rate / 60 + rate // 60 + 1
    assert len(started) >= 6, "and it does leave"
    assert world.states()["sending"] == 0
    [act] = world.sql("SELECT kind, amount, reason FROM outbox_intervention")
    assert (act.kind, act.amount, act.reason) == ("throttle", rate, "charge d’AGORA")
    console.set_rate("echo", None, reason="retour à la normale")
    world.drain()
    assert world.states() == {"done": 60}


def test_a_slow_rate_holds_no_worker_up(world: World) -> None:
    from app.core.outbox import console

    console.set_rate("echo", 1, reason="essai")
    world.publish(1)
    world.publish(2)
    world.sql("UPDATE outbox_partner SET tokens = 1, tokens_at = clock_timestamp()")
    begun = time.monotonic()
    report = world.drain()
    assert (report.done, report.finished) == (1, True), "the next one is for the sweeper, in a minute"
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("rate", "reason", "code"), [(0, "x", "rate"), (100_001, "x", "rate"), (10, " ", "reason")])
def test_a_rate_has_bounds_and_a_reason(world: World, rate: int, reason: str, code: str) -> None:
    from app.core.outbox import console

    with pytest.raises(console.ConsoleError) as refused:
        console.set_rate("echo", rate, reason=reason)
    assert refused.value.code == code


def test_each_failure_leaves_its_trace_and_a_success_none(world: World) -> None:
    message = world.publish(1)
    answers: list[Any] = [Unavailable(reason="network: ConnectError", cause=Cause.NETWORK), Throttled(), Rejected("NON", "Écrivez à jean@example.org")]

    def behave(_request: Any, tries: int) -> Any:
        if tries <= len(answers):
            raise answers[tries - 1]
        return {}

    world.partner.behave = behave
    for _ in range(3):
        world.drain()
        world.due_now()
        world.close_breaker()
    tries = world.sql("SELECT state, error_kind, code, title FROM outbox_attempt WHERE message_id = :id ORDER BY id", id=message)
    assert [(row.state, row.error_kind, row.code) for row in tries] == [
        ("pending", "unavailable", "network"),
        ("pending", "unavailable", "throttled"),
        ("rejected", "rejected", "NON"),
    ]
    assert "@" not in tries[2].title
    from app.core.outbox import console

    console.replay([message])
    world.drain()
    assert world.row(message).state == "done"
    assert len(world.sql("SELECT 1 FROM outbox_attempt")) == 3


def test_a_selection_is_sent_again_in_few_statements(world: World) -> None:
    from sqlalchemy import select

    from app.core.outbox import console
    from app.core.outbox.models import OutboxMessage
    from tests.actions.helpers import statements

    for subject in range(300):
        world.publish(subject)
    world.sql("UPDATE outbox_message SET state = 'rejected', last_error_code = 'NON', error_kind = 'rejected'")
    with statements() as sent:
        rows = console.replay_those(select(OutboxMessage.id).where(OutboxMessage.last_error_code == "NON"), reason="règle levée chez AGORA")
    assert len(rows) == 300
    assert len(sent) <= 6
    assert world.sql("SELECT count(*) AS n FROM outbox_intervention WHERE kind = 'replay' AND reason IS NOT NULL")[0].n == 300


def test_figures_of_the_last_minutes(world: World) -> None:
    from app.core.outbox import console, queries

    for subject in range(10):
        world.publish(subject)
    world.drain()
    console.set_rate("echo", 30, reason="essai")
    [gauge] = [gauge for gauge in queries.gauges() if gauge.partner == "echo"]
    assert gauge.per_minute == 10 / queries.RECENT
    assert 0 <= gauge.lag_median <= gauge.lag_95 < 60
    assert gauge.rate_per_minute == 30
