"""Rules of the situation surveys: when they are due, which questions are asked, and when the trainee is written to.

Pure: nothing here knows a database or a request.  Source: guide 000 "Saisie des enquêtes", domain-facts §1.9.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from app.partners.agora.port import CertificationResult


class Moment(StrEnum):
    """When the situation is asked: « à la sortie », « à 3 mois », « à 6 mois » (home page)."""

    EXIT = "exit"
    THREE_MONTHS = "3m"
    SIX_MONTHS = "6m"


class SurveyState(StrEnum):
    """Where a survey stands; the database computes it from what it holds."""

    WAITING = "waiting"
    ANSWERED = "answered"  # by the organisation or by the trainee
    UNREACHED = "unreached"  # the organisation tried, and gave up; an answer that comes all the same counts


class StateFilter(StrEnum):
    """What the list can be narrowed to; the value stands in addresses."""

    DUE = "a-completer"
    OVERDUE = "en-retard"
    ANSWERED = "repondus"
    UNREACHED = "non-joints"


class Question(StrEnum):
    """The questions of « Situation à la fin de formation », by the name of their field, in the order of the guide."""

    SITUATION = "situation_id"
    CONTRACT_TYPE = "contract_type_id"
    COMPANY = "company"
    SECTOR = "sector_id"
    JOB_TITLE = "job_title"
    CATEGORY = "category_id"
    JOB_RELATED = "job_related"
    CERTIFICATION = "certification"
    CERTIFICATION_LEVEL = "certification_level_id"


class Refusal(StrEnum):
    """Why a survey cannot be filled in."""

    NOT_DUE = "not_due"
    ANSWERED = "answered"


class Refused(Exception):
    """A use case was refused."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why)
        self.why = why


#: Months between the exit and the day on which the survey is due.
MONTHS: Final[Mapping[Moment, int]] = {Moment.EXIT: 0, Moment.THREE_MONTHS: 3, Moment.SIX_MONTHS: 6}
#: In the words of addresses.
MOMENT_WORDS: Final[Mapping[Moment, str]] = {Moment.EXIT: "sortie", Moment.THREE_MONTHS: "3-mois", Moment.SIX_MONTHS: "6-mois"}

#: Code of « Situation non connue » in the list of situations: what the organisation says of somebody it could not ask.
UNKNOWN_SITUATION: Final = "INCONNUE"

#: Asked of those who work; they are about the job, the socio-professional category too.
JOB_QUESTIONS: Final = frozenset(
    {Question.CONTRACT_TYPE, Question.COMPANY, Question.SECTOR, Question.JOB_TITLE, Question.CATEGORY, Question.JOB_RELATED}
)
#: Marked with a star in the guide: to be answered whenever they are asked.
STARRED: Final = frozenset({Question.SITUATION, Question.CONTRACT_TYPE, Question.CATEGORY, Question.CERTIFICATION, Question.CERTIFICATION_LEVEL})


def asked(*, employed: bool, certification: str | None) -> frozenset[Question]:
    """The questions to ask given the two answers that others depend on.

    Those about the job only of somebody in employment; the level only when the certification was reached (guide 000: « En cas de réponse
    Oui, le niveau de la certification obtenue en fin de formation doit être renseigné »).
    """
    found = set(Question) - JOB_QUESTIONS - {Question.CERTIFICATION_LEVEL}
    if employed:
        found |= JOB_QUESTIONS
    if certification == CertificationResult.YES:
        found.add(Question.CERTIFICATION_LEVEL)
    return frozenset(found)


def missing(answers: Mapping[Question, object], *, employed: bool) -> tuple[Question, ...]:
    """The starred questions that are asked and not answered, in the order of the form."""
    certification = answers.get(Question.CERTIFICATION)
    wanted = asked(employed=employed, certification=str(certification) if certification else None) & STARRED
    return tuple(question for question in Question if question in wanted and answers.get(question) in (None, ""))


def due_on(moment: Moment, exit_on: date) -> date:
    """The day of the survey: that of the exit, or the same day three or six months later, the last of the month when it has no such day."""
    months = exit_on.month - 1 + MONTHS[moment]
    year, month = exit_on.year + months // 12, months % 12 + 1
    return date(year, month, min(exit_on.day, calendar.monthrange(year, month)[1]))


#: A survey that nobody answered so long after its day is late.
LATE_AFTER: Final = timedelta(days=30)


def is_late(due: date, today: date) -> bool:
    """« En retard »."""
    return due + LATE_AFTER < today


# ---- writing to the trainee --------------------------------------------------------------------------------------------

#: The first message leaves within these days of the survey's day; who left long before the portal asked is not written to.
FIRST_WITHIN: Final = timedelta(days=30)
#: Each reminder comes so long after the message before it; there are no more of them.
REMINDERS: Final = (timedelta(days=7), timedelta(days=14))
#: The link of any of the messages can be used, again and again, so long after the survey's day.
OPEN_FOR: Final = timedelta(days=60)
MAX_MESSAGES: Final = 1 + len(REMINDERS)


def message_due(due: date, sent: Sequence[datetime], now: datetime, today: date) -> bool:
    """Whether one more message to the trainee is due, ``sent`` being when the former ones were written."""
    if not due <= today <= due + OPEN_FOR:
        return False
    if not sent:
        return today <= due + FIRST_WITHIN
    return len(sent) < MAX_MESSAGES and max(sent) + REMINDERS[len(sent) - 1] <= now


@dataclass(frozen=True, slots=True)
class Counts:
    """Surveys that wait for an answer, by moment: the tiles of the home page."""

    waiting: Mapping[Moment, int]
    late: Mapping[Moment, int]
