"""The circuit breaker, as pure data."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.core.outbox.breaker import Breaker, BreakerState, Permission

T0 = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_opens_after_five_failures_in_thirty_seconds_and_half_opens_after_thirty() -> None:
    breaker = Breaker()
    for second in range(4):
        breaker = breaker.record([False], at(second))
        assert breaker.permission(at(second)) is Permission.ALL
    breaker = breaker.record([False], at(4))
    assert breaker.state is BreakerState.OPEN
    assert breaker.permission(at(33)) is Permission.NOTHING
    assert breaker.permission(at(34)) is Permission.PROBE


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = Breaker().record([False] * 4 + [True] + [False] * 4, at(0))
    assert breaker.state is BreakerState.CLOSED
    assert breaker.record([False], at(1)).state is BreakerState.OPEN


def test_a_lonely_message_that_finds_nobody_opens_it_however_slowly() -> None:
    breaker = Breaker()
    for n in range(5):
        breaker = breaker.record([False], at(n * 60))
    assert breaker.state is BreakerState.OPEN


def test_the_probe_decides() -> None:
    opened = Breaker().record([False] * 5, at(0)).probing(at(30))
    assert opened.permission(at(31)) is Permission.NOTHING  # someone is probing
    assert opened.permission(at(61)) is Permission.PROBE  # its worker died
    assert opened.record([True], at(31)) == Breaker()
    again = opened.record([False], at(31))
    assert (again.state, again.permission(at(60)), again.permission(at(61))) == (BreakerState.OPEN, Permission.NOTHING, Permission.PROBE)


def test_what_the_partner_asks_prolongs_the_pause() -> None:
    breaker = Breaker().record([False] * 5, at(0), retry_after=120)
    assert breaker.permission(at(119)) is Permission.NOTHING
    assert breaker.permission(at(120)) is Permission.PROBE


def test_stragglers_of_the_batch_that_opened_it_change_nothing() -> None:
    opened = Breaker().record([False] * 5, at(0))
    assert opened.record([False] * 20, at(10)) == opened


def test_a_quarter_of_hiccups_among_hundreds_is_no_outage() -> None:
    rng = random.Random(7)
    opened = 0
    for trial in range(20):
        breaker = Breaker()
        for n in range(500):
            breaker = breaker.record([rng.random() > 0.25], at(trial * 1000 + n / 100))
        opened += breaker.state is not BreakerState.CLOSED
    assert opened <= 2


def test_an_outage_in_the_middle_of_a_crowd_opens_it() -> None:
    breaker = Breaker().record([True] * 200, at(0)).record([False] * 30, at(1))
    assert breaker.state is BreakerState.OPEN


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 60)), max_size=60))
def test_it_always_lets_something_through_in_the_end(calls: list[tuple[bool, float]]) -> None:
    breaker, clock = Breaker(), 0.0
    for answered, gap in calls:
        clock += gap
        breaker = breaker.record([answered], at(clock))
        assert len(breaker.recent) <= 50
    assert breaker.permission(at(clock + 61)) is not Permission.NOTHING
