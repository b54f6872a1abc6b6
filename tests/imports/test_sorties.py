"""« Sorties, rectifications, absences »: files that say what happened to enrolments, one act a line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from app.accounts.models import User
from app.accounts.seeds import ORGANISATION_B
from app.core import clock
from app.core.extensions import db
from app.core.matrix.checking import Checker
from app.core.matrix.definition import describe
from app.core.tabular import Cell, CellKind
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import part, rehearsal
from app.imports.domain import FileState
from app.imports.matrices import IMPORTERS
from app.reference.models import ExitReason
from app.trainees import labels
from app.trainees.domain import Refused
from app.trainees.life import InterruptionReason
from app.trainees.models import EnrolmentAct
from app.trainees.services import life
from app.trainees.services.enrolment import record_exit
from tests.actions.helpers import leave, make_action, make_enrolment, make_nir, make_registration, number_given
from tests.imports.enrolment_files import ago, apply, counts, day, differences, kept, limit, messages, now, said, sent, told, undo, who, world
from tests.trainees.agora_double import AgoraDouble

if TYPE_CHECKING:
    pass

MATRIX = "sorties"
EXIT = {"nature": "Sortie", "exit_reason_id": "Accès à l’emploi"}
ABSENCE = {"nature": "Absence", "reason": "Motif personnel ou familial"}
RETURN = {"nature": "Retour"}
CORRECTION = {"nature": "Rectification"}


@pytest.fixture
def double(tmp_path: Path) -> AgoraDouble:
    return AgoraDouble(tmp_path / "agora")


@pytest.fixture(autouse=True)
def _words(account: User) -> None:
    """The reason of an absence, as the portal says it in this language."""
    ABSENCE["reason"] = str(labels.PAUSE_LABELS[InterruptionReason.PERSONAL])


def reason_of(code: str = "EMPLOI") -> int:
    return db.session.scalars(select(ExitReason.id).where(ExitReason.code == code)).one()


def path(enrolment_id: int) -> list[tuple[Any, Any]]:
    db.session.expire_all()
    return [(one.interrupted_on, one.resumed_on) for one in now(enrolment_id).interruptions]


# ---- acts in their order -----------------------------------------------------------------------------------------------


def test_several_acts_on_one_enrolment_follow_one_another_and_agora_hears_them_in_order(account: User, double: AgoraDouble) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    double.drain(enrolment_id)
    before = world()
    file = sent(
        account, MATRIX, who(action, nir, **ABSENCE, interrupted_on=day(-15)), who(action, nir, **RETURN, resumed_on=day(-10)),
        who(action, nir, **CORRECTION, planned_end=day(60)), who(action, nir, **EXIT, actual_end=day(-1)),
    )  # fmt: skip
    assert (messages(file), counts(file)) == ([], {"change": 4})
    assert world() == before
    assert [line for line, _changed in differences(file)] == [2, 3, 4, 5]
    assert apply(file).state == FileState.APPLIED
    assert path(enrolment_id) == [(ago(15), ago(10))]
    assert (now(enrolment_id).planned_end, now(enrolment_id).actual_end) == (clock.today() + timedelta(days=60), ago(1))
    assert told(enrolment_id) == ["create_file", "interrupt_file", "resume_file", "change_file", "exit_file"]
    double.drain(enrolment_id)
    assert [wire.split()[0] for wire in double.wires] == ["INTERRUPTION", "REPRISE", "MODIFICATION", "SORTIE"]


def test_lines_in_the_wrong_order_are_refused_as_on_the_page(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    file = sent(
        account, MATRIX, who(action, nir, **ABSENCE, interrupted_on=day(-5)), who(action, nir, **RETURN, resumed_on=day(-8)),
        who(action, nir, **EXIT, actual_end=day(-1)),
    )  # fmt: skip
    assert (said(file), counts(file)) == ([(3, "resumed_on"), (4, "")], {"change": 1, "wrong": 2})
    assert "3" in messages(file)[1][2]  # the exit waits for the line before it


def test_a_line_to_mend_holds_those_after_it_on_the_same_enrolment_only(account: User) -> None:
    action, first, second = make_action(), make_nir(), make_nir()
    one, other = make_enrolment(action, nir=first, entered=20), make_enrolment(action, nir=second, entered=20)
    file = sent(
        account, MATRIX, {**who(action, first, **ABSENCE), "interrupted_on": "31/02/2026"}, who(action, second, **ABSENCE, interrupted_on=day(-5)),
        who(action, first, **RETURN, resumed_on=day(-8)), who(action, second, **RETURN, resumed_on=day(-3)),
    )  # fmt: skip
    assert (said(file), counts(file)) == ([(2, "interrupted_on"), (4, "")], {"change": 2, "wrong": 2})
    apply(file, partial=True)
    assert (path(one), path(other)) == ([], [(ago(5), ago(3))])


def test_the_same_file_again_does_nothing(account: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    lines = [
        who(action, nir, **ABSENCE, interrupted_on=day(-15)), who(action, nir, **RETURN, resumed_on=day(-10)), who(action, nir, **EXIT, actual_end=day(-1)),
    ]  # fmt: skip
    apply(sent(account, MATRIX, *lines))
    before, messages_before = world(), told(enrolment_id)
    again = sent(account, MATRIX, *({**line, "first_name": "Paul"} for line in lines))
    assert (said(again), counts(again)) == ([], {"same": 3})
    assert (world(), told(enrolment_id)) == (before, messages_before)
    twice = sent(account, MATRIX, *lines, *lines)
    assert counts(twice) == {"same": 6}


# ---- one nature --------------------------------------------------------------------------------------------------------


def test_an_exit_is_corrected_in_place_while_agora_does_not_hold_it(account: User) -> None:
    action, nir = make_action(), make_nir("7")  # an NIA: nothing leaves
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    apply(sent(account, MATRIX, who(action, nir, **EXIT, actual_end=day(-3))))
    file = sent(account, MATRIX, who(action, nir, **EXIT, actual_end=day(-2)))
    assert (differences(file), counts(file)) == ([(2, [["actual_end", day(-3), day(-2)]])], {"change": 1})
    file = apply(file)
    assert now(enrolment_id).actual_end == ago(2)
    undo(file)
    assert (now(enrolment_id).actual_end, now(enrolment_id).exit_reason_id) == (ago(3), reason_of())


def test_an_exit_that_agora_holds_is_not_corrected(account: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    leave(enrolment_id)
    number_given(enrolment_id)
    assert said(sent(account, MATRIX, who(action, nir, **EXIT, actual_end=day(-2)))) == [(2, "actual_end")]
    assert now(enrolment_id).actual_end == ago(0)


def test_a_correction_leaves_what_the_line_does_not_say(account: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    apply(sent(account, MATRIX, who(action, nir, **CORRECTION, hours_company="35,5")))
    changed = now(enrolment_id)
    assert (changed.planned_start, changed.hours_centre, float(changed.hours_company)) == (ago(20), 100, 35.5)


def test_what_a_line_lacks_or_has_too_much_is_said_at_its_cells(account: User) -> None:
    action, numbers = make_action(), [make_nir() for _ in range(7)]
    for nir in numbers:
        make_enrolment(action, nir=nir, entered=20)
    file = sent(
        account, MATRIX, who(action, numbers[0], nature="Sortie"), who(action, numbers[1], nature="Absence", interrupted_on=day(-1)),
        who(action, numbers[2], nature="Retour"), who(action, numbers[3], nature="Rectification"), who(action, numbers[4], **EXIT, actual_end=day(-1), planned_end=day(9)),
        who(action, numbers[5]), who(action, numbers[6], nature="Congé"),
    )  # fmt: skip
    assert said(file) == [
        (2, "actual_end"), (2, "exit_reason_id"), (3, "reason"), (4, "resumed_on"), (5, "nature"), (6, "planned_end"), (7, "nature"), (8, "nature"),
    ]  # fmt: skip
    assert counts(file) == {"wrong": 7}


def test_an_early_exit_asks_for_the_reason_of_one(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    whole = db.session.scalars(select(ExitReason).where(~ExitReason.early).order_by(ExitReason.id)).first()
    assert whole is not None
    file = sent(account, MATRIX, who(action, nir, nature="Sortie", exit_reason_id=str(whole), actual_end=day(-1)))
    assert said(file) == [(2, "exit_reason_id")]


def test_nobody_leaves_a_component_on_which_they_are_not(account: User) -> None:
    action, nir, other = make_action(), make_nir(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    make_registration(action, nir=other)
    file = sent(account, MATRIX, who(action, other, **EXIT, actual_end=day(-1)), who(action, make_nir(), **EXIT, actual_end=day(-1)))
    assert said(file) == [(2, "component_number"), (3, "nir")]


# ---- walls -------------------------------------------------------------------------------------------------------------


def test_another_organisations_enrolment_is_unknown(account: User) -> None:
    theirs, nir = make_action(siret=ORGANISATION_B), make_nir()
    with bound_scope(Scope.organisation(theirs.organisation_id)):
        enrolment_id = make_enrolment(theirs, nir=nir, entered=20)
    file = sent(account, MATRIX, who(theirs, nir, **EXIT, actual_end=day(-1)), {**who(theirs, nir, **EXIT, actual_end=day(-1)), "action_number": "99X"})
    assert [(line, column) for line, column, _said in messages(file)] == [(2, "action_number"), (3, "action_number")]
    assert messages(file)[0][2] == messages(file)[1][2]
    assert now(enrolment_id).actual_end is None


def test_an_account_limited_to_another_action_knows_nothing_of_this_one(account: User) -> None:
    secondary = db.session.scalars(select(User).where(User.username == "secondaire")).one()
    action, given_action, nir = make_action(), make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    limit(secondary, given_action)
    assert said(sent(secondary, MATRIX, who(action, nir, **EXIT, actual_end=day(-1)))) == [(2, "action_number")]


# ---- undone ------------------------------------------------------------------------------------------------------------


def test_undone_exits_are_cancelled_and_what_nothing_takes_back_is_kept_and_said(account: User, double: AgoraDouble) -> None:
    action, nir, other = make_action(), make_nir(), make_nir()
    enrolment_id, second = make_enrolment(action, nir=nir, entered=20), make_enrolment(action, nir=other, entered=20)
    double.drain(enrolment_id)
    double.drain(second)
    file = apply(sent(
        account, MATRIX, who(action, nir, **ABSENCE, interrupted_on=day(-15)), who(action, nir, **RETURN, resumed_on=day(-10)),
        who(action, nir, **EXIT, actual_end=day(-1)), who(action, other, **EXIT, actual_end=day(-2)),
    ))  # fmt: skip
    double.drain(second)  # AGORA hears of the second exit, not yet of the first
    file = undo(file)
    assert [line for line, _why in kept(file)] == [2, 3]
    assert (now(enrolment_id).actual_end, now(second).actual_end, path(enrolment_id)) == (None, None, [(ago(15), ago(10))])
    assert told(enrolment_id) == ["create_file", "interrupt_file", "resume_file"]
    assert told(second) == ["create_file", "exit_file", "undo_exit_file"]
    double.drain(second)
    assert double.wires[-1].startswith("MODIFICATION")
    why = db.session.scalars(select(EnrolmentAct.reason).where(EnrolmentAct.enrolment_id == second, EnrolmentAct.kind == "undo_exit")).one()
    assert why


def test_undone_a_correction_is_corrected_back_through_the_same_door(account: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    number_given(enrolment_id)
    db.session.execute(text("UPDATE enrolment SET agora_status = 'entered' WHERE id = :id"), {"id": enrolment_id})
    db.session.execute(text("UPDATE outbox_message SET state = 'done', done_at = now(), sent_at = now() WHERE subject_id = :id"), {"id": enrolment_id})
    former = now(enrolment_id).planned_end
    file = apply(sent(
        account, MATRIX, who(action, nir, **CORRECTION, planned_end=day(50)), who(action, nir, **CORRECTION, planned_end=day(60), hours_centre="80"),
    ))  # fmt: skip
    assert told(enrolment_id) == ["create_file", "change_file", "change_file"]
    undo(file)
    assert (now(enrolment_id).planned_end, now(enrolment_id).hours_centre) == (former, 100)
    assert told(enrolment_id) == ["create_file", *["change_file"] * 4]


def test_undone_what_somebody_did_since_stays(account: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    file = apply(sent(account, MATRIX, who(action, nir, **CORRECTION, planned_end=day(50)), who(action, nir, **ABSENCE, interrupted_on=day(-5))))
    life.resume(enrolment_id, resumed_on=ago(2), version=now(enrolment_id).version)
    before = told(enrolment_id)
    file = undo(file)
    assert [line for line, _why in kept(file)] == [2, 3]
    assert (now(enrolment_id).planned_end, told(enrolment_id)) == (clock.today() + timedelta(days=50), before)


def test_an_exit_that_the_day_no_longer_lets_cancel_is_kept_with_the_reason(account: User) -> None:
    """Enrolled on the component again since: one of the two has to stay."""
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    file = apply(sent(account, MATRIX, who(action, nir, **EXIT, actual_end=day(-3))))
    apply(sent(account, "inscriptions", who(action, nir, planned_start=day(0), planned_end=day(40), hours_centre="10", hours_company="0")))
    file = undo(file)
    assert len(kept(file)) == 1 and kept(file)[0][0] == 2


# ---- the rules are those of the pages ----------------------------------------------------------------------------------

_ACTS = st.lists(st.tuples(st.sampled_from(["exit", "absence", "return"]), st.integers(-25, 3)), min_size=1, max_size=5)


@pytest.fixture
def enrolled(account: User) -> Any:
    action, nir = make_action(), make_nir()
    return account, action, nir, make_enrolment(action, nir=nir, entered=20)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example is taken back
@given(acts=_ACTS)
def test_the_first_wrong_line_is_the_first_that_the_pages_refuse(acts: list[tuple[str, int]], enrolled: Any) -> None:
    account, action, nir, enrolment_id = enrolled
    early = str(db.session.get_one(ExitReason, reason_of()))
    cells = {"exit": ("actual_end", {"nature": "Sortie", "exit_reason_id": early}), "absence": ("interrupted_on", ABSENCE), "return": ("resumed_on", RETURN)}
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        expected = _first_refused(enrolment_id, acts)
        rows = [who(action, nir, **cells[kind][1], **{cells[kind][0]: day(offset)}) for kind, offset in acts]
        checker = Checker(IMPORTERS[MATRIX].matrix)
        names = [one.column.name for one in describe(IMPORTERS[MATRIX].matrix)]
        held = {name: [Cell(row.get(name, ""), CellKind.TEXT if row.get(name) else CellKind.EMPTY) for row in rows] for name in names}
        plan = IMPORTERS[MATRIX].plan(checker, checker.check(range(len(rows)), held), lambda *_: None, lock=False)
    first = min((one.line for one in plan.findings), default=None)
    assert (first, {one.message for one in plan.findings if one.line == first}) == (expected or (None, set()))


def _first_refused(enrolment_id: int, acts: list[tuple[str, int]]) -> tuple[int, set[str]] | None:
    """The acts one after the other, as the pages do them; an act that says what stands is none."""
    done: set[tuple[str, int]] = set()
    with rehearsal():
        for index, (kind, offset) in enumerate(acts):
            if (kind, offset) in done and kind != "exit":
                continue
            if kind == "exit" and now(enrolment_id).actual_end == ago(-offset):
                continue
            version, on = now(enrolment_id).version, ago(-offset)
            try:
                with part():
                    if kind == "exit":
                        record_exit(enrolment_id, actual_end=on, exit_reason_id=reason_of(), version=version)
                    elif kind == "absence":
                        life.interrupt(enrolment_id, interrupted_on=on, reason=InterruptionReason.PERSONAL, version=version)
                    else:
                        life.resume(enrolment_id, resumed_on=on, version=version)
            except Refused as refused:
                return index, {str(labels.problem_text(one)) for one in refused.problems}
            done.add((kind, offset))
    return None


def test_what_a_waiting_line_lacks_is_said_with_what_it_waits_for(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    file = sent(account, MATRIX, who(action, nir, nature="Absence", reason="PERSONNEL", interrupted_on="x"), who(action, nir, nature="Sortie"))
    assert said(file) == [(2, "interrupted_on"), (3, ""), (3, "actual_end"), (3, "exit_reason_id")]


@pytest.mark.parametrize("offset", [5, -90])
def test_a_wrong_day_and_a_missing_reason_are_said_at_once(account: User, offset: int) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    file = sent(account, MATRIX, who(action, nir, nature="Sortie", actual_end=day(offset)))
    assert sorted(said(file)) == [(2, "actual_end"), (2, "exit_reason_id")]
