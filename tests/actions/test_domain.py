"""Rules of the actions, without application nor database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.actions import domain
from app.actions.domain import ActionEvent, ActionStatus, EntryFacts, Missing, MissingKind, ReasonCode, StatusFilter
from app.core.workflow import ForbiddenTransition

TODAY = date(2023, 1, 9)
ENTERED = EntryFacts(enrolled=2, entered=1, first_entry=date(2023, 1, 5), still_in=2)
ALLOWED = {
    (ActionStatus.WAITING, ActionEvent.OPEN): ActionStatus.RUNNING,
    (ActionStatus.WAITING, ActionEvent.CANCEL): ActionStatus.CANCELLED,
    (ActionStatus.RUNNING, ActionEvent.CLOSE): ActionStatus.CLOSED,
    (ActionStatus.RUNNING, ActionEvent.DECLARE): ActionStatus.RUNNING,
    (ActionStatus.RUNNING, ActionEvent.ASK_CLOSING): ActionStatus.RUNNING,
    (ActionStatus.RUNNING, ActionEvent.WITHDRAW): ActionStatus.RUNNING,
    (ActionStatus.CLOSED, ActionEvent.REOPEN): ActionStatus.RUNNING,
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
    assert domain.LIFE.final_states(ActionStatus) == {ActionStatus.CANCELLED}


@pytest.mark.parametrize(("status", "event"), [pair for pair in product(ActionStatus, ActionEvent) if pair not in ALLOWED])
def test_what_the_table_forbids_is_said(status: ActionStatus, event: ActionEvent) -> None:
    """One reason, of the status; the sentence names the status there is."""
    (reason,) = domain.blockers(status, event, EntryFacts())
    expected = {ActionEvent.OPEN: ReasonCode.NOT_WAITING, ActionEvent.CANCEL: ReasonCode.NOT_WAITING, ActionEvent.REOPEN: ReasonCode.NOT_CLOSED}
    assert reason.code is expected.get(event, ReasonCode.NOT_RUNNING)
    assert reason.params == {"status": status}


DONE = EntryFacts(enrolled=2, entered=2, first_entry=date(2023, 1, 5), still_in=0, registered=2)


@given(counts=st.lists(st.integers(0, 3), min_size=len(MissingKind), max_size=len(MissingKind)), enrolled=st.integers(0, 3), declared=st.booleans())
def test_an_end_is_declared_once_and_when_nothing_is_missing(counts: list[int], enrolled: int, declared: bool) -> None:
    missing = tuple(Missing(kind, count) for kind, count in zip(MissingKind, counts, strict=True) if count)
    reasons = domain.blockers("EC", ActionEvent.DECLARE, replace(DONE, enrolled=enrolled, missing=missing, declared=declared))
    codes = {reason.code for reason in reasons}
    assert (not codes) == (not missing and enrolled > 0 and not declared)
    assert (ReasonCode.SOMETHING_MISSING in codes) == bool(missing)
    assert (ReasonCode.ALREADY_DECLARED in codes) == declared


@pytest.mark.parametrize(
    ("on_request", "declared", "asked", "codes"),
    [
        (True, True, False, []),
        (True, False, False, [ReasonCode.NOT_DECLARED]),
        (True, True, True, [ReasonCode.ALREADY_ASKED]),
        (False, True, False, [ReasonCode.CLOSING_NOT_ON_REQUEST]),
    ],
)
def test_the_closing_is_asked_for_where_the_programme_lets_it(on_request: bool, declared: bool, asked: bool, codes: list[ReasonCode]) -> None:
    """DOMAIN §3: FORPRO SUP, the establishment may ask; once, and with the end declared."""
    facts = replace(DONE, closing_on_request=on_request, declared=declared, closing_asked=asked)
    assert [reason.code for reason in domain.blockers("EC", ActionEvent.ASK_CLOSING, facts)] == codes


def test_the_region_closes_whatever_else_is_missing() -> None:
    """Only an exit stands in its way: AGORA closes no file that has none."""
    facts = replace(DONE, missing=(Missing(MissingKind.NIR, 1), Missing(MissingKind.ESF, 2)))
    assert domain.blockers("EC", ActionEvent.CLOSE, facts) == ()


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
    assert (domain.shown_status(status, end, TODAY, declared=False) is StatusFilter.LATE) is late


@pytest.mark.parametrize("status", list(ActionStatus))
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("declared", [True, False])
def test_what_is_shown_of_an_action(status: ActionStatus, late: bool, declared: bool) -> None:
    """Declared finished and late is declared finished; closed is closed, whatever was declared."""
    shown = domain.shown_status(status, TODAY - timedelta(days=1) if late else TODAY, TODAY, declared=declared)
    if status is not ActionStatus.RUNNING:
        assert shown == status
    else:
        assert shown is (StatusFilter.DECLARED if declared else StatusFilter.LATE if late else StatusFilter.RUNNING)


def test_outside() -> None:
    outer = (date(2023, 1, 2), date(2024, 6, 30))
    assert domain.outside(*outer, *outer) is None
    assert domain.outside(date(2023, 1, 1), outer[1], *outer) == "planned_start"
    assert domain.outside(outer[0], date(2024, 7, 1), *outer) == "planned_end"
