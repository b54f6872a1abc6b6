"""Words for the codes of ``domain`` (guide 000), and what pages say of a survey."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.ui.format import fr_long_date
from app.partners.agora.port import CertificationResult

from .domain import Moment, Question, Refusal, StateFilter, SurveyState, is_late
from .models import Answers, SituationSurvey

MOMENT_LABELS: Mapping[Moment, Any] = {
    Moment.EXIT: _l("At the exit"),
    Moment.THREE_MONTHS: _l("At 3 months"),
    Moment.SIX_MONTHS: _l("At 6 months"),
}
#: Titles of the page of a survey.
SURVEY_TITLES: Mapping[Moment, Any] = {
    Moment.EXIT: _l("Situation survey at the exit"),
    Moment.THREE_MONTHS: _l("Situation survey at 3 months"),
    Moment.SIX_MONTHS: _l("Situation survey at 6 months"),
}
#: Tiles of the home page (domain-facts §1.9).
TILE_LABELS: Mapping[Moment, Any] = {
    Moment.EXIT: _l("Situation surveys at the exit, waiting"),
    Moment.THREE_MONTHS: _l("Situation surveys at 3 months, waiting"),
    Moment.SIX_MONTHS: _l("Situation surveys at 6 months, waiting"),
}
FILTER_LABELS: Mapping[StateFilter, Any] = {
    StateFilter.DUE: _l("To be filled in"),
    StateFilter.OVERDUE: _l("Late (survey)"),
    StateFilter.ANSWERED: _l("Answered"),
    StateFilter.UNREACHED: _l("Trainee not reached"),
}
CERTIFICATION_LABELS: Mapping[CertificationResult, Any] = {
    CertificationResult.YES: _l("Yes"),
    CertificationResult.NO: _l("No"),
    CertificationResult.UNKNOWN: _l("Not known (certification)"),
}
QUESTION_LABELS: Mapping[Question, Any] = {
    Question.SITUATION: _l("Situation (survey)"),
    Question.CONTRACT_TYPE: _l("Type of employment contract"),
    Question.COMPANY: _l("Company"),
    Question.SECTOR: _l("Professional sector"),
    Question.JOB_TITLE: _l("Title of the job"),
    Question.CATEGORY: _l("Socio-professional category"),
    Question.JOB_RELATED: _l("Job related to the training action"),
    Question.CERTIFICATION: _l("Intended certification reached"),
    Question.CERTIFICATION_LEVEL: _l("Level of the certification obtained at the end of the training"),
}
REFUSALS: Mapping[Refusal, Any] = {
    Refusal.NOT_DUE: _l("The day of this survey has not come yet: it can be filled in from that day on."),
    Refusal.ANSWERED: _l("This survey was answered meanwhile: there is nobody to reach any more."),
}


def state_badge(survey: SituationSurvey, today: date) -> tuple[str, str]:
    """Label and tone of where a survey stands."""
    assert survey.due_on is not None  # noqa: S101 - told to the type checker; only surveys with a day are shown
    if survey.state == SurveyState.ANSWERED:
        return (_("Answered"), "success") if survey.is_filled else (_("Answered by the trainee"), "success")
    if survey.state == SurveyState.UNREACHED:
        return _("Trainee not reached"), "neutral"
    if survey.due_on > today:
        return _("From %(day)s on", day=fr_long_date(survey.due_on)), "neutral"
    return (_("Late (survey)"), "danger") if is_late(survey.due_on, today) else (_("To be filled in"), "warning")


def answer_rows(answers: Answers) -> list[tuple[str, str]]:
    """The questions that were asked, with the answers in words, in the order of the guide."""
    said = {
        Question.SITUATION: answers.situation,
        Question.CONTRACT_TYPE: answers.contract_type,
        Question.COMPANY: answers.company,
        Question.SECTOR: answers.sector,
        Question.JOB_TITLE: answers.job_title,
        Question.CATEGORY: answers.category,
        Question.JOB_RELATED: None if answers.job_related is None else (_("Yes") if answers.job_related else _("No")),
        Question.CERTIFICATION: CERTIFICATION_LABELS[CertificationResult(answers.certification)] if answers.certification else None,
        Question.CERTIFICATION_LEVEL: answers.certification_level,
    }
    return [(str(QUESTION_LABELS[question]), str(value)) for question, value in said.items() if value is not None]


def differing(one: Answers, other: Answers) -> list[str]:
    """The questions to which two sets of answers say something else."""
    return [str(QUESTION_LABELS[question]) for question in Question if getattr(one, question.value) != getattr(other, question.value)]
