"""Rules of the modification requests, without application nor database (guide 003 §2)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.workflow import ForbiddenTransition
from app.requests import domain
from app.requests.domain import (
    LIFE,
    OPEN,
    Change,
    DecisionFacts,
    Field,
    Gone,
    Key,
    ObstacleCode,
    PayloadError,
    Problem,
    ProblemCode,
    RequestEvent,
    RequestState,
    Target,
)
from app.requests.domain.changes import FIELD_TYPES, fingerprint_of
from app.requests.domain.dates import Dates, DatesFacts, problems, remarks
from app.requests.domain.rules import reference_problems, site_problems, volume_problems

S, E = RequestState, RequestEvent
ALLOWED = {
    (S.PENDING, E.VALIDATE): S.VALIDATED,
    (S.PENDING, E.RECORD): S.VALIDATED,
    (S.PENDING, E.ASK_CORRECTION): S.TO_CORRECT,
    (S.PENDING, E.REFUSE): S.REFUSED,
    (S.PENDING, E.WITHDRAW): S.WITHDRAWN,
    (S.TO_CORRECT, E.SEND): S.PENDING,
    (S.TO_CORRECT, E.REFUSE): S.REFUSED,
    (S.TO_CORRECT, E.WITHDRAW): S.WITHDRAWN,
}


# ---- states -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), list(product(RequestState, RequestEvent)))
def test_every_pair_of_state_and_event(state: RequestState, event: RequestEvent) -> None:
    if (state, event) in ALLOWED:
        assert LIFE.target(state, event) is ALLOWED[state, event]
    else:
        with pytest.raises(ForbiddenTransition):
            domain.obstacles(state, event, DecisionFacts(observations="x"))


def test_what_is_decided_or_withdrawn_stays_so_and_bars_nothing() -> None:
    assert LIFE.final_states(RequestState) == frozenset(RequestState) - OPEN


@pytest.mark.parametrize("event", [E.REFUSE, E.ASK_CORRECTION])
@pytest.mark.parametrize("written", ["", "  \n "])
def test_no_is_said_with_a_reason(event: RequestEvent, written: str) -> None:
    (obstacle,) = domain.obstacles(S.PENDING, event, DecisionFacts(observations=written))
    assert obstacle.code is ObstacleCode.OBSERVATIONS
    assert domain.obstacles(S.PENDING, event, DecisionFacts(observations="Trop tard.")) == ()


def test_yes_needs_every_rule_and_what_moved_to_be_confirmed_but_no_observations() -> None:
    key = Key(Target.ACTION, 1, Field.PLANNED_END)
    shifted = domain.moved([Change(key, date(2023, 6, 30), date(2023, 7, 31))], {key: date(2023, 6, 1)})
    facts = DecisionFacts(problems=(Problem(key, ProblemCode.END_BEFORE_START),), unconfirmed=shifted)
    assert [one.code for one in domain.obstacles(S.PENDING, E.VALIDATE, facts)] == [ObstacleCode.RULES, ObstacleCode.UNCONFIRMED]
    assert domain.obstacles(S.PENDING, E.VALIDATE, DecisionFacts()) == ()
    assert domain.obstacles(S.PENDING, E.WITHDRAW, facts) == ()


# ---- changes ----------------------------------------------------------------------------------------------------------

_VALUES: dict[type, st.SearchStrategy[Any]] = {
    date: st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    str: st.text(max_size=12),
    int: st.integers(0, 10_000),
    Decimal: st.decimals(0, 99_999, places=2),
    tuple: st.sets(st.integers(1, 9), max_size=4).map(lambda found: tuple(sorted(found))),
}
KEYS = st.builds(Key, st.sampled_from(Target), st.integers(1, 5), st.sampled_from(Field))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[Key, Any], dict[Key, Any]]:
    """Data of an action, and new values typed for some of them."""
    before = {key: draw(st.none() | _VALUES[FIELD_TYPES[key.field]]) for key in draw(st.sets(KEYS, max_size=8))}
    after = {key: draw(_VALUES[FIELD_TYPES[key.field]]) for key in before if draw(st.booleans())}
    return before, after


@given(worlds())
def test_applying_to_unchanged_data_gives_exactly_the_new_values(world: tuple[dict[Key, Any], dict[Key, Any]]) -> None:
    before, after = world
    changes = domain.diff(before, after)
    assert domain.apply(changes, before) == {**before, **after}
    assert domain.moved(changes, before) == ()
    assert {change.key for change in changes} == {key for key in after if after[key] != before[key]}
    assert domain.diff(domain.apply(changes, before), after) == ()


@given(worlds())
def test_what_is_stored_is_read_back_as_it_was(world: tuple[dict[Key, Any], dict[Key, Any]]) -> None:
    import json

    changes = domain.diff(*world, {1: "01 – Titre"})
    assert domain.load(json.loads(json.dumps(domain.dump(changes)))) == changes


@given(worlds(), st.data())
def test_whatever_moves_meanwhile_is_seen_and_nothing_else(world: tuple[dict[Key, Any], dict[Key, Any]], data: st.DataObject) -> None:
    before, after = world
    changes = domain.diff(before, after)
    now = {key: data.draw(st.just(value) | _VALUES[FIELD_TYPES[key.field]]) for key, value in before.items()}
    found = domain.moved(changes, now)
    assert {one.change.key for one in found} == {change.key for change in changes if now[change.key] != before[change.key]}
    assert (domain.fingerprint(found) == "") is (not found)
    result = domain.apply(changes, now)
    assert all(result[change.key] == change.after for change in changes)
    assert all(result[key] == now[key] for key in now if key not in {change.key for change in changes})


def test_a_confirmation_holds_for_the_values_that_were_shown() -> None:
    key = Key(Target.COMPONENT, 4, Field.PLANNED_END)
    change = Change(key, date(2023, 1, 1), date(2023, 1, 3))
    shown, later = ({key: date(2023, 1, 5)}, {key: date(2023, 1, 6)})
    assert domain.fingerprint(domain.moved([change], shown)) != domain.fingerprint(domain.moved([change], later))
    assert fingerprint_of([change]) != fingerprint_of([Change(key, date(2023, 1, 1), date(2023, 1, 4))])


def test_what_is_gone_is_never_applied_in_part() -> None:
    kept, lost = Key(Target.ACTION, 1, Field.PLANNED_END), Key(Target.COMPONENT, 9, Field.PLANNED_END)
    changes = [Change(kept, date(2023, 1, 1), date(2023, 1, 2)), Change(lost, date(2023, 1, 1), date(2023, 1, 2))]
    with pytest.raises(Gone) as error:
        domain.apply(changes, {kept: date(2023, 1, 1)})
    assert [change.key for change in error.value.changes] == [lost]


GOOD = {"target": "action", "id": 1, "field": "planned_end", "before": "2023-01-01", "after": "2023-01-02", "of": ""}


@pytest.mark.parametrize(
    "payload",
    [
        None, {}, "x", [1], [{}], [GOOD, GOOD], [{**GOOD, "target": "organisation"}], [{**GOOD, "field": "status"}], [{**GOOD, "after": "soon"}],
        [{**GOOD, "after": 3}], [{**GOOD, "said": "x"}], [{**GOOD, "said": ["x", 1]}], [{**GOOD, "field": "places"}], [{**GOOD, "field": "sites"}],
        [{**GOOD, "field": "sites", "before": [], "after": [True]}], [{**GOOD, "field": "hours_centre", "before": "1", "after": "NaN"}],
        [{**GOOD, "field": "hours_centre", "before": "1", "after": "beaucoup"}], [{**GOOD, "field": "places", "before": 1, "after": False}], [{**GOOD, "id": "1"}], [{**GOOD, "id": True}], [{**GOOD, "of": 4}],
    ],
)  # fmt: skip
def test_anything_else_than_changes_is_refused(payload: object) -> None:
    assert domain.load([GOOD])
    with pytest.raises(PayloadError):
        domain.load(payload)


# ---- dates ------------------------------------------------------------------------------------------------------------

TODAY = date(2023, 1, 9)
#: The action of guide 003, opened on 5 January.
ACTION = Dates(1, date(2023, 1, 2), date(2024, 6, 30), date(2023, 1, 5))
FIRST, SECOND = (Dates(number, date(2023, 1, 2), date(2024, 6, 30), name=f"0{number}") for number in (1, 2))
FACTS = DatesFacts(today=TODAY, opened=True, first_entry=date(2023, 1, 6))


def day(number: int, month: int = 1, year: int = 2023) -> date:
    return date(year, month, number)


def codes(action: Dates, *components: Dates, facts: DatesFacts = FACTS, before: Dates = ACTION) -> list[tuple[ProblemCode, Key | None]]:
    pairs = [(was, becomes) for was, becomes in zip((FIRST, SECOND), components or (FIRST, SECOND), strict=True)]
    return [(one.code, one.key) for one in problems((before, action), pairs, facts)]


def moved_to(dates: Dates, **changes: date) -> Dates:
    from dataclasses import replace

    return replace(dates, **changes)


def test_the_request_of_the_guide() -> None:
    """Actual start from 5 to 6 January, and the components with it."""
    components = [moved_to(one, start=day(6)) for one in (FIRST, SECOND)]
    assert codes(moved_to(ACTION, actual_start=day(6)), *components) == []


def test_the_components_follow_the_actual_start() -> None:
    found = codes(moved_to(ACTION, actual_start=day(6)), moved_to(FIRST, start=day(6)), SECOND)
    assert found == [(ProblemCode.COMPONENT_STARTS_BEFORE, Key(Target.COMPONENT, 2, Field.PLANNED_START))]


def test_components_left_alone_may_start_where_the_planning_put_them() -> None:
    """Opened on the 5th, components planned from the 2nd: asking for a later end alone is possible."""
    assert codes(moved_to(ACTION, end=day(31, 7, 2024))) == []
    late = moved_to(FIRST, start=day(4))
    assert codes(ACTION, late, SECOND) == [(ProblemCode.COMPONENT_STARTS_BEFORE, Key(Target.COMPONENT, 1, Field.PLANNED_START))]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"actual_start": day(7)}, ProblemCode.ACTUAL_IS_NOT_FIRST_ENTRY, Field.ACTUAL_START),
        ({"actual_start": day(10)}, ProblemCode.ACTUAL_IN_FUTURE, Field.ACTUAL_START),
        ({"end": day(1)}, ProblemCode.END_BEFORE_START, Field.PLANNED_END),
        ({"end": day(3)}, ProblemCode.ACTUAL_AFTER_END, Field.PLANNED_END),
        ({"start": day(7)}, ProblemCode.ACTUAL_BEFORE_PLANNED, Field.PLANNED_START),
    ],
)
def test_dates_of_the_action(changes: dict[str, date], code: ProblemCode, field: Field) -> None:
    components = [moved_to(one, start=day(7), end=day(8)) for one in (FIRST, SECOND)]
    assert (code, Key(Target.ACTION, 1, field)) in codes(moved_to(ACTION, **changes), *components)


def test_an_earlier_actual_start_is_possible_and_says_what_follows() -> None:
    """Nobody may enter before the actual start: it has to be moved first, and the entry after it."""
    earlier = moved_to(ACTION, actual_start=day(4))
    assert codes(earlier, *(moved_to(one, start=day(4)) for one in (FIRST, SECOND))) == []
    (said,) = remarks((ACTION, earlier), FACTS)
    assert (said.code, said.params) == (ProblemCode.ENTRY_TO_FOLLOW, {"date": day(4), "first": day(6)})
    assert remarks((ACTION, moved_to(ACTION, actual_start=day(6))), FACTS) == ()
    assert remarks((ACTION, moved_to(ACTION, end=day(31, 7, 2024))), FACTS) == ()


@pytest.mark.parametrize(("changes", "far"), [
    ({"start": day(1, 1, 1900)}, Field.PLANNED_START), ({"end": day(30, 6, 2240)}, Field.PLANNED_END), ({"start": day(31, 12, 2021)}, Field.PLANNED_START),
    ({"end": day(31, 12, 2033)}, None), ({"start": day(1, 12, 2022)}, None),
])  # fmt: skip
def test_a_year_far_from_that_of_the_action_is_a_slip(changes: dict[str, date], far: Field | None) -> None:
    facts = DatesFacts(today=TODAY, opened=True, first_entry=day(6), year=2023)
    found = codes(moved_to(ACTION, **changes), facts=facts)
    assert found == ([(ProblemCode.IMPLAUSIBLE_YEAR, Key(Target.ACTION, 1, far))] if far else [])


def test_what_was_far_before_is_nobodys_slip() -> None:
    old = moved_to(ACTION, start=day(1, 1, 1999))
    facts = DatesFacts(today=TODAY, opened=True, first_entry=day(6), year=2023)
    assert codes(moved_to(old, end=day(31, 7, 2024)), facts=facts, before=old) == []


def test_an_actual_start_before_the_planned_one_is_impossible() -> None:
    facts = DatesFacts(today=TODAY, opened=True, first_entry=day(1))
    assert (ProblemCode.ACTUAL_BEFORE_PLANNED, Key(Target.ACTION, 1, Field.ACTUAL_START)) in codes(moved_to(ACTION, actual_start=day(1)), facts=facts)


def test_nobody_gives_an_actual_start_before_the_opening() -> None:
    waiting = moved_to(ACTION, actual_start=None)  # type: ignore[arg-type]
    facts = DatesFacts(today=TODAY, opened=False)
    assert codes(waiting, facts=facts, before=waiting) == []
    assert codes(ACTION, facts=facts, before=waiting)[0] == (ProblemCode.NOT_OPENED, Key(Target.ACTION, 1, Field.ACTUAL_START))


@pytest.mark.parametrize(
    ("component", "code", "field"),
    [
        ({"end": day(1, 7, 2024)}, ProblemCode.COMPONENT_ENDS_AFTER, Field.PLANNED_END),
        ({"start": day(1)}, ProblemCode.COMPONENT_STARTS_BEFORE, Field.PLANNED_START),
        ({"end": day(1)}, ProblemCode.END_BEFORE_START, Field.PLANNED_END),
    ],
)
def test_a_component_lies_within_its_action(component: dict[str, date], code: ProblemCode, field: Field) -> None:
    assert codes(ACTION, moved_to(FIRST, **component), SECOND) == [(code, Key(Target.COMPONENT, 1, field))]


def test_the_trainees_left_outside_are_counted() -> None:
    facts = DatesFacts(today=TODAY, opened=True, outside={2: 3})
    shorter = moved_to(SECOND, end=day(1, 6, 2024))
    (problem,) = problems((ACTION, ACTION), [(FIRST, FIRST), (SECOND, shorter)], facts)
    assert (problem.code, problem.params["count"], problem.key) == (ProblemCode.TRAINEES_OUTSIDE, 3, Key(Target.COMPONENT, 2, Field.PLANNED_END))


DAYS = st.integers(0, 40).map(lambda number: date(2023, 1, 1) + timedelta(days=number))


@given(st.tuples(DAYS, DAYS), st.tuples(DAYS, DAYS), st.none() | DAYS)
def test_accepted_dates_are_nested(whole: tuple[date, date], part: tuple[date, date], actual: date | None) -> None:
    """Whatever is asked: when the rules say nothing, the component lies in the real interval of the action."""
    before = Dates(1, date(2022, 1, 1), date(2024, 1, 1), None if actual is None else date(2022, 5, 5))
    after = Dates(1, whole[0], whole[1], actual)
    was, becomes = Dates(7, date(2022, 1, 1), date(2024, 1, 1), name="01"), Dates(7, *part, name="01")
    facts = DatesFacts(today=date(2023, 12, 31), opened=actual is not None, first_entry=actual)
    if not problems((before, after), [(was, becomes)], facts):
        assert whole[0] <= (actual or whole[0]) <= becomes.start <= becomes.end <= whole[1]


# ---- components: repository data, volumes, sites ----------------------------------------------------------------------


def change(field: Field, before: Any, after: Any) -> Change:
    return Change(Key(Target.COMPONENT, 7, field), before, after, "01 – X")


@pytest.mark.parametrize(
    ("field", "after", "code"),
    [
        (Field.CERTIF_INFO, "83001", None), (Field.CERTIF_INFO, "CI-83", ProblemCode.BAD_CERTIF_INFO), (Field.CERTIF_INFO, "1" * 11, ProblemCode.BAD_CERTIF_INFO),
        (Field.CERTIF_INFO, "٣٤", ProblemCode.BAD_CERTIF_INFO), (Field.FORMACODE, "43436", None), (Field.FORMACODE, "4343", ProblemCode.BAD_FORMACODE),
        (Field.FORMACODE, None, ProblemCode.BAD_FORMACODE), (Field.TITLE, "Un titre", None), (Field.TITLE, " ", ProblemCode.UNKNOWN_VALUE),
    ],
)  # fmt: skip
def test_codes_of_the_repository(field: Field, after: str | None, code: ProblemCode | None) -> None:
    assert [one.code for one in reference_problems([change(field, "x", after)])] == ([code] if code else [])


@pytest.mark.parametrize(
    ("field", "after", "code"),
    [
        (Field.PLACES, 3, None), (Field.PLACES, 2, ProblemCode.TOO_FEW_PLACES), (Field.PLACES, 10_000, ProblemCode.OUT_OF_BOUNDS),
        (Field.HOURS_CENTRE, Decimal(0), None), (Field.HOURS_COMPANY, Decimal("-0.01"), ProblemCode.OUT_OF_BOUNDS),
        (Field.HOURS_CENTRE, Decimal("99999.01"), ProblemCode.OUT_OF_BOUNDS), (Field.PLACES, None, ProblemCode.OUT_OF_BOUNDS),
    ],
)  # fmt: skip
def test_volumes_and_places(field: Field, after: Any, code: ProblemCode | None) -> None:
    """Never fewer places than trainees enrolled: three here."""
    assert [one.code for one in volume_problems([change(field, 12, after)], {7: 3})] == ([code] if code else [])


@pytest.mark.parametrize(
    ("after", "codes_"),
    [
        ((1, 3), []), ((), [ProblemCode.NO_SITE, ProblemCode.SITE_IN_USE]), ((1, 4), [ProblemCode.UNKNOWN_VALUE]), ((2, 3), [ProblemCode.SITE_IN_USE]),
        ((1, 2), []),
    ],
)  # fmt: skip
def test_sites(after: tuple[int, ...], codes_: list[ProblemCode]) -> None:
    """Sites 1 and 2 are the component's (2 may no longer be chosen), 3 may be chosen, 4 may not; somebody is on site 1."""
    found = site_problems([change(Field.SITES, (1, 2), after)], {7: {1, 2}}, {1, 3}, {(7, 1): 1}, {})
    assert [one.code for one in found] == codes_


def test_sites_of_sessions() -> None:
    """A site stays where a session takes place."""
    there = {7: {1: ["01", "03"], 2: ["02"]}, 8: {1: ["01"]}}
    (found,) = site_problems([change(Field.SITES, (1, 2), (2,))], {7: {1, 2}}, {1, 2, 3}, {}, there)
    assert (found.code, found.params) == (ProblemCode.SITE_OF_SESSIONS, {"numbers": ("01", "03")})
    assert site_problems([change(Field.SITES, (1, 2), (1, 2, 3))], {7: {1, 2}}, {1, 2, 3}, {}, there) == ()


@pytest.mark.parametrize(("start", "end", "way"), [(60, 160, (60, 100, False)), (120, 160, (0, 160, True))])
def test_sessions_that_stay_behind_are_shown_the_way(start: int, end: int, way: tuple[int, int, bool]) -> None:
    """Days of both periods when there are some; else dates that hold both come first."""
    first = date(2026, 1, 1)
    before = Dates(1, first, first + timedelta(days=100), name="01")
    after = Dates(1, first + timedelta(days=start), first + timedelta(days=end), name="01")
    whole = Dates(9, first, first + timedelta(days=300))
    (found,) = problems((whole, whole), [(before, after)], DatesFacts(first, opened=False, sessions={1: ("01",)}))
    assert (found.params["from"], found.params["to"], found.params["wide"]) == (first + timedelta(days=way[0]), first + timedelta(days=way[1]), way[2])
