"""Rules of the actions, without application nor database."""

from __future__ import annotations

from datetime import date
from itertools import product

import pytest

from app.actions import domain
from app.actions.domain import ActionEvent, ActionStatus, EntryFacts, ReasonCode
from app.core.workflow import ForbiddenTransition

TODAY = date(2023, 1, 9)
ENTERED = EntryFacts(enrolled=2, entered=1, first_entry=date(2023, 1, 5), still_in=2)
ALLOWED = {
    (ActionStatus.WAITING, ActionEvent.OPEN): ActionStatus.RUNNING,
    (ActionStatus.WAITING, ActionEvent.CANCEL): ActionStatus.CANCELLED,
    (ActionStatus.RUNNING, ActionEvent.CLOSE): ActionStatus.CLOSED,
}


@pytest.mark.parametrize(("status", "event"), list(product(ActionStatus, ActionEvent)))
def test_every_pair_of_status_and_event(status: ActionStatus, event: ActionEvent) -> None:
    """The table is the only way: every pair is either a move of it or forbidden."""
    if (status, event) in ALLOWED:
        assert domain.LIFE.target(status, event) is ALLOWED[status, event]
    else:
        with pytest.raises(ForbiddenTransition):
            domain.LIFE.target(status, event)


def test_nothing_leads_back_to_waiting() -> None:
    assert ActionStatus.WAITING not in ALLOWED.values()
    assert domain.LIFE.final_states(ActionStatus) == {ActionStatus.CLOSED, ActionStatus.CANCELLED}


def test_opening_is_refused_before_anybody_is_enrolled() -> None:
    (reason,) = domain.blockers("AO", ActionEvent.OPEN, EntryFacts())
    assert reason.code is ReasonCode.NOBODY_ENROLLED


def test_opening_is_refused_before_the_first_entry() -> None:
    """Guide 003, warning of §1: the advance invoice could not be processed."""
    facts = EntryFacts(enrolled=1, entered=0, first_entry=date(2023, 1, 12), still_in=1)
    (reason,) = domain.blockers("AO", ActionEvent.OPEN, facts)
    assert reason.code is ReasonCode.NOBODY_ENTERED
    assert reason.params["date"] == date(2023, 1, 12)


def test_opening_is_free_once_somebody_has_entered() -> None:
    assert domain.blockers("AO", ActionEvent.OPEN, ENTERED) == ()


@pytest.mark.parametrize("status", ["EC", "CL", "AN"])
def test_only_a_waiting_action_opens(status: str) -> None:
    (reason,) = domain.blockers(status, ActionEvent.OPEN, ENTERED)
    assert reason.code is ReasonCode.NOT_WAITING


def test_the_actual_start_is_the_first_entry() -> None:
    """Guide 003 §1, reminder."""
    assert domain.opening_date_errors(date(2023, 1, 5), ENTERED, TODAY) == ()
    (reason,) = domain.opening_date_errors(date(2023, 1, 6), ENTERED, TODAY)
    assert reason.code is ReasonCode.START_IS_NOT_FIRST_ENTRY
    (reason,) = domain.opening_date_errors(date(2023, 1, 10), ENTERED, TODAY)
    assert reason.code is ReasonCode.START_IN_FUTURE


def test_closing_waits_for_the_last_exit() -> None:
    (reason,) = domain.blockers("EC", ActionEvent.CLOSE, ENTERED)
    assert reason.code is ReasonCode.TRAINEES_STILL_IN
    assert domain.blockers("EC", ActionEvent.CLOSE, EntryFacts(2, 2, date(2023, 1, 5), 0)) == ()


@pytest.mark.parametrize(
    ("status", "end", "late"),
    [("EC", date(2023, 1, 8), True), ("EC", TODAY, False), ("AO", date(2022, 1, 1), False), ("CL", date(2022, 1, 1), False)],
)
def test_late_to_be_closed(status: str, end: date, late: bool) -> None:
    """Running, and the planned end has passed: the last day itself is not late."""
    assert domain.is_late(status, end, TODAY) is late


def test_outside() -> None:
    outer = (date(2023, 1, 2), date(2024, 6, 30))
    assert domain.outside(*outer, *outer) is None
    assert domain.outside(date(2023, 1, 1), outer[1], *outer) == "planned_start"
    assert domain.outside(outer[0], date(2024, 7, 1), *outer) == "planned_end"
