"""What the tests of the situation surveys share: somebody who left, and answers."""

from __future__ import annotations

import html
import re
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select, text

from app.actions.models import Action
from app.core import clock
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.mail.services import content_of
from app.core.outbox import Message
from app.core.outbox.models import OutboxMessage
from app.core.transaction import transaction
from app.reference import models as reference
from app.reference.queries import by_code
from app.surveys.domain import Moment, Question
from app.surveys.models import SituationSurvey
from app.trainees.models import Enrolment
from app.trainees.services.enrolment import close_files
from tests.actions.helpers import leave, make_action, make_enrolment


def left(action: Action | None = None, **person: Any) -> int:
    """An enrolment that was left today."""
    enrolment_id = make_enrolment(action or make_action(), **person)
    leave(enrolment_id)
    return enrolment_id


def survey_of(enrolment_id: int, moment: Moment = Moment.EXIT) -> SituationSurvey:
    """One survey of an enrolment, read anew."""
    statement = select(SituationSurvey).where(SituationSurvey.enrolment_id == enrolment_id, SituationSurvey.moment == moment.value)
    return db.session.scalars(statement.execution_options(populate_existing=True)).one()


def moments_of(enrolment_id: int) -> dict[str, date | None]:
    """Moment → day of the surveys of an enrolment."""
    rows = db.session.execute(text("SELECT moment, due_on FROM situation_survey WHERE enrolment_id = :id"), {"id": enrolment_id})
    return {row.moment: row.due_on for row in rows}


def id_of(model: Any, code: str) -> int:
    """The id of a value."""
    value: Any = by_code(model, code)
    assert value is not None
    return int(value.id)


def job(**changes: Any) -> dict[str, Any]:
    """Answers of somebody in employment who obtained the certification, as in guide 000."""
    values = {
        Question.SITUATION: id_of(reference.SurveySituation, "EMPLOI"),
        Question.CONTRACT_TYPE: id_of(reference.EmploymentContract, "CDD_3_6"),
        Question.COMPANY: "Les Jardins du Midi",
        Question.SECTOR: None,
        Question.JOB_TITLE: None,
        Question.CATEGORY: id_of(reference.SocioProfessionalCategory, "5"),
        Question.JOB_RELATED: True,
        Question.CERTIFICATION: "yes",
        Question.CERTIFICATION_LEVEL: id_of(reference.Level, "4"),
    }
    return {question.value: value for question, value in values.items()} | changes


def search(**changes: Any) -> dict[str, Any]:
    """Answers of somebody who looks for a job."""
    blank: dict[str, Any] = dict.fromkeys((question.value for question in Question), None)
    return {**blank, "situation_id": id_of(reference.SurveySituation, "RECHERCHE"), "certification": "unknown", **changes}


def as_posted(values: dict[str, Any]) -> dict[str, str]:
    """The same as a browser sends them."""
    written = {True: "oui", False: "non", None: ""}
    return {name: written[value] if value is None or isinstance(value, bool) else str(value) for name, value in values.items()}


def hidden_of(page: str) -> dict[str, str]:
    """The hidden fields of the edit form."""
    return {
        name: html.unescape(found[1])
        for name in ("row_version", "row_base", "row_page")
        if (found := re.search(rf'name="{name}"[^>]*value="([^"]*)"', page))
    }


def answered(enrolment_id: int, values: dict[str, Any], moment: Moment = Moment.EXIT) -> None:
    """As if the organisation had filled in the survey."""
    survey = survey_of(enrolment_id, moment)
    for name, value in values.items():
        setattr(survey, name, value)
    survey.answered_at = clock.now()
    db.session.commit()


def moved(enrolment_id: int, days: int) -> None:
    """As if the person had left so many days before: days of the surveys and messages sent."""
    db.session.execute(text("UPDATE situation_survey SET due_on = due_on - :days WHERE enrolment_id = :id"), {"days": days, "id": enrolment_id})
    db.session.execute(
        text("UPDATE survey_link SET sent_at = sent_at - :wait, expires_at = expires_at - :wait WHERE survey_id IN (SELECT id FROM situation_survey WHERE enrolment_id = :id)"),
        {"wait": timedelta(days=days), "id": enrolment_id},
    )
    db.session.commit()


def quiet() -> None:
    """Nobody of the demonstration is to be written to; nothing was sent."""
    db.session.execute(text("UPDATE situation_survey SET unreached_at = now()"))
    db.session.execute(text("DELETE FROM mail_message"))
    db.session.commit()


def mails() -> list[tuple[str, str, str]]:
    """(recipient, subject, text) of the survey messages, the oldest first."""
    rows = db.session.scalars(select(MailMessage).where(MailMessage.template == "survey").order_by(MailMessage.created_at))
    return [(row.recipient, row.subject, content.text) for row in rows if (content := content_of(row)) is not None]


def token_in(mail_text: str) -> str:
    """The secret of the personal link."""
    found = re.search(r"/enquete/([A-Za-z0-9_-]{40,})\s", mail_text)
    assert found, mail_text
    return found[1]


def closings_of(action: Action) -> list[Message]:
    """The messages that tell AGORA that the action is closed."""
    with transaction():
        close_files(action, clock.today())
    rows = db.session.scalars(select(OutboxMessage).where(OutboxMessage.operation == "close_file").order_by(OutboxMessage.id.desc()).limit(5)).all()
    wanted = set(db.session.scalars(select(Enrolment.id).where(Enrolment.action_id == action.id)))
    return [
        Message(
            id=row.id, partner=row.partner, operation=row.operation, subject_type=row.subject_type, subject_id=row.subject_id,
            organisation_id=row.organisation_id, ordering_key=row.ordering_key, idempotency_key=row.idempotency_key, params=row.params,
            attempts=0, actor_id=row.actor_id,
        )
        for row in rows
        if row.subject_id in wanted
    ]  # fmt: skip
