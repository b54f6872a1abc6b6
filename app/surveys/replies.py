"""The trainee's side: what a personal link opens, the reply, and the wish to receive nothing more.

Called by pages without account: the link alone says whose survey it is, and each function takes the system's scope for that one survey.
A link that never was and one that expired are the same to whoever holds it; one about an exit that was cancelled, or that is not the last one
any more, says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload

from app.accounts.sessions import digest
from app.core import clock
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.trainees.models import Enrolment, Registration

from .domain import Moment, Question
from .models import SituationSurvey, SurveyLink, SurveyOptOut, SurveyReply


class LinkEnd(StrEnum):
    """Why a link opens nothing."""

    UNKNOWN = "unknown"  # it never was, or expired
    EXIT_CANCELLED = "exit_cancelled"
    GOES_ON = "goes_on"  # the person is in training again: asked at the last exit


class LinkUnusable(LookupError):
    """The link never was, or is no longer good."""

    def __init__(self, why: LinkEnd = LinkEnd.UNKNOWN) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Asked:
    """All that the page without account may say of somebody: the first name and the training, nothing of what was answered before."""

    survey_id: int
    first_name: str
    training: str
    moment: Moment
    replied_at: datetime | None
    stopped: bool


def look_up(token: str) -> Asked:
    """What the link asks.  Raises LinkUnusable."""
    with bound_scope(Scope.system()):
        survey, trainee_id = _open(token)
        stopped = db.session.scalar(select(SurveyOptOut.id).where(SurveyOptOut.trainee_id == trainee_id)) is not None
        return Asked(
            survey_id=survey.id,
            first_name=survey.enrolment.registration.trainee.first_name,
            training=survey.action.title,
            moment=Moment(survey.moment),
            replied_at=survey.replied_at,
            stopped=stopped,
        )


def reply(token: str, answers: Mapping[Question, object]) -> None:
    """Keep what the trainee answered, in place of an earlier reply; what the organisation answered is left alone.

    ``answers`` are those of a validated form.  Raises LinkUnusable.
    """
    with bound_scope(Scope.system()), transaction() as session:
        survey, _trainee = _open(token, lock=True)
        now = clock.now()
        values = {question.value: value if value != "" else None for question, value in answers.items()} | {"replied_at": now}
        table = SurveyReply.__table__
        session.execute(
            insert(table)  # type: ignore[arg-type]  # a mapped class's table
            .values(organisation_id=survey.organisation_id, survey_id=survey.id, **values)
            .on_conflict_do_update(index_elements=[table.c.survey_id], set_=values)
        )
        survey.replied_at = now


def stop(token: str) -> None:
    """« Ne plus recevoir »: no more messages about this person's surveys with this organisation.  Raises LinkUnusable."""
    with bound_scope(Scope.system()), transaction() as session:
        survey, trainee_id = _open(token)
        table = SurveyOptOut.__table__
        session.execute(
            insert(table)  # type: ignore[arg-type]  # a mapped class's table
            .values(organisation_id=survey.organisation_id, trainee_id=trainee_id, asked_at=clock.now())
            .on_conflict_do_nothing()
        )


def _open(token: str, *, lock: bool = False) -> tuple[SituationSurvey, int]:
    found = db.session.execute(
        select(SurveyLink.survey_id, SurveyLink.void_at).where(SurveyLink.token_hash == digest(token), SurveyLink.expires_at > clock.now())
    ).one_or_none()
    if found is None:
        raise LinkUnusable
    if found.void_at is not None:
        raise LinkUnusable(LinkEnd.EXIT_CANCELLED)
    link = found.survey_id
    if lock:
        db.session.execute(select(SituationSurvey.id).where(SituationSurvey.id == link).with_for_update())
    survey = db.session.scalars(
        select(SituationSurvey)
        .where(SituationSurvey.id == link, SituationSurvey.due_on.is_not(None))
        .options(
            joinedload(SituationSurvey.enrolment).joinedload(Enrolment.registration).joinedload(Registration.trainee),
            joinedload(SituationSurvey.action),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()
    if survey is None:
        raise LinkUnusable(LinkEnd.GOES_ON)
    return survey, survey.enrolment.registration.trainee_id
