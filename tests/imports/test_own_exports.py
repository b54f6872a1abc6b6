"""What the portal exports can be mended in a spreadsheet and sent back: the same lines, known by their names, without a number."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.models import User
from app.actions.domain import ActionStatus
from app.actions.models import Action
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.imports import services
from app.imports.domain import FileState
from app.imports.matrices import IMPORTERS
from app.imports.models import ImportFile
from app.trainees.models import Registration
from tests.actions.helpers import make_action, make_enrolment, make_nir, make_registration, organisation
from tests.exports.helpers import take_out
from tests.imports.helpers import apply, run
from tests.imports.test_trainees import said

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient

    AsUser = Callable[[str], FlaskClient]


@pytest.fixture
def registered(account: User) -> list[int]:
    """Three people on an action, one with what a spreadsheet or a CSV file damages."""
    with bound_scope(Scope.organisation(organisation().id)):
        action = make_action()
        ids = [make_registration(action, name=name, nir=make_nir()) for name in ("D’Été-Noël", "MARTIN", "Petit Jean")]
        first = db.session.get_one(Registration, ids[0])
        first.street_name, first.other_information, first.address_complement = "du 8-Mai", "- appeler ; \"avant\" 8 h\n=12", "+ bât. B"
        db.session.commit()
        return [action.id, *ids]


@pytest.fixture
def enrolled(account: User) -> int:
    """An action with three people on a component."""
    with bound_scope(Scope.organisation(organisation().id)):
        action = make_action()
        for name in ("D’Été-Noël", "MARTIN", "Petit Jean"):
            make_enrolment(action, name=name, nir=make_nir())
        return action.id


def sent_back(account: User, matrix: str, content: bytes, name: str) -> ImportFile:
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        file_id = services.receive(matrix, name, content)
    return run(file_id)


@pytest.mark.parametrize("file_format", ["csv", "xlsx", "ods"])
def test_the_list_of_trainees_comes_back_and_changes_nothing(as_user: AsUser, account: User, registered: list[int], file_format: str) -> None:
    content = take_out(as_user("principal"), "stagiaires", file_format, action=registered[0]).get_data()
    file = sent_back(account, "stagiaires", content, f"stagiaires.{file_format}")
    assert (said(file), file.state, file.counts) == ([], FileState.READY, {"create": 0, "change": 0, "same": 3, "wrong": 0})


def test_a_cell_mended_in_it_is_all_that_changes(as_user: AsUser, account: User, registered: list[int]) -> None:
    content = take_out(as_user("principal"), "stagiaires", action=registered[0]).get_data().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(content, newline=""), delimiter=";"))
    mail = rows[0].index("Courriel")
    rows[2][mail] = "change@exemple.fr"
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=";").writerows(rows)
    file = sent_back(account, "stagiaires", target.getvalue().encode(), "stagiaires.csv")
    assert file.counts == {"create": 0, "change": 1, "same": 2, "wrong": 0}
    before = {number: _content(number) for number in registered[1:]}
    assert apply(file).state == FileState.APPLIED
    after = {number: _content(number) for number in registered[1:]}
    changed = {(number, name) for number in after for name in after[number] if after[number][name] != before[number][name]}
    assert {name for _number, name in changed} - {"version", "updated_at", "updated_by_id"} == {"email"} and len({number for number, _name in changed}) == 1


def _content(number: int) -> dict[str, Any]:
    db.session.expire_all()
    sheet = db.session.get_one(Registration, number)
    return {column.key: getattr(sheet, column.key) for column in Registration.__table__.columns}


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_the_list_of_enrolments_too(as_user: AsUser, account: User, enrolled: int, file_format: str) -> None:
    content = take_out(as_user("principal"), "inscriptions", file_format, action=enrolled).get_data()
    file = sent_back(account, "inscriptions", content, f"inscriptions.{file_format}")
    assert (said(file), file.state, file.counts) == ([], FileState.READY, {"create": 0, "change": 0, "same": 3, "wrong": 0})


def test_of_a_cancelled_action_only_what_changes_is_refused(as_user: AsUser, account: User, registered: list[int]) -> None:
    content = take_out(as_user("principal"), "stagiaires", action=registered[0]).get_data().decode("utf-8-sig")
    with bound_scope(Scope.system()):
        db.session.get_one(Action, registered[0]).status = ActionStatus.CANCELLED.value
        db.session.commit()
    file = sent_back(account, "stagiaires", content.encode(), "stagiaires.csv")
    assert file.counts == {"create": 0, "change": 0, "same": 3, "wrong": 0}
    rows = list(csv.reader(io.StringIO(content, newline=""), delimiter=";"))
    rows[2][rows[0].index("Courriel")] = "change@exemple.fr"
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=";").writerows(rows)
    file = sent_back(account, "stagiaires", target.getvalue().encode(), "stagiaires.csv")
    assert file.counts == {"create": 0, "change": 0, "same": 2, "wrong": 1}
    assert [(line, column) for line, column, _message in said(file)] == [(3, "action_number")]


@pytest.mark.parametrize("matrix", sorted(IMPORTERS))
def test_no_heading_of_them_is_asked_about(as_user: AsUser, account: User, enrolled: int, matrix: str) -> None:
    content = take_out(as_user("principal"), "stagiaires" if matrix == "stagiaires" else "inscriptions", action=enrolled).get_data()
    file = sent_back(account, matrix, content, "liste.csv")
    assert file.state == (FileState.TO_MAP if matrix == "sorties" else FileState.READY)  # the nature of each line is nowhere in a list


def test_somebody_who_is_not_on_the_action_needs_a_number(as_user: AsUser, account: User, registered: list[int]) -> None:
    content = take_out(as_user("principal"), "stagiaires", action=registered[0]).get_data().decode("utf-8-sig").replace("MARTIN", "MARTINE")
    file = sent_back(account, "stagiaires", content.encode(), "stagiaires.csv")
    assert file.counts == {"create": 0, "change": 0, "same": 2, "wrong": 1}
    assert "nir" in [column for _line, column, _message in said(file)]


def test_namesakes_born_the_same_day_need_a_number(as_user: AsUser, account: User, registered: list[int]) -> None:
    with bound_scope(Scope.organisation(account.organisation_id)):
        other = db.session.get_one(Registration, registered[2]).trainee
        twin = db.session.get_one(Registration, registered[3]).trainee
        twin.birth_name, twin.first_name, twin.birth_date = other.birth_name, other.first_name, other.birth_date
        db.session.commit()
    content = take_out(as_user("principal"), "stagiaires", action=registered[0]).get_data()
    file = sent_back(account, "stagiaires", content, "stagiaires.csv")
    assert file.counts == {"create": 0, "change": 0, "same": 1, "wrong": 2}
    assert {column for _line, column, _message in said(file)} == {"nir"}
