"""Requests against the real database: sending, deciding, races, tenancy, mail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from app.accounts.seeds import ORGANISATION_B
from app.actions.models import Action, Component
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.requests import presenters, queries, services
from app.requests.domain import Field, Key, ObstacleCode, ProblemCode, RequestEvent, RequestKind, RequestState, Target, fingerprint, moved
from app.requests.kinds import KINDS
from app.requests.models import ModificationRequest, ModificationRequestEvent
from tests.actions.helpers import make_action, make_enrolment, organisation, statements
from tests.requests.helpers import END, ENTRY, START, account, ask, components, day, decision, later_end, open_action, reread

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

VALIDATE, REFUSE, CORRECT = RequestEvent.VALIDATE, RequestEvent.REFUSE, RequestEvent.ASK_CORRECTION


def fresh(action_id: int) -> Action:
    return db.session.scalars(select(Action).where(Action.id == action_id).execution_options(populate_existing=True)).one()


def codes(error: pytest.ExceptionInfo[services.Refused]) -> list[ProblemCode]:
    return [problem.code for problem in error.value.problems]


def steps(request_id: int) -> list[tuple[str, str | None, str]]:
    rows = db.session.scalars(select(ModificationRequestEvent).where(ModificationRequestEvent.request_id == request_id).order_by(ModificationRequestEvent.id))
    return [(row.event, row.from_state, row.to_state) for row in rows]


# ---- sending ----------------------------------------------------------------------------------------------------------


def test_a_request_changes_nothing_until_it_is_validated(db_session: Session) -> None:
    action = open_action()
    with bound_scope(Scope.system(), actor_id=account("principal")):
        request_id = ask(action)
    found = reread(request_id)
    assert (found.state, found.motivation, found.sender_name) == (RequestState.PENDING, "Un mois de plus.", "Paule BLANC")
    assert [(change.before, change.after) for change in found.asked] == [(day(END), day(END + 30))] * 2
    assert fresh(action.id).planned_end == day(END)
    assert steps(request_id) == [("send", None, "pending")]


def test_what_is_not_changed_is_not_asked(db_session: Session) -> None:
    action = open_action()
    same = {Key(Target.ACTION, action.id, Field.PLANNED_END): action.planned_end}
    with pytest.raises(services.Refused) as refused:
        ask(action, same)
    assert codes(refused) == [ProblemCode.NOTHING_CHANGED]


def test_a_field_of_another_action_is_no_field_of_this_one(db_session: Session) -> None:
    action, other = open_action(), open_action()
    with pytest.raises(services.Refused) as refused:
        ask(action, later_end(other))
    assert codes(refused) == [ProblemCode.NOTHING_CHANGED]


def test_trainees_stay_inside_the_dates_of_their_component(db_session: Session) -> None:
    """Blocked rather than warned: an enrolment lies within its component, whatever way the dates change."""
    action = open_action(people=3)
    first, second = components(action.id)
    shorter = {Key(Target.COMPONENT, one.id, Field.PLANNED_END): day(END - 1) for one in (first, second)}
    with pytest.raises(services.Refused) as refused:
        ask(action, shorter)
    (problem,) = refused.value.problems
    assert (problem.code, problem.params["count"]) == (ProblemCode.TRAINEES_OUTSIDE, 3)
    assert problem.key == Key(Target.COMPONENT, first.id, Field.PLANNED_END)
    assert ask(action, {Key(Target.COMPONENT, second.id, Field.PLANNED_END): day(END - 1)})


def test_an_actual_start_moved_earlier_lets_the_entry_follow(db_session: Session) -> None:
    action = open_action()
    key = Key(Target.ACTION, action.id, Field.ACTUAL_START)
    starts = {Key(Target.COMPONENT, one.id, Field.PLANNED_START): day(-ENTRY - 1) for one in components(action.id)}
    request_id = ask(action, {key: day(-ENTRY - 1), **starts})
    found = queries.get_request(request_id)
    assert found is not None
    told = presenters.today_of(found)
    assert not told.problems
    assert any("modifiez l’inscription" in one for one in told.remarks), told.remarks
    assert any("facture d’avance" in one for one in told.remarks), told.remarks
    services.decide(request_id, decision(VALIDATE, request_id))
    assert fresh(action.id).actual_start == day(-ENTRY - 1)
    make_enrolment(action, entered=ENTRY + 1)  # who entered that day can be entered now


def test_who_has_left_is_held_to_the_day_they_left(db_session: Session) -> None:
    from tests.actions.test_services import leave

    action = make_action(start=START, end=END)
    leave(make_enrolment(action, entered=ENTRY))
    (component,) = components(action.id)
    assert queries.outside_counts({component.id: (day(-ENTRY), day(0))}) == {}
    assert queries.outside_counts({component.id: (day(-ENTRY), day(-1))}) == {component.id: 1}
    assert queries.outside_counts({component.id: (day(1 - ENTRY), day(0))}) == {component.id: 1}


def test_the_actual_start_is_the_first_entry(db_session: Session) -> None:
    action = open_action()
    first, second = components(action.id)
    key = Key(Target.ACTION, action.id, Field.ACTUAL_START)
    with pytest.raises(services.Refused) as refused:
        ask(action, {key: day(1 - ENTRY), **{Key(Target.COMPONENT, one.id, Field.PLANNED_START): day(1 - ENTRY) for one in (first, second)}})
    assert ProblemCode.ACTUAL_IS_NOT_FIRST_ENTRY in codes(refused)
    db.session.execute(text("UPDATE enrolment SET planned_start = planned_start + 1 WHERE action_id = :id"), {"id": action.id})
    starts = {Key(Target.COMPONENT, one.id, Field.PLANNED_START): day(1 - ENTRY) for one in (first, second)}
    request_id = ask(action, {key: day(1 - ENTRY), **starts})
    services.decide(request_id, decision(VALIDATE, request_id))
    assert fresh(action.id).actual_start == day(1 - ENTRY)
    assert [one.planned_start for one in components(action.id)] == [day(1 - ENTRY)] * 2


@pytest.mark.parametrize("status", ["CL", "AN"])
def test_a_closed_action_takes_no_request(db_session: Session, status: str) -> None:
    action = make_action() if status == "AN" else open_action()
    values = later_end(action)
    closed = ", closed_at = now()" if status == "CL" else ""
    db_session.execute(text(f"UPDATE action SET status = '{status}'{closed} WHERE id = :id"), {"id": action.id})
    with pytest.raises(services.Refused) as refused:
        ask(action, values)
    assert codes(refused) == [ProblemCode.ACTION_OVER]


def test_one_pending_request_for_each_action_and_kind(db_session: Session) -> None:
    action = open_action()
    request_id = ask(action)
    with pytest.raises(services.AlreadyOpen) as already:
        ask(action)
    assert already.value.request_id == request_id
    services.decide(request_id, decision(CORRECT, request_id, observations="Précisez."))
    with pytest.raises(services.AlreadyOpen):
        ask(action)
    services.withdraw(request_id, version=reread(request_id).version)
    assert ask(action) != request_id
    assert ask(open_action())


def test_the_database_refuses_a_second_one_too(db_session: Session) -> None:
    action = open_action()
    first = reread(ask(action))
    double = ModificationRequest(organisation_id=first.organisation_id, action_id=action.id, kind=first.kind, changes=first.changes, motivation="x")
    db_session.add(double)
    with pytest.raises(IntegrityError, match="uq_modification_request_open"):
        db_session.flush()
    db_session.rollback()


@pytest.mark.parametrize(
    "values",
    [
        {"state": "done"}, {"kind": "money"}, {"changes": "[]"}, {"changes": "{}"}, {"state": "refused"}, {"state": "to_correct"}, {"amendment_number": "1"},
        {"state": "validated"},
    ],
)  # fmt: skip
def test_the_database_refuses_what_the_domain_refuses(db_session: Session, values: dict[str, str]) -> None:
    request_id = ask(open_action())
    assignments = ", ".join(f"{name} = '{value}'" for name, value in values.items())
    with pytest.raises(IntegrityError):
        db_session.execute(text(f"UPDATE modification_request SET {assignments} WHERE id = :id"), {"id": request_id})
    db_session.rollback()


# ---- deciding ---------------------------------------------------------------------------------------------------------


def test_validation_applies_everything_with_its_amendment(db_session: Session) -> None:
    action = open_action()
    request_id = ask(action)
    services.decide(request_id, decision(VALIDATE, request_id, amendment_number=" AV-2 "))
    found, first = reread(request_id), components(action.id)[0]
    assert (found.state, found.amendment_number) == (RequestState.VALIDATED, "AV-2")
    assert found.decided_at is not None
    assert (fresh(action.id).planned_end, first.planned_end) == (day(END + 30), day(END + 30))
    assert steps(request_id) == [("send", None, "pending"), ("validate", "pending", "validated")]


@pytest.mark.parametrize("event", [REFUSE, CORRECT])
def test_no_without_observations_is_refused(db_session: Session, event: RequestEvent) -> None:
    request_id = ask(open_action())
    with pytest.raises(services.Blocked) as blocked:
        services.decide(request_id, decision(event, request_id, observations=" "))
    assert [one.code for one in blocked.value.obstacles] == [ObstacleCode.OBSERVATIONS]
    assert reread(request_id).state == RequestState.PENDING


def test_a_refusal_leaves_the_data(db_session: Session) -> None:
    action = open_action()
    request_id = ask(action)
    services.decide(request_id, decision(REFUSE, request_id, observations="Hors délai."))
    assert fresh(action.id).planned_end == day(END)
    assert (reread(request_id).observations, reread(request_id).amendment_number) == ("Hors délai.", None)


def test_sent_back_corrected_and_sent_again(db_session: Session) -> None:
    action = open_action()
    request_id = ask(action)
    services.decide(request_id, decision(CORRECT, request_id, observations="Deux mois, pas un."))
    services.send_again(request_id, services.Asked(later_end(action, 60), "Deux mois."), version=reread(request_id).version)
    found = reread(request_id)
    assert (found.state, found.motivation, found.asked[0].after) == (RequestState.PENDING, "Deux mois.", day(END + 60))
    assert steps(request_id)[1:] == [("ask_correction", "pending", "to_correct"), ("send", "to_correct", "pending")]
    kept = [event for event in queries.history_of(request_id) if event.event == "send"]
    assert kept[0].changes != kept[1].changes
    assert [event.comment for event in kept] == ["Deux mois.", "Un mois de plus."]
    services.decide(request_id, decision(VALIDATE, request_id))
    assert fresh(action.id).planned_end == day(END + 60)


def test_what_moved_since_has_to_be_confirmed(db_session: Session) -> None:
    action = open_action()
    request_id = ask(action)
    with transaction():
        fresh(action.id).planned_end = day(END + 10)
    with pytest.raises(services.Blocked) as blocked:
        services.decide(request_id, decision(VALIDATE, request_id))
    assert [one.code for one in blocked.value.obstacles] == [ObstacleCode.UNCONFIRMED]
    assert fresh(action.id).planned_end == day(END + 10)
    kind = KINDS[RequestKind.DATES]
    seen = fingerprint(moved(reread(request_id).asked, kind.snapshot(fresh(action.id), components(action.id)).values))
    with transaction():
        fresh(action.id).planned_end = day(END + 11)
    with pytest.raises(services.Blocked):  # confirmed for other values
        services.decide(request_id, decision(VALIDATE, request_id, confirmed=seen))
    now = fingerprint(moved(reread(request_id).asked, kind.snapshot(fresh(action.id), components(action.id)).values))
    services.decide(request_id, decision(VALIDATE, request_id, confirmed=now))
    assert fresh(action.id).planned_end == day(END + 30)


def test_rules_are_asked_again_at_validation_and_nothing_is_applied_in_part(db_session: Session) -> None:
    action = open_action()
    second = components(action.id)[1]
    values = {Key(Target.ACTION, action.id, Field.PLANNED_START): day(START - 5), Key(Target.COMPONENT, second.id, Field.PLANNED_START): day(-2)}
    with pytest.raises(services.Refused):
        ask(action, {Key(Target.COMPONENT, second.id, Field.PLANNED_START): day(START - 6)})
    request_id = ask(action, values)
    make_enrolment_on(action, second)
    with pytest.raises(services.Blocked) as blocked:
        services.decide(request_id, decision(VALIDATE, request_id))
    assert [one.problem.code for one in blocked.value.obstacles if one.problem] == [ProblemCode.TRAINEES_OUTSIDE]
    assert fresh(action.id).planned_start == day(START)
    assert components(action.id)[1].planned_start == day(START)


def make_enrolment_on(action: Action, component: Component) -> None:
    """Somebody who entered the component three days ago."""
    from app.reference.models import Site
    from app.trainees.services.enrolment import enrol
    from tests.actions.helpers import make_registration, plan_of

    site_id = db.session.scalars(select(Site.id).order_by(Site.id)).first()
    db.session.execute(
        text("INSERT INTO component_site (organisation_id, component_id, site_id) VALUES (:o, :c, :s)"),
        {"o": action.organisation_id, "c": component.id, "s": site_id},
    )
    enrol(make_registration(action, name="AUTRE"), component.id, plan_of(component, entered=3, site_id=site_id))


def test_a_component_deleted_meanwhile_stops_the_whole(db_session: Session) -> None:
    action = open_action()
    second = components(action.id)[1]
    request_id = ask(action, {**later_end(action), Key(Target.COMPONENT, second.id, Field.PLANNED_END): day(END - 2)})
    db_session.execute(text("DELETE FROM component WHERE id = :id"), {"id": second.id})
    with pytest.raises(services.Blocked) as blocked:
        services.decide(request_id, decision(VALIDATE, request_id))
    assert [one.problem.code for one in blocked.value.obstacles if one.problem] == [ProblemCode.GONE]
    assert fresh(action.id).planned_end == day(END)
    services.decide(request_id, decision(REFUSE, request_id, observations="La composante n’existe plus."))


@pytest.mark.parametrize("event", [VALIDATE, REFUSE, CORRECT])
def test_a_decision_on_another_version_is_told_and_does_nothing(db_session: Session, event: RequestEvent) -> None:
    request_id = ask(open_action())
    stale = services.Decision(event, reread(request_id).version - 1, observations="x")
    with pytest.raises(services.Overtaken):
        services.decide(request_id, stale)
    assert steps(request_id) == [("send", None, "pending")]


def test_what_is_decided_is_decided(db_session: Session) -> None:
    request_id = ask(open_action())
    services.decide(request_id, decision(VALIDATE, request_id))
    for event in (VALIDATE, REFUSE, CORRECT):
        with pytest.raises(services.Overtaken) as late:
            services.decide(request_id, decision(event, request_id, observations="x"))
        assert late.value.state is RequestState.VALIDATED
    with pytest.raises(services.Overtaken):
        services.withdraw(request_id, version=reread(request_id).version)


@pytest.mark.parametrize(
    ("event", "subject"),
    [(VALIDATE, "Demande de modification validée"), (REFUSE, "Demande de modification refusée"), (CORRECT, "Demande de modification à corriger")],
)
def test_the_organisation_is_told_by_mail(db_session: Session, event: RequestEvent, subject: str) -> None:
    from app.core.mail.models import MailMessage

    action = open_action()
    with bound_scope(Scope.system(), actor_id=account("secondaire")):
        request_id = ask(action)
    services.decide(request_id, decision(event, request_id, observations="Voici pourquoi."))
    rows = db_session.scalars(select(MailMessage).where(MailMessage.template == "request_decided", MailMessage.subject.contains(action.number))).all()
    assert [row.subject for row in rows] == [f"{subject} : {action.number}".replace(" :", rows[0].subject[len(subject)] + ":")] * 2
    addresses = set(db_session.scalars(text("SELECT email FROM ab_user WHERE username IN ('principal', 'secondaire')")))
    assert {row.recipient for row in rows} == addresses


def test_the_message_says_what_and_why(db_session: Session, app: Flask) -> None:
    from app.core.mail.services import render

    words = {
        "first_name": "Paule", "last_name": "BLANC", "kind": "Demande de modification de dates", "summary": "Fin : 1 → 2", "action_number": "23C_1",
        "observations": "Parce que.", "amendment_number": "AV-2", "link": "https://portail.example/x",
    }  # fmt: skip
    with app.test_request_context():
        for event in (VALIDATE, REFUSE, CORRECT):
            _subject, content = render("request_decided", {**words, "event": event.value})
            for expected in ("Fin : 1 → 2", "23C_1", "Parce que.", "AV-2", "https://portail.example/x"):
                assert expected.replace(" :", "\u00a0:") in content.text or expected in content.text


# ---- tenancy ----------------------------------------------------------------------------------------------------------


def test_another_organisation_finds_nothing(db_session: Session) -> None:
    action = open_action()
    action_id, request_id = action.id, ask(action)
    version = reread(request_id).version
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        assert queries.get_request(request_id) is None
        assert queries.history_of(request_id) == []
        attempts: list[Callable[[], Any]] = [
            lambda: services.send(action_id, RequestKind.DATES, services.Asked({}, "x")),
            lambda: services.send_again(request_id, services.Asked({}, "x"), version=version),
            lambda: services.withdraw(request_id, version=version),
            lambda: services.decide(request_id, services.Decision(VALIDATE, version, without_letter=True)),
        ]
        for attempt in attempts:
            with pytest.raises(services.RequestNotFound):
                attempt()


def test_the_second_wall(db_session: Session) -> None:
    """Raw SQL of another organisation, and of an account limited to other actions, sees neither the request nor its history."""
    request_id = ask(open_action())
    own = organisation().id

    def seen() -> tuple[Any, ...]:
        counted = "SELECT (SELECT count(*) FROM modification_request WHERE id = :id), (SELECT count(*) FROM modification_request_event WHERE request_id = :id)"
        return tuple(db.session.execute(text(counted), {"id": request_id}).one())

    with bound_scope(Scope.organisation(own)):
        assert seen() == (1, 1)
    for scope in (
        Scope.organisation(organisation(ORGANISATION_B).id), Scope.organisation(own, limited_account=account("secondaire")), Scope.support(),
        Scope.observer(own), Scope.nothing(),
    ):  # fmt: skip
        with bound_scope(scope):
            assert seen() == (0, 0), scope


def test_no_row_points_into_another_organisation(db_session: Session) -> None:
    found = reread(ask(open_action()))
    stranger = ModificationRequest(
        organisation_id=organisation(ORGANISATION_B).id, action_id=found.action_id, kind=found.kind, state="withdrawn", changes=found.changes, motivation="x"
    )
    db_session.add(stranger)
    with pytest.raises(IntegrityError, match="fk_modification_request_action"):
        db_session.flush()
    db_session.rollback()


def test_statements_do_not_grow_with_the_components(db_session: Session) -> None:
    costs = []
    for extra in (0, 6):
        action = open_action()
        for number in range(extra):
            db_session.add(
                Component(action=action, number=f"{number + 10}", title="X", planned_start=day(START), planned_end=day(END), hours_centre=1, hours_company=1)
            )
        db_session.commit()
        values = later_end(action)
        with statements() as sent:
            services.send(action.id, RequestKind.DATES, services.Asked(values, "x"))
        costs.append(len(sent))
    assert costs[0] == costs[1]


# ---- races ------------------------------------------------------------------------------------------------------------


@contextmanager
def own_session(app: Flask, scope: Scope) -> Iterator[None]:
    with app.app_context(), bound_scope(scope):
        try:
            yield
        finally:
            db.session.remove()


def together(app: Flask, *acts: tuple[Scope, Callable[[], Any]]) -> list[Any]:
    """Each act in a thread of its own, at once; what each gave or raised."""
    barrier = Barrier(len(acts))

    def run(one: tuple[Scope, Callable[[], Any]]) -> Any:
        with own_session(app, one[0]):
            barrier.wait(20)
            try:
                return one[1]()
            except (services.AlreadyOpen, services.Overtaken, services.Refused) as error:
                return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.fixture
def stage(committed: Flask) -> tuple[Flask, int, int, dict[Key, Any]]:
    """A committed open action: application, action, organisation, values to ask."""
    with own_session(committed, Scope.system()):
        action = open_action()
        return committed, action.id, action.organisation_id, later_end(action)


def test_many_sendings_at_once_make_one_request(stage: tuple[Flask, int, int, dict[Key, Any]]) -> None:
    app, action_id, organisation_id, values = stage
    scope = Scope.organisation(organisation_id)
    outcomes = together(app, *[(scope, lambda: services.send(action_id, RequestKind.DATES, services.Asked(values, "x")))] * 6)
    assert sum(isinstance(one, int) for one in outcomes) == 1
    assert sum(isinstance(one, services.AlreadyOpen) for one in outcomes) == 5
    with own_session(app, Scope.system()):
        assert db.session.scalar(select(func.count()).select_from(ModificationRequest).where(ModificationRequest.action_id == action_id)) == 1


def pending(stage: tuple[Flask, int, int, dict[Key, Any]]) -> tuple[int, int]:
    app, action_id, organisation_id, values = stage
    with own_session(app, Scope.organisation(organisation_id)):
        request_id = services.send(action_id, RequestKind.DATES, services.Asked(values, "x"))
        return request_id, reread(request_id).version


def test_two_validators_at_once_have_one_outcome(stage: tuple[Flask, int, int, dict[Key, Any]]) -> None:
    app, action_id, _organisation, _values = stage
    request_id, version = pending(stage)
    outcomes = together(
        app,
        (Scope.region(), lambda: services.decide(request_id, services.Decision(VALIDATE, version, without_letter=True))),
        (Scope.region(), lambda: services.decide(request_id, services.Decision(REFUSE, version, observations="Non."))),
    )
    assert [isinstance(one, services.Overtaken) for one in outcomes].count(True) == 1
    with own_session(app, Scope.system()):
        found = reread(request_id)
        validated = outcomes[0] is None
        assert found.state == (RequestState.VALIDATED if validated else RequestState.REFUSED)
        assert fresh(action_id).planned_end == day(END + (30 if validated else 0))
        assert len(steps(request_id)) == 2
        late = next(one for one in outcomes if isinstance(one, services.Overtaken))
        assert late.state.value == found.state


def test_validator_against_withdrawal_has_one_outcome(stage: tuple[Flask, int, int, dict[Key, Any]]) -> None:
    app, action_id, organisation_id, _values = stage
    request_id, version = pending(stage)
    outcomes = together(
        app,
        (Scope.region(), lambda: services.decide(request_id, services.Decision(VALIDATE, version, without_letter=True))),
        (Scope.organisation(organisation_id), lambda: services.withdraw(request_id, version=version)),
    )
    assert [isinstance(one, services.Overtaken) for one in outcomes].count(True) == 1
    with own_session(app, Scope.system()):
        validated = outcomes[0] is None
        assert reread(request_id).state == (RequestState.VALIDATED if validated else RequestState.WITHDRAWN)
        assert fresh(action_id).planned_end == day(END + (30 if validated else 0))


def test_validator_against_a_new_sending_never_deadlocks(stage: tuple[Flask, int, int, dict[Key, Any]]) -> None:
    """The new one comes before the decision (and is refused) or after it (and may be sent); nobody waits for ever."""
    app, action_id, organisation_id, values = stage
    request_id, version = pending(stage)
    again = {key: value.fromordinal(value.toordinal() + 7) for key, value in values.items()}
    outcomes = together(
        app,
        (Scope.region(), lambda: services.decide(request_id, services.Decision(VALIDATE, version, without_letter=True))),
        (Scope.organisation(organisation_id), lambda: services.send(action_id, RequestKind.DATES, services.Asked(again, "x"))),
    )
    assert outcomes[0] is None
    assert isinstance(outcomes[1], int | services.AlreadyOpen)


def test_an_enrolment_under_way_is_seen_by_the_validation(stage: tuple[Flask, int, int, dict[Key, Any]]) -> None:
    """The component is to end earlier while somebody is being enrolled to its end: never both."""
    from app.trainees.domain import Refused as EnrolmentRefused
    from app.trainees.services.enrolment import enrol
    from tests.actions.helpers import make_registration, plan_of

    app, action_id, organisation_id, _values = stage
    with own_session(app, Scope.system()):
        action = fresh(action_id)
        second = components(action_id)[1]
        with transaction():
            site = db.session.scalar(text("SELECT site_id FROM component_site WHERE component_id = :id"), {"id": components(action_id)[0].id})
            db.session.execute(
                text("INSERT INTO component_site (organisation_id, component_id, site_id) VALUES (:o, :c, :s)"),
                {"o": organisation_id, "c": second.id, "s": site},
            )
        registration = make_registration(action, name="TARDIF")
        request_id = ask(action, {Key(Target.COMPONENT, second.id, Field.PLANNED_END): day(END - 20)})
        version, plan, second_id = reread(request_id).version, plan_of(second), second.id

    def validate() -> str:
        try:
            services.decide(request_id, services.Decision(VALIDATE, version, without_letter=True))
        except services.Blocked:
            return "blocked"
        return "validated"

    def enrol_one() -> str:
        try:
            enrol(registration, second_id, plan)
        except EnrolmentRefused:
            return "refused"
        return "enrolled"

    outcomes = together(app, (Scope.region(), validate), (Scope.organisation(organisation_id), enrol_one))
    assert outcomes in (["validated", "refused"], ["blocked", "enrolled"])


def test_the_first_entry_is_read_once_for_a_page(db_session: Session) -> None:
    action = open_action()
    starts = {Key(Target.COMPONENT, one.id, Field.PLANNED_START): day(-ENTRY - 1) for one in components(action.id)}
    request_id = ask(action, {Key(Target.ACTION, action.id, Field.ACTUAL_START): day(-ENTRY - 1), **starts})
    db_session.expire_all()
    found = reread(request_id)
    with statements() as sent:
        today = presenters.today_of(found)
    assert today.remarks, "the entry has to follow"
    assert sum("first_entry" in statement for statement in sent) == 1
