"""Reads of the situation surveys; what a page shows costs the same number of statements at any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import joinedload

from app.actions.models import Action
from app.actions.queries import PAGE_SIZES, Cursor, Page, keyset_page, tile_count
from app.core import clock
from app.core.extensions import db
from app.partners.agora.port import CertificationResult, ExitSurvey, FileStatus
from app.trainees.life import KNOWN_TO_AGORA
from app.trainees.models import Enrolment, Registration

from .domain import LATE_AFTER, Counts, Moment, StateFilter, SurveyState
from .models import Answers, SituationSurvey, SurveyLink, SurveyOptOut, SurveyReply


@dataclass(frozen=True, slots=True)
class SurveyFilter:
    """What the list is narrowed to; ``action`` is the beginning of an action's number."""

    moment: Moment | None = None
    state: StateFilter | None = None
    action: str = ""

    @property
    def active(self) -> bool:
        """Whether anything narrows the list."""
        return self != SurveyFilter()


def _in_state(state: StateFilter, today: date) -> tuple[ColumnElement[bool], ...]:
    match state:
        case StateFilter.DUE:
            return (SituationSurvey.state == SurveyState.WAITING.value,)
        case StateFilter.OVERDUE:
            return (SituationSurvey.state == SurveyState.WAITING.value, SituationSurvey.due_on < today - LATE_AFTER)
        case StateFilter.ANSWERED:
            return (SituationSurvey.state == SurveyState.ANSWERED.value,)
        case StateFilter.UNREACHED:
            return (SituationSurvey.state == SurveyState.UNREACHED.value,)


def _whose() -> Any:
    """Whose survey it is, with what lists and pages say of it."""
    return (
        joinedload(SituationSurvey.enrolment).joinedload(Enrolment.registration).joinedload(Registration.trainee),
        joinedload(SituationSurvey.enrolment).joinedload(Enrolment.component),
        joinedload(SituationSurvey.action),
    )


def surveys_where(narrowed: SurveyFilter, today: date) -> list[ColumnElement[bool]]:
    """The surveys whose day has come, narrowed so."""
    conditions: list[ColumnElement[bool]] = [SituationSurvey.due_on.is_not(None), SituationSurvey.due_on <= today]
    if narrowed.moment is not None:
        conditions.append(SituationSurvey.moment == narrowed.moment.value)
    if narrowed.state is not None:
        conditions.extend(_in_state(narrowed.state, today))
    if narrowed.action:
        begins = func.upper(Action.number).startswith(narrowed.action.upper(), autoescape=True)
        conditions.append(SituationSurvey.action_id.in_(select(Action.id).where(begins)))
    return conditions


def list_surveys(narrowed: SurveyFilter, *, today: date, cursor: Cursor | None = None, size: int = PAGE_SIZES[0]) -> Page:
    """The surveys whose day has come, the oldest first; those still to come appear on their day."""
    conditions = surveys_where(narrowed, today)
    statement = select(SituationSurvey).where(*conditions).options(*_whose())
    counted = select(SituationSurvey.id).where(*conditions)
    return keyset_page(statement, SituationSurvey.due_on, SituationSurvey.id, cursor=cursor, size=size, counted=counted)


def _with_answers(holder: Any) -> Any:
    """The values of the lists that an answer holds."""
    return tuple(joinedload(getattr(holder, name)) for name in ("situation", "contract_type", "sector", "category", "certification_level"))


def get_survey(survey_id: int) -> SituationSurvey | None:
    """One survey with its answers, the trainee's reply and whose it is; None outside the scope, or while nothing is asked."""
    reply = joinedload(SituationSurvey.reply)
    return db.session.scalars(
        select(SituationSurvey)
        .where(SituationSurvey.id == survey_id, SituationSurvey.due_on.is_not(None))
        .options(
            *_whose(),
            *_with_answers(SituationSurvey),
            *(reply.joinedload(getattr(SurveyReply, name)) for name in ("situation", "contract_type", "sector", "category", "certification_level")),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()


def surveys_of(enrolment_ids: Sequence[int]) -> list[SituationSurvey]:
    """The surveys of these enrolments, those still to come too, in the order of their days."""
    if not enrolment_ids:
        return []
    statement = select(SituationSurvey).where(SituationSurvey.enrolment_id.in_(enrolment_ids), SituationSurvey.due_on.is_not(None))
    return list(db.session.scalars(statement.order_by(SituationSurvey.enrolment_id, SituationSurvey.due_on, SituationSurvey.id)))


def links_of(survey_id: int) -> list[SurveyLink]:
    """The messages sent about a survey, the first one first; those about an exit that was cancelled are none of this one."""
    of_survey = (SurveyLink.survey_id == survey_id, SurveyLink.void_at.is_(None))
    return list(db.session.scalars(select(SurveyLink).where(*of_survey).order_by(SurveyLink.rank)))


def opted_out(trainee_id: int) -> SurveyOptOut | None:
    """Whether the person wants no more messages, and since when."""
    return db.session.scalars(select(SurveyOptOut).where(SurveyOptOut.trainee_id == trainee_id)).one_or_none()


def waiting_counts(today: date) -> Counts:
    """What waits for an answer, by moment, for the tiles of the home page: one statement over a partial index; see ``actions.queries.tile_count``."""

    def due(moment: Moment, by: date) -> Select[int]:
        return select(SituationSurvey.id).where(
            SituationSurvey.state == SurveyState.WAITING.value,
            SituationSurvey.due_on.is_not(None),
            SituationSurvey.due_on <= by,
            SituationSurvey.moment == moment.value,
        )

    limits = (today, today - LATE_AFTER - timedelta(days=1))
    row = db.session.execute(select(*(tile_count(due(moment, by)) for by in limits for moment in Moment))).one()
    moments = len(Moment)
    return Counts(waiting=dict(zip(Moment, row[:moments], strict=True)), late=dict(zip(Moment, row[moments:], strict=True)))


def registrations_due() -> ColumnElement[bool]:
    """Registrations with a survey whose day has come and that nobody answered: for the filter "To do" of the lists of trainees."""
    waiting = (
        select(Enrolment.registration_id)
        .join(SituationSurvey, SituationSurvey.enrolment_id == Enrolment.id)
        .where(SituationSurvey.state == SurveyState.WAITING.value, SituationSurvey.due_on <= clock.today())
    )
    return Registration.id.in_(waiting)


def waiting_of_action(action_id: int, today: date) -> int:
    """How many surveys of an action wait for an answer."""
    statement = select(func.count()).where(
        SituationSurvey.action_id == action_id, SituationSurvey.state == SurveyState.WAITING.value, SituationSurvey.due_on <= today
    )
    return db.session.scalar(statement) or 0


def unanswered_for_agora(action_id: int, today: date) -> int:
    """How many exit surveys of an action wait for an answer that AGORA would be told."""
    statement = (
        select(func.count())
        .select_from(SituationSurvey)
        .join(Enrolment, Enrolment.id == SituationSurvey.enrolment_id)
        .where(
            SituationSurvey.action_id == action_id,
            SituationSurvey.moment == Moment.EXIT.value,
            SituationSurvey.state == SurveyState.WAITING.value,
            SituationSurvey.due_on <= today,
            Enrolment.agora_state.in_(KNOWN_TO_AGORA),
            func.coalesce(Enrolment.agora_status, "").not_in([one.value for one in FileStatus if one.is_closed]),  # AGORA takes nothing more of it
        )
    )
    return db.session.scalar(statement) or 0


def answered_of(enrolment_id: int) -> list[Moment]:
    """The surveys of an enrolment that the organisation or the trainee answered."""
    answered = (SituationSurvey.enrolment_id == enrolment_id, SituationSurvey.state == SurveyState.ANSWERED.value, SituationSurvey.due_on.is_not(None))
    found = set(db.session.scalars(select(SituationSurvey.moment).where(*answered)))
    return [moment for moment in Moment if moment.value in found]


# ---- AGORA -------------------------------------------------------------------------------------------------------------


def exit_surveys(enrolment_ids: Sequence[int]) -> Mapping[int, ExitSurvey]:
    """What AGORA is told with the closing, by enrolment: one statement whatever their number.

    The organisation's answers count; the trainee's own where it gave none.
    """
    reply = joinedload(SituationSurvey.reply)
    names = ("situation", "contract_type", "category", "certification_level")
    statement = (
        select(SituationSurvey)
        .where(
            SituationSurvey.enrolment_id.in_(enrolment_ids),
            SituationSurvey.moment == Moment.EXIT.value,
            SituationSurvey.state == SurveyState.ANSWERED.value,
            SituationSurvey.due_on.is_not(None),
        )
        .options(*(joinedload(getattr(SituationSurvey, name)) for name in names), *(reply.joinedload(getattr(SurveyReply, name)) for name in names))
        .execution_options(populate_existing=True)
    )
    surveys = db.session.scalars(statement).all()
    return {survey.enrolment_id: _told(answers) for survey in surveys if (answers := survey.counted) is not None}


def _told(answers: Answers) -> ExitSurvey:
    def code(value: Any) -> str | None:
        return (value.agora_code or value.code) if value is not None else None

    return ExitSurvey(
        situation=code(answers.situation),
        contract_type=code(answers.contract_type),
        socio_professional_category=code(answers.category),
        job_related=answers.job_related,
        certification=CertificationResult(answers.certification) if answers.certification else None,
        certification_level=answers.certification_level.number if answers.certification_level is not None else None,
    )
