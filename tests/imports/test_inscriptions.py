"""« Inscriptions »: files that enrol trainees on components, or change their enrolments."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from app.accounts.models import User
from app.accounts.seeds import ORGANISATION_B
from app.actions import services as actions
from app.actions.domain import BillingPeriod, DeclarationFrequency
from app.actions.models import Action, Component, ComponentSite
from app.core import clock
from app.core.extensions import db
from app.core.matrix.checking import Checker
from app.core.matrix.plan import Act
from app.core.outbox import publishing
from app.core.tabular import Cell, CellKind
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import in_transaction, rehearsal, transaction
from app.imports.domain import FileState
from app.imports.matrices import IMPORTERS
from app.reference.models import Site
from app.trainees import labels
from app.trainees.domain import EnrolmentPlan, IdentitySource, Refused
from app.trainees.models import Registration
from app.trainees.services.enrolment import enrol
from app.trainees.services.registration import Newcomer, register
from tests.actions.helpers import details, leave, make_action, make_enrolment, make_nir, make_person, make_registration, number_given, plan_of, statements
from tests.imports.enrolment_files import ago, apply, counts, day, differences, enrolments_on, kept, limit, messages, now, said, sent, told, undo, who, world

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

MATRIX = "inscriptions"
PLAN = {"planned_start": day(-4), "planned_end": day(100), "hours_centre": "70", "hours_company": "30,5"}


@pytest.fixture
def secondary(db_session: Session) -> User:
    return db.session.scalars(select(User).where(User.username == "secondaire")).one()


def second_site(action: Action) -> Site:
    """Another site for the first component."""
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).first()
    known = select(ComponentSite.site_id).where(ComponentSite.component == component)
    site = db.session.scalars(select(Site).where(Site.id.not_in(known)).order_by(Site.id)).first()
    assert site is not None
    db.session.add(ComponentSite(component=component, site=site))
    db.session.flush()
    return site


def second_component(action: Action, number: str = "02") -> Component:
    component = Component(
        action=action, number=number, title="Autre", planned_start=action.planned_start, planned_end=action.planned_end, hours_centre=Decimal(50),
        hours_company=Decimal(0), places=5,
    )  # fmt: skip
    db.session.add(component)
    db.session.flush()
    db.session.add(ComponentSite(component=component, site=db.session.scalars(select(Site).order_by(Site.id)).first()))
    db.session.flush()
    return component


def opened(action: Action) -> None:
    actions.open_action(action.id, actions.Opening(ago(4), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))


# ---- new enrolments ----------------------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing_then_the_trainees_are_enrolled_and_agora_is_told_once(account: User) -> None:
    action, numbers = make_action(), [make_nir() for _ in range(3)]
    for nir in numbers:
        make_registration(action, nir=nir)
    before = world()
    file = sent(account, MATRIX, *(who(action, nir, **PLAN) for nir in numbers))
    assert (messages(file), file.state, counts(file)) == ([], FileState.READY, {"create": 3})
    assert world() == before
    file = apply(file)
    assert file.state == FileState.APPLIED
    made = [now(one) for one in enrolments_on(action)]
    assert {(one.planned_start, one.planned_end, one.hours_centre, one.hours_company, one.agora_state) for one in made} == {
        (ago(4), clock.today() + timedelta(days=100), Decimal(70), Decimal("30.50"), "waiting")
    }
    assert [told(one.id) for one in made] == [["create_file"]] * 3


def test_the_same_file_sent_again_does_nothing(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    apply(sent(account, MATRIX, who(action, nir, **PLAN)))
    before = world()
    again = sent(account, MATRIX, who(action, nir, **PLAN, first_name="Paul"))
    assert counts(again) == {"same": 1}
    assert world() == before


def test_undone_what_agora_has_not_heard_of_goes_with_its_message(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    before = {name: held for name, held in world().items() if name != "journal"}
    file = undo(apply(sent(account, MATRIX, who(action, nir, **PLAN))))
    assert (file.state, kept(file), enrolments_on(action)) == (FileState.UNDONE, [], [])
    assert {name: held for name, held in world().items() if name != "journal"} == before


def test_undone_what_agora_holds_is_cancelled_there(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    file = apply(sent(account, MATRIX, who(action, nir, **PLAN)))
    (enrolment_id,) = enrolments_on(action)
    as_sent(enrolment_id)
    file = undo(file)
    assert kept(file) == []
    assert now(enrolment_id).cancelled_at is not None
    assert told(enrolment_id) == ["create_file", "cancel_file"]


def as_sent(enrolment_id: int) -> None:
    """As after AGORA's answer to the creation."""
    db.session.execute(
        text("UPDATE outbox_message SET state = 'done', sent_at = now(), done_at = now() WHERE subject_type = 'enrolment' AND subject_id = :id"),
        {"id": enrolment_id},
    )
    number_given(enrolment_id)
    db.session.execute(text("UPDATE enrolment SET agora_status = 'entered' WHERE id = :id"), {"id": enrolment_id})


def test_undone_a_creation_that_left_without_an_answer_is_cancelled_behind_it(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    file = apply(sent(account, MATRIX, who(action, nir, **PLAN)))
    (enrolment_id,) = enrolments_on(action)
    db.session.execute(text("UPDATE outbox_message SET sent_at = now() WHERE subject_id = :id AND subject_type = 'enrolment'"), {"id": enrolment_id})
    undo(file)
    assert now(enrolment_id).cancelled_at is not None
    assert told(enrolment_id) == ["create_file", "cancel_file"]


@pytest.mark.parametrize("heard", [False, True])
def test_the_entry_by_which_the_action_opened_stays_when_the_file_is_undone(account: User, heard: bool) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    file = apply(sent(account, MATRIX, who(action, nir, **PLAN)))
    (enrolment_id,) = enrolments_on(action)
    if heard:
        as_sent(enrolment_id)
    opened(action)
    before = told(enrolment_id)
    file = undo(file)
    assert [line for line, _why in kept(file)] == [2]
    assert "ouverte" in kept(file)[0][1] or "opened" in kept(file)[0][1]
    assert (now(enrolment_id).cancelled_at, told(enrolment_id)) == (None, before)


def test_what_was_changed_since_stays_when_the_file_is_undone(account: User) -> None:
    action, numbers = make_action(), [make_nir(), make_nir()]
    for nir in numbers:
        make_registration(action, nir=nir)
    file = apply(sent(account, MATRIX, *(who(action, nir, **PLAN) for nir in numbers)))
    first, second = enrolments_on(action)
    leave(first)
    file = undo(file)
    assert [line for line, _why in kept(file)] == [2]
    assert enrolments_on(action) == [first]
    assert now(first).actual_end is not None and second not in enrolments_on(action)


def test_who_left_is_enrolled_again(account: User) -> None:
    action, nir = make_action(), make_nir()
    former = make_enrolment(action, nir=nir, entered=10)
    leave(former)
    file = apply(sent(account, MATRIX, who(action, nir, **PLAN | {"planned_start": day(0)})))
    assert counts(file) == {"create": 1}
    assert len(enrolments_on(action)) == 2


def test_an_nia_is_enrolled_and_nothing_is_sent(account: User) -> None:
    action, nir = make_action(), make_nir("7")
    make_registration(action, nir=nir)
    apply(sent(account, MATRIX, who(action, nir, **PLAN)))
    (enrolment_id,) = enrolments_on(action)
    assert (now(enrolment_id).agora_state, told(enrolment_id)) == ("nir", [])


def test_a_dry_run_wakes_nobody_and_the_real_run_once(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the dry run noted of its messages does not keep the real ones from being told: both are in one transaction when a file is applied."""
    woken: list[str] = []
    monkeypatch.setattr(publishing, "nudge", woken.append)
    action, numbers = make_action(), [make_nir(), make_nir()]
    for nir in numbers:
        make_registration(action, nir=nir)
    file = sent(account, MATRIX, *(who(action, nir, **PLAN) for nir in numbers))
    assert woken == []
    with statements() as asked:
        apply(file)
    assert woken == ["agora"]
    assert not [one for one in asked if "pg_advisory_xact_lock" in one and "bucket" in one]  # or two files would wait for each other
    assert [one for one in asked if one.startswith("INSERT INTO outbox_message")]


def test_on_a_database_of_its_own_the_dry_run_commits_nothing(committed: Flask) -> None:
    """Commits are real here: the use cases of the dry run open their own transactions, and none of them is the last one."""
    with committed.app_context(), bound_scope(Scope.system()):
        with transaction():
            action, nir = make_action(), make_nir()
            make_registration(action, nir=nir)
            holder = db.session.scalars(select(User).where(User.username == "principal")).one()
        before = world()
        db.session.rollback()
        file = sent(holder, MATRIX, who(action, nir, **PLAN))
        assert (messages(file), counts(file), in_transaction()) == ([], {"create": 1}, False)
        assert world() == before
        file = apply(file)
        db.session.rollback()
        (enrolment_id,) = enrolments_on(action)
        assert (file.state, told(enrolment_id)) == (FileState.APPLIED, ["create_file"])
        file = undo(file)
        db.session.rollback()
        assert (file.state, enrolments_on(action), told(enrolment_id)) == (FileState.UNDONE, [], [])
        db.session.remove()


# ---- without number ----------------------------------------------------------------------------------------------------


def test_where_no_number_is_asked_names_and_date_of_birth_tell_who_it_is(account: User) -> None:
    action = make_action(programme="AVENIR")
    for name in ("DUBOIS", "MARTIN"):
        register(action.id, Newcomer(make_person(name), IdentitySource.TYPED, None), details())
    line = who(action, None, "Dubois", first_name="paul", birth_date="02/06/1985", **PLAN)
    file = sent(
        account, MATRIX, line, who(action, None, "Dubois", first_name="Paul", birth_date="03/06/1985", **PLAN),
        who(action, make_nir(), "MARTIN", first_name="Paul", birth_date="02/06/1985", **PLAN), who(action, None, "MARTIN", **PLAN),
    )  # fmt: skip
    assert counts(file) == {"create": 1, "wrong": 3}
    assert said(file) == [(3, "birth_name"), (4, "nir"), (5, "first_name"), (5, "birth_date")]


# ---- what is wrong -----------------------------------------------------------------------------------------------------


def test_everything_wrong_is_said_at_its_cell_with_the_words_of_the_form(account: User) -> None:
    action, numbers = make_action(), [make_nir() for _ in range(8)]
    for index, nir in enumerate(numbers):
        make_registration(action, nir=nir, name="AUTRE" if index == 5 else "ESSAI")
    lines = [
        who(action, numbers[0], **PLAN, site="Site de nulle part"),
        who(action, numbers[1], **PLAN | {"planned_start": day(-60)}),
        who(action, numbers[2], **PLAN | {"planned_end": day(300), "hours_centre": "4000"}),
        who(action, numbers[3], **PLAN | {"hours_centre": "0", "hours_company": "0"}),
        who(action, numbers[4], **PLAN | {"hours_centre": "-3", "planned_end": "31/02/2026"}),
        who(action, numbers[5], **PLAN),
        {**who(action, numbers[6], **PLAN), "component_number": "07"},
        who(action, make_nir(), **PLAN),
        {**who(action, numbers[7]), "hours_centre": "10"},
        {**who(action, numbers[0]), "action_number": "99X"},
        {**who(action, numbers[0], **PLAN), "nir": "1234"},
    ]
    before = world()
    file = sent(account, MATRIX, *lines)
    assert set(said(file)) == {
        (2, "site"), (3, "planned_start"), (4, "planned_end"), (4, "hours_centre"), (5, "hours_centre"), (6, "hours_centre"), (6, "planned_end"), (7, "birth_name"), (8, "component_number"),
        (9, "nir"), (10, "planned_start"), (10, "planned_end"), (10, "hours_company"), (11, "action_number"), (12, "nir"),
    }  # fmt: skip
    assert counts(file) == {"wrong": 11}
    assert world() == before


def test_a_refusal_is_said_at_its_column_and_the_other_lines_are_not_touched(account: User) -> None:
    action, numbers = make_action(), [make_nir() for _ in range(4)]
    for nir in numbers:
        make_registration(action, nir=nir)
    changes: list[dict[str, str]] = [{}, {"planned_start": day(-60)}, {"hours_centre": "0", "hours_company": "0"}, {}]
    file = sent(account, MATRIX, *(who(action, nir, **PLAN | change) for nir, change in zip(numbers, changes, strict=True)))
    assert counts(file) == {"create": 2, "wrong": 2}
    assert said(file) == [(3, "planned_start"), (4, "hours_centre")]
    file = apply(file, partial=True)
    assert (file.state, len(enrolments_on(action))) == (FileState.APPLIED, 2)


def test_the_same_trainee_twice_is_one_line_too_many(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    second_component(action)
    file = sent(account, MATRIX, who(action, nir, **PLAN), who(action, nir, **PLAN), who(action, nir, **PLAN) | {"component_number": "02"})
    assert (said(file), counts(file)) == ([(3, "")], {"create": 2, "wrong": 1})


def test_a_closed_action_takes_nobody(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    db.session.execute(text("UPDATE action SET status = 'AN' WHERE id = :id"), {"id": action.id})
    db.session.expire_all()
    assert said(sent(account, MATRIX, who(action, nir, **PLAN))) == [(2, "action_number")]


# ---- component and site ------------------------------------------------------------------------------------------------


def test_a_component_is_found_by_its_number_with_or_without_zero(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    assert counts(sent(account, MATRIX, who(action, nir, **PLAN) | {"component_number": "1"})) == {"create": 1}


@pytest.mark.parametrize(
    ("numbers", "kind", "typed", "found"),
    [
        (("01",), CellKind.NUMBER, "1", "01"), (("01", "02"), CellKind.TEXT, "1", "01"), (("01", "1"), CellKind.TEXT, "1", "1"),
        (("01", "1"), CellKind.TEXT, "01", "01"), (("01", "1"), CellKind.NUMBER, "1", None), (("01", "02"), CellKind.NUMBER, "10", None),
    ],
)  # fmt: skip
def test_a_figure_says_which_component_only_if_no_other_fits(
    account: User, numbers: tuple[str, ...], kind: CellKind, typed: str, found: str | None
) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    for number in numbers[1:]:
        second_component(action, number)
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        cells = {name: [Cell(words, CellKind.TEXT)] for name, words in who(action, nir, **PLAN).items()} | {"component_number": [Cell(typed, kind)]}
        checker = Checker(IMPORTERS[MATRIX].matrix)
        plan = IMPORTERS[MATRIX].plan(checker, checker.check([2], cells), lambda *_: None, lock=False)
    if found is None:
        assert [(one.column, bool(plan.steps)) for one in plan.findings] == [("component_number", False)]
    else:
        assert plan.findings == []
        assert db.session.get_one(Component, plan.steps[0].data.key[1]).number == found


def test_a_site_is_named_whole_or_by_a_part_that_fits_one(account: User) -> None:
    action, numbers = make_action(), [make_nir() for _ in range(5)]
    for nir in numbers:
        make_registration(action, nir=nir)
    site = second_site(action)
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
    first = next(one for one in component.sites if one.id != site.id)
    words = [str(site), site.name.upper(), site.postal_code if site.postal_code != first.postal_code else str(site), "", "a"]
    file = sent(account, MATRIX, *(who(action, nir, **PLAN, site=typed) for nir, typed in zip(numbers, words, strict=True)))
    assert (said(file), counts(file)) == ([(5, "site"), (6, "site")], {"create": 3, "wrong": 2})
    apply(file, partial=True)
    assert {now(one).site_id for one in enrolments_on(action)} == {site.id}


# ---- changes -----------------------------------------------------------------------------------------------------------


def test_what_differs_changes_and_agora_is_told_in_one_event(account: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir)
    as_sent(enrolment_id)
    before = world()
    file = sent(account, MATRIX, {**who(action, nir), "planned_end": day(50), "hours_centre": "90"})
    assert counts(file) == {"change": 1}
    assert differences(file) == [
        (2, [["planned_end", now(enrolment_id).planned_end.strftime("%d/%m/%Y"), day(50)], ["hours_centre", "100", "90"]])
    ]
    assert world() == before
    former = now(enrolment_id).planned_end
    file = apply(file)
    assert (now(enrolment_id).planned_end, now(enrolment_id).hours_centre, now(enrolment_id).hours_company) == (clock.today() + timedelta(days=50), 90, 20)
    assert told(enrolment_id) == ["create_file", "change_file"]
    file = undo(file)
    assert (kept(file), now(enrolment_id).planned_end, now(enrolment_id).hours_centre) == ([], former, 100)
    assert told(enrolment_id) == ["create_file", "change_file", "change_file"]


def test_two_entries_of_the_opening_do_not_both_move_to_a_day_to_come(account: User) -> None:
    """The second line sees the first, as the pages would (``services.change_plan``)."""
    action, numbers = make_action(), [make_nir(), make_nir()]
    for nir in numbers:
        make_enrolment(action, nir=nir)
    opened(action)
    file = sent(account, MATRIX, *({**who(action, nir), "planned_start": day(5)} for nir in numbers))
    assert (said(file), counts(file)) == ([(3, "planned_start")], {"change": 1, "wrong": 1})


# ---- walls -------------------------------------------------------------------------------------------------------------


def test_another_organisations_trainee_and_action_are_unknown_in_the_same_words(account: User) -> None:
    ours, theirs = make_action(), make_action(siret=ORGANISATION_B)
    nir = make_nir()
    with bound_scope(Scope.organisation(theirs.organisation_id)):
        make_registration(theirs, nir=nir)
    elsewhere = make_nir()
    make_registration(make_action(), nir=elsewhere)
    file = sent(
        account, MATRIX, who(theirs, nir, **PLAN), {**who(theirs, nir, **PLAN), "action_number": "99T9999999_9"}, who(ours, nir, **PLAN),
        who(ours, make_nir(), **PLAN), who(ours, elsewhere, **PLAN),
    )  # fmt: skip
    found = messages(file)
    assert [(line, column) for line, column, _message in found] == [
        (2, "action_number"), (3, "action_number"), (4, "nir"), (5, "nir"), (6, "nir"),
    ]  # fmt: skip
    assert len({message for _line, _column, message in found}) == 2
    assert counts(file) == {"wrong": 5}


def test_a_limited_account_knows_the_actions_given_to_it_only(secondary: User) -> None:
    given_action, other, nir = make_action(), make_action(), make_nir()
    for action in (given_action, other):
        make_registration(action, nir=nir)
    limit(secondary, given_action)
    file = sent(secondary, MATRIX, who(given_action, nir, **PLAN), who(other, nir, **PLAN), {**who(other, nir, **PLAN), "action_number": "99X"})
    assert (said(file), counts(file)) == ([(3, "action_number"), (4, "action_number")], {"create": 1, "wrong": 2})
    assert messages(file)[0][2] == messages(file)[1][2]
    apply(file, partial=True)
    assert (len(enrolments_on(given_action)), enrolments_on(other)) == (1, [])


# ---- the rules are those of the page -----------------------------------------------------------------------------------


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example is taken back
@given(
    start=st.integers(-40, 220), length=st.integers(-5, 240), centre=st.decimals(0, 3100, places=2), company=st.sampled_from([Decimal(0), Decimal(10)]),
)  # fmt: skip
def test_a_line_is_right_exactly_when_the_page_takes_it(start: int, length: int, centre: Decimal, company: Decimal, world_of_one: Any) -> None:
    account, action, nir, registration_id = world_of_one
    first, end = clock.today() + timedelta(days=start), clock.today() + timedelta(days=start + length)
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        expected: set[tuple[str, str]] = set()
        with rehearsal():
            try:
                enrol(registration_id, component.id, EnrolmentPlan(first, end, plan_of(component).site_id, centre, company))
            except Refused as refused:
                expected = {(one.field, str(labels.problem_text(one))) for one in refused.problems}
        cells = who(action, nir, planned_start=written(first), planned_end=written(end), hours_centre=str(centre), hours_company=str(company))
        checker = Checker(IMPORTERS[MATRIX].matrix)
        checked = checker.check([2], {name: [Cell(words, CellKind.TEXT)] for name, words in cells.items()})
        plan = IMPORTERS[MATRIX].plan(checker, checked, lambda *_: None, lock=False)
    assert {(one.column, one.message) for one in plan.findings} == expected
    assert [step.act for step in plan.steps] == ([] if expected else [Act.CREATE])


def written(value: date) -> str:
    return value.strftime("%d/%m/%Y")


@pytest.fixture
def world_of_one(account: User) -> Any:
    action, nir = make_action(), make_nir()
    registration_id = make_registration(action, nir=nir)
    db.session.commit()
    return account, action, nir, db.session.get_one(Registration, registration_id).id


def test_the_plan_costs_the_same_for_each_line(account: User) -> None:
    def cost(count: int) -> int:
        action, numbers = make_action(), [make_nir() for _ in range(count)]
        for nir in numbers:
            make_registration(action, nir=nir)
        with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
            rows = [who(action, nir, **PLAN) for nir in numbers]
            checker = Checker(IMPORTERS[MATRIX].matrix)
            cells = {name: [Cell(row[name], CellKind.TEXT) for row in rows] for name in rows[0]}
            checked = checker.check(list(range(2, count + 2)), cells)
            with statements() as sent_to_database:
                assert len(IMPORTERS[MATRIX].plan(checker, checked, lambda *_: None, lock=False).steps) == count
        return len(sent_to_database)

    few, many = cost(4), cost(12)
    assert (many - few) / 8 <= 12
