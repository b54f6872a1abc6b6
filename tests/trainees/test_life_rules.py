"""The life of an enrolment as a table: every pair of state and event, dates of interruptions, the outcome; no application nor database."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.partners.agora import mapping
from app.partners.agora.port import EventKind, FileStatus, Outcome
from app.partners.agora.sandbox import transitions
from app.trainees import life
from app.trainees.domain import ProblemCode
from app.trainees.life import EnrolmentEvent, EnrolmentState, LifeFacts, Path, Pause

S, E = EnrolmentState, EnrolmentEvent
START, END = date(2026, 1, 5), date(2026, 6, 26)
FREE = LifeFacts(exit_mendable=True)

#: State → event → state; what is not here is impossible.
EXPECTED: dict[EnrolmentState, dict[EnrolmentEvent, EnrolmentState]] = {
    S.IN: {E.CHANGE: S.IN, E.INTERRUPT: S.INTERRUPTED, E.LEAVE: S.LEFT, E.MOVE: S.LEFT, E.CANCEL: S.CANCELLED},
    S.INTERRUPTED: {E.CHANGE: S.INTERRUPTED, E.RESUME: S.IN, E.LEAVE: S.LEFT_INTERRUPTED, E.MOVE: S.LEFT_INTERRUPTED},
    S.LEFT: {E.MEND_EXIT: S.LEFT, E.UNDO_EXIT: S.IN, E.JUDGE: S.LEFT, E.CLOSE: S.CLOSED},
    S.LEFT_INTERRUPTED: {E.MEND_EXIT: S.LEFT_INTERRUPTED, E.UNDO_EXIT: S.INTERRUPTED, E.JUDGE: S.LEFT_INTERRUPTED, E.CLOSE: S.CLOSED},
    S.CANCELLED: {},
    S.CLOSED: {},
}


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("event", E)
def test_every_pair_of_state_and_event(state: EnrolmentState, event: EnrolmentEvent) -> None:
    obstacles = life.obstacles(state, event, FREE)
    target = EXPECTED[state].get(event)
    if target is None:
        assert len(obstacles) == 1  # said in one sentence
    else:
        assert not obstacles
        assert life.LIFE.target(state, event) is target


@pytest.mark.parametrize(
    ("state", "event", "facts", "code"),
    [
        *((state, event, LifeFacts(action_status="CL"), ProblemCode.NO_MORE_TRAINEE) for state in (S.IN, S.INTERRUPTED) for event in EXPECTED[state]),
        (S.LEFT, E.MEND_EXIT, LifeFacts(), ProblemCode.EXIT_HELD),
        (S.LEFT, E.UNDO_EXIT, LifeFacts(declared=True), None),
        (S.LEFT_INTERRUPTED, E.UNDO_EXIT, LifeFacts(declared=True), None),
        (S.LEFT, E.JUDGE, LifeFacts(declared=True), ProblemCode.DECLARED_FINISHED),
        (S.LEFT, E.JUDGE, LifeFacts(declared=True, region=True), None),
        (S.IN, E.CANCEL, LifeFacts(interruptions=1), ProblemCode.SOMETHING_DECLARED),
        (S.IN, E.CANCEL, LifeFacts(exit_undone=True), ProblemCode.SOMETHING_DECLARED),
        (S.IN, E.CANCEL, LifeFacts(opens_action=START), ProblemCode.OPENS_ACTION),
        (S.INTERRUPTED, E.CANCEL, LifeFacts(interruptions=1), ProblemCode.SOMETHING_DECLARED),
        (S.IN, E.RESUME, FREE, ProblemCode.NOT_INTERRUPTED),
        (S.INTERRUPTED, E.INTERRUPT, FREE, ProblemCode.INTERRUPTED),
        (S.LEFT, E.LEAVE, FREE, ProblemCode.HAS_LEFT),
        (S.IN, E.UNDO_EXIT, FREE, ProblemCode.NOT_LEFT),
        (S.CANCELLED, E.LEAVE, FREE, ProblemCode.ENROLMENT_CANCELLED),
        (S.CLOSED, E.UNDO_EXIT, FREE, ProblemCode.FILE_CLOSED),
    ],
)
def test_what_stands_in_the_way(state: EnrolmentState, event: EnrolmentEvent, facts: LifeFacts, code: ProblemCode | None) -> None:
    assert [one.code for one in life.obstacles(state, event, facts)] == ([code] if code else [])


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, S.IN),
        ({"interrupted": True}, S.INTERRUPTED),
        ({"actual_end": END}, S.LEFT),
        ({"actual_end": END, "interrupted": True}, S.LEFT_INTERRUPTED),
        ({"cancelled": True}, S.CANCELLED),
        ({"actual_end": END, "action_status": "CL"}, S.CLOSED),
        ({"actual_end": END, "agora_status": "closed_partial"}, S.CLOSED),
        ({"actual_end": END, "agora_status": "exited"}, S.LEFT),
        ({"cancelled": True, "agora_status": "cancelled", "action_status": "CL"}, S.CANCELLED),
    ],
)
def test_the_state_comes_from_the_row(facts: dict[str, object], state: EnrolmentState) -> None:
    values = {"action_status": "EC", "agora_status": None, "actual_end": None, "cancelled": False, "interrupted": False, **facts}
    assert life.state_of(**values) is state  # type: ignore[arg-type]


# ---- dates -------------------------------------------------------------------------------------------------------------


def day(number: int) -> date:
    return START + timedelta(days=number)


@pytest.mark.parametrize(
    ("when", "code"),
    [(0, None), (10, None), (-1, ProblemCode.BEFORE_ENTRY), (40, ProblemCode.DAY_IN_FUTURE), (4, ProblemCode.BEFORE_LAST_TOLD)],
)
def test_an_interruption_lies_within_the_path_after_the_one_before(when: int, code: ProblemCode | None) -> None:
    pauses = () if when == 0 else (Pause(day(3), day(6)),)
    path = Path(START, END, pauses=pauses)
    assert [one.code for one in life.interruption_problems(day(when), path, day(30))] == ([code] if code else [])


def test_nothing_is_interrupted_after_the_planned_end() -> None:
    assert life.interruption_problems(END + timedelta(days=1), Path(START, END), END + timedelta(days=9))[0].code is ProblemCode.AFTER_PATH


@pytest.mark.parametrize(("when", "code"), [(4, None), (3, ProblemCode.RESUMED_TOO_EARLY), (1, ProblemCode.RESUMED_TOO_EARLY), (40, ProblemCode.DAY_IN_FUTURE)])
def test_a_return_comes_after_the_first_day_away(when: int, code: ProblemCode | None) -> None:
    path = Path(START, END, pauses=(Pause(day(3), None),))
    assert [one.code for one in life.resumption_problems(day(when), path, day(30))] == ([code] if code else [])


def test_new_dates_leave_no_interruption_outside() -> None:
    pauses = (Pause(day(3), day(6)), Pause(day(20), None))
    assert life.plan_around_pauses(START, END, pauses) == ()
    found = life.plan_around_pauses(day(4), day(19), pauses)
    assert [(one.field, one.code) for one in found] == [("planned_start", ProblemCode.LEAVES_PAUSE_OUT), ("planned_end", ProblemCode.LEAVES_PAUSE_OUT)]


def test_nobody_leaves_before_what_was_declared() -> None:
    path = Path(START, END, pauses=(Pause(day(3), day(6)),))
    assert life.exit_after_pauses(day(5), path)[0].code is ProblemCode.BEFORE_LAST_TOLD
    assert life.exit_after_pauses(day(6), path) == ()


# ---- outcome -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "pauses", "outcome", "present"),
    [
        (9, (), Outcome.FULL, 10),
        (12, (), Outcome.FULL, 10),  # stayed on after the planned end
        (8, (), Outcome.PARTIAL, 9),
        (0, (), Outcome.NOT_DONE, 0),  # left on the day of the entry: never came
        (9, ((2, 4),), Outcome.PARTIAL, 8),
        (11, ((2, 4),), Outcome.FULL, 10),  # two days away, two days more
        (6, ((0, None),), Outcome.NOT_DONE, 0),
        (9, ((5, None),), Outcome.PARTIAL, 5),  # left while interrupted
    ],
)
def test_the_outcome_follows_the_exit_and_the_interruptions(left: int, pauses: tuple[tuple[int, int | None], ...], outcome: Outcome, present: int) -> None:
    """Ten days are planned, a hundred hours with them."""
    path = Path(START, day(9), day(left), tuple(Pause(day(a), None if b is None else day(b)) for a, b in pauses))
    found = life.completion(path, Decimal(100))
    assert (found.outcome, found.present_days, found.done_hours) == (outcome, present, Decimal(present) * 10)


def test_a_path_of_one_day_is_whole() -> None:
    assert life.completion(Path(START, START, START), Decimal(7)).outcome is Outcome.FULL


@given(
    length=st.integers(0, 300), stay=st.integers(0, 320), away=st.lists(st.integers(1, 320), max_size=6, unique=True).map(sorted),
    hours=st.decimals(min_value="0.01", max_value=3000, places=2),
)  # fmt: skip
def test_the_outcome_agrees_with_days_counted_one_by_one(length: int, stay: int, away: list[int], hours: Decimal) -> None:
    pauses = tuple(Pause(day(a), day(b)) for a, b in zip(away[::2], away[1::2], strict=False))
    path = Path(START, day(length), day(stay), pauses)
    found = life.completion(path, hours)
    attended = sum(1 for one in range(stay + 1) if not any(pause.interrupted_on <= day(one) < (pause.resumed_on or date.max) for pause in pauses))
    never = attended == 0 or (stay == 0 and length > 0)
    assert found.outcome is (Outcome.NOT_DONE if never else Outcome.FULL if attended >= length + 1 else Outcome.PARTIAL)
    assert 0 <= found.done_hours <= hours
    assert (found.done_hours == hours) or found.outcome is not Outcome.FULL


# ---- what AGORA is told ------------------------------------------------------------------------------------------------

_STATUS_OUT = {status: wire for wire, status in mapping._STATUS_IN.items()}


@pytest.mark.parametrize(("at", "kind"), sorted((f"{status}|{event}", kind) for (status, event), kind in life.TOLD_AS.items()))
def test_what_is_told_is_what_the_table_of_agora_allows(at: str, kind: EventKind) -> None:
    """Whatever outcome, and for an interruption or a return the one that alternates."""
    status = _STATUS_OUT[FileStatus(at.partition("|")[0])]
    wire = mapping._KIND_OUT[kind]
    for outcome in mapping._OUTCOME_OUT.values() if kind is EventKind.CLOSING else [None]:
        assert transitions.next_status(status, wire, outcome=outcome, interrupted=kind is EventKind.RESUMPTION) is not None, (status, wire, outcome)


@pytest.mark.parametrize("status", FileStatus)
@pytest.mark.parametrize("event", E)
def test_nothing_else_could_have_been_told(status: FileStatus, event: EnrolmentEvent) -> None:
    """Where nothing is told, AGORA would refuse the event that the act stands for."""
    stands_for = {
        E.CHANGE: "MODIFICATION", E.INTERRUPT: "INTERRUPTION", E.RESUME: "REPRISE", E.LEAVE: "SORTIE", E.UNDO_EXIT: "REPRISE", E.CANCEL: "ANNULATION",
        E.CLOSE: "CLOTURE",
    }  # fmt: skip
    if event not in stands_for or life.told_as(status, event, Outcome.PARTIAL) is not None or (event is E.UNDO_EXIT and status is FileStatus.ENTERED):
        return
    after = transitions.next_status(_STATUS_OUT[status], stands_for[event], outcome="PARTIELLE", interrupted=event in (E.RESUME, E.UNDO_EXIT))
    assert after is None


def test_who_never_came_is_closed_without_exit() -> None:
    assert life.told_as(FileStatus.ENTERED, E.CLOSE, Outcome.NOT_DONE) is EventKind.CLOSING
    assert life.told_as(FileStatus.ENTERED, E.CLOSE, Outcome.PARTIAL) is None
