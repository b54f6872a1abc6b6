"""Numbers (NIR) in a file: for those entitled alone, with a reason, each reading journaled, as text, never kept."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text

from app.accounts.seeds import ORGANISATION_B
from app.core.audit.models import NirReading
from app.core.exports import domain, forms, views
from app.core.exports.models import ExportFile, ListExport
from app.core.nir import Nir
from app.core.tenancy import Scope, bound_scope
from app.trainees.models import Registration, Trainee
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_nir, make_registration, organisation
from tests.exports.helpers import lines_of, page_of, take_out

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

REASON = "Contrôle demandé par la Région"


@pytest.fixture
def people(db_session: Session) -> tuple[int, list[Nir]]:
    """An action with two people of known numbers, and one of another organisation."""
    with bound_scope(Scope.organisation(organisation().id)):
        action = make_action()
        numbers = [make_nir(), make_nir()]
        for index, number in enumerate(numbers):
            make_registration(action, name=f"NOM {index}", nir=number)
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        make_registration(make_action(siret=ORGANISATION_B), name="AILLEURS")
    return action.id, numbers


def with_numbers(browser: FlaskClient, action: int | None, file_format: str = "csv", reason: str = REASON, columns: list[str] | None = None, **more: Any) -> Any:
    query = {} if action is None else {"action": action}
    return take_out(browser, "stagiaires", file_format, columns or ["nom_naissance", "prenom"], {"nir": "y", "motif": reason, **more}, **query)


@pytest.mark.parametrize("account", ["principal", "admin"])
@pytest.mark.parametrize("file_format", ["csv", "xlsx", "ods"])
def test_the_numbers_of_those_listed_as_text_and_journaled(
    as_user: AsUser, db_session: Session, people: tuple[int, list[Nir]], account: str, file_format: str
) -> None:
    action, numbers = people
    found = lines_of(with_numbers(as_user(account), action, file_format))
    assert [line["NIR"] for line in found] == [number.grouped for number in numbers]
    readings = db_session.scalars(select(NirReading).where(NirReading.purpose == "export")).all()
    subjects = set(db_session.scalars(select(Registration.trainee_id).where(Registration.action_id == action)))
    assert {reading.subject_id for reading in readings} == subjects and {reading.reason for reading in readings} == {REASON}
    entry = db_session.scalars(select(ListExport)).one()
    assert entry.numbers and entry.personal and entry.columns == ["nom_naissance", "prenom", "nir"]
    assert {reading.request_id for reading in readings} == {entry.request_id}


@pytest.mark.parametrize("account", ["secondaire", "region", "admin", "autre-of"])
def test_only_the_entitled_are_offered_them(as_user: AsUser, db_session: Session, people: tuple[int, list[Nir]], account: str) -> None:
    browser = as_user(account)
    offered = 'name="nir"' in browser.get(page_of("stagiaires")).get_data(as_text=True)
    permitted = db_session.scalar(
        text(
            "SELECT count(*) FROM ab_user u JOIN ab_user_role ur ON ur.user_id = u.id JOIN ab_permission_view_role pr ON pr.role_id = ur.role_id "
            "JOIN ab_permission_view pv ON pv.id = pr.permission_view_id JOIN ab_permission p ON p.id = pv.permission_id "
            "WHERE u.username = :name AND p.name = 'can_export_nir'"
        ),
        {"name": account},
    )
    assert offered == bool(permitted)
    if not permitted:
        assert with_numbers(browser, None).status_code == 422
        assert db_session.scalar(select(func.count()).select_from(NirReading)) == 0


def test_the_right_is_the_principals_and_the_administrators(app: Any) -> None:
    from app.core.roles import Role, collect_grants
    from app.trainees.permissions import EXPORT_NIR

    assert {role for role, grants in collect_grants().items() if EXPORT_NIR in grants} == {Role.PRINCIPAL, Role.REGION_ADMIN}


@pytest.mark.parametrize("reason", ["", "          ", "neuf cara", "a  b      c  d  e"])
def test_a_reason_each_time(as_user: AsUser, db_session: Session, people: tuple[int, list[Nir]], reason: str) -> None:
    answer = with_numbers(as_user("principal"), people[0], reason=reason)
    assert len(" ".join(reason.split())) < domain.SHORTEST_REASON
    assert answer.status_code == 422 and "en 10 caractères au moins" in answer.get_data(as_text=True)
    assert db_session.scalar(select(func.count()).select_from(NirReading)) == db_session.scalar(select(func.count()).select_from(ListExport)) == 0


def test_few_at_a_time(as_user: AsUser, db_session: Session, people: tuple[int, list[Nir]], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (forms, views):
        monkeypatch.setattr(module, "MOST_NUMBERS", 1)
    answer = with_numbers(as_user("principal"), people[0])
    assert answer.status_code == 422 and "Au plus 1 lignes" in answer.get_data(as_text=True).replace("\u202f", " ")
    assert db_session.scalar(select(func.count()).select_from(NirReading)) == 0


def test_never_kept(as_user: AsUser, db_session: Session, people: tuple[int, list[Nir]]) -> None:
    answer = with_numbers(as_user("principal"), people[0], arriere_plan="y")
    assert answer.status_code == 422 and "n’est jamais gardé" in answer.get_data(as_text=True)
    assert db_session.scalar(select(func.count()).select_from(ExportFile)) == 0


def test_without_asking_there_is_no_number_not_even_masked(as_user: AsUser, db_session: Session, people: tuple[int, list[Nir]]) -> None:
    action, numbers = people
    for list_name in ("stagiaires", "inscriptions", "nia-a-regulariser"):
        query = {"action": action} if list_name != "nia-a-regulariser" else {}
        content = take_out(as_user("principal"), list_name, **query).get_data(as_text=True)
        assert not any(number.value in re.sub(r"\s", "", content) or number.number in re.sub(r"\s", "", content) for number in numbers)
        assert "**" not in content
    assert post(as_user("principal"), page_of("stagiaires"), {"format": "csv", "colonnes": ["nir", "prenom"]}).status_code == 422


def test_a_spreadsheet_takes_it_for_a_text(as_user: AsUser, people: tuple[int, list[Nir]]) -> None:
    action, numbers = people
    content = with_numbers(as_user("principal"), action, "xlsx").get_data()
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert f't="inlineStr"><is><t>{numbers[0].grouped}</t>' in sheet


def test_a_number_that_cannot_be_journaled_does_not_leave(
    as_user: AsUser, db_session: Session, people: tuple[int, list[Nir]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.core.nir import reading

    def refused(*_args: Any, **_more: Any) -> None:
        raise RuntimeError("the journal is not written")

    monkeypatch.setattr(reading, "journal_readings", refused)
    with pytest.raises(RuntimeError):
        with_numbers(as_user("principal"), people[0])
    with bound_scope(Scope.system()):
        assert db_session.scalars(select(ListExport)).one().finished_at is None


def test_who_bears_none_has_an_empty_cell(as_user: AsUser, db_session: Session) -> None:
    with bound_scope(Scope.organisation(organisation().id)):
        action = make_action()
        make_registration(action)
    with bound_scope(Scope.system()):
        db_session.execute(
            text("UPDATE trainee SET nir_ciphertext = NULL, nir_hash = NULL, nir_kind = NULL, nir_masked = '' WHERE id IN (SELECT trainee_id FROM registration WHERE action_id = :a)"),
            {"a": action.id},
        )
        db_session.commit()
    (line,) = lines_of(with_numbers(as_user("principal"), action.id))
    assert line["NIR"] == ""
    assert db_session.get(Trainee, 0) is None
