"""Which questions are asked and required, when surveys are due, when the trainee is written to."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.partners.agora.port import CertificationResult
from app.surveys.domain import (
    FIRST_WITHIN,
    JOB_QUESTIONS,
    LATE_AFTER,
    MAX_MESSAGES,
    MONTHS,
    OPEN_FOR,
    STARRED,
    Moment,
    Question,
    asked,
    due_on,
    is_late,
    message_due,
    missing,
)

CERTIFICATIONS = st.sampled_from([None, *(value.value for value in CertificationResult)])
ANSWERS = st.fixed_dictionaries({question: st.sampled_from([None, "", 1, "x"]) for question in Question if question is not Question.CERTIFICATION}).flatmap(
    lambda answers: CERTIFICATIONS.map(lambda said: {**answers, Question.CERTIFICATION: said})
)


@given(st.booleans(), CERTIFICATIONS)
def test_what_is_asked_follows_from_two_answers(employed: bool, certification: str | None) -> None:
    found = asked(employed=employed, certification=certification)
    assert {Question.SITUATION, Question.CERTIFICATION} <= found
    assert (found & JOB_QUESTIONS) == (JOB_QUESTIONS if employed else frozenset())
    assert (Question.CERTIFICATION_LEVEL in found) == (certification == "yes")


@given(ANSWERS, st.booleans())
def test_only_starred_questions_that_are_asked_can_be_missing(answers: dict[Question, object], employed: bool) -> None:
    said = answers[Question.CERTIFICATION]
    found = missing(answers, employed=employed)
    wanted = asked(employed=employed, certification=str(said) if said else None)
    for question in Question:
        empty = answers[question] in (None, "")
        assert (question in found) == (empty and question in STARRED and question in wanted)
    assert list(found) == [question for question in Question if question in found], "in the order of the form"


@given(ANSWERS, st.booleans())
def test_answering_what_is_missing_is_enough(answers: dict[Question, object], employed: bool) -> None:
    """However often it asks back, it ends: the certification reached asks its level."""
    for _turn in range(3):
        wanted = missing(answers, employed=employed)
        answers = {**answers, **{question: "yes" if question is Question.CERTIFICATION else 1 for question in wanted}}
    assert missing(answers, employed=employed) == ()


@pytest.mark.parametrize(
    ("moment", "exit_on", "expected"),
    [
        (Moment.EXIT, date(2026, 11, 30), date(2026, 11, 30)),
        (Moment.THREE_MONTHS, date(2026, 11, 30), date(2027, 2, 28)),
        (Moment.THREE_MONTHS, date(2023, 11, 30), date(2024, 2, 29)),
        (Moment.SIX_MONTHS, date(2026, 8, 31), date(2027, 2, 28)),
        (Moment.SIX_MONTHS, date(2026, 1, 5), date(2026, 7, 5)),
    ],
)
def test_the_day_of_a_survey(moment: Moment, exit_on: date, expected: date) -> None:
    assert due_on(moment, exit_on) == expected


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.sampled_from(list(Moment)))
def test_a_day_comes_the_months_after_and_never_in_another_month(exit_on: date, moment: Moment) -> None:
    due = due_on(moment, exit_on)
    assert (due.year * 12 + due.month) - (exit_on.year * 12 + exit_on.month) == MONTHS[moment]
    assert due.day == exit_on.day or (due + timedelta(days=1)).day == 1


def test_late_is_a_month_after() -> None:
    due = date(2026, 1, 10)
    assert not is_late(due, due + LATE_AFTER)
    assert is_late(due, due + LATE_AFTER + timedelta(days=1))


@given(st.integers(-5, 90), st.lists(st.integers(0, 80), max_size=4))
def test_never_more_than_three_messages_and_only_while_the_survey_is_open(day: int, before: list[int]) -> None:
    due = date(2026, 1, 10)
    today = due + timedelta(days=day)
    now = datetime.combine(today, time(12), tzinfo=UTC)
    sent = [now - timedelta(days=days) for days in before]
    written = message_due(due, sent, now, today)
    if written:
        assert 0 <= day <= OPEN_FOR.days
        assert len(sent) < MAX_MESSAGES
        assert sent or day <= FIRST_WITHIN.days
        assert all(days >= 7 for days in before)


def test_a_whole_life_of_messages() -> None:
    """Run every day: the first at once, the reminders a week and then two weeks later, then nothing."""
    due = date(2026, 1, 10)
    sent: list[datetime] = []
    days = []
    for day in range(100):
        now = datetime.combine(due + timedelta(days=day), time(9), tzinfo=UTC)
        if message_due(due, sent, now, now.date()):
            sent.append(now)
            days.append(day)
    assert days == [0, 7, 21]
