"""The dry run of files about enrolments goes by pieces: nobody waits long for it, and it says what the real run does."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from app.accounts.models import User
from app.actions import services as actions
from app.actions.domain import BillingPeriod, DeclarationFrequency
from app.actions.models import Action
from app.core.extensions import db
from app.core.matrix.checking import Checker
from app.core.matrix.plan import Plan
from app.core.tabular import Cell, CellKind
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import rehearsal, transaction
from app.imports import work
from app.imports.domain import FileState
from app.imports.matrices import IMPORTERS
from app.trainees.matrices import running
from app.trainees.models import Enrolment, Registration
from tests.actions.helpers import make_action, make_enrolment, make_nir, make_registration
from tests.imports.enrolment_files import ago, apply, counts, day, messages, said, sent, who

if TYPE_CHECKING:
    from flask import Flask

MATRIX = "inscriptions"
PLAN = {"planned_start": day(-4), "planned_end": day(100), "hours_centre": "70", "hours_company": "30"}


def opened(action: Action) -> None:
    actions.open_action(action.id, actions.Opening(ago(4), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))


@pytest.fixture
def line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each registration in a piece of its own."""
    monkeypatch.setattr(running, "_PIECE", 1)


def test_nobody_waits_for_the_lines_of_other_pieces(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_PIECE", 2)
    real, held = running._Group.judge, []

    def judge(self: Any, line: Any) -> Any:
        step = real(self, line)
        with work._aside() as other:
            free = other.scalars(select(Registration.id).where(Registration.id.in_(registrations)).with_for_update(skip_locked=True)).all()
            held.append(sorted(registrations.index(one) for one in set(registrations) - set(free)))
        return step

    with committed.app_context(), bound_scope(Scope.system()):
        account = db.session.scalars(select(User).where(User.username == "principal")).one()
        with transaction():
            action, numbers = make_action(), [make_nir() for _ in range(5)]
            registrations = [make_registration(action, nir=nir) for nir in numbers]
        monkeypatch.setattr(running._Group, "judge", judge)
        file = sent(account, MATRIX, *(who(action, nir, **PLAN) for nir in numbers))
        assert (messages(file), counts(file)) == ([], {"create": 5})
        assert held == [[0, 1], [0, 1], [2, 3], [2, 3], [4]]
        with work._aside() as other:  # nor does anybody once it is over
            other.execute(text("SELECT id FROM action WHERE id = :id FOR UPDATE NOWAIT"), {"id": action.id})
        db.session.remove()


def test_a_lock_that_the_piece_lacks_is_not_taken_alone_for_the_whole_file(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the pieces that move an entry hold the action alone."""
    monkeypatch.setattr(running, "_PIECE", 1)
    real, shared = running._Group.judge, []

    def judge(self: Any, line: Any) -> Any:
        with work._aside() as other:
            try:
                other.execute(text("SELECT id FROM action WHERE id = :id FOR SHARE NOWAIT"), {"id": action.id})
            except OperationalError:
                shared.append(False)
                other.rollback()
            else:
                shared.append(True)
        return real(self, line)

    with committed.app_context(), bound_scope(Scope.system()):
        account = db.session.scalars(select(User).where(User.username == "principal")).one()
        with transaction():
            action, numbers = make_action(), [make_nir() for _ in range(3)]
            make_enrolment(action, nir=numbers[0])
            for nir in numbers[1:]:
                make_registration(action, nir=nir)
        monkeypatch.setattr(running._Group, "judge", judge)
        sent(account, MATRIX, who(action, numbers[1], **PLAN), {**who(action, numbers[0]), "planned_start": day(-2)}, who(action, numbers[2], **PLAN))
        assert shared == [True, False, True]
        db.session.remove()


@pytest.mark.usefixtures("line_by_line")
def test_the_entries_of_the_opening_do_not_all_move_to_a_day_to_come(account: User) -> None:
    """The last line sees the others, though they were taken back."""
    action, numbers = make_action(), [make_nir() for _ in range(3)]
    for nir in numbers:
        make_enrolment(action, nir=nir)
    opened(action)
    file = sent(account, MATRIX, *({**who(action, nir), "planned_start": day(5)} for nir in numbers))
    assert (said(file), counts(file)) == ([(4, "planned_start")], {"change": 2, "wrong": 1})
    assert apply(file, partial=True).state == FileState.APPLIED


@pytest.mark.usefixtures("line_by_line")
def test_the_entry_of_the_opening_moves_once_another_line_enters_somebody(account: User) -> None:
    action, numbers = make_action(), [make_nir(), make_nir()]
    make_enrolment(action, nir=numbers[0])
    make_registration(action, nir=numbers[1])
    opened(action)
    moved = {**who(action, numbers[0]), "planned_start": day(5)}
    assert said(sent(account, MATRIX, moved)) == [(2, "planned_start")]
    file = sent(account, MATRIX, who(action, numbers[1], **PLAN), moved)
    assert (messages(file), counts(file)) == ([], {"create": 1, "change": 1})
    assert apply(file).state == FileState.APPLIED


@pytest.mark.usefixtures("line_by_line")
def test_what_was_refused_of_a_registration_is_not_handed_on(account: User) -> None:
    """A move that the page refuses leaves the entry where it is."""
    action, numbers = make_action(), [make_nir(), make_nir()]
    for nir in numbers:
        make_enrolment(action, nir=nir)
    opened(action)
    refused = {**who(action, numbers[0]), "planned_start": day(5), "hours_centre": "99999"}
    file = sent(account, MATRIX, refused, {**who(action, numbers[1]), "planned_start": day(5)})
    assert counts(file) == {"change": 1, "wrong": 1}


@pytest.mark.parametrize("seed", range(12))
def test_by_pieces_or_at_once_the_plan_is_the_same_and_can_be_done(account: User, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    action, numbers = make_action(), [make_nir() for _ in range(6)]
    for place, nir in enumerate(numbers):
        if place < 3:
            make_enrolment(action, nir=nir, entered=chance.choice((4, 4, 2)))
        else:
            make_registration(action, nir=nir)
    opened(action)
    db.session.commit()
    rows = [
        {**who(action, nir), **(PLAN if place >= 3 else {}), "planned_start": day(chance.choice((-4, -3, 0, 5, 6)))}
        for place, nir in enumerate(numbers)
        if chance.random() < 0.9
    ]
    chance.shuffle(rows)
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        at_once = _plan(rows)
        monkeypatch.setattr(running, "_PIECE", chance.choice((1, 2)))
        by_pieces = _plan(rows)
        assert [(step.line, step.act, step.differences) for step in by_pieces.steps] == [(step.line, step.act, step.differences) for step in at_once.steps]
        assert by_pieces.findings == at_once.findings
        with rehearsal():
            done = IMPORTERS[MATRIX].apply(_plan(rows, lock=True), lambda *_: None)
            starts = {step.data.key: step.data.entry for step in by_pieces.steps if step.data is not None}
            assert len(done) == len(starts)
            for one in done:
                enrolment = db.session.get_one(Enrolment, one.subject_id, populate_existing=True)
                assert enrolment.planned_start == starts[enrolment.registration_id, enrolment.component_id]


def _plan(rows: Sequence[Mapping[str, str]], *, lock: bool = False) -> Plan:
    names = sorted({name for row in rows for name in row})
    checker = Checker(IMPORTERS[MATRIX].matrix)
    cells = {name: [Cell(row.get(name, ""), CellKind.TEXT) for row in rows] for name in names}
    return IMPORTERS[MATRIX].plan(checker, checker.check(list(range(2, len(rows) + 2)), cells), lambda *_: None, lock=lock)
