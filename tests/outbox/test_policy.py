"""The retry policy, as pure functions."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.outbox import policy

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@given(st.integers(min_value=-5, max_value=10_000), st.integers())
def test_backoff_is_full_jitter_under_a_quarter_of_an_hour(attempt: int, seed: int) -> None:
    delay = policy.backoff(attempt, rng=random.Random(seed))
    assert 0 <= delay <= min(900, 2 * 2 ** min(max(attempt, 1) - 1, 30))


def test_backoff_spreads_over_the_whole_range() -> None:
    rng = random.Random(1)
    delays = [policy.backoff(20, rng=rng) for _ in range(2000)]
    assert min(delays) < 10
    assert max(delays) > 890
    assert 400 < sum(delays) / len(delays) < 500


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(min_value=1, max_value=50))
def test_retry_after_is_honoured_within_reason(asked: float, attempt: int) -> None:
    delay = policy.retry_delay(attempt, asked)
    if asked != asked:
        assert 0 <= delay <= 900
    else:
        floor = min(max(asked, 0), 900)
        assert floor <= delay <= floor * 1.1 + 1


@pytest.mark.parametrize(
    ("waiting", "answered", "given_up"),
    [
        (timedelta(hours=23), timedelta(0), False),
        (timedelta(hours=25), timedelta(minutes=1), True),
        (timedelta(hours=25), timedelta(hours=1), False),  # down for everyone
        (timedelta(days=9), None, False),
    ],
)
def test_a_message_is_given_up_after_a_day_if_others_are_answered(waiting: timedelta, answered: timedelta | None, given_up: bool) -> None:
    last = NOW - answered if answered is not None else None
    assert policy.gives_up_unavailable(waiting_since=NOW - waiting, now=NOW, last_success=last) is given_up


def test_poison_has_ten_tries() -> None:
    assert [policy.gives_up_failing(n) for n in (1, 9, 10, 11)] == [False, False, True, True]
