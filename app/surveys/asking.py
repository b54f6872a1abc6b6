"""Asks the trainees themselves, by mail: a personal link at the exit, at three and at six months, then two reminders at most.

The line that notes a message and the message are one transaction, on the locked survey: told once, whatever runs twice or is cut short.
"""

from __future__ import annotations

import secrets
from datetime import datetime, time, timedelta
from typing import Final

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload

from app.accounts.sessions import digest
from app.actions.models import Action
from app.core import clock
from app.core.extensions import db
from app.core.jobs.runner import interrupted
from app.core.mail import public_link, send_mail
from app.core.mail.services import InvalidAddress
from app.core.transaction import transaction
from app.trainees.models import Enrolment, Registration

from .domain import FIRST_WITHIN, MAX_MESSAGES, OPEN_FOR, REMINDERS, Moment, SurveyState, message_due
from .models import SituationSurvey, SurveyLink, SurveyOptOut

log = structlog.get_logger(__name__)

#: Surveys looked at in one statement; the run goes on until all were.
BATCH: Final = 500


def ask_trainees() -> int:
    """Write the messages that are due; gives how many.  Runs in the system's scope.

    It makes room for more urgent work once it has written something: work of other kinds falls due at the same second, every minute,
    so that one who asked before would never write.
    """
    written, after = 0, 0
    while True:
        found = _candidates(after)
        for survey_id in found:
            try:
                written += _ask(survey_id)
            except InvalidAddress:
                log.warning("mail_not_sent", survey=survey_id, reason="address")
        if len(found) < BATCH or (written and interrupted()):
            break
        after = found[-1]
    return written


def _candidates(after: int) -> list[int]:
    """Surveys that need a message, by id: open, not answered, of somebody who has an address and did not refuse.

    The rule is ``domain.message_due``, applied again on the locked row.
    """
    today = clock.today()
    of_survey = (SurveyLink.survey_id == SituationSurvey.id, SurveyLink.void_at.is_(None))
    sent = select(func.count(SurveyLink.id)).where(*of_survey).correlate(SituationSurvey).scalar_subquery()
    last = select(func.max(SurveyLink.sent_at)).where(*of_survey).correlate(SituationSurvey).scalar_subquery()
    reminded = or_(*((sent == rank) & (last <= clock.now() - wait) for rank, wait in enumerate(REMINDERS, 1)))
    refused = select(SurveyOptOut.id).where(SurveyOptOut.trainee_id == Registration.trainee_id).exists()
    statement = (
        select(SituationSurvey.id)
        .join(Enrolment, Enrolment.id == SituationSurvey.enrolment_id)
        .join(Registration, Registration.id == Enrolment.registration_id)
        .where(
            SituationSurvey.id > after,
            SituationSurvey.state == SurveyState.WAITING.value,
            SituationSurvey.due_on.between(today - OPEN_FOR, today),
            Registration.email.like("%_@_%"),
            ~refused,
            (SituationSurvey.due_on >= today - FIRST_WITHIN) & (sent == 0) | reminded,
        )
        .order_by(SituationSurvey.id)
        .limit(BATCH)
    )
    with transaction():
        return list(db.session.scalars(statement))


def _ask(survey_id: int) -> int:
    with transaction() as session:
        survey = session.scalars(
            select(SituationSurvey)
            .where(SituationSurvey.id == survey_id, SituationSurvey.state == SurveyState.WAITING.value, SituationSurvey.due_on.is_not(None))
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if survey is None or survey.due_on is None:
            return 0
        now = clock.now()
        # what was written about an exit cancelled since makes the next message a reminder of nothing
        sent = session.scalars(select(SurveyLink.sent_at).where(SurveyLink.survey_id == survey_id, SurveyLink.void_at.is_(None))).all()
        if not message_due(survey.due_on, sent, now, clock.today()):
            return 0
        enrolment = session.scalars(
            select(Enrolment)
            .where(Enrolment.id == survey.enrolment_id)
            .options(
                joinedload(Enrolment.registration).joinedload(Registration.trainee),
                joinedload(Enrolment.action).joinedload(Action.organisation),
            )
        ).one()
        if session.scalar(select(SurveyOptOut.id).where(SurveyOptOut.trainee_id == enrolment.registration.trainee_id)) is not None:
            return 0
        token, expires = secrets.token_urlsafe(32), expiry(survey)
        table = SurveyLink.__table__
        noted = session.scalar(
            insert(table)  # type: ignore[arg-type]  # a mapped class's table
            .values(
                organisation_id=survey.organisation_id,
                survey_id=survey_id,
                rank=len(sent) + 1,
                token_hash=digest(token),
                sent_at=now,
                expires_at=expires,
            )
            .on_conflict_do_nothing()
            .returning(table.c.id)
        )
        if noted is None:
            return 0
        send_mail(
            enrolment.registration.email,
            "survey",
            {
                "first_name": enrolment.registration.trainee.first_name,
                "training": enrolment.action.title,
                "organisation": str(enrolment.action.organisation),
                "moment": Moment(survey.moment).value,
                "reminder": bool(sent),
                "last": len(sent) + 1 == MAX_MESSAGES,
                "until": (expires - timedelta(seconds=1)),
                "link": public_link("SurveyReplyView.open", token=token),
                "stop_link": public_link("SurveyReplyView.open_stop", token=token),
            },
            organisation_id=survey.organisation_id,
        )
    return 1


def expiry(survey: SituationSurvey) -> datetime:
    """When the links of a survey close: at the end of the last day on which it can be answered."""
    assert survey.due_on is not None  # noqa: S101 - told to the type checker; the caller looked
    return datetime.combine(survey.due_on + OPEN_FOR + timedelta(days=1), time(), tzinfo=clock.LOCAL_ZONE)
