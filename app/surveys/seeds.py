"""Situation surveys of the demonstration: those of the exits it holds, some answered, by the organisation and by trainees.

Runs once: as soon as one survey is answered, nothing more is.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from app.core import clock
from app.core.extensions import db
from app.core.transaction import transaction
from app.partners.agora.port import CertificationResult
from app.reference import models as reference
from app.reference.queries import by_code
from app.trainees.models import Enrolment, Registration, Trainee

from .domain import Moment, Question, SurveyState
from .models import SituationSurvey, SurveyReply


def load_demo() -> None:
    """Answer a few surveys; the others wait."""
    with transaction() as session:
        if session.scalar(select(SituationSurvey.id).where(SituationSurvey.state == SurveyState.ANSWERED.value).limit(1)) is not None:
            return
        job, search = _job(), _search()
        for name, moment, answers in (("ALBA", Moment.EXIT, job), ("MARTY", Moment.EXIT, search), ("PUJOL", Moment.THREE_MONTHS, job)):
            survey = _survey(name, moment)
            if survey is not None:
                for question, value in answers.items():
                    setattr(survey, question.value, value)
                survey.answered_at = clock.now()
        replied = _survey("NAUDI", Moment.EXIT)
        if replied is not None:
            now = clock.now()
            values = {question.value: value for question, value in job.items()}
            session.add(SurveyReply(organisation_id=replied.organisation_id, survey_id=replied.id, replied_at=now, **values))
            replied.replied_at = now


def _survey(name: str, moment: Moment) -> SituationSurvey | None:
    statement = (
        select(SituationSurvey)
        .join(Enrolment, Enrolment.id == SituationSurvey.enrolment_id)
        .join(Registration, Registration.id == Enrolment.registration_id)
        .join(Trainee, Trainee.id == Registration.trainee_id)
        .where(Trainee.birth_name == name, SituationSurvey.moment == moment.value, SituationSurvey.due_on <= clock.today())
    )
    return db.session.scalars(statement.order_by(SituationSurvey.id).limit(1)).one_or_none()


def _id(model: type[Any], code: str) -> int | None:
    value: Any = by_code(model, code)
    return value.id if value is not None else None


def _job() -> dict[Question, Any]:
    """As in the screenshot of guide 000."""
    return {
        Question.SITUATION: _id(reference.SurveySituation, "EMPLOI"),
        Question.CONTRACT_TYPE: _id(reference.EmploymentContract, "CDD_3_6"),
        Question.COMPANY: "Les Jardins du Midi",
        Question.JOB_TITLE: "Assistante de gestion",
        Question.CATEGORY: _id(reference.SocioProfessionalCategory, "5"),
        Question.JOB_RELATED: True,
        Question.CERTIFICATION: CertificationResult.YES.value,
        Question.CERTIFICATION_LEVEL: _id(reference.Level, "4"),
    }


def _search() -> dict[Question, Any]:
    return {Question.SITUATION: _id(reference.SurveySituation, "RECHERCHE"), Question.CERTIFICATION: CertificationResult.UNKNOWN.value}
