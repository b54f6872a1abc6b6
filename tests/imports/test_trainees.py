"""« Stagiaires »: a file checked dry, applied as a whole, undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text

from app.accounts.models import User
from app.core.extensions import db
from app.core.matrix.plan import Act
from app.core.tenancy import Scope, bound_scope
from app.imports import validator
from app.imports.columns import map_headings
from app.imports.domain import FileState
from app.imports.models import ImportFinding
from app.reference.models import Town
from app.trainees.matrices import trainees
from app.trainees.models import Registration, Trainee
from tests.actions.helpers import make_action, make_nir, make_registration, statements
from tests.imports.helpers import apply, csv_of, row_of, send, undo

if TYPE_CHECKING:
    pass


def said(file: Any) -> list[tuple[int, str, str]]:
    statement = select(ImportFinding.line, ImportFinding.column_name, ImportFinding.message).where(ImportFinding.file_id == file.id)
    return [tuple(row) for row in db.session.execute(statement.order_by(ImportFinding.line, ImportFinding.id))]


def counted(model: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_a_new_trainee_comes_in_and_goes_again(account: User) -> None:
    action = make_action()
    before = counted(Trainee), counted(Registration)
    nir = make_nir()
    file = send(account, csv_of([row_of(action, nir)]))
    assert (said(file), file.state, file.counts) == ([], FileState.READY, {"create": 1, "change": 0, "same": 0, "wrong": 0})
    assert (counted(Trainee), counted(Registration)) == before
    file = apply(file)
    assert file.state == FileState.APPLIED
    made = db.session.scalars(select(Registration).where(Registration.action_id == action.id)).one()
    assert (made.trainee.birth_name, made.trainee.nir_masked, made.mobile, made.ft_number) == ("Essai", nir.masked, "+33612345678", "1234567A")
    assert made.insee_code == "31555"
    again = send(account, csv_of([row_of(action, nir, email="autre@exemple.fr")]))
    assert again.counts == {"create": 0, "change": 1, "same": 0, "wrong": 0}
    undone = undo(file)
    assert undone.state == FileState.UNDONE
    assert (counted(Trainee), counted(Registration)) == before


def test_a_line_changes_what_it_says_and_no_more(account: User) -> None:
    action = make_action()
    nir = make_nir()
    number = make_registration(action, nir=nir)
    held = db.session.get_one(Registration, number)
    mobile, street = held.mobile, held.street_name
    columns = ["action_number", "nir", "key", "birth_name", "first_name", "birth_date", "email", "mobile"]
    file = send(account, csv_of([row_of(action, nir, birth_name="ESSAI", email="nouveau@exemple.fr", mobile="")], columns=columns))
    assert (said(file), file.counts) == ([], {"create": 0, "change": 1, "same": 0, "wrong": 0})
    file = apply(file)
    db.session.expire_all()
    assert (held.email, held.mobile, held.street_name) == ("nouveau@exemple.fr", mobile, street)
    undo(file)
    db.session.expire_all()
    assert held.email != "nouveau@exemple.fr"


def test_what_is_wrong_is_said_by_cell(account: User) -> None:
    action = make_action()
    nir = make_nir()
    rows = [
        row_of(action, nir, mobile="05 61 00 00 00"), {**row_of(action, make_nir()), "nir": "1234"}, row_of(action, nir), row_of(action, make_nir(), town="PARIS"),
        row_of(action, make_nir(), boe="peut-être", birth_date="31/02/1985"), row_of(action, make_nir(), ft_number="123"),
        row_of(action, make_nir(), email="", civility="Madame"), row_of(action, make_nir(), action_number="99X"),
    ]  # fmt: skip
    file = send(account, csv_of(rows))
    found = said(file)
    assert {(line, column) for line, column, _message in found} == {
        (2, "mobile"), (3, "nir"), (4, ""), (5, "town"), (6, "boe"), (6, "birth_date"), (7, "ft_number"), (8, "email"), (8, "civility"), (9, "action_number"),
    }  # fmt: skip
    assert file.counts == {"create": 0, "change": 0, "same": 0, "wrong": 8}
    assert Act.WRONG in (file.counts or {})


def test_an_account_limited_to_some_actions_sees_its_own_files_only(account: User) -> None:
    file = send(account, csv_of([row_of(make_action(), make_nir(), town="PARIS")]))
    other = db.session.scalars(select(User.id).where(User.username == "secondaire")).one()
    for limited, seen in ((other, 0), (account.id, 1)):
        with bound_scope(Scope.organisation(file.organisation_id, limited_account=limited)):
            for table in ("import_file", "import_part", "import_finding"):
                found = db.session.scalar(text(f"SELECT count(*) > 0 FROM {table}"))
                assert bool(found) is bool(seen), table


CONTRADICTIONS = [
    ({"first_name": "Gérard"}, ["nir"]), ({"birth_name": "Autre"}, ["nir"]), ({"birth_date": "03/06/1985"}, ["nir"]), ({"usual_name": "Durand"}, ["usual_name"]),
    ({"civility": "Madame", "gender": "Féminin"}, ["civility", "gender"]), ({"civility": "Madame"}, ["civility"]), ({"birth_name": "ESSAI", "first_name": "PAUL"}, []),
    ({"usual_name": "Essai"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "columns"), CONTRADICTIONS)
def test_two_lines_about_one_newcomer_say_the_same_of_who_it_is(account: User, cells: dict[str, str], columns: list[str]) -> None:
    """One person is made of both: what one of them says would be lost without a word."""
    first, second, nir = make_action(), make_action(), make_nir()
    sure = {"identity_confirmed": "oui"}
    file = send(account, csv_of([row_of(first, nir, **sure), row_of(second, nir, **sure | cells)]))
    assert [(line, column) for line, column, _message in said(file)] == [(3, column) for column in columns]
    assert (file.counts or {})["create"] == (2 if not columns else 1)


@pytest.mark.parametrize(("cells", "columns"), [({"civility": "Madame"}, ["civility"]), ({"birth_name": "Autre", "usual_name": "Essai"}, ["birth_name"]), ({}, [])])
def test_so_do_those_about_one_without_number(account: User, cells: dict[str, str], columns: list[str]) -> None:
    first, second = make_action(programme="AVENIR"), make_action(programme="AVENIR")
    sure = {"identity_confirmed": "oui"}
    file = send(account, csv_of([row_of(first, None, **sure), row_of(second, None, **sure | cells)]))
    assert [(line, column) for line, column, _message in said(file)] == [(3, column) for column in columns]


def test_the_usual_name_of_somebody_known_is_compared_too(account: User) -> None:
    """An identity is compared, never changed: what the file says else is not passed over."""
    action, nir = make_action(), make_nir()
    person = db.session.get_one(Registration, make_registration(action, nir=nir)).trainee
    person.usual_name = "Martin"
    db.session.flush()
    columns = ["action_number", "nir", "key", "birth_name", "usual_name", "first_name", "birth_date", "email"]
    rows = [row_of(action, nir, birth_name="ESSAI", usual_name=name, email="neuf@exemple.fr") for name in ("Durand", "MARTIN", "")]
    found = [said(send(account, csv_of([row], columns=columns), name=f"{place}.csv")) for place, row in enumerate(rows)]
    assert [[column for _line, column, _message in one] for one in found] == [["usual_name"], [], []]


def towns(count: int) -> list[tuple[str, str]]:
    """As many towns, each of a postal code of its own."""
    served = select(func.min(Town.id)).where(~Town.cedex).group_by(Town.postal_code).order_by(func.min(Town.id)).limit(count)
    return [(row.postal_code, row.name) for row in db.session.execute(select(Town.postal_code, Town.name).where(Town.id.in_(served)))]


def test_towns_are_read_at_once_however_many_a_file_names(account: User) -> None:
    """When it is checked dry, when it is applied, and when anybody has it checked; of new sheets, and of those of which it says half an address."""
    found = []
    for size in (3, 60):
        action, served = make_action(), towns(size)
        assert len(served) == size
        rows = [row_of(action, make_nir(), postal_code=code, town=name) for code, name in served]
        for code, name in towns(size)[1:]:
            nir = make_nir()
            held = db.session.get_one(Registration, make_registration(action, nir=nir))
            held.postal_code = code
            rows.append(row_of(action, nir, birth_name="ESSAI", postal_code="", town=name))
        db.session.flush()
        content = csv_of(rows)
        with statements() as dry:
            file = send(account, content, name=f"{size}.csv")
        assert said(file) == []
        with statements() as real:
            assert apply(file).state == FileState.APPLIED
        with statements() as public:
            assert validator.check_file(trainees.MATRIX, content).total == 0
        found.append(tuple(len([one for one in asked if "FROM town" in one.replace("\n", " ")]) for asked in (dry, real, public)))
        found.append((len(dry), len(real), len(public)))
    assert found[0] == found[2] == (1, 1, 1)
    assert all(many <= few for many, few in zip(found[3], found[1], strict=True)), found


@pytest.mark.parametrize(
    ("heading", "column"),
    [("Mél", "email"), ("Numero de securite sociale", "nir"), ("prénom du stagiaire", "first_name"), ("NOM DU STAGIAIRE", "birth_name"), ("Né(e) le", "birth_date")],
)
def test_headings_of_other_software_are_known(heading: str, column: str) -> None:
    assert map_headings([heading], trainees.MATRIX, {}).columns == [column]
