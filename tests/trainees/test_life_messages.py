"""What AGORA is told when several things happen to an enrolment: nothing is lost, nothing differs under the key it left with."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select, text, update

from app.actions import ports
from app.actions import services as actions
from app.actions.domain import BillingPeriod, DeclarationFrequency, MissingKind
from app.core import clock
from app.core.extensions import db
from app.core.outbox.console import mark_settled
from app.core.outbox.errors import Rejected
from app.core.outbox.models import SEALED, MessageState, OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.trainees import queries, reminders
from app.trainees.agora import note_refusals
from app.trainees.answers import answers_told
from app.trainees.domain import IdentitySource, ProblemCode, Refused
from app.trainees.models import Enrolment, Registration, Trainee
from app.trainees.queries import Todo, TraineeFilter
from app.trainees.services import life
from app.trainees.services.correction import settle
from app.trainees.services.enrolment import enrol, resend_refused
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_enrolment, plan_of, statements
from tests.surveys.helpers import answered, job, search
from tests.trainees.agora_double import AgoraDouble
from tests.trainees.test_identity_requests import ask
from tests.trainees.test_life import WHY, ago, cancel, codes, finished, interrupt, leave, second_component, told, undo, version_of
from tests.trainees.test_screens import carried, contact_form, enrolment_form, registration_of
from tests.trainees.test_services import as_message, enrolment_of, messages_of

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    from tests.trainees.test_screens import AsUser


@pytest.fixture
def double(tmp_path: Path) -> AgoraDouble:
    return AgoraDouble(tmp_path / "agora")


def reject(message: OutboxMessage) -> None:
    """As if AGORA had refused it."""
    refusal = {"operation": message.operation, "code": "X", "meaning": "other", "title": "Non", "fields": []}
    message.state, message.last_error_code, message.sent_at = MessageState.REJECTED, "X", clock.now()
    db.session.execute(update(Enrolment).where(Enrolment.id == message.subject_id).values(agora_state="rejected", agora_refusal=refusal))
    db.session.commit()


def change(browser: FlaskClient, enrolment_id: int, **typed: str) -> None:
    """Modify an enrolment on its page."""
    address = f"/stagiaires/inscription/{enrolment_id}/modification"
    form = {**enrolment_form(enrolment_of(enrolment_id)), **typed, **carried(browser.get(address).text)}
    assert post(browser, address, form).status_code == 302


def correct(enrolment_id: int, first_name: str) -> None:
    """Correct the identity of the trainee, as every way to do it does."""
    with transaction():
        registration = db.session.get_one(Registration, enrolment_of(enrolment_id).registration_id)

        def write(trainee: Trainee) -> None:
            trainee.first_name = first_name

        settle(registration.organisation_id, registration.trainee_id, None, write)


# ---- nothing is lost ---------------------------------------------------------------------------------------------------


def test_a_change_is_told_although_another_enrolment_was_refused(as_user: AsUser, double: AgoraDouble) -> None:
    action = make_action()
    other = second_component(action)
    enrolment_id = make_enrolment(action, entered=20)
    double.drain(enrolment_id)
    refused = enrol(registration_of(enrolment_id), other.id, plan_of(other))
    reject(messages_of(refused)[0])
    change(as_user("principal"), enrolment_id)
    assert told(enrolment_id) == ["create_file done", "change_file pending"]
    assert told(refused) == ["create_file pending"], "what was refused leaves again"


def test_a_change_that_was_refused_leaves_again_once(as_user: AsUser, double: AgoraDouble) -> None:
    enrolment_id, browser = make_enrolment(make_action(), entered=20), as_user("principal")
    double.drain(enrolment_id)
    change(browser, enrolment_id)
    reject(messages_of(enrolment_id)[-1])
    change(browser, enrolment_id, hours_centre="78")
    assert told(enrolment_id) == ["create_file done", "change_file pending"]


@pytest.mark.parametrize("refused", [False, True])
def test_a_corrected_identity_is_told_behind_what_is_under_way(db_session: Session, double: AgoraDouble, refused: bool) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.drain(enrolment_id)
    interrupt(enrolment_id, 9)
    if refused:
        reject(messages_of(enrolment_id)[-1])
    correct(enrolment_id, "Jeanne")
    assert told(enrolment_id) == ["create_file done", "interrupt_file pending", "change_file pending"]


# ---- a closing under way -----------------------------------------------------------------------------------------------


def test_nothing_happens_behind_a_closing_that_left(db_session: Session, double: AgoraDouble) -> None:
    """The action is reopened while AGORA may have closed the file: it takes nothing more of it."""
    action, enrolment_id = finished(double)
    actions.close_action(action.id)
    double.step(enrolment_id, lost=True)
    actions.reopen_action(action.id, reason="Sortie oubliée")
    with pytest.raises(Refused) as refused:
        undo(enrolment_id)
    assert codes(refused) == [ProblemCode.CLOSING_AWAITED]
    correct(enrolment_id, "Jeanne")
    assert told(enrolment_id) == ["create_file done", "exit_file done", "close_file pending"]


# ---- the same words under the same key ---------------------------------------------------------------------------------


def test_an_interruption_told_again_says_the_end_of_before(as_user: AsUser, double: AgoraDouble) -> None:
    """A file "sortie" is told the interruption by a modification, which brings the planned end."""
    enrolment_id = make_enrolment(make_action(), entered=20)
    leave(enrolment_id, 5)
    double.drain(enrolment_id)
    undo(enrolment_id)
    double.drain(enrolment_id)
    interrupt(enrolment_id, 4)
    double.step(enrolment_id, lost=True)
    ends = enrolment_of(enrolment_id).planned_end - timedelta(days=3)
    change(as_user("principal"), enrolment_id, planned_end=f"{ends:%d/%m/%Y}")
    double.drain(enrolment_id)
    file = double.file_of(enrolment_of(enrolment_id).external_reference)
    assert file is not None
    assert (double.wires.count("MODIFICATION INTERRUPTION PERSONNEL"), file.planned_end) == (1, ends.isoformat())


@pytest.mark.parametrize("meanwhile", ["a day", "a change", "the sheet"])
def test_a_change_told_again_is_taken(as_user: AsUser, double: AgoraDouble, monkeypatch: pytest.MonkeyPatch, meanwhile: str) -> None:
    enrolment_id, browser = make_enrolment(make_action(), entered=20), as_user("principal")
    double.drain(enrolment_id)
    change(browser, enrolment_id)
    double.step(enrolment_id, lost=True)
    if meanwhile == "a day":
        tomorrow = clock.now() + timedelta(days=1)
        monkeypatch.setattr(clock, "now", lambda: tomorrow)
    elif meanwhile == "a change":
        change(browser, enrolment_id, hours_centre="78")
    else:
        address = f"/stagiaires/fiche/{registration_of(enrolment_id)}/coordonnees"
        assert post(browser, address, contact_form(email="autre@exemple.fr", **carried(browser.get(address).text))).status_code == 302
    double.drain(enrolment_id)
    assert enrolment_of(enrolment_id).agora_state == "done"


def close_of(enrolment_id: int) -> dict[str, Any]:
    return db.session.scalars(select(OutboxMessage.params).where(OutboxMessage.id == messages_of(enrolment_id)[-1].id)).one()


def test_a_closing_told_again_says_the_answers_of_its_first_try(db_session: Session, double: AgoraDouble) -> None:
    action, enrolment_id = finished(double)
    answered(enrolment_id, job())
    actions.close_action(action.id)
    double.step(enrolment_id, lost=True)
    assert "EMPLOI" not in str(close_of(enrolment_id)), "sealed"
    assert SEALED in close_of(enrolment_id)
    answered(enrolment_id, search())
    double.drain(enrolment_id)
    assert double.wires[-1] == "CLOTURE PARTIELLE"
    assert enrolment_of(enrolment_id).agora_status == "closed_partial"
    assert SEALED not in close_of(enrolment_id)


def test_answers_are_kept_no_longer_than_the_closing_that_takes_them(db_session: Session, double: AgoraDouble) -> None:
    action, enrolment_id = finished(double)
    answered(enrolment_id, job())
    actions.close_action(action.id)
    double.step(enrolment_id, lost=True)
    mark_settled([messages_of(enrolment_id)[-1].id], reason="réglé par téléphone")
    db_session.expire_all()
    assert SEALED not in close_of(enrolment_id)


# ---- enrolled by mistake -----------------------------------------------------------------------------------------------


def test_who_was_only_enrolled_by_mistake_lacks_nothing(db_session: Session) -> None:
    action = make_action(esf=True)
    enrolment_id = make_enrolment(action, kind="7", source=IdentitySource.TYPED)
    registration_id = registration_of(enrolment_id)
    db_session.execute(text("UPDATE registration SET esf_state = 'later', esf_parent_abroad = NULL, created_at = now() - interval '40 days' WHERE id = :id"), {"id": registration_id})
    db_session.expire_all()

    def found() -> tuple[Any, ...]:
        lists = [queries.list_registrations(TraineeFilter(todo=todo), action_id=action.id).rows for todo in (Todo.NIA, Todo.ESF)]
        waiting = dict(reminders._waiting(clock.now())).get(action.organisation_id, 0)
        return tuple(map(len, lists)), queries.esf_rate(action.id).incomplete, waiting, queries.todo_counts().nia

    (_lists, _rate, waiting, nia) = found()
    assert found()[:2] == ((1, 1), 1)
    cancel(enrolment_id)
    assert found() == ((0, 0), 0, waiting - 1, nia - 1)


def test_the_entries_that_opened_the_action_are_not_cancelled_together(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()), transaction():
        action = make_action()
        pair = [make_enrolment(action, name=f"NOM {index}") for index in range(2)]
        actions.open_action(action.id, actions.Opening(ago(4), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
        holder = action.organisation_id
    first_done, second_done = threading.Event(), threading.Event()
    said: dict[int, str] = {}

    def one(index: int) -> None:
        with committed.app_context(), bound_scope(Scope.organisation(holder)):
            try:
                if index:
                    first_done.wait(20)
                with transaction():
                    life.cancel(pair[index], reason=WHY, version=version_of(pair[index]))
                    if not index:
                        first_done.set()
                        second_done.wait(2)  # the other would be through by then, did it not wait for this commit
                said[index] = "done"
            except Refused as refused:
                said[index] = refused.problems[0].code
            finally:
                (second_done if index else first_done).set()
                db.session.remove()

    threads = [threading.Thread(target=one, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert said == {0: "done", 1: ProblemCode.OPENS_ACTION}


# ---- pages of the end --------------------------------------------------------------------------------------------------


def test_outcomes_are_read_only_where_they_are_shown(as_user: AsUser, double: AgoraDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    action, enrolment_id = finished(double)
    action_id, asked = action.id, []
    outcomes = ports.outcomes
    monkeypatch.setattr(ports, "outcomes", lambda one: asked.append(one.id) or outcomes(one))
    region = as_user("admin")
    assert region.get(f"/actions-de-formation/{action_id}/cloture").status_code == 200
    assert asked == [action_id]
    undo(enrolment_id)
    assert region.get(f"/actions-de-formation/{action_id}/cloture").status_code == 200
    assert asked == [action_id], "somebody is still there: the page says so, and no more"


# ---- words -------------------------------------------------------------------------------------------------------------


def test_a_refused_interruption_says_what_to_do(as_user: AsUser, double: AgoraDouble) -> None:
    """No page corrects it: none is offered, and the sheet says who settles it."""
    enrolment_id, browser = make_enrolment(make_action(), entered=20), as_user("principal")
    double.drain(enrolment_id)
    interrupt(enrolment_id, 9)
    reject(messages_of(enrolment_id)[-1])
    fields = '[{"path": "date", "message": "Trop tard"}]'
    db.session.execute(text("UPDATE enrolment SET agora_refusal = agora_refusal || jsonb_build_object('fields', CAST(:f AS jsonb)) WHERE id = :id"),
                       {"f": fields, "id": enrolment_id})  # fmt: skip
    page = browser.get(f"/stagiaires/fiche/{registration_of(enrolment_id)}").text
    assert "Premier jour d’absence" in page
    assert "Corriger : premier jour" not in page
    assert "adressez-vous à l’assistance, qui le règle avec AGORA" in page


@pytest.mark.parametrize(("act", "typed", "words"), [
    ("interruption", {"interrupted_on": 30, "reason": "SANTE"}, "saisissez ce jour-là, ou un jour plus tard"),
    ("reprise", {"resumed_on": 9}, "saisissez un jour plus tard pour la reprise"),
])  # fmt: skip
def test_a_refused_day_says_which_one_to_enter(as_user: AsUser, act: str, typed: dict[str, Any], words: str) -> None:
    enrolment_id, browser = make_enrolment(make_action(), entered=20), as_user("principal")
    if act == "reprise":
        interrupt(enrolment_id, 9)
    address = f"/stagiaires/inscription/{enrolment_id}/{act}"
    page = browser.get(address).text
    assert "adressez-vous à l’assistance" in page
    posted = {name: f"{ago(value):%d/%m/%Y}" if isinstance(value, int) else value for name, value in typed.items()}
    answer = post(browser, address, {**posted, "version": str(version_of(enrolment_id))})
    assert answer.status_code == 422
    assert words in answer.text


# ---- what a forgetful writer changes -----------------------------------------------------------------------------------


def test_a_creation_tried_again_is_taken_whoever_changed_what_it_says(db_session: Session, double: AgoraDouble) -> None:
    """A component renamed, an identity that another registration corrected: the key follows, and AGORA answers that the file exists."""
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.step(enrolment_id, lost=True)
    enrolment = enrolment_of(enrolment_id)
    enrolment.component.title = "Autre intitulé"
    enrolment.registration.trainee.first_name = "Jeanne"
    db.session.commit()
    double.drain(enrolment_id)
    double.check_keys()
    assert [double.tries[0][1] == key for _id, key, _digest in double.tries] == [True, False]
    assert enrolment_of(enrolment_id).agora_state == "done"
    assert len(double.store.files) == 1


def test_a_change_tried_again_is_taken_with_another_identity(db_session: Session, double: AgoraDouble) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.drain(enrolment_id)
    correct(enrolment_id, "Jeanne")
    double.step(enrolment_id, lost=True)
    correct(enrolment_id, "Anne")
    double.drain(enrolment_id)
    assert double.check_keys()["renewed"] == 1
    assert told(enrolment_id) == ["create_file done", "change_file done", "change_file done"]


@pytest.mark.parametrize("refused", [False, True])
def test_a_corrected_identity_is_told_ahead_of_a_closing_that_agora_has_not(db_session: Session, double: AgoraDouble, refused: bool) -> None:
    action, enrolment_id = finished(double)
    actions.close_action(action.id)
    said = close_of(enrolment_id)
    if refused:
        reject(messages_of(enrolment_id)[-1])
    correct(enrolment_id, "Jeanne")
    assert told(enrolment_id)[2:] == ["close_file cancelled", "change_file pending", "close_file pending"]
    assert close_of(enrolment_id) == said
    assert (enrolment_of(enrolment_id).agora_state, enrolment_of(enrolment_id).agora_refusal) == ("waiting", None)
    double.drain(enrolment_id)
    assert double.wires[-2:] == ["MODIFICATION", "CLOTURE PARTIELLE"]
    assert enrolment_of(enrolment_id).agora_state == "done"


def test_a_creation_under_way_is_followed_by_the_change_then_the_closing(db_session: Session, double: AgoraDouble) -> None:
    action = make_action(start=-60, end=0)
    enrolment_id = make_enrolment(action, entered=20)
    double.step(enrolment_id, lost=True)
    actions.open_action(action.id, actions.Opening(ago(20), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    leave(enrolment_id)
    actions.close_action(action.id)
    correct(enrolment_id, "Jeanne")
    assert told(enrolment_id) == ["create_file pending", "exit_file pending", "close_file cancelled", "change_file pending", "close_file pending"]
    double.drain(enrolment_id)
    assert double.wires == ["SORTIE EMPLOI", "MODIFICATION", "CLOTURE TOTALE"]


def test_no_change_goes_behind_a_closing_whose_answer_is_awaited(db_session: Session, double: AgoraDouble) -> None:
    """Whether a creation or a file is under way: AGORA takes nothing more."""
    action, enrolment_id = finished(double)
    actions.close_action(action.id)
    double.step(enrolment_id, lost=True)
    correct(enrolment_id, "Jeanne")
    assert told(enrolment_id) == ["create_file done", "exit_file done", "close_file pending"]
    double.drain(enrolment_id)
    assert enrolment_of(enrolment_id).agora_state == "done"


def test_messages_are_locked_once_and_in_their_order(db_session: Session, double: AgoraDouble) -> None:
    """Creations first, then all: two people could each hold what the other waits for."""
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.step(enrolment_id, lost=True)
    with statements() as made:
        correct(enrolment_id, "Jeanne")
    assert len([one for one in made if "FROM outbox_message" in one and "FOR UPDATE" in one and "state IN" in one]) == 1


# ---- what an enrolment awaits once its messages are settled ------------------------------------------------------------


def test_a_cancelled_enrolment_whose_creation_was_settled_awaits_nothing(as_user: AsUser, double: AgoraDouble) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action, entered=20)
    before = queries.entry_facts(action.id, clock.today()).missing
    double.step(enrolment_id, lost=True)
    cancel(enrolment_id)
    assert MissingKind.AGORA_NUMBER in [one.kind for one in before]
    assert MissingKind.AGORA_NUMBER not in [one.kind for one in queries.entry_facts(action.id, clock.today()).missing]
    assert enrolment_of(enrolment_id).agora_state == "waiting"
    mark_settled([one.id for one in messages_of(enrolment_id)], reason="réglé par téléphone")
    db.session.expire_all()
    assert enrolment_of(enrolment_id).agora_state == "none"


def test_answers_are_sealed_in_one_statement(db_session: Session) -> None:
    action = make_action(start=-60, end=0)
    ids = [make_enrolment(action, name=f"NOM{number}", entered=20) for number in range(4)]
    actions.open_action(action.id, actions.Opening(ago(20), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    for one in ids:
        leave(one)
    actions.close_action(action.id)
    taken = "UPDATE enrolment SET agora_number = (88000000 + id)::text, agora_status = 'exited', agora_version = 2 WHERE id = ANY(:ids)"
    db.session.execute(text(taken), {"ids": ids})
    closings = [as_message(row) for one in ids for row in messages_of(one) if row.operation == "close_file"]
    executions: list[int] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, executemany: bool) -> None:
        if statement.lstrip().startswith("UPDATE outbox_message"):
            executions.append(len(parameters) if executemany else 1)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        answers_told(closings)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert (len(closings), executions) == (4, [1])


def test_the_decision_page_says_that_a_closing_left(as_user: AsUser, double: AgoraDouble) -> None:
    action, enrolment_id = finished(double)
    address = ask(as_user("principal"), registration_of(enrolment_id)).headers["Location"]
    actions.close_action(action.id)
    region = as_user("admin")
    words = "n’est pas dite pour ce dossier"
    assert words not in region.get(address).text, "the closing has not left: the change goes ahead of it"
    double.step(enrolment_id, lost=True)
    assert words in region.get(address).text
    double.drain(enrolment_id)
    assert words not in region.get(address).text


def test_what_an_enrolment_awaits_is_said_again_once(db_session: Session, double: AgoraDouble) -> None:
    """Settling a message says it: the act that settles does not say it a second time."""
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.drain(enrolment_id)
    leave(enrolment_id)
    with statements() as made:
        undo(enrolment_id)
    assert len([one for one in made if "SET agora_state = said.state" in one]) == 1
    assert enrolment_of(enrolment_id).agora_state == "done"


def test_the_plan_reads_its_row_once_before_the_locks(as_user: AsUser, double: AgoraDouble) -> None:
    enrolment_id, browser = make_enrolment(make_action(), entered=20), as_user("principal")
    with statements() as made:
        change(browser, enrolment_id)
    assert not [one for one in made if one.startswith("SELECT enrolment.action_id \nFROM")]
    assert not [one for one in made if one.startswith("SELECT enrolment.planned_start \nFROM")]


def test_the_page_of_a_cancelled_exit_says_that_the_declaration_falls(as_user: AsUser, double: AgoraDouble) -> None:
    """In one paragraph: a text translated late is no list of letters."""
    _action, enrolment_id = finished(double)
    page = as_user("principal").get(f"/stagiaires/inscription/{enrolment_id}/annulation-sortie").text
    assert "cette déclaration tombe : elle est à refaire après la nouvelle sortie" in page.replace("\u00a0", " ").replace("\u202f", " ")


def test_a_key_that_agora_says_served_already_is_not_used_again(db_session: Session, double: AgoraDouble) -> None:
    """What the catalogue of codes promises of sending it again."""
    enrolment_id = make_enrolment(make_action(), entered=20)
    double.step(enrolment_id, lost=True)
    [message] = messages_of(enrolment_id)
    note_refusals([(as_message(message), Rejected("CLE_REUTILISEE", "Déjà servie."))])
    reject(message)
    resend_refused(registration_of(enrolment_id))
    double.drain(enrolment_id)
    keys, bodies = {key for _id, key, _digest in double.tries}, {digest for _id, _key, digest in double.tries}
    assert (len(keys), len(bodies)) == (2, 1)
    assert enrolment_of(enrolment_id).agora_state == "done"
