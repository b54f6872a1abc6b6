"""« Réalisations »: files that correct outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text

from app.accounts.models import User
from app.accounts.seeds import ORGANISATION_B
from app.actions import services as actions
from app.actions.models import Component
from app.core.extensions import db
from app.core.matrix.checking import Checker
from app.core.matrix.definition import describe
from app.core.nir import Nir
from app.core.nir.reading import reveal_for_partner
from app.core.tabular import Cell, CellKind
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.imports.domain import FileState
from app.imports.matrices import IMPORTERS
from app.partners.agora.port import Outcome
from app.trainees import labels, standing
from app.trainees.models import Enrolment, EnrolmentAct
from app.trainees.services import life
from app.trainees.services.enrolment import enrol
from tests.actions.helpers import leave, make_action, make_enrolment, make_finished, make_nir, plan_of
from tests.imports.enrolment_files import apply, counts, differences, kept, messages, now, said, sent, told, undo, who, world

if TYPE_CHECKING:
    pass

MATRIX = "realisations"
WHY = "Rattrapage assuré en soirée"


def words(outcome: Outcome) -> str:
    return str(labels.OUTCOME_LABELS[outcome])


def test_an_outcome_is_corrected_with_its_reason_and_comes_back_when_undone(account: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    leave(enrolment_id)
    before, messages_before = world(), told(enrolment_id)
    file = sent(account, MATRIX, who(action, nir, outcome=words(Outcome.FULL), reason=WHY))
    assert (said(file), counts(file)) == ([], {"change": 1})
    assert differences(file) == [(2, [["outcome", words(Outcome.PARTIAL), words(Outcome.FULL)]])]
    assert world() == before
    file = apply(file)
    held = now(enrolment_id)
    assert (file.state, standing.outcome_of(held), held.outcome_corrected) == (FileState.APPLIED, Outcome.FULL, True)
    act = db.session.scalars(select(EnrolmentAct).where(EnrolmentAct.enrolment_id == enrolment_id, EnrolmentAct.kind == "judge")).one()
    assert (act.reason, act.actor_id) == (WHY, account.id)
    assert counts(sent(account, MATRIX, who(action, nir, outcome=words(Outcome.FULL), reason=WHY, first_name="Paul"))) == {"same": 1}
    file = undo(file)
    held = now(enrolment_id)
    assert (kept(file), held.outcome, held.outcome_corrected) == ([], None, False)
    assert told(enrolment_id) == messages_before  # AGORA hears of an outcome at the closing only


def test_an_outcome_that_was_corrected_before_becomes_that_one_again(account: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    leave(enrolment_id)
    life.judge(enrolment_id, outcome=Outcome.NOT_DONE, reason=WHY, version=now(enrolment_id).version)
    file = apply(sent(account, MATRIX, who(action, nir, outcome=words(Outcome.FULL), reason=WHY)))
    undo(file)
    assert (now(enrolment_id).outcome, now(enrolment_id).outcome_corrected) == (Outcome.NOT_DONE, True)


def test_what_is_computed_already_needs_no_reason_and_the_rest_does(account: User) -> None:
    action, numbers = make_action(), [make_nir() for _ in range(5)]
    for index, nir in enumerate(numbers):
        enrolment_id = make_enrolment(action, nir=nir, entered=20)
        if index != 3:
            leave(enrolment_id)
    file = sent(
        account, MATRIX, who(action, numbers[0], outcome=words(Outcome.PARTIAL)), who(action, numbers[1], outcome=words(Outcome.FULL)),
        who(action, numbers[2], outcome=words(Outcome.FULL), reason="court"), who(action, numbers[3], outcome=words(Outcome.FULL), reason=WHY),
        who(action, numbers[4], reason=WHY),
    )  # fmt: skip
    assert said(file) == [(3, "reason"), (4, "reason"), (5, ""), (6, "outcome")]
    assert counts(file) == {"same": 1, "wrong": 4}


def test_the_entry_tells_which_of_several_enrolments(account: User) -> None:
    action, nir = make_action(), make_nir()
    first = make_enrolment(action, nir=nir, entered=20)
    leave(first)
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
    second = enrol(now(first).registration_id, component.id, plan_of(component, entered=0))
    leave(second)
    line = who(action, nir, outcome=words(Outcome.FULL), reason=WHY)
    assert said(sent(account, MATRIX, line)) == [(2, "planned_start")]
    apply(sent(account, MATRIX, {**line, "planned_start": now(first).planned_start.strftime("%d/%m/%Y")}))
    assert (now(first).outcome, now(second).outcome_corrected) == (Outcome.FULL, False)


def test_once_the_action_is_declared_finished_outcomes_are_the_regions(account: User) -> None:
    action = make_finished(people=1)
    enrolment_id = db.session.scalars(select(Enrolment.id).where(Enrolment.action_id == action.id)).one()
    nir = _number(enrolment_id)
    db.session.execute(text("UPDATE trainee SET birth_name = 'NOM' WHERE id = :id"), {"id": now(enrolment_id).registration.trainee_id})
    file = apply(sent(account, MATRIX, who(action, nir, "NOM", outcome=words(Outcome.FULL), reason=WHY)))
    actions.declare_finished(action.id)
    assert said(sent(account, MATRIX, who(action, nir, "NOM", outcome=words(Outcome.NOT_DONE), reason=WHY))) == [(2, "")]
    file = undo(file)
    assert [line for line, _why in kept(file)] == [2]
    assert now(enrolment_id).outcome == Outcome.FULL


def _number(enrolment_id: int) -> Nir:
    trainee = now(enrolment_id).registration.trainee
    with transaction():
        db.session.refresh(trainee, ["nir_ciphertext"])
        return reveal_for_partner([trainee], reason="essai")[trainee.id]


def test_the_same_enrolment_twice_and_another_organisations(account: User) -> None:
    action, nir = make_action(), make_nir()
    leave(make_enrolment(action, nir=nir, entered=20))
    theirs, number = make_action(siret=ORGANISATION_B), make_nir()
    with bound_scope(Scope.organisation(theirs.organisation_id)):
        make_enrolment(theirs, nir=number, entered=20)
    line = who(action, nir, outcome=words(Outcome.FULL), reason=WHY)
    file = sent(account, MATRIX, line, line, who(theirs, number, outcome=words(Outcome.FULL), reason=WHY))
    assert said(file) == [(3, ""), (4, "action_number")]


@pytest.mark.parametrize("matrix", ["inscriptions", "realisations", "sorties"])
def test_each_matrix_describes_itself(account: User, matrix: str) -> None:
    """Every column is read by its form, and the examples are of columns and values that there are."""
    described = {one.column.name: one for one in describe(IMPORTERS[matrix].matrix)}
    assert len(described) == len(IMPORTERS[matrix].matrix.columns)
    of_columns = {name: one.column.example for name, one in described.items() if one.column.example}
    for example in (of_columns, *IMPORTERS[matrix].matrix.examples):
        checker = Checker(IMPORTERS[matrix].matrix)
        read = checker.check([2], {name: [Cell(value, CellKind.TEXT)] for name, value in example.items()})
        assert read.findings == []
    headers = [one.header for one in described.values()]
    assert len(set(headers)) == len(headers)


def test_who_has_not_left_is_told_to_enter_the_exit_and_the_reason_that_lacks(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    file = sent(account, "realisations", who(action, nir, outcome="Non réalisée"))
    assert sorted(said(file)) == [(2, ""), (2, "reason")]
    assert any("saisissez-la d’abord" in message for _line, _column, message in messages(file))


def test_a_number_with_its_key_and_another_key_says_so(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    key = f"{(int(nir.key) % 97) + 1:02d}"
    file = sent(account, "realisations", who(action, nir, outcome="Non réalisée", reason="Erreur de saisie") | {"nir": nir.number + nir.key, "key": key})
    ((line, column, message),) = messages(file)
    assert (line, column) == (2, "key") and "15 caractères, clé comprise" in message and nir.number not in message
