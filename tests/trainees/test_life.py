"""What happens to an enrolment, on the real database, and what AGORA's sandbox makes of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.accounts.seeds import ORGANISATION_B
from app.actions import services as actions
from app.actions.domain import BillingPeriod, DeclarationFrequency, ReasonCode
from app.actions.models import Action, Component, ComponentSite
from app.actions.queries import declaration_of
from app.core import clock
from app.core.concurrency import StaleError
from app.core.errors_db import constraint_name
from app.core.extensions import db
from app.core.outbox.models import MessageState
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.partners.agora.port import FileStatus, Outcome
from app.reference.models import ExitReason, Site
from app.trainees import agora, queries, standing
from app.trainees.domain import ProblemCode, Refused
from app.trainees.life import MOVE_REASON, EnrolmentState, InterruptionReason
from app.trainees.models import Enrolment, EnrolmentAct, Interruption
from app.trainees.services import life
from app.trainees.services.enrolment import enrol, record_exit
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_enrolment, make_finished, organisation, plan_of, statements
from tests.architecture.filled import Filled
from tests.trainees.agora_double import AgoraDouble
from tests.trainees.test_services import as_message, enrolment_of, messages_of, state

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

WHY = "Saisie sur le mauvais stagiaire"


@pytest.fixture
def double(tmp_path: Path) -> AgoraDouble:
    return AgoraDouble(tmp_path / "agora")


def ago(days: int) -> date:
    return clock.today() - timedelta(days=days)


def version_of(enrolment_id: int) -> int:
    return db.session.scalars(select(Enrolment.version).where(Enrolment.id == enrolment_id)).one()


def reason_of(code: str = "EMPLOI") -> int:
    return db.session.scalars(select(ExitReason.id).where(ExitReason.code == code)).one()


def interrupt(enrolment_id: int, days: int) -> None:
    life.interrupt(enrolment_id, interrupted_on=ago(days), reason=InterruptionReason.PERSONAL, version=version_of(enrolment_id))


def resume(enrolment_id: int, days: int) -> None:
    life.resume(enrolment_id, resumed_on=ago(days), version=version_of(enrolment_id))


def leave(enrolment_id: int, days: int = 0) -> None:
    record_exit(enrolment_id, actual_end=ago(days), exit_reason_id=reason_of(), version=version_of(enrolment_id))


def undo(enrolment_id: int) -> None:
    life.undo_exit(enrolment_id, reason=WHY, version=version_of(enrolment_id))


def cancel(enrolment_id: int) -> None:
    life.cancel(enrolment_id, reason=WHY, version=version_of(enrolment_id))


def told(enrolment_id: int) -> list[str]:
    return [f"{row.operation} {row.state}" for row in messages_of(enrolment_id)]


def state_now(enrolment_id: int) -> EnrolmentState:
    enrolment = enrolment_of(enrolment_id)
    return standing.state_of(enrolment, enrolment.action.status)


def second_component(action: Action) -> Component:
    component = Component(
        action=action, number="02", title="Autre composante", planned_start=action.planned_start, planned_end=action.planned_end,
        hours_centre=Decimal(50), hours_company=Decimal(0), places=5,
    )  # fmt: skip
    db.session.add(component)
    db.session.flush()
    db.session.add(ComponentSite(component=component, site=db.session.scalars(select(Site).order_by(Site.id)).first()))
    db.session.flush()
    return component


def codes(refusal: Any) -> list[ProblemCode]:
    return [problem.code for problem in refusal.value.problems]


# ---- interruptions -----------------------------------------------------------------------------------------------------


def test_an_interruption_and_a_return_are_one_event_each_in_order(db_session: Session, double: AgoraDouble) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.drain(enrolment_id)
    interrupt(enrolment_id, 15)
    resume(enrolment_id, 10)
    interrupt(enrolment_id, 5)
    leave(enrolment_id)
    double.drain(enrolment_id)
    assert double.wires == ["INTERRUPTION PERSONNEL", "REPRISE", "INTERRUPTION PERSONNEL", "SORTIE EMPLOI"]
    enrolment = enrolment_of(enrolment_id)
    assert (enrolment.agora_status, enrolment.agora_state) == ("exited", "done")
    assert state_now(enrolment_id) is EnrolmentState.LEFT_INTERRUPTED
    assert standing.completion_of(enrolment).away_days == 5 + 6  # the second ended with the exit, its day included


def test_a_second_interruption_or_return_is_refused(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    with pytest.raises(Refused) as refused:
        resume(enrolment_id, 3)
    assert codes(refused) == [ProblemCode.NOT_INTERRUPTED]
    interrupt(enrolment_id, 10)
    with pytest.raises(Refused) as refused:
        interrupt(enrolment_id, 5)
    assert codes(refused) == [ProblemCode.INTERRUPTED]
    with pytest.raises(StaleError):
        life.resume(enrolment_id, resumed_on=ago(3), version=version_of(enrolment_id) - 1)


def test_an_exit_comes_after_what_was_declared(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    interrupt(enrolment_id, 10)
    with pytest.raises(Refused) as refused:
        leave(enrolment_id, 11)
    assert codes(refused) == [ProblemCode.BEFORE_LAST_TOLD]
    leave(enrolment_id, 10)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"interrupted_on": 12, "resumed_on": 6}, "ex_interruption_overlap"),
        ({"interrupted_on": 4, "resumed_on": 4}, "ck_interruption_dates"),
        ({"interrupted_on": 30, "resumed_on": 25}, "ck_interruption_within_path"),
        ({"interrupted_on": -300, "resumed_on": None}, "ck_interruption_within_path"),
    ],
)
def test_the_database_holds_the_dates_of_interruptions(db_session: Session, values: dict[str, int | None], constraint: str) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    interrupt(enrolment_id, 10)
    resume(enrolment_id, 8)
    dates = {name: None if days is None else ago(days) for name, days in values.items()}
    row = Interruption(organisation_id=enrolment_of(enrolment_id).organisation_id, enrolment_id=enrolment_id, reason="SANTE", **dates)
    with pytest.raises(IntegrityError) as refused:
        db_session.add(row)
        db_session.flush()
        db_session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    assert constraint_name(refused.value) == constraint


def test_new_dates_leave_no_interruption_outside_even_by_sql(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    interrupt(enrolment_id, 10)
    with pytest.raises(IntegrityError) as refused:
        db_session.execute(text("UPDATE enrolment SET planned_start = :day WHERE id = :id"), {"day": ago(9), "id": enrolment_id})
        db_session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    assert constraint_name(refused.value) == "ck_interruption_within_path"


def test_two_clicks_on_interrupt_make_one_event(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()), transaction():
        enrolment_id = make_enrolment(make_action(), entered=20)
        holder, version = enrolment_of(enrolment_id).organisation_id, enrolment_of(enrolment_id).version

    def click(_index: int) -> str:
        with committed.app_context(), bound_scope(Scope.organisation(holder)):
            try:
                life.interrupt(enrolment_id, interrupted_on=ago(3), reason=InterruptionReason.HEALTH, version=version)
            except (StaleError, Refused) as refused:
                return type(refused).__name__
            finally:
                db.session.remove()
            return "done"

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(click, range(6)))
    assert outcomes.count("done") == 1
    with committed.app_context(), bound_scope(Scope.system()):
        assert [row.operation for row in messages_of(enrolment_id)] == ["create_file", "interrupt_file"]
        db.session.remove()


def test_another_organisation_does_nothing_to_an_enrolment(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    interrupt(enrolment_id, 9)
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        for act in (
            lambda: life.resume(enrolment_id, resumed_on=ago(1), version=1),
            lambda: life.cancel(enrolment_id, reason=WHY, version=1),
            lambda: life.judge(enrolment_id, outcome=Outcome.FULL, reason=WHY, version=1),
        ):
            with pytest.raises(LookupError):
                act()
        assert db_session.scalars(select(Interruption)).all() == []
    with bound_scope(Scope.support()):
        assert db_session.scalar(text("SELECT count(*) FROM interruption")) == db_session.scalar(text("SELECT count(*) FROM enrolment_act")) == 0


# ---- cancelled exits ---------------------------------------------------------------------------------------------------


def test_an_exit_that_has_not_left_is_taken_back(db_session: Session, double: AgoraDouble) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.drain(enrolment_id)
    leave(enrolment_id)
    undo(enrolment_id)
    assert told(enrolment_id) == ["create_file done", "exit_file cancelled"]
    assert (enrolment_of(enrolment_id).agora_state, enrolment_of(enrolment_id).agora_status) == ("done", "entered")
    interrupt(enrolment_id, 2)
    double.drain(enrolment_id)
    assert double.wires == ["INTERRUPTION PERSONNEL"]


def test_an_exit_that_agora_holds_is_told_cancelled_and_what_follows_too(db_session: Session, double: AgoraDouble) -> None:
    """A file "sortie" takes neither a return nor a second exit: decision 36."""
    enrolment_id = make_enrolment(make_action(), entered=20)
    leave(enrolment_id, 5)
    double.drain(enrolment_id)
    undo(enrolment_id)
    interrupt(enrolment_id, 4)
    resume(enrolment_id, 3)
    leave(enrolment_id, 1)
    double.drain(enrolment_id)
    assert double.wires == [
        "SORTIE EMPLOI", "MODIFICATION SORTIE_ANNULEE", "MODIFICATION INTERRUPTION PERSONNEL", "MODIFICATION REPRISE", "MODIFICATION SORTIE EMPLOI",
    ]  # fmt: skip
    file = double.file_of(enrolment_of(enrolment_id).external_reference)
    assert file is not None
    assert (file.status, file.planned_end) == ("SORTIE", ago(1).isoformat())
    assert state_now(enrolment_id) is EnrolmentState.LEFT


def test_an_exit_whose_answer_was_lost_is_told_whole_before_its_cancellation(db_session: Session, double: AgoraDouble) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.drain(enrolment_id)
    leave(enrolment_id, 5)
    double.step(enrolment_id, lost=True)
    undo(enrolment_id)
    assert told(enrolment_id)[1:] == ["exit_file pending", "undo_exit_file pending"]
    double.drain(enrolment_id)
    assert double.wires == ["SORTIE EMPLOI", "MODIFICATION SORTIE_ANNULEE"]
    assert enrolment_of(enrolment_id).actual_end is None


def test_an_exit_during_an_interruption_gives_it_back(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    interrupt(enrolment_id, 9)
    leave(enrolment_id)
    undo(enrolment_id)
    assert state_now(enrolment_id) is EnrolmentState.INTERRUPTED


def test_an_exit_cancelled_after_the_declaration_withdraws_it(db_session: Session) -> None:
    """The Région enters no exit, and nobody withdraws a declaration: it falls by itself, as its page says."""
    action = make_finished()
    action_id, holder = action.id, action.organisation_id
    enrolment_id = db_session.scalars(select(Enrolment.id).where(Enrolment.action_id == action_id).order_by(Enrolment.id)).first() or 0
    actions.declare_finished(action_id)
    assert declaration_of(action_id) is not None
    with bound_scope(Scope.organisation(holder)):
        undo(enrolment_id)
    assert declaration_of(action_id) is None
    assert state_now(enrolment_id) is EnrolmentState.IN


def test_an_exit_is_not_cancelled_over_another_enrolment_or_outside_the_component(db_session: Session) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action, entered=20)
    leave(enrolment_id, 5)
    component = db_session.scalars(select(Component).where(Component.action_id == action.id)).one()
    again = enrol(enrolment_of(enrolment_id).registration_id, component.id, plan_of(component, entered=2))
    with pytest.raises(Refused) as refused:
        undo(enrolment_id)
    assert codes(refused) == [ProblemCode.ALREADY_ENROLLED]
    cancel(again)
    component.planned_end = clock.today()
    db_session.flush()
    with pytest.raises(Refused) as refused:
        undo(enrolment_id)
    assert codes(refused) == [ProblemCode.ENDS_AFTER_COMPONENT]


def test_why_an_exit_was_cancelled_is_kept_and_never_sent(db_session: Session, double: AgoraDouble) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    leave(enrolment_id)
    double.drain(enrolment_id)
    undo(enrolment_id)
    act = db_session.scalars(select(EnrolmentAct).where(EnrolmentAct.enrolment_id == enrolment_id)).one()
    assert (act.kind, act.reason) == ("undo_exit", WHY)
    assert WHY not in str([row.params for row in messages_of(enrolment_id)])
    assert not db_session.scalar(text("SELECT count(*) FROM audit_entry WHERE table_name = 'enrolment_act' AND after::text LIKE :why"), {"why": f"%{WHY}%"})


# ---- enrolled by mistake -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [False, True])
def test_an_enrolment_made_by_mistake_counts_for_nothing_and_is_made_again(db_session: Session, double: AgoraDouble, sent: bool) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action, entered=20)
    if sent:
        double.drain(enrolment_id)
    cancel(enrolment_id)
    double.drain(enrolment_id)
    enrolment = enrolment_of(enrolment_id)
    assert double.wires == (["ANNULATION ERREUR_INSCRIPTION"] if sent else [])
    assert (enrolment.agora_state, enrolment.agora_status) == (("done", "cancelled") if sent else ("none", None))
    facts = actions.facts_of(action, clock.today(), None)
    assert (facts.enrolled, facts.entered, facts.still_in, facts.first_entry, facts.registered) == (0, 0, 0, None, 1)
    component = db_session.scalars(select(Component).where(Component.action_id == action.id)).one()
    assert queries.enrolments_outside(component.id, clock.today(), clock.today()) == 0
    again = enrol(enrolment.registration_id, component.id, plan_of(component, entered=10))
    double.drain(again)
    assert enrolment_of(again).agora_status == "entered"
    with pytest.raises(Refused) as refused:
        leave(enrolment_id)
    assert codes(refused) == [ProblemCode.ENROLMENT_CANCELLED]


def test_a_creation_whose_answer_was_lost_is_cancelled_behind_it(db_session: Session, double: AgoraDouble) -> None:
    enrolment_id = make_enrolment(make_action())
    double.step(enrolment_id, lost=True)
    cancel(enrolment_id)
    double.drain(enrolment_id)
    assert double.wires == ["ANNULATION ERREUR_INSCRIPTION"]
    assert enrolment_of(enrolment_id).agora_status == "cancelled"


def test_what_was_declared_or_opened_the_action_is_not_cancelled(db_session: Session) -> None:
    action = make_action()
    first, second = (make_enrolment(action, name=f"NOM {index}", entered=4 - index) for index in range(2))
    actions.open_action(action.id, actions.Opening(ago(4), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    with pytest.raises(Refused) as refused:
        cancel(first)
    assert codes(refused) == [ProblemCode.OPENS_ACTION]
    interrupt(second, 2)
    resume(second, 1)
    with pytest.raises(Refused) as refused:
        cancel(second)
    assert codes(refused) == [ProblemCode.SOMETHING_DECLARED]


def test_the_entry_that_opened_the_action_moves_to_a_later_day_on_which_somebody_has_entered(as_user: Any, db_session: Session) -> None:
    """So that a late actual start can be corrected (guide 003 §2): first the entry, then the action. It is still not cancelled."""
    action = make_action()
    enrolment_id = make_enrolment(action, entered=4)
    actions.open_action(action.id, actions.Opening(ago(4), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    browser, address = as_user("principal"), f"/stagiaires/inscription/{enrolment_id}/modification"
    shown = Filled(browser.get(address).text)
    refused = post(browser, address, shown.data(planned_start=[f"{ago(-1):%d/%m/%Y}"]))
    assert refused.status_code == 422 and "au plus tard" in refused.text
    moved = post(browser, address, shown.data(planned_start=[f"{ago(1):%d/%m/%Y}"]), follow_redirects=True)
    assert enrolment_of(enrolment_id).planned_start == ago(1)
    assert "demandez une modification de dates" in moved.text
    with pytest.raises(Refused) as kept:
        cancel(enrolment_id)
    assert codes(kept) == [ProblemCode.OPENS_ACTION]


# ---- change of component -----------------------------------------------------------------------------------------------


def move(enrolment_id: int, component: Component, *, days: int = 3, **changes: Any) -> int:
    plan = plan_of(component, entered=days, **changes)
    return life.move(enrolment_id, component.id, plan, actual_end=ago(days), exit_reason_id=reason_of(MOVE_REASON), version=version_of(enrolment_id))


def test_a_change_of_component_is_an_exit_and_an_enrolment(db_session: Session, double: AgoraDouble) -> None:
    action = make_action()
    target = second_component(action)
    enrolment_id = make_enrolment(action, entered=20)
    entered = move(enrolment_id, target)
    double.drain(enrolment_id)
    double.drain(entered)
    left = enrolment_of(enrolment_id)
    assert double.wires == [f"SORTIE {MOVE_REASON}"]
    assert (left.actual_end, left.agora_status) == (ago(3), "exited")
    assert (enrolment_of(entered).component_id, enrolment_of(entered).agora_status) == (target.id, "entered")
    assert left.agora_number != enrolment_of(entered).agora_number
    assert [act.details for one in (enrolment_id, entered) for act in enrolment_of(one).acts] == [{"to": "02"}, {"from": "01"}]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"planned_start": 5}, ProblemCode.START_BEFORE_EXIT),
        ({"planned_end": -400}, ProblemCode.AFTER_COMPONENT),
        ({"site_id": 999_999}, ProblemCode.SITE_NOT_OF_COMPONENT),
        ({"hours_centre": Decimal(0), "hours_company": Decimal(0)}, ProblemCode.NO_HOURS),
    ],
)
def test_a_change_of_component_that_is_refused_leaves_nothing(db_session: Session, changes: dict[str, Any], code: ProblemCode) -> None:
    action = make_action()
    target = second_component(action)
    enrolment_id = make_enrolment(action, entered=20)
    db_session.commit()
    dated = {name: ago(value) if name.startswith("planned") else value for name, value in changes.items()}
    with pytest.raises(Refused) as refused:
        move(enrolment_id, target, **dated)
    assert codes(refused) == [code]
    assert enrolment_of(enrolment_id).actual_end is None
    assert [row.operation for row in messages_of(enrolment_id)] == ["create_file"]
    assert db_session.scalars(select(Enrolment).where(Enrolment.component_id == target.id)).all() == []


# ---- outcomes and closing ----------------------------------------------------------------------------------------------


def finished(double: AgoraDouble) -> tuple[Action, int]:
    """A running action with one trainee, who left early; AGORA holds the file."""
    action = make_action(start=-60, end=20)
    enrolment_id = make_enrolment(action, entered=20)
    actions.open_action(action.id, actions.Opening(ago(20), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    leave(enrolment_id)
    double.drain(enrolment_id)
    return db.session.get_one(Action, action.id, populate_existing=True), enrolment_id


def test_what_is_told_at_the_closing_is_what_was_corrected(db_session: Session, double: AgoraDouble) -> None:
    action, enrolment_id = finished(double)
    assert standing.outcome_of(enrolment_of(enrolment_id)) is Outcome.PARTIAL
    life.judge(enrolment_id, outcome=Outcome.FULL, reason="Heures rattrapées le soir", version=version_of(enrolment_id))
    assert actions.close_action(action.id)
    double.drain(enrolment_id)
    enrolment = enrolment_of(enrolment_id)
    assert double.wires == ["SORTIE EMPLOI", "CLOTURE TOTALE"]
    assert (enrolment.outcome, enrolment.outcome_corrected, enrolment.agora_status) == ("full", True, "closed_full")
    assert [(act.reason, act.details) for act in enrolment.acts] == [
        ("Heures rattrapées le soir", {"outcome": "full", "before": "partial", "computed": "partial"})
    ]


def test_a_computed_outcome_is_kept_with_the_closing(db_session: Session, double: AgoraDouble) -> None:
    action, enrolment_id = finished(double)
    actions.close_action(action.id)
    double.drain(enrolment_id)
    assert (enrolment_of(enrolment_id).outcome, enrolment_of(enrolment_id).agora_status) == ("partial", "closed_partial")


def test_who_may_correct_an_outcome_and_until_when(db_session: Session, double: AgoraDouble) -> None:
    action, enrolment_id = finished(double)
    actions.declare_finished(action.id)
    with bound_scope(Scope.organisation(action.organisation_id)), pytest.raises(Refused) as refused:
        life.judge(enrolment_id, outcome=Outcome.FULL, reason=WHY, version=version_of(enrolment_id))
    assert codes(refused) == [ProblemCode.DECLARED_FINISHED]
    with bound_scope(Scope.region()):
        life.judge(enrolment_id, outcome=Outcome.NOT_DONE, reason=WHY, version=version_of(enrolment_id))
    actions.close_action(action.id)
    with bound_scope(Scope.region()), pytest.raises(Refused) as refused:
        life.judge(enrolment_id, outcome=Outcome.FULL, reason=WHY, version=version_of(enrolment_id))
    assert codes(refused) == [ProblemCode.NO_MORE_TRAINEE]


def test_a_correction_falls_with_the_exit_it_was_about(db_session: Session, double: AgoraDouble) -> None:
    _action, enrolment_id = finished(double)
    life.judge(enrolment_id, outcome=Outcome.FULL, reason=WHY, version=version_of(enrolment_id))
    undo(enrolment_id)
    leave(enrolment_id)
    assert (enrolment_of(enrolment_id).outcome, standing.outcome_of(enrolment_of(enrolment_id))) == (None, Outcome.PARTIAL)


def test_outcomes_that_were_not_shown_are_not_told(db_session: Session, double: AgoraDouble) -> None:
    from app.trainees.outcomes import mark

    action, enrolment_id = finished(double)
    shown = mark(queries.outcomes_of(action.id))
    life.judge(enrolment_id, outcome=Outcome.FULL, reason=WHY, version=version_of(enrolment_id))
    with pytest.raises(actions.Refused) as refused:
        actions.close_action(action.id, shown=shown)
    assert [reason.code for reason in refused.value.reasons] == [ReasonCode.OUTCOMES_CHANGED]
    assert actions.close_action(action.id, shown=mark(queries.outcomes_of(action.id)))


def test_a_file_closed_before_the_reopening_is_closed_once(db_session: Session, double: AgoraDouble) -> None:
    action, enrolment_id = finished(double)
    actions.close_action(action.id)
    double.drain(enrolment_id)
    actions.reopen_action(action.id, reason="Sortie oubliée")
    assert state_now(enrolment_id) is EnrolmentState.CLOSED
    with pytest.raises(Refused) as refused:
        undo(enrolment_id)
    assert codes(refused) == [ProblemCode.FILE_CLOSED]
    actions.close_action(action.id)
    double.drain(enrolment_id)
    assert double.wires == ["SORTIE EMPLOI", "CLOTURE PARTIELLE"]
    assert enrolment_of(enrolment_id).outcome == "partial"


def test_a_closing_whose_answer_was_lost_is_not_told_twice(db_session: Session, double: AgoraDouble) -> None:
    action, enrolment_id = finished(double)
    actions.close_action(action.id)
    double.step(enrolment_id, lost=True)
    actions.reopen_action(action.id, reason="Sortie oubliée")
    actions.close_action(action.id)
    double.drain(enrolment_id)
    assert double.wires.count("CLOTURE PARTIELLE") == 1
    assert [row.state for row in messages_of(enrolment_id) if row.operation == "close_file"] == [MessageState.DONE]


def test_a_closing_held_back_lets_the_outcome_follow_again(db_session: Session, double: AgoraDouble) -> None:
    action, enrolment_id = finished(double)
    actions.close_action(action.id)
    actions.reopen_action(action.id, reason="Sortie oubliée")
    assert enrolment_of(enrolment_id).outcome is None
    undo(enrolment_id)
    assert state_now(enrolment_id) is EnrolmentState.IN


def test_the_closing_costs_the_same_for_few_and_many(db_session: Session) -> None:
    costs = []
    for people in (2, 9):
        action = make_finished(people=people)
        with statements() as sent:
            actions.close_action(action.id)
        costs.append(len(sent))
    assert costs[0] == costs[1]


# ---- answers -----------------------------------------------------------------------------------------------------------


def test_a_late_answer_overwrites_nothing_newer(db_session: Session, double: AgoraDouble) -> None:
    """The answer to an interruption comes again after the exit was taken."""
    enrolment_id = make_enrolment(make_action(), entered=20)
    interrupt(enrolment_id, 9)
    leave(enrolment_id)
    double.drain(enrolment_id)
    interrupted = as_message(messages_of(enrolment_id)[1])
    number = enrolment_of(enrolment_id).agora_number or ""
    agora.apply_states([(interrupted, state(number, FileStatus.ENTERED, version=2))])
    enrolment = enrolment_of(enrolment_id)
    assert (enrolment.agora_status, enrolment.agora_version, enrolment.agora_state) == ("exited", 3, "done")


def test_the_page_follows_until_the_last_event_is_taken(db_session: Session, double: AgoraDouble) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.drain(enrolment_id)
    interrupt(enrolment_id, 9)
    resume(enrolment_id, 5)
    double.step(enrolment_id)
    assert enrolment_of(enrolment_id).agora_state == "waiting"
    double.step(enrolment_id)
    assert enrolment_of(enrolment_id).agora_state == "done"


def test_the_nir_that_comes_late_brings_the_whole_story(db_session: Session) -> None:
    from app.trainees.services.enrolment import since_entry

    enrolment_id = make_enrolment(make_action(), entered=20, kind="3")
    interrupt(enrolment_id, 15)
    resume(enrolment_id, 10)
    leave(enrolment_id)
    assert messages_of(enrolment_id) == []
    assert [operation for operation, _params in since_entry(enrolment_of(enrolment_id))] == ["interrupt_file", "resume_file", "exit_file"]
