"""Searches kept by an account: its own only, each name once, twenty at most, whoever asks and however often."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.actions import saved_searches
from app.actions.domain import MAX_SAVED_SEARCHES
from app.actions.models import SavedSearch
from app.core import context, named
from app.core.extensions import db
from app.core.tenancy import Scope, bind, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import post
from tests.core.waiting import wait_for

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

KEPT = "/actions-de-formation/recherches/"
NEW = f"{KEPT}nouvelle?statut=EC&intitule=preparation&sort=intitule&order=desc"


def keep(browser: FlaskClient, name: str, address: str = NEW) -> int:
    answer = post(browser, address, {"name": name})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return db.session.scalars(select(SavedSearch.id).where(SavedSearch.name == name).order_by(SavedSearch.id.desc())).first() or 0


def text_of(browser: FlaskClient, address: str) -> str:
    return browser.get(address).get_data(as_text=True).replace("\u00a0", " ")


def test_a_search_is_kept_found_renamed_and_deleted(as_user: AsUser) -> None:
    browser = as_user("principal")
    assert "Enregistrer cette recherche" in text_of(browser, "/actions-de-formation/?statut=EC")
    key = keep(browser, "Mes sanitaires")
    page = text_of(browser, "/actions-de-formation/")
    link = re.search(r'<a href="(/actions-de-formation/\?[^"]+)">Mes sanitaires</a>', page)
    assert link is not None
    found = text_of(browser, link[1].replace("&amp;", "&"))
    assert 'value="preparation"' in found and '<option value="EC" selected>' in found and 'aria-sort="descending"' in found
    assert "Statut : En cours" in text_of(browser, KEPT)
    form = text_of(browser, f"{KEPT}{key}/renommer")
    version = re.search(r'name="version"[^>]*value="(\d+)"', form)
    assert version is not None
    assert post(browser, f"{KEPT}{key}/renommer", {"name": "Sanitaire", "version": version[1]}).status_code == 303
    assert "Sanitaire" in text_of(browser, KEPT)
    assert "Supprimer la recherche" in text_of(browser, f"{KEPT}{key}/supprimer")
    assert "Sanitaire" in text_of(browser, KEPT)  # asking deletes nothing
    assert post(browser, f"{KEPT}{key}/supprimer").status_code == 303
    assert post(browser, f"{KEPT}{key}/supprimer").status_code == 404
    assert "Vous n’avez encore enregistré aucune recherche" in text_of(browser, KEPT)


@pytest.mark.parametrize("other", ["secondaire", "autre-of", "region"])
def test_another_accounts_search_does_not_exist(as_user: AsUser, other: str) -> None:
    key = keep(as_user("principal"), "À moi")
    browser = as_user(other)
    for act in ("renommer", "supprimer"):
        assert browser.get(f"{KEPT}{key}/{act}").status_code == 404
        assert post(browser, f"{KEPT}{key}/{act}", {"name": "À toi"}).status_code == 404
    assert "À moi" not in text_of(browser, KEPT)
    assert db.session.get_one(SavedSearch, key).name == "À moi"


@pytest.mark.parametrize("other", ["secondaire", "autre-of", "region"])
def test_the_database_hides_it_too(as_user: AsUser, db_session: Session, other: str) -> None:
    """Raw SQL of another account, of the same organisation included, neither sees nor changes nor forges it."""
    key = keep(as_user("principal"), "À moi")
    account = db_session.execute(text("SELECT id, organisation_id FROM ab_user WHERE username = :name"), {"name": other}).one()
    owner = db_session.scalar(text("SELECT user_id FROM saved_search WHERE id = :key"), {"key": key})
    context.set_actor_id(account.id)
    try:
        with bound_scope(Scope.organisation(account.organisation_id) if account.organisation_id else Scope.region()):
            assert db_session.scalar(text("SELECT count(*) FROM saved_search")) == 0
            assert db_session.execute(text("UPDATE saved_search SET name = 'x'")).rowcount == 0  # type: ignore[attr-defined]
            nested = db_session.begin_nested()
            with pytest.raises(DBAPIError) as refused:
                db_session.execute(
                    text(
                        "INSERT INTO saved_search (organisation_id, user_id, slot, name, query, created_at, updated_at) "
                        "VALUES (:organisation, :owner, 2, 'Glissée', 'statut=EC', now(), now())"
                    ),
                    {"organisation": account.organisation_id, "owner": owner},
                )
            assert getattr(refused.value.orig, "sqlstate", "") == "42501"
            nested.rollback()
    finally:
        context.set_actor_id(None)


def test_a_name_is_taken_once_per_account_whatever_its_case(as_user: AsUser) -> None:
    browser = as_user("principal")
    keep(browser, "En cours")
    answer = post(browser, NEW, {"name": "EN COURS"})
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert "Vous avez déjà une recherche nommée" in page and 'value="EN COURS"' in page
    keep(as_user("secondaire"), "En cours")


@pytest.mark.parametrize(("name", "said"), [("", "Remplissez ce champ"), ("   ", "Remplissez ce champ"), ("x" * 81, "80 caractères au plus")])
def test_a_name_is_asked_for(as_user: AsUser, name: str, said: str) -> None:
    answer = post(as_user("principal"), NEW, {"name": name})
    assert answer.status_code == 422 and said in answer.get_data(as_text=True)


def test_twenty_at_most(as_user: AsUser) -> None:
    browser = as_user("principal")
    keys = [keep(browser, f"Recherche {index}") for index in range(MAX_SAVED_SEARCHES)]
    answer = post(browser, NEW, {"name": "De trop"})
    assert answer.status_code == 422 and "le maximum" in answer.get_data(as_text=True)
    assert post(browser, f"{KEPT}{keys[3]}/supprimer").status_code == 303
    keep(browser, "De trop")
    assert text_of(browser, KEPT).count("/renommer") == MAX_SAVED_SEARCHES


def test_the_database_counts_to_twenty_too(db_session: Session) -> None:
    owner = db_session.execute(text("SELECT id, organisation_id FROM ab_user WHERE username = 'principal'")).one()
    for slot in (0, MAX_SAVED_SEARCHES + 1):
        nested = db_session.begin_nested()
        db_session.add(SavedSearch(organisation_id=owner.organisation_id, user_id=owner.id, slot=slot, name=f"n{slot}", query="statut=EC"))
        with pytest.raises(IntegrityError):
            db_session.flush()
        nested.rollback()


def test_two_tabs_keep_two_searches_or_one_name(committed: Flask) -> None:
    """A race for the same name has one winner, who is told; another name takes another place."""
    with committed.app_context(), bound_scope(Scope.system()):
        owner = db.session.execute(text("SELECT id, organisation_id FROM ab_user WHERE username = 'principal'")).one()
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def tab(name: str) -> None:
        with committed.app_context():
            context.set_actor_id(owner.id)
            bind(Scope.organisation(owner.organisation_id))
            start.wait()
            try:
                saved_searches.save(name, "statut=EC")
                outcomes.append("kept")
            except named.NameTaken:
                outcomes.append("taken")

    threads = [threading.Thread(target=tab, args=(name,)) for name in ("A", "a", "B", "C")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["kept", "kept", "kept", "taken"]
    with committed.app_context(), bound_scope(Scope.system()):
        assert db.session.scalar(select(func.count(func.distinct(SavedSearch.slot)))) == 3


def test_renaming_from_a_stale_page_asks_first(as_user: AsUser) -> None:
    browser = as_user("principal")
    key = keep(browser, "Une")
    assert post(browser, f"{KEPT}{key}/renommer", {"name": "Deux", "version": "1"}).status_code == 303
    stale = post(browser, f"{KEPT}{key}/renommer", {"name": "Trois", "version": "1"})
    assert stale.status_code == 409
    page = stale.get_data(as_text=True)
    assert "« Deux »" in page.replace("\u00a0", " ") and 'value="Trois"' in page
    version = re.search(r'name="version"[^>]*value="(\d+)"', page)
    assert version is not None
    assert post(browser, f"{KEPT}{key}/renommer", {"name": "Trois", "version": version[1]}).status_code == 303


def test_a_search_that_narrows_nothing_is_not_kept(as_user: AsUser) -> None:
    browser = as_user("principal")
    assert post(browser, f"{KEPT}nouvelle?statut=ZZ", {"name": "Rien"}).status_code == 303
    assert db.session.scalar(select(func.count()).select_from(SavedSearch)) == 0


def test_a_kept_search_whose_value_is_no_longer_offered_says_so(as_user: AsUser) -> None:
    browser = as_user("principal")
    keep(browser, "Vieille", f"{KEPT}nouvelle?statut=EC")
    search = db.session.scalars(select(SavedSearch)).one()
    search.query = "statut=EC&annee=1789"
    db.session.commit()
    assert text_of(browser, KEPT).count("Vieille") >= 1
    assert 'id="annee-error"' in text_of(browser, f"/actions-de-formation/?{search.query}")


def test_two_clicks_on_delete_delete_once(committed: Flask) -> None:
    """Both requests find the search; the one that comes second finds nothing any more, which is a 404."""
    with committed.app_context(), bound_scope(Scope.system()):
        owner = db.session.execute(text("SELECT id, organisation_id FROM ab_user WHERE username = 'principal'")).one()
    with committed.app_context(), bound_scope(Scope.organisation(owner.organisation_id), actor_id=owner.id):
        number = saved_searches.save("Une", "statut=EC").id
    outcomes: list[str] = []

    def click() -> None:
        with committed.app_context(), bound_scope(Scope.organisation(owner.organisation_id), actor_id=owner.id):
            try:
                saved_searches.SHELF.one(number)
                saved_searches.SHELF.delete(number)
                outcomes.append("deleted")
            except Exception as error:
                outcomes.append(type(error).__name__)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=click) for _ in range(2)]
    with committed.app_context(), bound_scope(Scope.organisation(owner.organisation_id), actor_id=owner.id):
        with transaction() as session:
            session.execute(select(SavedSearch.id).where(SavedSearch.id == number).with_for_update())
            for thread in threads:
                thread.start()
            wait_for(2)
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["NotKept", "deleted"]
        assert db.session.scalar(select(func.count()).select_from(SavedSearch)) == 0
