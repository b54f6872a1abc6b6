"""Messages to the trainees: who is written to, when, once, whatever is cut short; and what they say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from app.core.extensions import db
from app.core.mail.services import InvalidAddress
from app.core.tenancy import Scope, bound_scope
from app.surveys import asking, jobs, queries, replies
from app.surveys.domain import Question
from app.surveys.models import SurveyLink
from app.trainees.domain import EnrolmentPlan
from app.trainees.models import Enrolment
from app.trainees.services import life
from tests.actions.helpers import leave, make_action, make_nir

from .helpers import answered, left, mails, moments_of, moved, quiet, search, survey_of, token_in

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


def test_written_to_at_the_exit_then_reminded_twice_at_most(db_session: Session) -> None:
    quiet()
    enrolment_id = left()
    assert [jobs.ask_trainees() for _ in range(2)] == [1, 0], "told once"
    days = 0
    for step in (6, 1, 13, 1, 20, 30):
        moved(enrolment_id, step)
        days += step
        jobs.ask_trainees()
    db_session.execute(text("UPDATE situation_survey SET unreached_at = now() WHERE enrolment_id = :id AND moment <> 'exit'"), {"id": enrolment_id})
    told = [subject for _to, subject, body in mails() if "Vous avez quitté la formation" in body]
    assert len(told) == 3
    assert [subject.startswith("Rappel") for subject in told] == [False, True, True]


def test_who_changes_component_is_written_to_once_the_training_is_left(db_session: Session) -> None:
    """An exit that goes on with another enrolment is none for the person; of two exits the last one is asked about."""
    quiet()
    action = make_action()
    first = left(action)
    registration = db_session.get_one(Enrolment, first).registration_id
    second = copied(db_session, first)
    assert jobs.ask_trainees() == 0, "still in the training"
    leave(second)
    assert [jobs.ask_trainees() for _ in range(2)] == [1, 0], "once, for both"
    assert db_session.get_one(Enrolment, second).registration_id == registration
    assert moments_of(first) == {}
    assert db_session.query(SurveyLink).filter(SurveyLink.survey_id == survey_of(second).id).count() == 1


def test_nobody_is_looked_at_between_two_messages(db_session: Session) -> None:
    quiet()
    enrolment_id = left()
    assert survey_of(enrolment_id).id in asking._candidates(0)
    jobs.ask_trainees()
    assert asking._candidates(0) == []
    moved(enrolment_id, 7)
    assert survey_of(enrolment_id).id in asking._candidates(0)


def copied(db_session: Session, enrolment_id: int) -> int:
    """The same person enrolled again, from today on."""
    from app.trainees.services.enrolment import enrol

    former = db_session.get_one(Enrolment, enrolment_id)
    plan = EnrolmentPlan(former.planned_start, former.planned_end, former.site_id, former.hours_centre, former.hours_company)
    return enrol(former.registration_id, former.component_id, plan)


def test_three_months_later_too(db_session: Session) -> None:
    quiet()
    enrolment_id = left()
    answered(enrolment_id, search())
    assert jobs.ask_trainees() == 0, "the organisation answered first"
    moved(enrolment_id, 95)
    assert jobs.ask_trainees() == 1
    ((_to, _subject, body),) = mails()
    assert "Il y a trois mois" in body


def test_nobody_is_written_to_who_left_long_ago_or_has_no_address_or_refused(db_session: Session) -> None:
    quiet()
    action = make_action()
    long_ago, nowhere, refusing, wrong = (left(action, name=f"NOM {index}") for index in range(4))
    moved(long_ago, 31)
    for enrolment_id, address in ((nowhere, ""), (wrong, "pas une@adresse@du tout")):
        db_session.execute(
            text("UPDATE registration SET email = :address WHERE id = (SELECT registration_id FROM enrolment WHERE id = :id)"), {"address": address, "id": enrolment_id}
        )
    db_session.commit()
    assert jobs.ask_trainees() == 1
    ((_to, _subject, body),) = mails()
    replies.stop(token_in(body))
    moved(refusing, 8)
    assert jobs.ask_trainees() == 0


def test_a_trainee_who_answered_is_not_reminded(db_session: Session) -> None:
    quiet()
    enrolment_id = left()
    jobs.ask_trainees()
    moved(enrolment_id, 8)
    survey = survey_of(enrolment_id)
    survey.replied_at = survey.created_at
    db_session.commit()
    assert jobs.ask_trainees() == 0


def test_the_message_holds_no_personal_secret(db_session: Session) -> None:
    quiet()
    nir = make_nir()
    enrolment_id = left(name="NOMSECRET", nir=nir)
    enrolment = db_session.get_one(Enrolment, enrolment_id)
    registration = enrolment.registration
    jobs.ask_trainees()
    ((to, subject, body),) = mails()
    assert to == registration.email
    assert registration.trainee.first_name in body and enrolment.action.title in body
    for secret in ("NOMSECRET", nir.number, registration.mobile, registration.postal_code, "1985", enrolment.action.number):
        assert secret.casefold() not in (subject + body).casefold(), secret
    token = token_in(body)
    assert token not in str(db_session.scalars(text("SELECT row_to_json(l)::text FROM survey_link l")).all())
    assert token not in str(db_session.scalars(text("SELECT row_to_json(a)::text FROM audit_entry a WHERE table_name = 'survey_link'")).all())


def test_a_run_killed_at_any_point_writes_to_nobody_twice(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the message: nothing is noted. Killed after it, before the commit: neither is there."""
    quiet()
    enrolment_id = left()
    real = asking.send_mail

    class Killed(BaseException):
        pass

    def before(*_args: Any, **_more: Any) -> Any:
        raise Killed

    def after(*args: Any, **more: Any) -> Any:
        real(*args, **more)
        raise Killed

    for killing in (before, after):
        monkeypatch.setattr(asking, "send_mail", killing)
        with pytest.raises(Killed):
            jobs.ask_trainees()
        assert mails() == []
        assert db_session.query(SurveyLink).filter(SurveyLink.survey_id == survey_of(enrolment_id).id).count() == 0
    monkeypatch.setattr(asking, "send_mail", real)
    assert [jobs.ask_trainees(), jobs.ask_trainees()] == [1, 0]
    assert len(mails()) == 1


def test_hurried_by_more_urgent_work_it_still_writes(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other periodic work falls due at the very second it does, every time: some of the messages leave at each run, even so."""
    quiet()
    action = make_action()
    for index in range(3):
        left(action, name=f"NOM {index}")
    monkeypatch.setattr(asking, "BATCH", 1)
    monkeypatch.setattr(asking, "interrupted", lambda: True)
    assert [jobs.ask_trainees() for _ in range(4)] == [1, 1, 1, 0]


def test_addresses_that_no_message_reaches_do_not_hold_back_the_others(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hurried, it goes past those it could not write to."""
    quiet()
    action = make_action()
    for index in range(3):
        left(action, name=f"NOM {index}")
    real, asked = asking.send_mail, []

    def refusing_two(*args: Any, **more: Any) -> Any:
        asked.append(1)
        if len(asked) <= 2:
            raise InvalidAddress("refused")
        return real(*args, **more)

    monkeypatch.setattr(asking, "BATCH", 1)
    monkeypatch.setattr(asking, "interrupted", lambda: True)
    monkeypatch.setattr(asking, "send_mail", refusing_two)
    assert jobs.ask_trainees() == 1
    assert len(asked) == 3


def test_runs_at_the_same_time_write_once(committed: Flask) -> None:
    def run(_number: int) -> int:
        with committed.app_context(), bound_scope(Scope.system()):
            try:
                return jobs.ask_trainees()
            finally:
                db.session.remove()

    with committed.app_context(), bound_scope(Scope.system()):
        quiet()
        action = make_action()
        enrolments = [left(action, name=f"NOM {index}") for index in range(5)]
        db.session.commit()
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(run, range(4)))
    with committed.app_context(), bound_scope(Scope.system()):
        assert len(mails()) == len(enrolments)
    assert sum(written) == len(enrolments)


def test_a_link_dies_with_a_cancelled_exit_and_the_new_exit_has_its_own(db_session: Session) -> None:
    """The old link says why it opens nothing, before and after the new exit, whose survey is blank."""
    quiet()
    enrolment_id = left()
    jobs.ask_trainees()
    token = token_in(mails()[0][2])
    assert replies.look_up(token).first_name
    replies.reply(token, {Question(name): value for name, value in search().items()})
    assert survey_of(enrolment_id).state == "answered"
    version = db_session.scalars(text("SELECT version FROM enrolment WHERE id = :id"), {"id": enrolment_id}).one()
    life.undo_exit(enrolment_id, reason="Saisie sur le mauvais stagiaire", version=version)
    with pytest.raises(replies.LinkUnusable) as cancelled:
        replies.look_up(token)
    assert cancelled.value.why is replies.LinkEnd.EXIT_CANCELLED
    leave(enrolment_id)
    assert survey_of(enrolment_id).state == "waiting", "blank"
    assert jobs.ask_trainees() == 1
    new = token_in(mails()[-1][2])
    assert new != token and replies.look_up(new).replied_at is None
    with pytest.raises(replies.LinkUnusable) as still:
        replies.look_up(token)
    assert still.value.why is replies.LinkEnd.EXIT_CANCELLED


def test_a_link_of_somebody_who_goes_on_says_so(db_session: Session) -> None:
    quiet()
    enrolment_id = left()
    jobs.ask_trainees()
    token = token_in(mails()[0][2])
    copied(db_session, enrolment_id)
    with pytest.raises(replies.LinkUnusable) as why:
        replies.look_up(token)
    assert why.value.why is replies.LinkEnd.GOES_ON
    moved(enrolment_id, 8)
    assert jobs.ask_trainees() == 0


def test_a_new_exit_after_a_cancelled_one_is_asked_about_anew(db_session: Session) -> None:
    """The messages about the cancelled exit are no first message of the new one, which has its two reminders."""
    quiet()
    enrolment_id = left()
    for days in (0, 8):
        moved(enrolment_id, days)
        assert jobs.ask_trainees() == 1
    version = db_session.scalars(text("SELECT version FROM enrolment WHERE id = :id"), {"id": enrolment_id}).one()
    life.undo_exit(enrolment_id, reason="Saisie sur le mauvais stagiaire", version=version)
    assert jobs.ask_trainees() == 0
    leave(enrolment_id)
    assert [jobs.ask_trainees() for _ in range(2)] == [1, 0]
    for days in (8, 15):
        moved(enrolment_id, days)
        db_session.execute(text("UPDATE enrolment_act SET happened_at = happened_at - make_interval(days => :d)"), {"d": days})
        db_session.commit()
        assert jobs.ask_trainees() == 1
    assert [subject.startswith("Rappel") for _to, subject, _body in mails()] == [False, True, False, True, True]
    assert [link.rank for link in queries.links_of(survey_of(enrolment_id).id)] == [1, 2, 3]
