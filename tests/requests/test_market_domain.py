"""Market rules, pure: total, deterministic, the first that matches wins, the strictest outcome decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.requests.domain import Change, Field, Key, Note, PayloadError, RequestKind, Target, dump_notes, load_notes
from app.requests.domain.market import (
    FIELDS_OF,
    NUMBER_FIELDS,
    ChangeFacts,
    Direction,
    Moment,
    Opening,
    Outcome,
    Rule,
    RuleProblem,
    first_match,
    judge,
    matches,
    recorded_from,
    rule_problems,
    within_percent,
)
from app.requests.domain.notes import MAX_NOTE, cleaned
from app.requests.domain.reminders import is_late

DAY = date(2026, 3, 1)
_DATES = st.dates(date(2020, 1, 1), date(2030, 12, 31))
_SEVERITY = [Outcome.RECORD, Outcome.INSTRUCT, Outcome.FORBID]


def _values(field: Field) -> st.SearchStrategy[Any]:
    if field in FIELDS_OF[RequestKind.DATES]:
        return st.none() | _DATES
    if field in NUMBER_FIELDS - {Field.PLACES}:
        return st.none() | st.decimals(0, 99_999, places=2)
    if field in (Field.PLACES, Field.LEVEL):
        return st.none() | st.integers(0, 9_999)
    return st.lists(st.integers(1, 9), max_size=3).map(tuple) if field is Field.SITES else st.none() | st.text(max_size=5)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    field = draw(st.sampled_from(Field))
    return Change(Key(Target.COMPONENT, draw(st.integers(1, 5)), field), draw(_values(field)), draw(_values(field)))


RULES = st.builds(
    Rule,
    id=st.integers(1, 10_000),
    outcome=st.sampled_from(Outcome),
    needs_amendment=st.booleans(),
    programme_id=st.none() | st.integers(1, 3),
    kind=st.none() | st.sampled_from(RequestKind),
    field=st.none() | st.sampled_from(Field),
    opening=st.none() | st.sampled_from(Opening),
    moment=st.none() | st.sampled_from(Moment),
    direction=st.none() | st.sampled_from(Direction),
    days_at_most=st.none() | st.integers(0, 400),
    percent_at_most=st.none() | st.integers(0, 300),
)
FACTS = st.builds(ChangeFacts, programme_id=st.integers(1, 3), kind=st.sampled_from(RequestKind), opened=st.booleans(), started=st.booleans())


@given(st.lists(RULES, max_size=6), FACTS, st.lists(changes(), max_size=4))
def test_every_request_has_one_verdict(rules: list[Rule], facts: ChangeFacts, asked: list[Change]) -> None:
    """Total and deterministic; the strictest of the outcomes of its changes, with a rule that gives it."""
    verdict = judge(rules, facts, asked)
    assert verdict == judge(rules, facts, asked)
    found = [first_match(rules, facts, one) for one in asked]
    outcomes = [Outcome.INSTRUCT if rule is None else rule.outcome for rule in found]
    assert verdict.outcome is (max(outcomes, key=_SEVERITY.index) if outcomes else Outcome.INSTRUCT)
    assert verdict.rule is None or (verdict.rule in found and verdict.rule.outcome is verdict.outcome)
    assert (verdict.outcome is Outcome.FORBID) == bool(verdict.forbidden)
    assert not verdict.needs_amendment or verdict.outcome is Outcome.INSTRUCT


@given(st.lists(RULES, min_size=1, max_size=6), FACTS, changes())
def test_the_first_that_matches_wins(rules: list[Rule], facts: ChangeFacts, change: Change) -> None:
    found = first_match(rules, facts, change)
    if found is None:
        assert not any(matches(rule, facts, change) for rule in rules)
        return
    place = rules.index(found)
    assert matches(found, facts, change)
    assert not any(matches(rule, facts, change) for rule in rules[:place])
    assert first_match(rules[: place + 1], facts, change) == found, "what comes after does not count"


@given(RULES, FACTS, changes(), st.sampled_from(["programme_id", "kind", "field", "opening", "moment", "direction", "days_at_most", "percent_at_most"]))
def test_a_condition_taken_away_only_widens(rule: Rule, facts: ChangeFacts, change: Change, name: str) -> None:
    if matches(rule, facts, change):
        assert matches(replace(rule, **{name: None}), facts, change)


def moved(days: int) -> Change:
    return Change(Key(Target.ACTION, 1, Field.PLANNED_END), DAY, DAY + timedelta(days=days))


def places(before: int | None, after: int | None) -> Change:
    return Change(Key(Target.COMPONENT, 1, Field.PLACES), before, after)


NOW = ChangeFacts(programme_id=1, kind=RequestKind.DATES, opened=True, started=False)
RECORD = Rule(1, Outcome.RECORD)


@pytest.mark.parametrize(
    ("conditions", "change", "expected"),
    [
        ({"days_at_most": 15}, moved(15), True), ({"days_at_most": 15}, moved(16), False), ({"days_at_most": 15}, moved(-15), True),
        ({"days_at_most": 15}, moved(-16), False), ({"days_at_most": 0}, places(1, 2), False),
        ({"percent_at_most": 10}, places(20, 22), True), ({"percent_at_most": 10}, places(20, 23), False), ({"percent_at_most": 10}, places(20, 18), True),
        ({"percent_at_most": 1000}, places(0, 1), False), ({"percent_at_most": 10}, moved(1), False), ({"percent_at_most": 10}, places(None, 1), False),
        ({"direction": Direction.UP}, moved(1), True), ({"direction": Direction.UP}, moved(-1), False), ({"direction": Direction.DOWN}, places(5, 4), True),
        ({"direction": Direction.UP}, places(None, 4), False),
        ({"opening": Opening.OPENED}, moved(1), True), ({"opening": Opening.WAITING}, moved(1), False),
        ({"moment": Moment.BEFORE}, moved(1), True), ({"moment": Moment.AFTER}, moved(1), False),
        ({"programme_id": 1}, moved(1), True), ({"programme_id": 2}, moved(1), False),
        ({"kind": RequestKind.DATES}, moved(1), True), ({"kind": RequestKind.SITES}, moved(1), False),
        ({"field": Field.PLANNED_END}, moved(1), True), ({"field": Field.PLANNED_START}, moved(1), False),
    ],
)  # fmt: skip
def test_conditions(conditions: dict[str, Any], change: Change, expected: bool) -> None:
    assert matches(replace(RECORD, **conditions), NOW, change) is expected


@given(st.integers(1, 9_999), st.integers(0, 9_999), st.integers(0, 300))
def test_the_share_is_exact(before: int, after: int, most: int) -> None:
    assert within_percent(places(before, after), most) == (Decimal(abs(after - before)) / Decimal(before) * 100 <= most or abs(after - before) * 100 <= most * before)


def test_one_impossible_change_stops_the_request() -> None:
    rules = [Rule(1, Outcome.RECORD, days_at_most=15), Rule(2, Outcome.FORBID, "Trop long.", days_at_most=90), Rule(3, Outcome.INSTRUCT)]
    verdict = judge(rules, NOW, [moved(3), moved(40), moved(400)])
    assert (verdict.outcome, verdict.rule) == (Outcome.FORBID, rules[1])
    assert [rule.reason for _change, rule in verdict.forbidden] == ["Trop long."]


@given(st.lists(RULES, min_size=1, max_size=4), FACTS, st.lists(st.integers(-40, 40).filter(bool), min_size=1, max_size=8))
def test_small_steps_go_no_further_than_one_big_step(rules: list[Rule], facts: ChangeFacts, steps: list[int]) -> None:
    """Whatever is recorded one after the other, the whole way would have been recorded too."""
    history: list[tuple[bool, list[Change]]] = []
    now = DAY
    for step in steps:
        change = Change(moved(0).key, now, now + timedelta(days=step))
        if judge(rules, facts, [change], recorded_from(history)).outcome is not Outcome.RECORD:
            continue
        history.insert(0, (True, [change]))
        now += timedelta(days=step)
        assert now == DAY or judge(rules, facts, [Change(change.key, DAY, now)]).outcome is Outcome.RECORD


def test_a_validation_begins_anew() -> None:
    first, second, third = (Change(moved(0).key, DAY + timedelta(days=days), DAY + timedelta(days=days + 15)) for days in (0, 15, 30))
    assert recorded_from([(True, [second]), (True, [first])]) == {first.key: DAY}
    assert recorded_from([(True, [third]), (False, [second]), (True, [first])]) == {first.key: third.before}
    assert recorded_from([(False, [second]), (True, [first])]) == {}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"kind": RequestKind.PARTNERS, "field": Field.PLACES}, [RuleProblem.FIELD_NOT_OF_KIND]),
        ({"kind": RequestKind.PARTNERS, "percent_at_most": 3}, [RuleProblem.PERCENT_WITHOUT_NUMBERS]),
        ({"kind": RequestKind.PARTNERS, "field": Field.SIRET, "days_at_most": 3}, [RuleProblem.DAYS_WITHOUT_DATES]),
        ({"kind": RequestKind.PARTNERS, "field": Field.ENDS_ON, "days_at_most": 3}, []),
        ({"kind": RequestKind.DATES, "field": Field.PLACES}, [RuleProblem.FIELD_NOT_OF_KIND]),
        ({"kind": RequestKind.VOLUMES, "days_at_most": 3}, [RuleProblem.DAYS_WITHOUT_DATES]),
        ({"kind": RequestKind.DATES, "percent_at_most": 3}, [RuleProblem.PERCENT_WITHOUT_NUMBERS]),
        ({"percent_at_most": 3, "days_at_most": 3}, [RuleProblem.PERCENT_WITHOUT_NUMBERS]),
        ({"kind": RequestKind.SITES, "direction": Direction.UP}, [RuleProblem.NO_DIRECTION]),
        ({"outcome": Outcome.FORBID, "reason": " "}, [RuleProblem.NO_REASON]),
        ({"needs_amendment": True}, [RuleProblem.AMENDMENT_NOT_INSTRUCTED]),
        ({"outcome": Outcome.INSTRUCT, "needs_amendment": True, "kind": RequestKind.DATES, "field": Field.PLANNED_END, "days_at_most": 3}, []),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense(values: dict[str, Any], expected: list[RuleProblem]) -> None:
    assert list(rule_problems(replace(RECORD, **values))) == expected


@given(RULES, FACTS, changes())
def test_a_rule_that_matches_makes_sense(rule: Rule, facts: ChangeFacts, change: Change) -> None:
    """What is refused as never matching never matches a change that its kind may make."""
    if rule.kind is None or (facts.kind in FIELDS_OF and change.key.field not in FIELDS_OF[facts.kind]):
        return
    never = {RuleProblem.FIELD_NOT_OF_KIND, RuleProblem.DAYS_WITHOUT_DATES, RuleProblem.PERCENT_WITHOUT_NUMBERS, RuleProblem.NO_DIRECTION}
    if never & set(rule_problems(rule)):
        assert not matches(rule, facts, change)


@given(st.lists(st.builds(Note, key=st.builds(Key, st.sampled_from(Target), st.integers(1, 99), st.sampled_from(Field)), text=st.text()), max_size=4))
def test_notes_are_read_as_they_were_written(notes: list[Note]) -> None:
    assert load_notes(dump_notes(notes)) == tuple(notes)
    kept = cleaned(notes, {note.key for note in notes[:1]})
    assert all(note.text and note.key == notes[0].key for note in kept)


def test_nothing_of_a_note_is_cut() -> None:
    note = Note(moved(0).key, "a" * (MAX_NOTE + 1))
    assert cleaned([note], {note.key}) == (note,)


@pytest.mark.parametrize("payload", [{}, "x", [1], [{"target": "action"}], [{"target": "moon", "id": 1, "field": "places", "text": "x"}]])
def test_anything_else_is_no_note(payload: object) -> None:
    with pytest.raises(PayloadError):
        load_notes(payload)


def test_late_is_after_whole_days() -> None:
    from datetime import UTC, datetime

    sent = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert not is_late(sent, sent + timedelta(days=15, seconds=-1), 15)
    assert is_late(sent, sent + timedelta(days=15), 15)
