"""Work on a file after its sender lost the account, or when somebody else decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text

from app.accounts.models import Delegation, User
from app.core import clock
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.imports import queries, services
from app.imports.domain import FileState
from app.imports.models import ImportFile
from app.partners.agora.port import Outcome
from app.trainees import labels
from app.trainees.models import EnrolmentAct
from tests.actions.helpers import leave, make_action, make_enrolment, make_nir, make_registration
from tests.imports.enrolment_files import apply, day, enrolments_on, kept, limit, now, sent, who, world
from tests.imports.helpers import csv_of, file_now, row_of, run, send
from tests.imports.test_undo_rules import MATRICES, applied, foreseen

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

PLAN = {"planned_start": day(-4), "planned_end": day(100), "hours_centre": "70", "hours_company": "30,5"}
EXIT = {"nature": "Sortie", "exit_reason_id": "Accès à l’emploi", "actual_end": day(-1)}


@pytest.fixture
def secondary(db_session: Session) -> User:
    return db.session.scalars(select(User).where(User.username == "secondaire")).one()


def undone_by(account: User, file: ImportFile) -> ImportFile:
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=account.id):
        services.undo(file.id)
    return run(file.id)


def decided_by(account: User, file: ImportFile, *, partial: bool = False) -> ImportFile:
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=account.id):
        services.confirm(file.id, expected=file.counts or {}, partial=partial)
    return run(file.id)


def leaves(account: User) -> None:
    """The account is closed."""
    db.session.execute(text("UPDATE ab_user SET active = false, deactivated_at = now() WHERE id = :id"), {"id": account.id})
    db.session.expire_all()


def test_enrolments_are_undone_though_the_sender_is_gone(account: User, secondary: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    file = apply(sent(secondary, "inscriptions", who(action, nir, **PLAN)))
    leaves(secondary)
    file = undone_by(account, file)
    assert (file.state, kept(file), enrolments_on(action)) == (FileState.UNDONE, [], [])


def test_exits_are_undone_though_the_sender_is_gone(account: User, secondary: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    file = apply(sent(secondary, "sorties", who(action, nir, **EXIT)))
    leaves(secondary)
    undone_by(account, file)
    assert now(enrolment_id).actual_end is None


def test_sheets_are_undone_though_the_sender_is_gone(account: User, secondary: User) -> None:
    action = make_action()
    file = apply(send(secondary, csv_of([row_of(action, make_nir())])))
    leaves(secondary)
    file = undone_by(account, file)
    assert (file.state, kept(file)) == (FileState.UNDONE, [])
    assert db.session.scalar(text("SELECT count(*) FROM registration WHERE action_id = :id"), {"id": action.id}) == 0


def test_a_file_is_applied_by_somebody_else_though_the_sender_is_gone(account: User, secondary: User) -> None:
    action = make_action()
    file = send(secondary, csv_of([row_of(action, make_nir())]))
    leaves(secondary)
    file = decided_by(account, file)
    assert (file.state, file.held) == (FileState.APPLIED, False)
    assert db.session.scalar(text("SELECT count(*) FROM registration WHERE action_id = :id"), {"id": action.id}) == 1


def test_what_somebody_decided_who_is_gone_is_held(account: User, secondary: User) -> None:
    action = make_action()
    file = send(account, csv_of([row_of(action, make_nir())]))
    leaves(secondary)
    file = decided_by(secondary, file)
    assert (file.state, file.held, (file.counts or {})["create"]) == (FileState.READY, True, 1)
    assert db.session.scalar(text("SELECT count(*) FROM registration WHERE action_id = :id"), {"id": action.id}) == 0
    assert decided_by(account, file).state == FileState.APPLIED


def test_a_file_whose_sender_is_gone_before_it_is_read_is_shown_to_the_organisation(account: User, secondary: User) -> None:
    action = make_action()
    with bound_scope(Scope.organisation(secondary.organisation_id), actor_id=secondary.id):
        file_id = services.receive("stagiaires", "a.csv", csv_of([row_of(action, make_nir())]))
    leaves(secondary)
    file = run(file_id)
    assert (file.state, (file.counts or {})["create"]) == (FileState.READY, 1)
    assert decided_by(account, file).state == FileState.APPLIED


def test_who_decides_sees_no_more_than_the_account_may(account: User, secondary: User) -> None:
    """An account limited to some actions after it confirmed a file: what it may not see any more is held, and unknown to it."""
    action = make_action()
    file = send(secondary, csv_of([row_of(action, make_nir())]))
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=secondary.id):
        services.confirm(file.id, expected=file.counts or {}, partial=False)
    limit(secondary)
    file = run(file.id)
    assert (file.state, file.held, (file.counts or {})["wrong"]) == (FileState.READY, True, 1)


def test_what_a_limited_sender_may_not_see_is_neither_applied_nor_shown_when_somebody_else_decides(account: User, secondary: User) -> None:
    """The principal takes the right lines: those the sender could not know stay out, before the account is blocked and after."""
    given, other = make_action(), make_action()
    limit(secondary, given)
    file = send(secondary, csv_of([row_of(given, make_nir()), row_of(other, make_nir())]))
    assert ((file.counts or {})["create"], (file.counts or {})["wrong"]) == (1, 1)
    db.session.execute(text("UPDATE ab_user SET blocked_at = now() WHERE id = :id"), {"id": secondary.id})
    db.session.expire_all()
    file = decided_by(account, file, partial=True)
    assert (file.state, file.held) == (FileState.APPLIED, False)
    counted = text("SELECT count(*) FROM registration WHERE action_id = :id")
    assert [db.session.scalar(counted, {"id": action.id}) for action in (given, other)] == [1, 0]


def test_who_stands_in_for_the_principal_has_a_file_of_others_applied(account: User, secondary: User) -> None:
    action = make_action()
    limit(secondary)
    file = send(account, csv_of([row_of(action, make_nir())]))
    today = clock.today()
    db.session.add(Delegation(organisation_id=account.organisation_id, delegator_id=account.id, delegate_id=secondary.id, starts_on=today, ends_on=today))
    db.session.flush()
    file = decided_by(secondary, file)
    assert (file.state, file.decided_by_id) == (FileState.APPLIED, secondary.id)


def test_who_sees_the_file_no_more_has_decided_nothing(account: User, secondary: User) -> None:
    """Limited to some actions after it confirmed somebody else's file, an account leaves it held, not at work for ever."""
    action = make_action()
    file = send(account, csv_of([row_of(action, make_nir())]))
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=secondary.id):
        services.confirm(file.id, expected=file.counts or {}, partial=False)
    limit(secondary)
    file = run(file.id)
    assert (file.state, file.held, (file.counts or {})["create"]) == (FileState.READY, True, 1)


def acts_of(enrolment_id: int) -> list[int | None]:
    statement = select(EnrolmentAct.actor_id).where(EnrolmentAct.enrolment_id == enrolment_id).order_by(EnrolmentAct.id)
    return list(db.session.scalars(statement))


def test_what_is_applied_and_undone_is_the_act_of_who_decided_it(account: User, secondary: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    leave(enrolment_id)
    words = str(labels.OUTCOME_LABELS[Outcome.FULL])
    file = sent(secondary, "realisations", who(action, nir, outcome=words, reason="Rattrapage assuré en soirée"))
    before = db.session.scalar(text("SELECT max(id) FROM audit_entry"))
    file = decided_by(account, file)
    assert (file.state, file.decided_by_id, acts_of(enrolment_id)) == (FileState.APPLIED, account.id, [account.id])
    journaled = text("SELECT DISTINCT actor_id FROM audit_entry WHERE id > :before AND table_name = 'enrolment'")
    assert list(db.session.scalars(journaled, {"before": before})) == [account.id]
    file = undone_by(secondary, file)
    assert (file.decided_by_id, now(enrolment_id).outcome_corrected) == (secondary.id, False)
    assert db.session.scalar(text("SELECT actor_id FROM audit_entry WHERE table_name = 'enrolment' ORDER BY id DESC LIMIT 1")) == secondary.id


def test_what_the_sender_applies_is_the_act_of_the_sender(secondary: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    leave(enrolment_id)
    file = apply(sent(secondary, "realisations", who(action, nir, outcome=str(labels.OUTCOME_LABELS[Outcome.FULL]), reason="Rattrapage en soirée")))
    assert (file.decided_by_id, acts_of(enrolment_id)) == (secondary.id, [secondary.id])


# ---- undone within what the one who asks sees -----------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", MATRICES)
def test_who_sees_an_action_no_more_undoes_nothing_there(secondary: User, matrix: str) -> None:
    action = make_action()
    file = applied(secondary, matrix, action)
    limit(secondary, make_action())
    before, expected = world(), foreseen(secondary, file)
    file = undone_by(secondary, file_now(file.id))
    assert (file.state, file.kept) == (FileState.UNDONE, 2)
    assert queries.kept_of(file.id) == expected
    assert all("given to the account" in why or "confiées au compte" in why for _line, why in kept(file))
    assert world() == before


@pytest.mark.parametrize("matrix", MATRICES)
def test_who_sees_some_actions_only_undoes_there(secondary: User, matrix: str) -> None:
    action = make_action()
    limit(secondary, action)
    file = applied(secondary, matrix, action)
    assert foreseen(secondary, file) == []
    file = undone_by(secondary, file_now(file.id))
    assert (file.state, kept(file)) == (FileState.UNDONE, [])


@pytest.mark.parametrize("matrix", MATRICES)
def test_the_principal_undoes_what_the_sender_sees_no_more(account: User, secondary: User, matrix: str) -> None:
    action = make_action()
    file = applied(secondary, matrix, action)
    limit(secondary)
    file = undone_by(account, file_now(file.id))
    assert (file.state, kept(file)) == (FileState.UNDONE, [])


@pytest.mark.parametrize("gone", ["closed", "limited"])
def test_what_somebody_wanted_undone_who_may_not_any_more_stays_applied(account: User, secondary: User, principal: FlaskClient, gone: str) -> None:
    action = make_action()
    file = applied(account, "stagiaires", action)
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=secondary.id):
        services.undo(file.id)
    if gone == "closed":
        leaves(secondary)
    else:
        limit(secondary)
    before = world()
    file = run(file.id)
    assert (file.state, file.held, world()) == (FileState.APPLIED, True, before)
    assert "L’import n’a pas été annulé" in principal.get(f"/imports/fichier/{file.id}").get_data(as_text=True)
    file = undone_by(account, file_now(file.id))
    assert (file.state, file.held, kept(file)) == (FileState.UNDONE, False, [])
