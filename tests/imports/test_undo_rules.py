"""Undoing follows the rules of the pages; what stays is foreseen as it is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, select, text, update

from app.accounts.models import User
from app.actions import services as actions
from app.actions.domain import ActionStatus, BillingPeriod, DeclarationFrequency
from app.actions.models import Action, Component, ComponentSite
from app.core import clock
from app.core.extensions import db
from app.core.outbox.models import OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.imports import outcome, queries
from app.imports.domain import FileState
from app.imports.models import ImportFile
from app.partners.agora.port import Outcome
from app.trainees import labels
from app.trainees.life import InterruptionReason
from app.trainees.matrices.trainees_undo import BUILT_ON_SHEET, SPEAKS_OF_PERSON
from app.trainees.models import Enrolment, Registration, Trainee
from app.trainees.repair.models import NumberRepair, NumberRepairLine
from app.trainees.services import identity_requests
from app.trainees.services.enrolment import enrol
from tests.actions.helpers import leave, make_action, make_enrolment, make_nir, make_person, make_registration, plan_of, statements
from tests.imports.enrolment_files import day, enrolments_on, kept, now, sent, who, world
from tests.imports.helpers import apply, csv_of, file_now, row_of, send, undo

if TYPE_CHECKING:
    from flask.testing import FlaskClient

PLAN = {"planned_start": day(-4), "planned_end": day(100), "hours_centre": "70", "hours_company": "30,5"}
EXIT = {"nature": "Sortie", "exit_reason_id": "Accès à l’emploi", "actual_end": day(-1)}
CORRECTION = {"nature": "Rectification", "planned_end": day(50)}
WHY = "Rattrapage assuré en soirée"
MATRICES = ("stagiaires", "inscriptions", "realisations", "sorties")


def changing(number: int, **cells: str) -> dict[str, str]:
    """A line that says something else of this sheet."""
    sheet = db.session.get_one(Registration, number, populate_existing=True)
    person = sheet.trainee
    names = {"birth_name": person.birth_name, "first_name": person.first_name, "birth_date": person.birth_date.strftime("%d/%m/%Y")}
    return {"action_number": sheet.action.number, **names, **cells}


def of_sheets(account: User, *rows: dict[str, str]) -> ImportFile:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return send(account, csv_of([dict.fromkeys(columns, "") | row for row in rows], columns=columns))


def applied(account: User, matrix: str, action: Action) -> ImportFile:
    """A file of two lines on an action: each does another act that undoing takes back."""
    first, second = make_nir(), make_nir()
    if matrix == "stagiaires":
        number = make_registration(action, nir=first)
        changed = changing(number, email="neuf@exemple.fr", mobile="06 99 88 77 66", postal_code="34000", town="Montpellier", other_information="Dit")
        return apply(of_sheets(account, changed, row_of(action, second)))
    if matrix == "inscriptions":
        make_registration(action, nir=first)
        make_enrolment(action, nir=second, entered=20)
        return apply(sent(account, matrix, who(action, first, **PLAN), who(action, second, **PLAN | {"planned_start": ""}, first_name="Paul")))
    enrolled = [make_enrolment(action, nir=nir, entered=20) for nir in (first, second)]
    if matrix == "realisations":
        for number in enrolled:
            leave(number)
        words = str(labels.OUTCOME_LABELS[Outcome.FULL])
        return apply(sent(account, matrix, *(who(action, nir, outcome=words, reason=WHY) for nir in (first, second))))
    return apply(sent(account, matrix, who(action, first, **EXIT), who(action, second, **CORRECTION)))


def end(action: Action, status: ActionStatus) -> None:
    """The action is over, whoever ended it and how."""
    values: dict[str, Any] = {"status": status.value}
    if status is ActionStatus.CLOSED:
        values |= {"closed_at": clock.now(), "actual_start": action.planned_start, "declaration_frequency": "monthly", "billing_period": "quarterly"}
    db.session.execute(update(Action).where(Action.id == action.id).values(values).execution_options(synchronize_session=False))
    db.session.expire_all()


def foreseen(account: User, file: ImportFile) -> list[list[Any]]:
    """What the page says before, as it is kept afterwards."""
    limited = account.id if account.limited_to_actions else None
    with bound_scope(Scope.organisation(file.organisation_id, limited_account=limited), actor_id=account.id):
        return [[one.line, one.subject, one.subject_id, one.why] for one in outcome.foresee(db.session.get_one(ImportFile, file.id))]


# ---- actions that are over -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [ActionStatus.CLOSED, ActionStatus.CANCELLED])
@pytest.mark.parametrize("matrix", MATRICES)
def test_nothing_is_undone_on_an_action_that_is_over(account: User, matrix: str, status: ActionStatus) -> None:
    action = make_action()
    file = applied(account, matrix, action)
    assert (file.state, (file.counts or {})["create"] + (file.counts or {})["change"]) == (FileState.APPLIED, 2), queries.kinds_of(file.id)
    end(action, status)
    before, expected = world(), foreseen(account, file)
    file = undo(file_now(file.id))
    assert (file.state, file.kept) == (FileState.UNDONE, 2)
    assert queries.kept_of(file.id) == expected
    assert [line for line, _why in kept(file)] == [2, 3]
    assert all("no longer be modified" in why or "ne peuvent plus être modifiés" in why for _line, why in kept(file))
    assert world() == before


def test_what_is_on_an_open_action_is_undone_beside_what_is_on_a_closed_one(account: User) -> None:
    """Somebody whom the file made is on both: the sheet on the open one goes, the person stays with the other."""
    opened, closed, nir = make_action(), make_action(), make_nir()
    file = apply(send(account, csv_of([row_of(opened, nir), row_of(closed, nir)])))
    end(closed, ActionStatus.CLOSED)
    expected = foreseen(account, file)
    file = undo(file_now(file.id))
    assert (file.state, queries.kept_of(file.id)) == (FileState.UNDONE, expected)
    left = db.session.scalars(select(Registration).join(Trainee, Trainee.id == Registration.trainee_id).where(Trainee.birth_name == "Essai")).one()
    assert ([line for line, *_more in expected], left.action_id) == ([3], closed.id)


def test_the_page_says_it_before_and_after(account: User, principal: FlaskClient) -> None:
    action = make_action()
    file = applied(account, "stagiaires", action)
    end(action, ActionStatus.CLOSED)
    said = "ses stagiaires ne peuvent plus être modifiés"
    page = principal.get(f"/imports/fichier/{file.id}/annuler").get_data(as_text=True)
    assert page.count(said) == 2 and "Rien de cet import ne peut être annulé" in page
    undo(file_now(file.id))
    assert principal.get(f"/imports/fichier/{file.id}?voir=kept").get_data(as_text=True).count(said) == 2


def test_the_actions_of_sheets_are_held_at_once(account: User) -> None:
    """Neither opened nor closed while their sheets are taken back; in one statement, however many they are."""
    found = []
    for size in (1, 12):
        file = apply(send(account, csv_of([row_of(make_action(), make_nir()) for _number in range(size)])))
        with statements() as asked:
            undo(file)
        assert [" FOR SHARE" in one for one in asked if "FROM action " in one.replace("\n", " ") and "FOR " in one] == [True]
        found.append(len(asked))
    assert found[1] <= found[0]


# ---- what the use cases refuse -------------------------------------------------------------------------------------------


def _opened(action: Action) -> None:
    opening = actions.Opening(clock.today() - timedelta(days=4), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY)
    actions.open_action(action.id, opening)
    db.session.expire_all()


def _shorter(action: Action) -> None:
    """The component ends sooner than the enrolments that the file found there."""
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
    db.session.execute(update(Component).where(Component.id == component.id).values(planned_end=clock.today() + timedelta(days=60)))
    db.session.expire_all()


def _elsewhere(action: Action) -> None:
    """The component has lost its site."""
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
    db.session.execute(delete(ComponentSite).where(ComponentSite.component_id == component.id).execution_options(synchronize_session=False))
    db.session.expire_all()


def _closing_left(action: Action) -> None:
    for number in enrolments_on(action):
        message = select(OutboxMessage.id).where(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == number).limit(1).scalar_subquery()
        values = {"operation": "close_file", "sent_at": clock.now()}
        db.session.execute(update(OutboxMessage).where(OutboxMessage.id == message).values(values).execution_options(synchronize_session=False))


def _closed_at_agora(action: Action) -> None:
    db.session.execute(
        text("UPDATE enrolment SET agora_status = 'closed_full', agora_number = id::text WHERE action_id = :id"), {"id": action.id}
    )
    db.session.expire_all()


def _back_again(action: Action) -> None:
    """Who left by the file was enrolled on the component again."""
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
    for number in enrolments_on(action):
        if now(number).actual_end is not None:
            enrol(now(number).registration_id, component.id, plan_of(component, entered=0))


def _declared(action: Action) -> None:
    db.session.execute(
        text("INSERT INTO finish_declaration (organisation_id, action_id, declared_at) VALUES (:organisation, :action, now())"),
        {"organisation": action.organisation_id, "action": action.id},
    )


@pytest.mark.parametrize(
    ("matrix", "since", "lines"),
    [
        ("inscriptions", None, []), ("realisations", None, []), ("sorties", None, []), ("inscriptions", _shorter, [3]), ("sorties", _shorter, [2, 3]),
        ("inscriptions", _elsewhere, [3]), ("inscriptions", _closing_left, [2, 3]), ("sorties", _closing_left, [2, 3]),
        ("realisations", _closing_left, [2, 3]), ("sorties", _closed_at_agora, [2, 3]), ("realisations", _closed_at_agora, [2, 3]),
        ("sorties", _back_again, [2]), ("realisations", _declared, [2, 3]),
    ],
)  # fmt: skip
def test_what_the_rules_keep_is_foreseen_word_for_word(account: User, matrix: str, since: Any, lines: list[int]) -> None:
    action = make_action()
    file = applied(account, matrix, action)
    if since is not None:
        since(action)
    before, expected = world(), foreseen(account, file)
    assert world() == before
    file = undo(file_now(file.id))
    assert (file.state, [line for line, *_more in expected]) == (FileState.UNDONE, lines)
    assert queries.kept_of(file.id) == expected


def test_the_entry_by_which_the_action_opened_is_foreseen(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    file = apply(sent(account, "inscriptions", who(action, nir, **PLAN)))
    _opened(action)
    expected = foreseen(account, file)
    file = undo(file_now(file.id))
    assert (len(expected), queries.kept_of(file.id)) == (1, expected)


def test_acts_on_one_enrolment_are_foreseen_one_after_the_other(account: User) -> None:
    """The exit is taken back first: only then is the correction before it; what is kept of an absence keeps nothing else."""
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    absence = {"nature": "Absence", "interrupted_on": day(-5), "reason": str(labels.PAUSE_LABELS[InterruptionReason.PERSONAL])}
    file = apply(sent(account, "sorties", who(action, nir, **CORRECTION), who(action, nir, **absence), who(action, nir, **EXIT)))
    expected = foreseen(account, file)
    file = undo(file_now(file.id))
    assert ([line for line, *_more in expected], queries.kept_of(file.id)) == ([3], expected)


def test_enrolments_are_foreseen_by_as_few_statements(account: User) -> None:
    found = []
    for size in (1, 4):
        places = [(make_action(), make_nir()) for _number in range(size)]
        for action, nir in places:
            make_enrolment(action, nir=nir, entered=20)
        file = apply(sent(account, "sorties", *(who(action, nir, **EXIT) for action, nir in places)))
        with statements() as asked:
            assert foreseen(account, file) == []
        found.append(len(asked))
    assert found[1] <= found[0]


# ---- what was built on it ------------------------------------------------------------------------------------------------


def _request(sheet: Registration) -> None:
    identity_requests.ask(sheet.id, make_person("ESSAY"), None, "Erreur de saisie du nom", version=sheet.trainee.version)


def _refused_request(sheet: Registration) -> None:
    _request(sheet)
    db.session.execute(text("UPDATE identity_correction SET state = 'refused', decided_at = now(), observations = 'Pièce illisible'"))


def _file_of_numbers(sheet: Registration) -> None:
    repair = NumberRepair(organisation_id=sheet.organisation_id, lines=1)
    db.session.add(repair)
    db.session.flush()
    line = {"repair_id": repair.id, "number": 2, "trainee_id": sheet.trainee_id, "outcome": "wrong", "problem": "same_line"}
    db.session.add(NumberRepairLine(organisation_id=sheet.organisation_id, **line))
    db.session.flush()


@pytest.mark.parametrize("since", [_request, _refused_request, _file_of_numbers])
def test_somebody_of_whom_more_was_said_stays_with_the_sheet(account: User, since: Any) -> None:
    """The person could not go, and the rest of the file is undone all the same."""
    action, other = make_action(), make_action()
    nir = make_nir()
    file = apply(send(account, csv_of([row_of(action, nir), row_of(other, nir), row_of(action, make_nir(), birth_name="Bravo")])))
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        since(db.session.scalars(select(Registration).join(Trainee).where(Registration.action_id == action.id, Trainee.birth_name == "Essai")).one())
    expected = foreseen(account, file)
    file = undo(file_now(file.id))
    assert (file.state, [line for line, *_more in expected]) == (FileState.UNDONE, [2, 3])
    assert queries.kept_of(file.id) == expected
    assert db.session.scalars(select(Trainee.birth_name).where(Trainee.birth_name.in_(["Essai", "Bravo"]))).all() == ["Essai"]


def test_an_enrolment_on_which_something_was_built_is_cancelled(account: User) -> None:
    """Nothing falls with it, and the undoing goes on to its end."""
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    file = apply(sent(account, "inscriptions", who(action, nir, **PLAN)))
    (number,) = enrolments_on(action)
    db.session.execute(text("INSERT INTO reconciliation_run (partner, trigger, state, phase, started_at) VALUES ('agora', 'demand', 'running', 'reading', now())"))
    db.session.execute(
        text(
            "INSERT INTO reconciliation_difference (run_id, last_run_id, partner, kind, state, reference, organisation_id, enrolment_id, version, found_at, closed_at)"
            " SELECT id, id, 'agora', 'number', 'healed', 'x', :organisation, :number, 1, now(), now() FROM reconciliation_run"
        ),
        {"organisation": action.organisation_id, "number": number},
    )
    file = undo(file)
    assert (file.state, kept(file)) == (FileState.UNDONE, [])
    assert now(number).cancelled_at is not None


#: What is known to point to an enrolment: then it is cancelled instead of taken away (``services.life.take_away``).
ON_ENROLMENT = {"interruption.enrolment_id", "enrolment_act.enrolment_id", "situation_survey.enrolment_id", "reconciliation_difference.enrolment_id"}
#: What falls with a person, who has none: it comes with the survey of an enrolment, and who was surveyed stays.
FALLS = {"survey_opt_out.trainee_id"}


@pytest.mark.parametrize("model", [Trainee, Registration, Enrolment])
def test_undoing_knows_whatever_points_to_what_it_deletes(account: User, model: Any) -> None:
    """A new foreign key is to be thought of: undoing would fail for ever on it (or delete what somebody else needs)."""
    pointing = {
        f"{table.name}.{next(column.name for column in key.columns if column.name != 'organisation_id')}": key.ondelete
        for table in db.metadata.tables.values()
        for key in table.foreign_key_constraints
        if key.referred_table is model.__table__
    }
    known: dict[Any, set[str]] = {
        Trainee: {_name(column) for column in (*SPEAKS_OF_PERSON, Registration.trainee_id)} | FALLS,
        Registration: {_name(column) for column in BUILT_ON_SHEET},
        Enrolment: ON_ENROLMENT,
    }
    assert pointing.keys() == known[model]
    assert {name for name, rule in pointing.items() if rule is not None} == FALLS & pointing.keys()


def _name(column: Any) -> str:
    return f"{column.table.name}.{column.name}"
