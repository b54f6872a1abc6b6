"""An import is taken back exactly, but for what was edited since: random files, and random edits between the applying and the undoing."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from app.accounts.models import User
from app.actions.models import Action, Component
from app.core import clock, tenancy
from app.core.extensions import db
from app.core.nir import Nir
from app.core.nir.storage import open_unjournaled
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.imports import parts, queries, services, work
from app.imports.domain import MOST_TRIES, UNDO_KEPT, FileState, PartKind
from app.imports.models import ImportFile
from app.trainees.domain import IdentitySource
from app.trainees.matrices import trainees_plan
from app.trainees.models import Registration, Trainee
from app.trainees.services.enrolment import enrol
from app.trainees.services.identity import Person, record_finding
from app.trainees.services.registration import Newcomer, register
from tests.actions.helpers import details, make_action, make_nir, make_registration, plan_of
from tests.imports.helpers import apply, csv_of, described, file_now, row_of, run, send, undo

if TYPE_CHECKING:
    from flask import Flask

Rows = dict[int, dict[str, Any]]
_TOGETHER = (
    {"postal_code", "town", "insee_code", "cedex"}, {"ft_registered", "ft_number", "ft_registered_on", "ft_agency_code"},
    {"esf_state", "esf_parent_abroad", "esf_birth_postal_code", "esf_homeless"},
)  # fmt: skip
#: What a line may say of a sheet: columns of the file.
_CELLS: tuple[dict[str, str], ...] = (
    {"email": "neuf@exemple.fr"}, {"mobile": "06 99 88 77 66"}, {"landline": "05 61 00 00 00"}, {"street_name": "de la Paix"}, {"boe": "Oui"},
    {"postal_code": "34000", "town": "Montpellier"}, {"ft_registered": "non"}, {"ft_registered": "oui", "ft_number": "7654321B"},
    {"ft_number": "1111111C", "ft_registered": "oui", "ft_registered_on": "05/02/2026"}, {"receives_rsa": "oui"}, {"other_information": "Dit par le fichier"},
    {"esf_state": "complete", "esf_parent_abroad": "no", "esf_birth_postal_code": "31000", "esf_homeless": "refused"}, {"esf_state": "later"},
)  # fmt: skip
#: What people change afterwards: columns of the sheet.
_EDITS: tuple[dict[str, Any], ...] = (
    {"email": "autre@exemple.fr"}, {"mobile": "+33611111111"}, {"street_name": "du Port"}, {"postal_code": "31100", "town": "Toulouse", "insee_code": "31555"},
    {"town": "Ailleurs", "insee_code": None}, {"cedex": "9"}, {"ft_registered": True, "ft_number": "2222222D"}, {"receives_aah": True}, {"other_information": "Dit depuis"},
    {"ft_registered": False, "ft_number": None, "ft_registered_on": None, "ft_agency_code": None}, {"ft_agency_code": "31001"},
)  # fmt: skip


def rows_of(model: Any) -> Rows:
    """The content of a table, but for what grows with each write."""
    columns = [column for column in model.__table__.columns if column.name not in ("version", "updated_at", "search_vector", "sort_name")]
    return {row.id: dict(row._mapping) for row in db.session.execute(select(*columns))}


@dataclass
class Trial:
    """One file on one action; what is expected of each row is kept beside what is done."""

    account: User
    chance: random.Random
    action: Action = field(init=False)
    known: dict[int, Nir] = field(default_factory=dict)
    edited: set[int] = field(default_factory=set)
    enrolled: set[int] = field(default_factory=set)
    corrected: set[int] = field(default_factory=set)

    def prepare(self) -> None:
        self.action = make_action(esf=self.chance.random() < 0.5)
        for _number in range(4):
            nir = make_nir()
            self.known[make_registration(self.action, nir=nir)] = nir

    def file(self) -> bytes:
        """Lines that change sheets, and lines that make them: of new people, and of people known on another action."""
        columns = [one.column.name for one in described()]
        lines = [self.change(nir) for nir in self.known.values()]
        elsewhere = make_nir()
        make_registration(make_action(), nir=elsewhere)
        lines += [self.made(elsewhere)]
        lines += [self.made(make_nir(), birth_name=f"Nouveau {chr(65 + number)}") for number in range(5)]
        self.chance.shuffle(lines)
        return csv_of(lines, columns=columns)

    def change(self, nir: Nir) -> dict[str, str]:
        row = {name: cell for name, cell in row_of(self.action, nir).items() if name in ("action_number", "nir", "key", "birth_name", "first_name", "birth_date")}
        for cells in self.chance.sample(_CELLS, self.chance.randint(0, 4)):
            if self.action.esf_cofunded or not any(name.startswith("esf") for name in cells):
                row |= cells
        return row

    def made(self, nir: Nir, **cells: str) -> dict[str, str]:
        later = {"esf_state": "later"} if self.action.esf_cofunded else {}
        return row_of(self.action, nir, **(cells | later))

    def edit(self, made: set[int], newcomers: set[int]) -> None:
        """What happens between: on sheets that the file made or changed, and on the people that it made."""
        sheets = sorted(made | self.known.keys())
        for number in self.chance.sample(sheets, self.chance.randint(0, len(sheets))):
            sheet = db.session.get_one(Registration, number, populate_existing=True)
            for name, value in self.chance.choice(_EDITS).items():
                setattr(sheet, name, value)
            if db.session.is_modified(sheet):
                self.edited.add(number)
            db.session.flush()
        acts: list[Callable[[int], None]] = [self._correct, self._checked, self._elsewhere]
        for number in self.chance.sample(sorted(newcomers), self.chance.randint(0, len(newcomers))):
            self.chance.choice(acts)(number)
        for number in self.chance.sample(sorted(made), self.chance.randint(0, 2)):
            component = db.session.scalars(select(Component).where(Component.action_id == self.action.id)).one()
            enrol(number, component.id, plan_of(component))
            self.enrolled.add(number)
        db.session.expire_all()

    def _correct(self, number: int) -> None:
        who = db.session.get_one(Trainee, number, populate_existing=True)
        who.birth_name = "CORRIGÉ"
        who.rename()
        db.session.flush()
        self.corrected.add(number)

    def _checked(self, number: int) -> None:
        who = db.session.get_one(Trainee, number, populate_existing=True)
        record_finding(number, Person.of(who))

    def _elsewhere(self, number: int) -> None:
        """Registered on another action too: the person stays, the sheet of the file goes."""
        who = db.session.get_one(Trainee, number, populate_existing=True)
        other = make_action()
        register(other.id, Newcomer(Person.of(who), IdentitySource(who.identity_source), open_unjournaled(who)), details())


def expected_sheets(trial: Trial, before: Rows, after: Rows, edited: Rows) -> tuple[Rows, set[int]]:
    """The sheets once the file is taken back, and those of which something is kept."""
    out: Rows = {}
    kept: set[int] = set()
    for number, now in edited.items():
        if number not in after:  # made since
            out[number] = now
        elif number not in before:
            if number in trial.edited | trial.enrolled or now["trainee_id"] in trial.corrected:
                out[number] = now
                kept.add(number)
        else:
            out[number] = dict(now)
            changed = {name for name in now if before[number][name] != after[number][name]}
            for name in changed:
                unit = next((one for one in _TOGETHER if name in one), {name})
                if all(now[one] == after[number][one] for one in unit):
                    out[number][name] = before[number][name]
                else:
                    kept.add(number)
    return out, kept


@pytest.mark.parametrize("seed", range(14))
def test_what_nobody_edited_is_as_before(account: User, seed: int) -> None:
    trial = Trial(account, random.Random(seed))
    trial.prepare()
    content = trial.file()
    people, sheets = rows_of(Trainee), rows_of(Registration)
    file = send(account, content)
    assert (file.state, (file.counts or {})["wrong"]) == (FileState.READY, 0), queries.kinds_of(file.id)
    assert (rows_of(Trainee), rows_of(Registration)) == (people, sheets)
    file = apply(file)
    tenancy.bind(Scope.system())
    people_after, sheets_after = rows_of(Trainee), rows_of(Registration)
    made, newcomers = sheets_after.keys() - sheets.keys(), people_after.keys() - people.keys()
    assert (len(made), len(newcomers)) == (6, 5)
    if seed:  # the first one: nothing is edited
        trial.edit(made, newcomers)
    people_edited, sheets_edited = rows_of(Trainee), rows_of(Registration)
    undone = undo(file)
    assert undone.state == FileState.UNDONE
    expected, kept = expected_sheets(trial, sheets, sheets_after, sheets_edited)
    assert rows_of(Registration) == expected
    stay = {row["trainee_id"] for row in expected.values()}
    assert rows_of(Trainee) == {number: row for number, row in people_edited.items() if number in people or number in stay}
    assert sorted(subject for _line, _kind, subject, _why in queries.kept_of(file.id)) == sorted(kept)


COLUMNS = ("action_number", "nir", "key", "birth_name", "first_name", "birth_date")


def of_sheet(action: Action, nir: Nir, **cells: str) -> bytes:
    """A line that says this of a sheet."""
    return csv_of([{name: cell for name, cell in row_of(action, nir).items() if name in COLUMNS} | cells])


def test_a_sheet_changed_after_the_report_is_shown_again_before_it_is_overwritten(account: User) -> None:
    """As many lines of each kind as was confirmed, but one of them would do something else."""
    action, nir = make_action(), make_nir()
    sheet = db.session.get_one(Registration, make_registration(action, nir=nir))
    file = send(account, of_sheet(action, nir, email="du.fichier@exemple.fr"))
    sheet.email = "de.quelquun@exemple.fr"
    db.session.flush()
    file = apply(file)
    assert (file.state, file.held) == (FileState.READY, True)
    db.session.refresh(sheet)
    assert sheet.email == "de.quelquun@exemple.fr"
    assert apply(file).state == FileState.APPLIED
    db.session.refresh(sheet)
    assert sheet.email == "du.fichier@exemple.fr"


def test_a_sheet_changed_while_the_file_is_applied_is_not_overwritten(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody saves the page of the sheet when the plan is made and not yet written."""
    with committed.app_context(), bound_scope(Scope.system()):
        account = db.session.scalars(select(User).where(User.username == "principal")).one()
        with transaction():
            action, nir = make_action(), make_nir()
            number = make_registration(action, nir=nir)
        file = send(account, of_sheet(action, nir, email="du.fichier@exemple.fr"))
        real, meanwhile = trainees_plan.plan, [{"mobile": "+33611111111"}]

        def then_edited(*given: Any, **more: Any) -> Any:
            found = real(*given, **more)
            if more["lock"] and meanwhile:
                with work._aside() as other:
                    values = {**meanwhile.pop(), "version": Registration.version + 1}
                    other.execute(update(Registration).where(Registration.id == number).values(values).execution_options(synchronize_session=False))
            return found

        monkeypatch.setattr(trainees_plan, "plan", then_edited)
        file = apply(file)
        sheet = db.session.get_one(Registration, number, populate_existing=True)
        assert (meanwhile, file.state) == ([], FileState.APPLIED)
        assert (sheet.email, sheet.mobile) == ("du.fichier@exemple.fr", "+33611111111")


def test_answers_that_go_together_stay_together(account: User) -> None:
    """Registered with France Travail by the file, then another number typed: without the answer, the number says nothing."""
    action, nir = make_action(), make_nir()
    sheet = db.session.get_one(Registration, make_registration(action, nir=nir))
    sheet.ft_registered, sheet.ft_number, sheet.ft_registered_on, sheet.ft_agency_code = False, None, None, None
    db.session.flush()
    file = apply(send(account, of_sheet(action, nir, ft_registered="oui", ft_number="1234567A", email="du.fichier@exemple.fr")))
    db.session.refresh(sheet)
    sheet.ft_number = "7654321B"
    db.session.flush()
    assert undo(file).state == FileState.UNDONE
    db.session.refresh(sheet)
    assert (sheet.ft_registered, sheet.ft_number) == (True, "7654321B")
    assert sheet.email != "du.fichier@exemple.fr"


# ---- at the edge of the thirty days ------------------------------------------------------------------------------------


def test_what_is_being_undone_is_not_forgotten(committed: Flask) -> None:
    """The sweeper comes while somebody asks for the undoing of a file as old as an import is kept."""
    with committed.app_context(), bound_scope(Scope.system()):
        account = db.session.scalars(select(User).where(User.username == "principal")).one()
        with transaction():
            action = make_action()
        files = [apply(send(account, csv_of([row_of(action, make_nir(), birth_name=name)]))).id for name in ("Premier", "Second")]
        with transaction():
            db.session.execute(update(ImportFile).where(ImportFile.id.in_(files)).values(applied_at=clock.now() - UNDO_KEPT - timedelta(hours=1)))
        with work._aside() as other:
            other.execute(update(ImportFile).where(ImportFile.id == files[0]).values(state=FileState.UNDOING.value))
            assert services.purge() == 1
        assert [file_now(number).dropped for number in files] == [False, True]
        file = run(files[0])
        assert file.state == FileState.UNDONE
        assert list(db.session.scalars(select(Registration.id).where(Registration.action_id == action.id))) != []  # the second one's
        assert db.session.scalar(select(Trainee.id).where(Trainee.birth_name == "Premier")) is None


def test_an_undoing_without_what_was_done_fails_and_says_so(account: User) -> None:
    """Nothing taken back is never said undone."""
    action = make_action()
    file = apply(send(account, csv_of([row_of(action, make_nir())])))
    parts.drop(file.id, PartKind.DONE)
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        services.undo(file.id)
    for _try in range(MOST_TRIES):
        tenancy.bind(Scope.system())
        with pytest.raises(work.NothingKept):
            work.run(file.id)
    file = file_now(file.id)
    assert (file.state, file.failed_in) == (FileState.APPLIED, FileState.UNDOING)
    assert len(db.session.scalars(select(Registration).where(Registration.action_id == action.id)).all()) == 1
