"""Sessions and information meetings: rules, services, races, the database's own refusals, and the pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, time, timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from werkzeug.datastructures import MultiDict

from app.accounts.seeds import ORGANISATION_B
from app.actions import domain, labels, sessions
from app.actions.domain import Fault, FaultCode, Period, SessionPlan
from app.actions.forms import SessionForm
from app.actions.models import Action, ActionHistory, Component, ComponentSite, InformationMeeting, TrainingSession
from app.actions.sessions import Faulty, MeetingPlan, Registering
from app.core import clock
from app.core.concurrency import StaleError
from app.core.errors_db import constraint_name, is_registered, translate
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.core.ui.forms import FrTimeField
from app.reference.models import Site
from tests.accounts.helpers import post, token
from tests.actions.helpers import make_action, make_enrolment, organisation, statements

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

BOUNDS = (date(2026, 1, 5), date(2026, 6, 30))
days = st.dates(date(2025, 12, 1), date(2026, 8, 1))


def component_of(action: Action) -> Component:
    return db.session.scalars(select(Component).where(Component.action_id == action.id)).one()


def site_of(component: Component) -> int:
    return db.session.scalars(select(ComponentSite.site_id).where(ComponentSite.component_id == component.id)).one()


def plan_for(component: Component, **changes: Any) -> SessionPlan:
    values = {"starts_on": component.planned_start, "ends_on": component.planned_end, "site_id": site_of(component), "places": 10}
    return SessionPlan(**(values | changes))


def make_session(action: Action | None = None) -> TrainingSession:
    component = component_of(action or make_action())
    made = sessions.create_session(component.id, plan_for(component))
    return db.session.get_one(TrainingSession, made)


def meeting_plan(found: TrainingSession, **changes: Any) -> MeetingPlan:
    values = {"held_on": found.starts_on, "starts_at": time(14, 0), "place": "Salle A", "text": None}
    return MeetingPlan(**(values | changes))


def told(session_id: int) -> list[ActionHistory]:
    return list(db.session.scalars(select(ActionHistory).where(ActionHistory.session_id == session_id).order_by(ActionHistory.id)))


# ---- rules -----------------------------------------------------------------------------------------------------------


@given(start=days, end=days, outer_start=days, outer_end=days)
def test_a_session_lies_within_its_component_and_its_action(start: date, end: date, outer_start: date, outer_end: date) -> None:
    component, action = Period(*BOUNDS), Period(outer_start, outer_end)
    faults = domain.session_faults(SessionPlan(start, end, 1, 10), component=component, action=action, site_ids=frozenset({1}))
    within = all(outer.start <= day <= outer.end for outer in (component, action) for day in (start, end))
    assert (not faults) == (within and start <= end)
    assert all(str(labels.fault_text(fault)) for fault in faults)


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"site_id": 2}, "site_id", FaultCode.SITE_NOT_OF_COMPONENT),
        ({"places": 1_001}, "places", FaultCode.TOO_MANY_PLACES),
        ({"ends_on": BOUNDS[0] - timedelta(days=1)}, "ends_on", FaultCode.END_BEFORE_START),
    ],
)
def test_what_is_wrong_is_said_at_its_field(changes: dict[str, Any], field: str, code: FaultCode) -> None:
    values = {"starts_on": BOUNDS[0], "ends_on": BOUNDS[1], "site_id": 1, "places": 10} | changes
    faults = domain.session_faults(SessionPlan(**values), component=Period(*BOUNDS), action=Period(*BOUNDS), site_ids=frozenset({1}))
    assert (field, code) in [(fault.field, fault.code) for fault in faults]


def test_a_meeting_takes_place_before_the_session_is_over() -> None:
    start, end = BOUNDS
    assert domain.meeting_faults(end, session_start=start, session_end=end) == ()
    late = domain.meeting_faults(end + timedelta(days=1), session_start=start, session_end=end)
    assert late == (Fault("held_on", FaultCode.MEETING_AFTER_SESSION, {"date": end}),)


def test_a_meeting_years_before_its_session_is_a_slip() -> None:
    start, end = BOUNDS
    assert domain.meeting_faults(start - timedelta(days=366), session_start=start, session_end=end) == ()
    early = domain.meeting_faults(start - timedelta(days=367), session_start=start, session_end=end)
    assert early == (Fault("held_on", FaultCode.MEETING_TOO_EARLY, {"date": start}),)


@pytest.mark.parametrize(("status", "cancelled", "codes"), [
    ("AO", False, []), ("EC", False, []), ("EC", True, [FaultCode.SESSION_CANCELLED]),
    ("CL", False, [FaultCode.ACTION_OVER]), ("AN", True, [FaultCode.ACTION_OVER]),
])  # fmt: skip
def test_when_sessions_change(status: str, cancelled: bool, codes: list[FaultCode]) -> None:
    assert [fault.code for fault in domain.planning_faults(status, cancelled=cancelled)] == codes


@pytest.mark.parametrize(
    ("typed", "read"),
    [("14:30", time(14, 30)), ("14h30", time(14, 30)), ("14 h 30", time(14, 30)), ("9h", time(9)), ("9", time(9)), ("14.30", time(14, 30)), ("", None)],
)
def test_times_are_typed_in_several_ways(db_session: Session, typed: str, read: time | None) -> None:
    from wtforms import Form

    class One(Form):
        at = FrTimeField()

    form = One(MultiDict({"at": typed}))
    assert form.validate()
    assert form.at.data == read


@pytest.mark.parametrize("typed", ["25:00", "14:75", "midi", "-1", "14h3"])
def test_what_is_no_time_is_refused(app: Flask, typed: str) -> None:
    from wtforms import Form

    class One(Form):
        at = FrTimeField()

    with app.test_request_context():
        form = One(MultiDict({"at": typed}))
        assert not form.validate()
        assert "hh:mm" in form.at.errors[0]


# ---- services --------------------------------------------------------------------------------------------------------


def test_sessions_are_numbered_within_their_component(db_session: Session) -> None:
    action = make_action()
    first, second = make_session(action), make_session(action)
    assert (first.code, second.code) == ("01", "02")
    assert make_session().code == "01"
    (line,) = told(first.id)
    assert (line.event, line.details, line.from_status, line.to_status) == ("session_created", {"session": "01 / 01"}, "AO", "AO")


def test_a_session_outside_the_component_is_refused(db_session: Session) -> None:
    component = component_of(make_action())
    with pytest.raises(Faulty) as refused:
        sessions.create_session(component.id, plan_for(component, ends_on=component.planned_end + timedelta(days=1)))
    assert [(fault.field, fault.code) for fault in refused.value.faults] == [("ends_on", FaultCode.AFTER_COMPONENT)]
    assert db_session.scalar(select(func.count()).select_from(TrainingSession).where(TrainingSession.component_id == component.id)) == 0


@pytest.mark.parametrize("status", ["CL", "AN"])
def test_a_finished_action_takes_no_session(db_session: Session, status: str) -> None:
    action = make_action()
    component = component_of(action)
    plan = plan_for(component)
    if status == "CL":
        db_session.execute(
            text(
                "UPDATE action SET status = 'CL', actual_start = planned_start, declaration_frequency = 'monthly', billing_period = 'end',"
                " closed_at = now() WHERE id = :id"
            ),
            {"id": action.id},
        )
    else:
        db_session.execute(text("UPDATE action SET status = 'AN' WHERE id = :id"), {"id": action.id})
    with pytest.raises(Faulty) as refused:
        sessions.create_session(component.id, plan)
    assert [fault.code for fault in refused.value.faults] == [FaultCode.ACTION_OVER]


def _edit(found: TrainingSession, **changes: str) -> SessionForm:
    """The form of a session as it comes back, made from its present values."""
    shown = SessionForm(formdata=None, obj=found)
    shown.bind_row(found, sessions.SESSION_FIELDS)
    typed = {
        "starts_on": f"{found.starts_on:%d/%m/%Y}", "ends_on": f"{found.ends_on:%d/%m/%Y}", "site_id": str(found.site_id), "places": str(found.places),
        "registration_address": "", "registration_terms": "", "row_version": shown.row_version.data, "row_base": shown.row_base.data,
    }  # fmt: skip
    return SessionForm(formdata=MultiDict(typed | changes))


def _valid(form: SessionForm, found: TrainingSession) -> SessionForm:
    form.site_id.choices = [(str(found.site_id), "X")]
    assert form.validate(), form.errors
    return form


def test_changes_are_told_before_and_after(app: Flask, db_session: Session) -> None:
    with app.test_request_context():
        found = make_session()
        start = found.starts_on
        form = _valid(_edit(found, places="14", starts_on=f"{start + timedelta(days=2):%d/%m/%Y}"), found)
        assert sessions.change_session(found.id, form) == {"places", "starts_on"}
        line = told(found.id)[-1]
        assert line.event == "session_changed"
        assert labels.history_changes(line.details) == [
            ("Date de début de session", f"{start:%d/%m/%Y}", f"{start + timedelta(days=2):%d/%m/%Y}"), ("Nombre de places", "10", "14"),
        ]  # fmt: skip


def test_two_editors_of_different_fields_both_land(app: Flask, db_session: Session) -> None:
    with app.test_request_context():
        found = make_session()
        mine, theirs = _edit(found, places="14"), _edit(found, registration_address="1 rue des Lilas")
        sessions.change_session(found.id, _valid(theirs, found))
        sessions.change_session(found.id, _valid(mine, found))
        db_session.refresh(found)
        assert (found.places, found.registration_address) == (14, "1 rue des Lilas")


def test_two_editors_of_one_field_are_asked(app: Flask, db_session: Session) -> None:
    with app.test_request_context():
        found = make_session()
        mine, theirs = _edit(found, places="14"), _edit(found, places="8")
        sessions.change_session(found.id, _valid(theirs, found))
        with pytest.raises(StaleError) as stale:
            sessions.change_session(found.id, _valid(mine, found))
        assert [conflict.name for conflict in stale.value.conflicts] == ["places"]


def test_a_session_made_by_mistake_is_cancelled_for_good(app: Flask, db_session: Session) -> None:
    with app.test_request_context():
        found = make_session()
        with pytest.raises(Faulty) as refused:
            sessions.cancel_session(found.id, reason=" ", version=found.version)
        assert [fault.code for fault in refused.value.faults] == [FaultCode.REASON_REQUIRED]
        with pytest.raises(StaleError):
            sessions.cancel_session(found.id, reason="Doublon", version=found.version + 1)
        form = _valid(_edit(found, places="14"), found)
        assert sessions.cancel_session(found.id, reason="Doublon", version=found.version)
        assert not sessions.cancel_session(found.id, reason="Encore", version=found.version)
        db_session.refresh(found)
        assert (found.places, found.cancel_reason) == (0, "Doublon")
        line = told(found.id)[-1]
        assert (line.event, line.comment, line.details) == (
            "session_cancelled", "Doublon", {"session": "01 / 01", "changes": {"places": ["10", "0"]}},
        )  # fmt: skip
        for attempt in (
            lambda: sessions.change_session(found.id, form),
            lambda: sessions.add_meeting(found.id, meeting_plan(found)),
        ):
            with pytest.raises(Faulty) as refused:
                attempt()
            assert [fault.code for fault in refused.value.faults] == [FaultCode.SESSION_CANCELLED]


def test_information_meetings(db_session: Session) -> None:
    found = make_session()
    key = sessions.add_meeting(found.id, meeting_plan(found))
    with pytest.raises(IntegrityError) as twice:
        sessions.add_meeting(found.id, meeting_plan(found))
    assert "déjà une information collective" in translate(twice.value)
    with pytest.raises(Faulty):
        sessions.add_meeting(found.id, meeting_plan(found, held_on=found.ends_on + timedelta(days=1)))
    assert sessions.remove_meeting(key, version=1) == found.id
    with pytest.raises(LookupError):
        sessions.remove_meeting(key, version=1)
    assert [line.event for line in told(found.id)] == ["session_created", "meeting_added", "meeting_removed"]


def test_another_organisation_finds_no_session(db_session: Session) -> None:
    found = make_session()
    key, meeting = found.id, sessions.add_meeting(found.id, meeting_plan(found))
    component_id, plan = found.component_id, plan_for(component_of(found.component.action))
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        for attempt in (
            lambda: sessions.create_session(component_id, plan),
            lambda: sessions.cancel_session(key, reason="X", version=1),
            lambda: sessions.add_meeting(key, MeetingPlan(plan.starts_on, time(9), "X")),
            lambda: sessions.remove_meeting(meeting, version=1),
        ):
            with pytest.raises(LookupError):
                attempt()
        assert db.session.scalar(text("SELECT count(*) FROM training_session WHERE id = :id"), {"id": key}) == 0
        assert db.session.scalar(text("SELECT count(*) FROM information_meeting WHERE id = :id"), {"id": meeting}) == 0


# ---- what the database holds by itself -------------------------------------------------------------------------------


def _at_once(statement: str, **values: Any) -> None:
    db.session.execute(text(statement), values)
    db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE training_session SET ends_on = ends_on + 400 WHERE id = :session", "ck_session_within_component"),
        ("UPDATE training_session SET starts_on = starts_on - 400 WHERE id = :session", "ck_session_within_component"),
        ("UPDATE component SET planned_end = planned_end + 400 WHERE id = :component", "ck_component_within_action"),
        ("UPDATE component SET planned_start = planned_start - 1 WHERE id = :component", "ck_component_within_action"),
        ("UPDATE component SET planned_end = planned_end - 1 WHERE id = :component", "ck_session_within_component"),
        ("UPDATE action SET planned_end = planned_end - 1 WHERE id = :action", "ck_component_within_action"),
        ("UPDATE training_session SET places = -1 WHERE id = :session", "ck_training_session_places"),
        ("UPDATE training_session SET places = 0, cancelled_at = now() WHERE id = :session", "ck_training_session_cancelled_whole"),
        ("UPDATE training_session SET cancelled_at = now(), cancel_reason = 'X' WHERE id = :session", "ck_training_session_cancelled_empty"),
    ],
)
def test_the_database_refuses_dates_outside_and_half_cancellations(db_session: Session, statement: str, constraint: str) -> None:
    found = make_session()
    values = {"session": found.id, "component": found.component_id, "action": found.component.action_id}
    _at_once("SELECT 1")
    with pytest.raises(IntegrityError) as refused:
        _at_once(statement, **{key: value for key, value in values.items() if f":{key}" in statement})
    assert constraint_name(refused.value) == constraint
    assert is_registered(constraint) or "cancelled" in constraint
    db_session.rollback()


@pytest.mark.parametrize("statement", [
    "UPDATE enrolment SET planned_end = planned_end + 400 WHERE id = :enrolment",
    "UPDATE enrolment SET planned_start = planned_start - 400 WHERE id = :enrolment",
    "UPDATE component SET planned_end = planned_end - 1 WHERE id = :component",
])  # fmt: skip
def test_the_database_refuses_an_enrolment_outside_its_component(db_session: Session, statement: str) -> None:
    action = make_action()
    values = {"enrolment": make_enrolment(action), "component": component_of(action).id}
    with pytest.raises(IntegrityError) as refused:
        _at_once(statement, **{key: value for key, value in values.items() if f":{key}" in statement})
    assert constraint_name(refused.value) == "ck_enrolment_within_component"
    db_session.rollback()


def test_who_has_left_no_longer_holds_the_component_back(db_session: Session) -> None:
    """An enrolment lasts until its exit: a component may end after it, before the end once planned."""
    from tests.actions.helpers import leave

    action = make_action()
    leave(make_enrolment(action))
    db_session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    _at_once("UPDATE component SET planned_end = current_date + 1 WHERE id = :id", id=component_of(action).id)


def test_action_and_components_move_together(db_session: Session) -> None:
    """The check is at the end of the transaction: any order of the changes will do."""
    found = make_session()
    db_session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    for statement in (
        "UPDATE training_session SET starts_on = starts_on - 30 WHERE id = :session",
        "UPDATE component SET planned_start = planned_start - 30 WHERE id = :component",
        "UPDATE action SET planned_start = planned_start - 30 WHERE id = :action",
    ):
        db_session.execute(text(statement), {"session": found.id, "component": found.component_id, "action": found.component.action_id})
    db_session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


@pytest.mark.parametrize("scope", [Scope.system(), Scope.region()])
@pytest.mark.parametrize("statement", ["DELETE FROM training_session WHERE id = :id", "DELETE FROM training_session"])
def test_no_role_deletes_a_session(db_session: Session, statement: str, scope: Scope) -> None:
    key = make_session().id
    with pytest.raises(DBAPIError), bound_scope(scope):
        db_session.execute(text(statement), {"id": key} if ":id" in statement else {})
    db_session.rollback()


def test_not_even_the_owner_deletes_a_session(committed: Flask, engines: dict[str, str]) -> None:
    import psycopg
    from sqlalchemy.engine import make_url

    with committed.app_context():
        database = db.engine.url.database
    url = make_url(engines["superuser"]).set(database=database).render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as sql:
        for statement in ("DELETE FROM training_session", "TRUNCATE training_session CASCADE"):
            with pytest.raises(psycopg.errors.RestrictViolation):
                sql.execute(statement)
        (left,) = sql.execute("SELECT count(*) FROM training_session").fetchone() or (0,)
    assert left > 0


# ---- races -----------------------------------------------------------------------------------------------------------


def _together(app: Flask, scope: Scope, *acts: Callable[[], Any]) -> list[Any]:
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait(10)
        with app.app_context(), bound_scope(scope):
            try:
                return act()
            except (Faulty, StaleError, DBAPIError) as refusal:
                return refusal
            finally:
                db.session.remove()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(run, act) for act in acts]]


def test_sessions_made_at_once_have_numbers_of_their_own(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()), transaction():
        component = component_of(make_action())
        component_id, plan, scope = component.id, plan_for(component), Scope.organisation(component.organisation_id)
    made = _together(committed, scope, *[lambda: sessions.create_session(component_id, plan)] * 6)
    assert all(isinstance(one, int) for one in made), made
    with committed.app_context(), bound_scope(Scope.system()):
        numbers = db.session.scalars(select(TrainingSession.number).where(TrainingSession.component_id == component_id))
        assert sorted(numbers) == [1, 2, 3, 4, 5, 6]
        db.session.remove()


def test_a_shorter_component_and_a_late_session_never_both_win(committed: Flask) -> None:
    for _attempt in range(3):
        with committed.app_context(), bound_scope(Scope.system()), transaction():
            component = component_of(make_action())
            component_id, plan, scope = component.id, plan_for(component), Scope.organisation(component.organisation_id)

        def shorten(key: int = component_id) -> bool:
            with transaction() as session:
                session.execute(text("UPDATE component SET planned_end = planned_end - 10 WHERE id = :id"), {"id": key})
            return True

        shortened, made = _together(committed, scope, shorten, lambda key=component_id, p=plan: sessions.create_session(key, p))  # type: ignore[misc]
        assert (shortened is True) != isinstance(made, int), (shortened, made)
        with committed.app_context(), bound_scope(Scope.system()):
            outside = text(
                "SELECT count(*) FROM training_session s JOIN component c ON c.id = s.component_id"
                " WHERE s.cancelled_at IS NULL AND (s.starts_on < c.planned_start OR s.ends_on > c.planned_end)"
            )
            assert db.session.scalar(outside) == 0
            db.session.remove()


def test_two_cancellations_leave_one_line(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()), transaction():
        found = make_session()
        key, version, scope = found.id, found.version, Scope.organisation(found.organisation_id)
    outcomes = _together(committed, scope, *[lambda: sessions.cancel_session(key, reason="Doublon", version=version)] * 4)
    assert sorted(outcomes) == [False, False, False, True]
    with committed.app_context(), bound_scope(Scope.system()):
        assert [line.event for line in told(key)] == ["session_created", "session_cancelled"]
        db.session.remove()


# ---- screens ---------------------------------------------------------------------------------------------------------


def test_the_life_of_a_session_on_screen(as_user: AsUser) -> None:
    action = make_action()
    component = component_of(action)
    browser = as_user("principal")
    listed = f"/actions-de-formation/{action.id}/composantes"
    assert "Aucune session" in browser.get(listed).text
    add = f"/actions-de-formation/composantes/{component.id}/sessions/nouvelle"
    assert f'href="{add}"' in browser.get(listed).text
    form = {
        "starts_on": f"{component.planned_start:%d/%m/%Y}", "ends_on": f"{component.planned_end + timedelta(days=1):%d/%m/%Y}",
        "site_id": str(site_of(component)), "places": "12", "registration_terms": "Par téléphone",
    }  # fmt: skip
    wrong = post(browser, add, form)
    assert wrong.status_code == 422
    assert "La composante se termine le" in wrong.text
    assert 'value="Par téléphone"' in wrong.text
    made = post(browser, add, form | {"ends_on": f"{component.planned_end:%d/%m/%Y}"})
    assert made.status_code == 302
    page = made.headers["Location"]
    day = f"{component.planned_start:%d/%m/%Y}"
    meeting = {"held_on": day, "starts_at": "14h30", "place": "Salle A", "text": "Avec un CV"}
    assert post(browser, f"{page}/informations-collectives/nouvelle", meeting).status_code == 302
    twice = post(browser, f"{page}/informations-collectives/nouvelle", meeting)
    assert twice.status_code == 422
    assert "déjà une information collective" in twice.text
    shown = browser.get(page).text
    for word in ("14:30", "Salle A", "Avec un CV", "Par téléphone", "La session 01 / 01 a été créée."):
        assert word in shown, word
    assert day in browser.get(listed).text
    edit = browser.get(f"{page}/modification").text
    hidden = {name: re.search(rf'name="{name}"[^>]*value="([^"]*)"', edit)[1] for name in ("row_version", "row_base")}  # type: ignore[index]
    changed = form | {"ends_on": f"{component.planned_end:%d/%m/%Y}", "places": "8"} | hidden
    assert post(browser, f"{page}/modification", changed).status_code == 302
    assert post(browser, f"{page}/modification", changed | {"places": "9"}).status_code == 409
    version = re.search(r'name="version" value="(\d+)"', browser.get(f"{page}/erreur").text)
    assert version is not None
    assert post(browser, f"{page}/erreur", {"version": version[1], "reason": ""}).status_code == 422
    assert post(browser, f"{page}/erreur", {"version": "1", "reason": "Doublon"}).status_code == 422
    assert post(browser, f"{page}/erreur", {"version": version[1], "reason": "Doublon"}).status_code == 302
    shown = browser.get(page).text
    assert "Doublon" in shown
    assert "/modification" not in shown
    assert post(browser, f"{page}/modification", changed).status_code == 302
    history = browser.get(f"/actions-de-formation/{action.id}/historique").text
    assert "La session 01 / 01 a été annulée : créée par erreur." in history.replace("\u00a0", " ")


def test_a_choice_that_is_refused_is_asked_again_and_overwrites_nobody(as_user: AsUser) -> None:
    """The page shown again holds what was typed first, also where "theirs" was chosen: saved as it is, it must not win in silence."""
    found = make_session()
    component_id, component_days = found.component_id, (found.component.planned_end - found.starts_on).days
    browser, address = as_user("principal"), f"/actions-de-formation/sessions/{found.id}/modification"
    names = ("starts_on", "ends_on", "site_id", "places", "registration_address", "registration_terms", "row_version", "row_base")

    def shown(page: str) -> dict[str, str]:
        values = {name: match[1] for name in names if (match := re.search(rf'name="{name}"[^>]*value="([^"]*)"', page))}
        return {"registration_address": "", "registration_terms": "", **values}

    mine = shown(browser.get(address).text)
    theirs = shown(browser.get(address).text)
    assert post(as_user("secondaire"), address, theirs | {"places": "5", "registration_terms": "Par courriel"}).status_code == 302
    asked = post(browser, address, mine | {"places": "7", "registration_address": "2 rue Neuve", "registration_terms": "Sur place"})
    assert asked.status_code == 409
    carried = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', asked.text))
    ends = "UPDATE component SET planned_end = planned_end + :days WHERE id = :id"
    db.session.execute(text(ends), {"days": -component_days, "id": component_id})
    refused = post(browser, address, carried | {"choice-places": "theirs", "choice-registration_terms": "theirs"})
    assert refused.status_code == 422
    db.session.execute(text(ends), {"days": component_days, "id": component_id})
    again = post(browser, address, shown(refused.text) | {"registration_address": "2 rue Neuve"})
    assert again.status_code == 409, "the page that was refused shows 7 places, and 5 had been chosen"
    assert db.session.scalar(text("SELECT places FROM training_session WHERE id = :id"), {"id": found.id}) == 5


def test_a_meeting_that_somebody_just_changed_is_not_removed(as_user: AsUser) -> None:
    found = make_session()
    meeting = sessions.add_meeting(found.id, meeting_plan(found))
    address = f"/actions-de-formation/informations-collectives/{meeting}"
    browser = as_user("principal")
    version = re.search(r'name="version" value="(\d+)"', browser.get(f"{address}/suppression").text)
    assert version is not None
    page = browser.get(f"{address}/modification").text
    values = dict(re.findall(r'name="(held_on|starts_at|place|row_version|row_base)"[^>]*value="([^"]*)"', page))
    assert post(as_user("secondaire"), f"{address}/modification", values | {"place": "Salle B", "text": ""}).status_code == 302
    stale = browser.post(f"{address}/suppression", data={"csrf_token": token(browser), "version": version[1]}, follow_redirects=True)
    assert "vient de modifier cette information collective" in stale.text
    assert db.session.scalar(text("SELECT place FROM information_meeting WHERE id = :id"), {"id": meeting}) == "Salle B"


@pytest.mark.parametrize(("account", "read", "write"), [
    ("principal", 200, 200), ("secondaire", 200, 200), ("admin", 200, 200), ("region", 200, 403), ("autre-of", 404, 404), ("support", 403, 403),
])  # fmt: skip
def test_who_sees_and_plans_sessions(as_user: AsUser, account: str, read: int, write: int) -> None:
    found = make_session()
    meeting = sessions.add_meeting(found.id, meeting_plan(found))
    browser = as_user(account)
    page = f"/actions-de-formation/sessions/{found.id}"
    assert browser.get(page).status_code == read
    for address in (
        f"{page}/modification", f"{page}/erreur", f"{page}/informations-collectives/nouvelle",
        f"/actions-de-formation/informations-collectives/{meeting}/modification", f"/actions-de-formation/informations-collectives/{meeting}/suppression",
        f"/actions-de-formation/composantes/{found.component_id}/sessions/nouvelle",
    ):  # fmt: skip
        assert browser.get(address).status_code == write, address


def test_the_list_of_sessions_costs_the_same_for_few_and_many(as_user: AsUser) -> None:
    action = make_action()
    address = f"/actions-de-formation/{action.id}/composantes"
    browser = as_user("principal")
    browser.get(address)
    costs = []
    for size in (1, 8):
        for _ in range(size):
            found = make_session(action)
            sessions.add_meeting(found.id, meeting_plan(found))
        with statements() as sent:
            assert browser.get(address).status_code == 200
        costs.append(len(sent))
    assert costs[0] == costs[1]
    assert costs[0] <= 14


def test_dates_of_a_component_are_refused_on_the_screen_of_the_region(as_user: AsUser) -> None:
    found = make_session()
    component = found.component
    browser = as_user("admin")
    address = f"/referentiels/composantes/edit/{component.id}"
    page = browser.get(address).text
    hidden = {name: re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)[1] for name in ("row_version", "row_base")}  # type: ignore[index]
    form = {
        "number": component.number, "title": component.title, "level": "", "certif_info": "", "formacode": "", "hours_centre": "100", "hours_company": "20",
        "places": "12", "planned_start": f"{component.planned_start:%d/%m/%Y}", "planned_end": f"{clock.today():%d/%m/%Y}",
    }  # fmt: skip
    answer = post(browser, address, form | hidden)
    assert answer.status_code == 422
    assert "La session 01 serait hors de ces dates" in answer.text


def test_places_of_a_component_hold_those_enrolled_on_the_screen_of_the_region_too(as_user: AsUser) -> None:
    """The rules of the requests are those of every way; each error stands at the field that was changed."""
    action = make_action()
    component = component_of(action)
    make_enrolment(action, name="UN")
    make_enrolment(action, name="DEUX")
    browser, address = as_user("admin"), f"/referentiels/composantes/edit/{component.id}"
    page = browser.get(address).text
    hidden = {name: re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)[1] for name in ("row_version", "row_base")}  # type: ignore[index]
    form = {
        "number": component.number, "title": component.title, "level": "", "certif_info": "", "formacode": "", "hours_centre": "100", "hours_company": "20",
        "places": "12", "planned_start": f"{component.planned_start:%d/%m/%Y}", "planned_end": f"{component.planned_end:%d/%m/%Y}",
    }  # fmt: skip
    few = post(browser, address, form | hidden | {"places": "1", "planned_start": f"{clock.today():%d/%m/%Y}"})
    assert few.status_code == 422
    assert 'id="places-error"' in few.text
    assert "2 stagiaires sont inscrits" in few.text.replace("\u00a0", " ")
    assert 'id="planned_start-error"' in few.text
    assert 'id="planned_end-error"' not in few.text
    db.session.expire_all()
    assert db.session.get_one(Component, component.id).places == 12
    assert post(browser, address, form | hidden | {"places": "2"}).status_code == 302


def test_all_that_is_wrong_with_a_session_is_said_at_once(as_user: AsUser) -> None:
    component = component_of(make_action())
    address = f"/actions-de-formation/composantes/{component.id}/sessions/nouvelle"
    typed = {
        "starts_on": "01/01/2024", "ends_on": f"{component.planned_end:%d/%m/%Y}", "site_id": str(component.sites[0].id), "places": "-3",
        "registration_address": "x" * 2000,
    }  # fmt: skip
    answer = post(as_user("principal"), address, typed)
    assert answer.status_code == 422
    for name in ("places", "starts_on", "registration_address"):
        assert f'id="{name}-error"' in answer.text, name
    assert "255 caractères au plus" in answer.text.replace("\u00a0", " ")
    assert "2000" in answer.text
    assert "x" * 2000 in answer.text
    assert 'maxlength="255"' not in answer.text


def test_more_places_than_the_component_is_said(as_user: AsUser) -> None:
    component = component_of(make_action())
    browser, address = as_user("principal"), f"/actions-de-formation/composantes/{component.id}/sessions/nouvelle"
    typed = {"starts_on": f"{component.planned_start:%d/%m/%Y}", "ends_on": f"{component.planned_end:%d/%m/%Y}", "site_id": str(component.sites[0].id)}
    made = post(browser, address, typed | {"places": "40"})
    assert made.status_code == 302
    assert "La session a 40 places, sa composante 12" in browser.get(made.headers["Location"]).text.replace("\u00a0", " ")


def test_a_site_where_a_session_takes_place_stays_with_the_component(as_user: AsUser) -> None:
    found = make_session()
    link = db.session.scalars(select(ComponentSite).where(ComponentSite.component_id == found.component_id)).one()
    key, session_id, version = link.id, found.id, found.version
    browser = as_user("admin")
    address = f"/referentiels/sites-des-composantes/delete/{key}"
    answer = post(browser, address)
    assert answer.status_code == 409
    assert "La session 01 a lieu sur ce site" in answer.text
    sessions.cancel_session(session_id, reason="Doublon", version=version)
    assert post(browser, address).status_code == 302
    assert db.session.get(ComponentSite, key) is None


# ---- sites and towns -------------------------------------------------------------------------------------------------


def test_the_region_adds_a_site_and_its_town_is_found(as_user: AsUser) -> None:
    component = component_of(make_action())
    browser = as_user("admin")
    address = f"/actions-de-formation/composantes/{component.id}/sites/nouveau"
    fragment = browser.get("/actions-de-formation/sites/communes?postal_code=34000").text
    assert "<option>Montpellier</option>" in fragment
    assert 'name="insee_code"' in browser.get("/actions-de-formation/sites/communes?postal_code=99999").text
    wrong = post(browser, address, {"name": "CFA du Lez", "postal_code": "34000", "town": "Nîmes"})
    assert wrong.status_code == 422
    assert post(browser, address, {"name": "CFA du Lez", "postal_code": "34000", "town": "montpellier"}).status_code == 302
    site = db.session.scalars(select(Site).where(Site.name == "CFA du Lez")).one()
    assert (site.town, site.insee_code) == ("Montpellier", "34172")
    again = post(browser, address, {"name": "CFA du Lez", "postal_code": "34000", "town": "Montpellier"})
    assert again.status_code == 422
    assert db.session.scalar(select(func.count()).select_from(Site).where(Site.name == "CFA du Lez")) == 1
    by_hand = {"name": "Antenne", "postal_code": "31094", "town": "Ailleurs Cedex", "insee_code": ""}
    assert post(browser, address, by_hand).status_code == 422  # nothing says where it is: an INSEE code has to
    assert post(browser, address, by_hand | {"insee_code": "75056"}).status_code == 422
    assert post(browser, address, by_hand | {"insee_code": "31555"}).status_code == 302
    assert post(browser, address, by_hand | {"name": "Nulle part", "postal_code": "99999", "insee_code": "99999"}).status_code == 422
    assert as_user("principal").get(address).status_code == 403


def test_only_the_first_session_is_proposed_whole(as_user: AsUser) -> None:
    """Back from a session just made, one more click makes no second one."""
    component = component_of(make_action())
    browser = as_user("principal")
    address = f"/actions-de-formation/composantes/{component.id}/sessions/nouvelle"
    assert f'value="{component.planned_start:%d/%m/%Y}"' in browser.get(address).text
    sessions.create_session(component.id, plan_for(component), Registering())
    again = browser.get(address).text
    assert f'value="{component.planned_start:%d/%m/%Y}"' not in again
    assert re.search(r'<form[^>]*autocomplete="off"', again)
    assert post(browser, address, {"site_id": str(component.sites[0].id)}).status_code == 422


def test_a_cedex_is_found_with_its_town(as_user: AsUser) -> None:
    """Guide 001: the export pairs 11108 with INSEE 11262 and writes NARBONNE CEDEX."""
    browser, component = as_user("admin"), component_of(make_action())
    fragment = browser.get("/actions-de-formation/sites/communes?postal_code=11108").text
    assert "<option>NARBONNE CEDEX</option>" in fragment
    address = f"/actions-de-formation/composantes/{component.id}/sites/nouveau"
    assert post(browser, address, {"name": "Université", "postal_code": "11108", "town": "Narbonne Cedex"}).status_code == 302
    site = db.session.scalars(select(Site).where(Site.name == "Université", Site.postal_code == "11108")).one()
    assert (site.town, site.insee_code) == ("NARBONNE CEDEX", "11262")


def test_a_town_chosen_for_another_code_does_not_stay(as_user: AsUser) -> None:
    browser = as_user("admin")
    assert 'value="Montpellier"' not in browser.get("/actions-de-formation/sites/communes?postal_code=99999&town=Montpellier&town_listed=1").text
    assert 'value="Ailleurs"' in browser.get("/actions-de-formation/sites/communes?postal_code=99999&town=Ailleurs").text  # typed by hand


def test_registering_says_where(db_session: Session) -> None:
    component = component_of(make_action())
    key = sessions.create_session(component.id, plan_for(component), Registering("1 rue des Lilas", "Par téléphone"))
    found = db_session.get_one(TrainingSession, key)
    assert (found.registration_address, found.registration_terms) == ("1 rue des Lilas", "Par téléphone")
    assert db_session.scalar(select(func.count()).select_from(InformationMeeting).where(InformationMeeting.session_id == key)) == 0
