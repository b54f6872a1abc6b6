"""The retry policy, as pure functions."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.outbox import policy
from app.core.outbox.store import LEASE_SECONDS

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


def test_what_outlives_its_workers_leaves_in_fewer_and_fewer_company() -> None:
    assert [policy.largest_batch(n) for n in range(5)] == [None, policy.FEW, 1, 1, 1]


def test_five_leases_held_alone_are_enough() -> None:
    """The first two ran out in company: they only tell whom to set apart."""
    assert [n for n in range(12) if policy.gives_up_expiring(n)] == [7, 8, 9, 10, 11]
    assert all(policy.largest_batch(n) == 1 for n in range(2, 7))


def test_setting_apart_is_at_once_and_dying_takes_minutes() -> None:
    pauses = [policy.expiry_pause(n) for n in range(1, 7)]
    assert pauses == [0, 0, 15, 30, 60, 120]
    assert policy.expiry_pause(10_000) < 24 * 3600


@given(st.integers(min_value=0, max_value=2**32), st.integers(min_value=20, max_value=600), st.floats(min_value=0.3, max_value=60))
def test_a_random_killer_makes_no_dead_letter(seed: int, crowd: int, every: float) -> None:
    """Twenty-five kills of the worker, one every so many seconds on average, while it holds hundreds: nobody is given up for it."""
    rng = random.Random(seed)
    kills = sorted(rng.uniform(0, 25 * every) for _ in range(25))
    expiries = dict.fromkeys(range(crowd), 0)
    waits = dict.fromkeys(range(crowd), 0.0)
    now = 0.0
    while expiries:
        due = [m for m in expiries if waits[m] <= now]
        if not due:
            now = min(waits.values())
            continue
        least = min(max(expiries[m] for m in due), policy.ALONE_FROM)
        batch = [m for m in due if min(expiries[m], policy.ALONE_FROM) == least][: policy.largest_batch(least)]
        end = now + 0.1 + 0.005 * len(batch)
        hit = next((moment for moment in kills if now <= moment < end), None)
        for m in batch:
            if hit is None:
                del expiries[m], waits[m]
                continue
            expiries[m] += 1
            assert not policy.gives_up_expiring(expiries[m])
            waits[m] = hit + LEASE_SECONDS + policy.expiry_pause(expiries[m])
        now = end if hit is None else hit + 1  # a new worker
