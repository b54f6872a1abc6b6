"""Use cases of the organisation on the situation surveys: each function is one transaction.

The trainee's own reply is :mod:`.replies`; the messages that ask for it are :mod:`.asking`.  Neither of the two writes what the other
wrote: both sets of answers are kept, and the page of the survey shows them side by side.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core import clock, context
from app.core.concurrency import StaleError, canonical, check_version, row_values, save_versioned
from app.core.errors_db import constraint_name
from app.core.extensions import db
from app.core.transaction import transaction
from app.partners.agora.port import FileStatus
from app.trainees.domain import AgoraState
from app.trainees.models import Enrolment
from app.trainees.services.enrolment import CLOSE, hold_messages, resend_refused
from app.trainees.services.locking import locked

from .domain import Moment, Question, Refusal, Refused, SurveyState
from .models import DEPENDENT, SituationSurvey

FIELDS: Final = tuple(question.value for question in Question)


def fill_in(survey_id: int, form: Any) -> set[str]:
    """Keep the organisation's answers; returns the names of those that changed.

    ``form`` is a validated ``VersionedForm``.  Two people's answers that do not go together (one said that the trainee has no job, the
    other changed the company) are asked again, all of them.  Raises LookupError, ``core.concurrency.StaleError``, or Refused.
    """
    try:
        with transaction():
            _hold_messages(survey_id)
            survey = _due(survey_id)
            changed = save_versioned(survey, form, FIELDS)
            if changed or survey.answered_at is None:
                survey.answered_at = clock.now()
                survey.answered_by_id = context.actor_id()
                survey.unreached_at = None
                db.session.flush()
                _tell_refused_closing(survey)
    except IntegrityError as error:
        if constraint_name(error) not in DEPENDENT:
            raise
        survey = _due(survey_id)
        mine = {name: canonical(form[name].data) for name in FIELDS}
        theirs = row_values(survey, FIELDS)
        raise StaleError(version=survey.version, base=None, mine=mine, theirs=theirs, row=(survey.__tablename__, (survey.id,))) from None
    return changed


def mark_unreached(survey_id: int, *, version: int | None) -> None:
    """The organisation tried to reach the trainee and gives up; an answer that comes all the same counts.

    Raises LookupError, ``core.concurrency.StaleError``, or Refused when it was answered meanwhile.
    """
    with transaction():
        survey = _due(survey_id)
        check_version(survey, version)
        if survey.state == SurveyState.ANSWERED:
            raise Refused(Refusal.ANSWERED)
        survey.unreached_at = clock.now()


def try_again(survey_id: int, *, version: int | None) -> None:
    """The survey waits for an answer again.  Raises LookupError or ``core.concurrency.StaleError``."""
    with transaction():
        survey = _due(survey_id)
        check_version(survey, version)
        survey.unreached_at = None


def is_told(survey: SituationSurvey) -> bool:
    """Whether AGORA has had the closing that takes the answers along: what is answered from then on stays in the portal."""
    status = survey.enrolment.agora_status
    return survey.moment == Moment.EXIT and status is not None and FileStatus(status).is_closed


def is_due(survey: SituationSurvey, today: date) -> bool:
    """Whether the survey can be answered: its day has come."""
    return survey.due_on is not None and survey.due_on <= today


def _hold_messages(survey_id: int) -> None:
    """Before the enrolment is locked: a closing that AGORA refused may be sent again, and whoever sends it locks the message first."""
    enrolment_id = db.session.scalar(select(SituationSurvey.enrolment_id).where(SituationSurvey.id == survey_id, SituationSurvey.moment == Moment.EXIT.value))
    if enrolment_id is not None:
        hold_messages(enrolment_id)


def _due(survey_id: int) -> SituationSurvey:
    """The survey, locked after its enrolment: in the order of an exit, which changes the enrolment, then its surveys."""
    enrolment_id = db.session.scalar(select(SituationSurvey.enrolment_id).where(SituationSurvey.id == survey_id))
    if enrolment_id is None:
        raise LookupError(survey_id)
    db.session.execute(select(Enrolment.id).where(Enrolment.id == enrolment_id).with_for_update())
    survey = locked(SituationSurvey, survey_id)
    if survey.due_on is None:
        raise LookupError(survey_id)
    if not is_due(survey, clock.today()):
        raise Refused(Refusal.NOT_DUE)
    return survey


def _tell_refused_closing(survey: SituationSurvey) -> None:
    """AGORA may have refused the closing for an answer that was just mended: it is sent again with the new ones."""
    if survey.moment != Moment.EXIT:
        return
    enrolment = db.session.get_one(Enrolment, survey.enrolment_id)
    if enrolment.agora_state == AgoraState.REJECTED and (enrolment.agora_refusal or {}).get("operation") == CLOSE:
        resend_refused(enrolment.registration_id)
