"""Columns kept under names: saved, chosen, changed, renamed, deleted; one's own, twenty for each list."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.accounts.models import User
from app.core import named
from app.core.exports import selections
from app.core.exports.domain import MOST_SELECTIONS
from app.core.exports.models import ExportSelection, ListExport
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import post
from tests.architecture.markup import problems
from tests.core.waiting import wait_for
from tests.exports.helpers import columns_of, page_of, rows_of, take_out

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session
    from werkzeug.test import TestResponse

AsUser = Callable[[str], "FlaskClient"]
LIST = "stagiaires"


def keep(browser: FlaskClient, columns: list[str], name: str | None = None, *, list_name: str = LIST, **more: Any) -> TestResponse:
    data: dict[str, Any] = {"format": "csv", "colonnes": columns, "enregistrer": "1"} | more
    return post(browser, page_of(list_name), data | ({} if name is None else {"nom": name}))


def checked(page: str) -> set[str]:
    return set(re.findall(r'name="colonnes" value="([^"]+)" checked', page))


def account(identifiant: str) -> User:
    with bound_scope(Scope.system()):
        return db.session.scalars(select(User).where(User.username == identifiant)).one()


def all_of() -> list[ExportSelection]:
    with bound_scope(Scope.system()):
        return list(db.session.scalars(select(ExportSelection).order_by(ExportSelection.id).execution_options(populate_existing=True)))


def test_columns_are_kept_under_a_name_and_chosen_again(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    page = browser.get(page_of(LIST)).text
    assert "Garder ces colonnes sous un nom" in page and "Mes sélections de colonnes" not in page
    asked = keep(browser, ["prenom", "nom_naissance"])
    assert asked.status_code == 200 and not list(problems(asked.text))
    assert "Prénom" in asked.text and asked.text.count('type="hidden" name="colonnes"') == 2
    saved = keep(browser, ["prenom", "nom_naissance"], "  Pour\x00 la   paie ")
    assert saved.status_code == 303
    (kept,) = all_of()
    assert (kept.name, kept.list_name, set(kept.columns)) == ("Pour la paie", LIST, {"prenom", "nom_naissance"})
    page = browser.get(saved.location).text
    assert not list(problems(page))
    assert "est gardée" in page and "Pour la paie" in page
    assert checked(page) == {"prenom", "nom_naissance"}
    assert f'selection={kept.id}" aria-current="true"' in page
    take_out(browser, LIST, "csv", ["nom_naissance"])
    assert checked(browser.get(page_of(LIST)).text) == {"nom_naissance"}, "without a selection, what was chosen last"
    again = browser.get(page_of(LIST), query_string={"selection": kept.id}).text
    assert checked(again) == {"prenom", "nom_naissance"}
    assert len(checked(browser.get(page_of(LIST), query_string={"colonnes": "toutes", "selection": kept.id}).text)) == len(columns_of(again))
    answer = post(browser, f"{page_of(LIST)}?selection={kept.id}", {"format": "csv", "colonnes": ["prenom"]}, buffered=True)
    assert rows_of(answer.data)[0] == ["Prénom"], "what is checked leaves, whatever the selection says"


def test_what_is_narrowed_stays_narrowed(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    address = f"{page_of(LIST)}?a_faire=sans-sortie"
    saved = post(browser, address, {"format": "csv", "colonnes": ["prenom"], "enregistrer": "1", "nom": "Une"})
    assert saved.status_code == 303
    assert "a_faire=sans-sortie" in saved.location and "selection=" in saved.location
    assert "Sans sortie" in browser.get(saved.location).text
    assert db_session.scalar(select(func.count()).select_from(ListExport)) == 0, "nothing left"


def test_a_name_taken_is_changed_only_when_that_is_said(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    keep(browser, ["prenom"], "Paie")
    answer = keep(browser, ["nom_naissance"], "PAIE")
    assert answer.status_code == 422 and not list(problems(answer.text))
    assert "Vous avez déjà une sélection" in answer.text and 'value="PAIE"' in answer.text and 'name="remplacer"' in answer.text
    assert all_of()[0].columns == ["prenom"]
    assert keep(browser, ["nom_naissance"], "PAIE", remplacer="y").status_code == 303
    (kept,) = all_of()
    assert (kept.name, kept.columns) == ("PAIE", ["nom_naissance"])
    assert keep(browser, ["numero"], "Paie", list_name="actions").status_code in (303, 422)
    other = columns_of(browser.get(page_of("inscriptions")).text)[:1]
    assert keep(browser, other, "Paie", list_name="inscriptions").status_code == 303, "names are each list's own"
    assert "PAIE" not in browser.get(page_of("inscriptions")).text


@pytest.mark.parametrize(("columns", "name", "words"), [
    ([], None, "Choisissez au moins une colonne"), ([], "Paie", "Choisissez au moins une colonne"), (["siret"], "Paie", "Choisissez au moins une colonne"),
    (["prenom"], "  ", "error-summary"), (["prenom"], "\x00", "error-summary"), (["prenom"], "x" * 81, "80 caractères"),
])  # fmt: skip
def test_what_is_refused(as_user: AsUser, db_session: Session, columns: list[str], name: str | None, words: str) -> None:
    answer = keep(as_user("principal"), columns, name)
    assert answer.status_code == 422 and words in answer.text and not list(problems(answer.text))
    assert not all_of()


def test_going_back_keeps_what_was_checked(as_user: AsUser, db_session: Session) -> None:
    answer = keep(as_user("principal"), ["prenom"], "Paie", retour="1")
    assert answer.status_code == 200 and checked(answer.text) == {"prenom"}
    assert 'value="csv" checked' in answer.text
    assert not all_of()


def test_columns_that_are_no_more_are_left_out(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    keep(browser, ["prenom"], "Paie")
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text("UPDATE export_selection SET columns = '{prenom,disparue}'"))
    (kept,) = all_of()
    assert checked(browser.get(page_of(LIST), query_string={"selection": kept.id}).text) == {"prenom"}
    for wrong in ("0", "x", "999999999999", "", "-1"):
        assert browser.get(page_of(LIST), query_string={"selection": wrong}).status_code == 200


def test_twenty_for_a_list_and_no_more(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    user = account("principal")
    with bound_scope(Scope.organisation(user.organisation_id), actor_id=user.id):
        for number in range(MOST_SELECTIONS):
            selections.save(LIST, f"Sélection {number}", ["prenom"], replace=False)
    answer = keep(browser, ["prenom"], "Une de trop")
    assert answer.status_code == 422 and "20 sélections" in answer.text
    assert keep(browser, ["nom_naissance"], "sélection 3", remplacer="y").status_code == 303
    other = columns_of(browser.get(page_of("inscriptions")).text)[:1]
    assert keep(browser, other, "Une autre liste", list_name="inscriptions").status_code == 303
    page = browser.get("/exports/colonnes/").text
    assert not list(problems(page)) and page.count("/renommer") == MOST_SELECTIONS + 1
    assert post(browser, f"/exports/colonnes/{all_of()[0].id}/supprimer").status_code == 303
    assert keep(browser, ["prenom"], "Une de trop").status_code == 303


def test_renaming_and_deleting(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    assert "Vous n’avez encore gardé aucune sélection" in browser.get("/exports/colonnes/").text
    keep(browser, ["prenom"], "Paie")
    keep(browser, ["prenom"], "Autre")
    (first, version), (second, _version) = [(one.id, str(one.version)) for one in all_of()]
    address = f"/exports/colonnes/{first}/renommer"
    page = browser.get(address).text
    assert 'value="Paie"' in page and not list(problems(page))
    assert "Vous avez déjà une sélection" in post(browser, address, {"nom": "autre", "version": version}).text
    assert post(browser, address, {"nom": "", "version": version}).status_code == 422
    assert post(browser, address, {"nom": "Feuilles", "version": version}).status_code == 303
    stale = post(browser, address, {"nom": "Encore", "version": version})
    assert stale.status_code == 409 and "Feuilles" in stale.text and 'value="Encore"' in stale.text
    assert [one.name for one in all_of()] == ["Feuilles", "Autre"]
    gone = f"/exports/colonnes/{second}/supprimer"
    assert "Supprimer la sélection" in browser.get(gone).text
    assert len(all_of()) == 2
    assert post(browser, gone).status_code == 303
    assert post(browser, gone).status_code == 404
    assert [one.name for one in all_of()] == ["Feuilles"]


def test_nobody_else_sees_them(as_user: AsUser, db_session: Session) -> None:
    keep(as_user("principal"), ["prenom"], "Paie du principal")
    (kept,) = all_of()
    for who in ("secondaire", "autre-of", "admin"):
        browser = as_user(who)
        assert "Paie du principal" not in browser.get(page_of(LIST), query_string={"selection": kept.id}).text
        assert "Paie du principal" not in browser.get("/exports/colonnes/").text
        for act in ("renommer", "supprimer"):
            assert browser.get(f"/exports/colonnes/{kept.id}/{act}").status_code == 404
            assert post(browser, f"/exports/colonnes/{kept.id}/{act}", {"nom": "x", "version": "1"}).status_code == 404
        user = account(who)
        scope = Scope.organisation(user.organisation_id) if user.organisation_id else Scope.region()
        with bound_scope(scope, actor_id=user.id):
            assert db_session.scalar(text("SELECT count(*) FROM export_selection")) == 0, "the second wall"
    assert as_user("support").get("/exports/colonnes/").status_code == 403


def test_the_database_bounds_them(db_session: Session) -> None:
    user = account("principal")
    row = {"organisation": user.organisation_id, "user": user.id}
    insert = (
        "INSERT INTO export_selection (organisation_id, user_id, list_name, slot, name, columns, created_at, updated_at) "
        "VALUES (:organisation, :user, 'x', {slot}, '{name}', '{columns}', now(), now())"
    )
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text(insert.format(slot=1, name="A", columns="{a}")), row)
    for slot, name, columns in ((21, "B", "{a}"), (0, "B", "{a}"), (1, "B", "{a}"), (2, "a", "{a}"), (2, "", "{a}"), (2, "B", "{}")):
        with pytest.raises(DBAPIError), bound_scope(Scope.system()), transaction() as session:
            session.execute(text(insert.format(slot=slot, name=name, columns=columns)), row)


def test_many_at_once_stay_within_bounds(committed: Flask) -> None:
    with committed.app_context():
        with bound_scope(Scope.system()):
            key, organisation = db.session.execute(select(User.id, User.organisation_id).where(User.username == "principal")).one()
        with bound_scope(Scope.organisation(organisation), actor_id=key):
            for number in range(MOST_SELECTIONS - 2):
                selections.save(LIST, f"S{number}", ["prenom"], replace=False)
    outcomes: list[str] = []
    gate = threading.Barrier(6)

    def one(number: int) -> None:
        with committed.app_context(), bound_scope(Scope.organisation(organisation), actor_id=key):
            gate.wait()
            try:
                selections.save(LIST, "même nom" if number % 2 else f"autre {number}", ["prenom"], replace=False)
                outcomes.append("kept")
            except (named.NameTaken, named.TooMany) as error:
                outcomes.append(type(error).__name__)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("kept") == 2 and len(outcomes) == 6
    with committed.app_context():
        assert len(all_of()) == MOST_SELECTIONS


def test_two_clicks_on_delete_delete_once(committed: Flask) -> None:
    """Both requests find the selection; the one that comes second finds nothing any more, which is a 404."""
    with committed.app_context():
        with bound_scope(Scope.system()):
            key, organisation = db.session.execute(select(User.id, User.organisation_id).where(User.username == "principal")).one()
        with bound_scope(Scope.organisation(organisation), actor_id=key):
            number = selections.save(LIST, "Une", ["prenom"], replace=False).id
    outcomes: list[str] = []

    def click() -> None:
        with committed.app_context(), bound_scope(Scope.organisation(organisation), actor_id=key):
            try:
                selections.SHELF.one(number)
                selections.SHELF.delete(number)
                outcomes.append("deleted")
            except Exception as error:
                outcomes.append(type(error).__name__)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=click) for _ in range(2)]
    with committed.app_context(), bound_scope(Scope.organisation(organisation), actor_id=key):
        with transaction() as session:
            session.execute(select(ExportSelection.id).where(ExportSelection.id == number).with_for_update())
            for thread in threads:
                thread.start()
            wait_for(2)
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["NotKept", "deleted"]
        assert all_of() == []
