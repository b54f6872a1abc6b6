"""Surveys made with the exit, filled in by the organisation, told to AGORA: against the real database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from app.accounts.seeds import ORGANISATION_B
from app.actions.models import Component, ComponentSite
from app.core import clock
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.reference import models as reference
from app.reference.models import Site
from app.surveys import queries, services
from app.surveys.domain import Moment, Refused, StateFilter, due_on
from app.surveys.models import SituationSurvey, SurveyReply
from app.surveys.queries import SurveyFilter
from app.trainees import agora
from app.trainees.life import MOVE_REASON
from app.trainees.models import Enrolment, Registration
from app.trainees.services import life
from app.trainees.services.enrolment import enrol
from tests.actions.helpers import leave, make_action, make_enrolment, number_given, organisation, plan_of, statements

from .helpers import answered, closings_of, id_of, job, left, moments_of, search, survey_of

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


# ---- made with the exit --------------------------------------------------------------------------------------------------


def test_an_exit_makes_three_surveys_in_its_own_transaction(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    assert moments_of(enrolment_id) == {}
    enrolment_id = left()
    today = clock.today()
    assert moments_of(enrolment_id) == {moment.value: due_on(moment, today) for moment in Moment}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exit_on=st.dates(date(2019, 1, 1), date(2040, 1, 1)))
def test_the_database_and_the_rule_agree_on_the_days(db_session: Session, exit_on: date) -> None:
    found = {
        moment: db_session.scalar(text("SELECT (CAST(:day AS date) + CAST(:wait AS interval))::date"), {"day": exit_on, "wait": wait})
        for moment, wait in ((Moment.EXIT, "0"), (Moment.THREE_MONTHS, "3 months"), (Moment.SIX_MONTHS, "6 months"))
    }
    assert found == {moment: due_on(moment, exit_on) for moment in Moment}


def _exit(enrolment_id: int, day: date | None) -> None:
    """What a cancelled or corrected exit writes."""
    reason = db.session.scalar(select(reference.ExitReason.id).limit(1)) if day else None
    table: Any = Enrolment.__table__
    db.session.execute(table.update().where(table.c.id == enrolment_id).values(actual_end=day, exit_reason_id=reason, early_exit=bool(day) if day else None))
    db.session.commit()


def test_a_corrected_exit_moves_the_days(db_session: Session) -> None:
    enrolment_id = left()
    earlier = clock.today().replace(day=1)
    start = db_session.scalars(select(Enrolment.planned_start).where(Enrolment.id == enrolment_id)).one()
    day = max(earlier, start)
    _exit(enrolment_id, day)
    assert moments_of(enrolment_id) == {moment.value: due_on(moment, day) for moment in Moment}


def test_a_cancelled_exit_takes_its_answers_away(db_session: Session) -> None:
    """They are about an exit that never was: the next one is asked about anew, and AGORA is told nothing of the former."""
    enrolment_id = left()
    answered(enrolment_id, job())
    survey_id = survey_of(enrolment_id).id
    db_session.execute(
        text("INSERT INTO survey_reply (organisation_id, survey_id, situation_id, certification, replied_at) VALUES (:o, :s, :v, 'no', now())"),
        {"o": survey_of(enrolment_id).organisation_id, "s": survey_id, "v": id_of(reference.SurveySituation, "RECHERCHE")},
    )
    db_session.commit()
    _exit(enrolment_id, None)
    assert moments_of(enrolment_id) == {}
    assert db_session.scalars(select(SurveyReply).where(SurveyReply.survey_id == survey_id)).all() == []
    _exit(enrolment_id, clock.today())
    survey = survey_of(enrolment_id)
    assert (survey.state, survey.situation_id, survey.company, survey.answered_at, survey.replied_at, survey.counted) == ("waiting", *[None] * 5)
    assert queries.exit_surveys([enrolment_id]) == {}
    assert set(moments_of(enrolment_id)) == {"exit", "3m", "6m"}


def second_component(enrolment_id: int) -> Component:
    """Another component of the action, of the same dates."""
    first = db.session.get_one(Enrolment, enrolment_id).component
    other = Component(
        action_id=first.action_id, organisation_id=first.organisation_id, number="02", title="Autre", planned_start=first.planned_start,
        planned_end=first.planned_end, hours_centre=Decimal(50), hours_company=Decimal(0), places=12,
    )  # fmt: skip
    db.session.add(other)
    db.session.flush()
    db.session.add(ComponentSite(component=other, site=db.session.scalars(select(Site).order_by(Site.id)).first()))
    db.session.flush()
    return other


def test_a_change_of_component_makes_no_survey_due_and_the_last_exit_does(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    enrolment = db_session.get_one(Enrolment, enrolment_id)
    reason = id_of(reference.ExitReason, MOVE_REASON)
    other = second_component(enrolment_id)
    plan = plan_of(other, planned_start=clock.today())
    entered = life.move(enrolment_id, other.id, plan, actual_end=clock.today(), exit_reason_id=reason, version=enrolment.version)
    assert moments_of(enrolment_id) == {} and moments_of(entered) == {}
    leave(entered)
    assert moments_of(enrolment_id) == {}, "left for another component: never asked about"
    assert moments_of(entered) == {moment.value: due_on(moment, clock.today()) for moment in Moment}


def test_nothing_is_due_while_another_enrolment_goes_on(db_session: Session) -> None:
    """Whatever the order in which the two are entered; and what was asked comes back when the other one was a mistake."""
    enrolment_id = make_enrolment(make_action())
    registration_id = db_session.get_one(Enrolment, enrolment_id).registration_id
    other = enrol(registration_id, second_component(enrolment_id).id, plan_of(db_session.get_one(Enrolment, enrolment_id).component))
    leave(enrolment_id)
    assert moments_of(enrolment_id) == {}
    version = db_session.scalars(select(Enrolment.version).where(Enrolment.id == other)).one()
    life.cancel(other, reason="Inscrit sur la mauvaise composante", version=version)
    assert set(moments_of(enrolment_id)) == {"exit", "3m", "6m"}
    answered(enrolment_id, job())
    component_id = db_session.get_one(Enrolment, other).component_id
    again = enrol(registration_id, component_id, plan_of(db_session.get_one(Component, component_id)))
    assert set(moments_of(enrolment_id)) == {"exit"}, "an answer about an exit that stands stays, and nothing more is asked"
    assert registration_id not in db_session.scalars(select(Registration.id).where(queries.registrations_due())).all()
    leave(again)
    assert set(moments_of(again)) == {"exit", "3m", "6m"} and set(moments_of(enrolment_id)) == {"exit"}


def test_two_exits_of_one_person_at_the_same_time_bring_one_survey(committed: Flask) -> None:
    def run(enrolment_id: int) -> None:
        with committed.app_context(), bound_scope(Scope.system()):
            try:
                leave(enrolment_id)
                db.session.commit()
            finally:
                db.session.remove()

    with committed.app_context(), bound_scope(Scope.system()):
        first = make_enrolment(make_action())
        row = db.session.get_one(Enrolment, first)
        second = enrol(row.registration_id, second_component(first).id, plan_of(row.component))
        db.session.commit()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, (first, second)))
    with committed.app_context(), bound_scope(Scope.system()):
        assert (moments_of(first).keys(), moments_of(second).keys()) == (set(), {"exit", "3m", "6m"})


# ---- what the database refuses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"contract_type_id": None}, "job_asked"),
        ({"category_id": None}, "job_asked"),
        ({"certification_level_id": None}, "level_asked"),
        ({"certification": "no"}, "level_asked"),
        ({"certification": None, "certification_level_id": None}, "whole"),
        ({"situation_id": "RECHERCHE"}, "job_not_asked"),
    ],
)
def test_answers_that_do_not_go_together_are_refused(db_session: Session, wrong: dict[str, Any], constraint: str) -> None:
    enrolment_id = left()
    values = job(**wrong)
    if isinstance(values["situation_id"], str):
        values["situation_id"] = id_of(reference.SurveySituation, values["situation_id"])
    survey = survey_of(enrolment_id)
    for name, value in values.items():
        setattr(survey, name, value)
    with pytest.raises(IntegrityError, match=f"ck_situation_survey_{constraint}"):
        db_session.flush()


def test_a_situation_in_use_keeps_what_it_asks(db_session: Session) -> None:
    answered(left(), job())
    with pytest.raises(IntegrityError, match="fk_situation_survey_situation"):
        db_session.execute(text("UPDATE survey_situation SET employed = false WHERE code = 'EMPLOI'"))


def test_personal_values_do_not_enter_the_journal(db_session: Session) -> None:
    enrolment_id = left()
    survey_id = survey_of(enrolment_id).id
    answered(enrolment_id, job(company="Entreprise du secret"))
    entries = db_session.scalars(
        text("SELECT row_to_json(a)::text FROM audit_entry a WHERE table_name = 'situation_survey' AND row_id = :id"), {"id": str(survey_id)}
    ).all()
    assert entries
    assert not any("Entreprise du secret" in entry for entry in entries)


# ---- acts ----------------------------------------------------------------------------------------------------------------


def test_a_survey_whose_day_has_not_come_is_refused(db_session: Session) -> None:
    survey = survey_of(left(), Moment.THREE_MONTHS)
    with pytest.raises(Refused):
        services.mark_unreached(survey.id, version=survey.version)


def test_not_reached_then_reached(db_session: Session) -> None:
    survey = survey_of(left())
    services.mark_unreached(survey.id, version=survey.version)
    again = survey_of(survey.enrolment_id)
    assert again.state == "unreached"
    services.try_again(survey.id, version=again.version)
    assert survey_of(survey.enrolment_id).state == "waiting"
    answered(survey.enrolment_id, search())
    survey = survey_of(survey.enrolment_id)
    with pytest.raises(Refused):
        services.mark_unreached(survey.id, version=survey.version)


# ---- lists and isolation -------------------------------------------------------------------------------------------------


def ids(narrowed: SurveyFilter) -> list[int]:
    return [survey.id for survey in queries.list_surveys(narrowed, today=clock.today(), size=100).rows]


def test_the_list_shows_what_is_due_and_narrows(db_session: Session) -> None:
    action = make_action()
    waiting, done = left(action), left(action)
    answered(done, job())
    mine = SurveyFilter(action=action.number.lower())
    assert set(ids(mine)) == {survey_of(waiting).id, survey_of(done).id}, "nothing that is still to come"
    assert ids(SurveyFilter(action=action.number, state=StateFilter.DUE)) == [survey_of(waiting).id]
    assert ids(SurveyFilter(action=action.number, state=StateFilter.ANSWERED)) == [survey_of(done).id]
    assert ids(SurveyFilter(action=action.number, state=StateFilter.OVERDUE)) == []
    db_session.execute(text("UPDATE situation_survey SET due_on = due_on - 100 WHERE enrolment_id = :id"), {"id": waiting})
    assert ids(SurveyFilter(action=action.number, state=StateFilter.OVERDUE)) == [survey_of(waiting).id], "that of three months has just come"
    assert ids(SurveyFilter(action=action.number, moment=Moment.THREE_MONTHS)) == [survey_of(waiting, Moment.THREE_MONTHS).id]


def test_counts_of_the_home_page(db_session: Session) -> None:
    today = clock.today()
    before = queries.waiting_counts(today)
    enrolment_id = left()
    with statements() as sent:
        after = queries.waiting_counts(today)
    assert len(sent) == 1
    assert after.waiting[Moment.EXIT] == before.waiting[Moment.EXIT] + 1
    assert after.waiting[Moment.SIX_MONTHS] == before.waiting[Moment.SIX_MONTHS]
    db_session.execute(text("UPDATE situation_survey SET due_on = due_on - 40 WHERE enrolment_id = :id AND moment = 'exit'"), {"id": enrolment_id})
    assert queries.waiting_counts(today).late[Moment.EXIT] == before.late[Moment.EXIT] + 1


def test_another_organisation_sees_and_changes_nothing(db_session: Session) -> None:
    survey_id = survey_of(left()).id
    version = db_session.get_one(SituationSurvey, survey_id).version
    db_session.expire_all()
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        assert queries.get_survey(survey_id) is None
        assert survey_id not in ids(SurveyFilter())
        with pytest.raises(LookupError):
            services.mark_unreached(survey_id, version=version)
        assert db_session.scalar(text("SELECT count(*) FROM situation_survey WHERE id = :id"), {"id": survey_id}) == 0


# ---- AGORA ---------------------------------------------------------------------------------------------------------------


def test_the_closing_carries_the_exit_survey(db_session: Session) -> None:
    action = make_action()
    employed, seeking, silent, replied = (left(action, name=f"NOM {index}") for index in range(4))
    for enrolment_id in (employed, seeking, silent, replied):
        number_given(enrolment_id)
    answered(employed, job())
    answered(seeking, search())
    reply_of(replied, job(job_related=False))
    db_session.expire_all()
    built = agora.build_closings(closings_of(action))
    surveys = {event.external_reference: event.survey for event in built.values()}  # type: ignore[union-attr]
    by_enrolment = {
        one: surveys[str(db_session.scalar(select(Enrolment.external_reference).where(Enrolment.id == one)))] for one in (employed, seeking, silent, replied)
    }
    told = by_enrolment[employed]
    assert told is not None
    assert (told.situation, told.contract_type, told.socio_professional_category) == ("EMPLOI", "CDD_3_6", "5")
    assert (told.job_related, told.certification, told.certification_level) == (True, "yes", 4)
    told = by_enrolment[seeking]
    assert told is not None
    assert (told.situation, told.contract_type, told.job_related, told.certification, told.certification_level) == ("RECHERCHE", None, None, "unknown", None)
    assert by_enrolment[silent] is None
    own = by_enrolment[replied]
    assert own is not None and own.job_related is False


def reply_of(enrolment_id: int, values: dict[str, Any]) -> None:
    survey = survey_of(enrolment_id)
    db.session.add(SurveyReply(organisation_id=survey.organisation_id, survey_id=survey.id, replied_at=clock.now(), **values))
    survey.replied_at = clock.now()
    db.session.commit()


def test_agora_code_of_a_value_is_told_rather_than_the_portals(db_session: Session) -> None:
    enrolment_id = left()
    answered(enrolment_id, job())
    db_session.execute(text("UPDATE employment_contract SET agora_code = 'C2' WHERE code = 'CDD_3_6'"))
    db_session.expire_all()
    assert queries.exit_surveys([enrolment_id])[enrolment_id].contract_type == "C2"


def test_surveys_of_many_enrolments_cost_one_statement(db_session: Session) -> None:
    action = make_action()
    enrolments = [left(action, name=f"NOM {index}") for index in range(4)]
    for enrolment_id in enrolments:
        answered(enrolment_id, job())
    db_session.expire_all()
    with statements() as sent:
        found = queries.exit_surveys(enrolments)
    assert len(sent) == 1
    assert set(found) == set(enrolments)


def test_the_organisations_answers_count_over_the_trainees(db_session: Session) -> None:
    enrolment_id = left()
    reply_of(enrolment_id, job())
    answered(enrolment_id, search())
    db_session.expire_all()
    assert queries.exit_surveys([enrolment_id])[enrolment_id].situation == "RECHERCHE"
    assert db_session.scalar(select(func.count()).select_from(SurveyReply).where(SurveyReply.survey_id == survey_of(enrolment_id).id)) == 1
