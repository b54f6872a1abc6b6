"""Boxes that search and filter: ordinary words become an address, the number of a person never does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.accounts.helpers import narrow, post
from tests.actions.helpers import make_action, make_nir, make_registration

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

AsUser = Callable[[str], FlaskClient]
APP = Path(__file__).resolve().parents[2] / "app"
LEFT_OUT = "contient le numéro d’une personne et n’a pas été cherché"

#: Every list with a box for words, who reads it, and the name of the box.
LISTS = (
    ("principal", "/actions-de-formation/", "texte"), ("principal", "/actions-de-formation/", "intitule"), ("principal", "/bilans-de-situation/", "action"),
    ("admin", "/demandes-de-modification/", "texte"), ("admin", "/comptes/", "q"), ("principal", "/gestion-organisme/comptes/", "q"),
    ("admin", "/organismes/list/", "q"), ("admin", "/referentiels/contrats/list/", "q"), ("admin", "/referentiels/niveaux/list/", "q"),
)  # fmt: skip


def forms(page: str) -> list[str]:
    return re.findall(r"<form\b.*?</form>", page, re.DOTALL)


@pytest.mark.parametrize(("account", "address", "box"), LISTS)
def test_a_number_of_a_person_is_left_out_and_that_is_said(as_user: AsUser, account: str, address: str, box: str) -> None:
    browser, nir = as_user(account), make_nir()
    page = browser.get(address)
    assert page.status_code == 200
    for typed in (nir.value, nir.number, f"SION {nir.value}", f"NIR:{nir.grouped}"):
        for by_hand in (False, True):
            asked = {box: typed, "size": "50"}
            answer = browser.get(address, query_string=asked) if by_hand else narrow(browser, address, asked)
            assert answer.status_code == 303
            assert answer.location.endswith(f"{address}?size=50"), "the rest of the search stays"
            shown = browser.get(answer.location).text
            assert LEFT_OUT in shown
            assert nir.number not in re.sub(r"[\s\u00a0\u202f]", "", shown)


@pytest.mark.parametrize(("account", "address", "box"), LISTS)
def test_words_become_an_address_that_can_be_shared(as_user: AsUser, account: str, address: str, box: str) -> None:
    browser = as_user(account)
    answer = narrow(browser, address, {box: "12345678913000", "sort": ""})
    assert answer.status_code == 303
    assert answer.location.endswith(f"{address}?{box}=12345678913000"), "a SIRET is no number of a person, and what is empty is left out"
    assert browser.get(answer.location).status_code == 200


@pytest.mark.parametrize(("account", "address", "box"), [*LISTS, ("principal", "/stagiaires/", "texte"), ("admin", "/echanges/", "texte"), ("principal", "/echanges/a-suivre", "texte")])
def test_the_box_is_posted(as_user: AsUser, account: str, address: str, box: str) -> None:
    page = as_user(account).get(address).text
    found = [form for form in forms(page) if f'name="{box}"' in form and "quick-search" not in form]
    if not found:
        assert address == "/gestion-organisme/comptes/", "shown where there are many accounts"
        return
    assert len(found) == 1
    assert 'method="post"' in found[0] and 'action="/filtrer"' in found[0] and f'name="_page" value="{address}"' in found[0]


def test_no_form_of_any_template_puts_words_into_an_address() -> None:
    wrong, seen = [], 0
    for path in sorted(APP.rglob("*.html")):
        if path.name == "styleguide.html":
            continue  # sample values, which are sent nowhere
        for form in re.findall(r"<form\b.*?(?:</form>|\Z)", path.read_text(encoding="utf-8"), re.DOTALL):
            seen += 1
            posted = re.search(r'method="(?:post|\{\{ method \}\})"|"method": method|html_attributes\(\{"action"', form.partition("\n")[0])
            types = set(re.findall(r'<input[^>]*type="(\w+)"', form))
            if not posted and (types - {"hidden", "checkbox", "radio", "submit"} or re.search(r"text_input\(|\bfield\(|<textarea", form)):
                wrong.append(f"{path.relative_to(APP)}: {form[:80]}")
        if re.search(r'form_open\([^)]*method="get"', path.read_text(encoding="utf-8")):
            wrong.append(f"{path.relative_to(APP)}: form_open(method=get)")
    assert not wrong, wrong
    assert seen > 15


def test_a_search_by_number_counts_where_numbers_are_searched_only_for_who_may(app: Flask, as_user: AsUser, db_session: Session) -> None:
    nir = make_nir()
    make_registration(make_action(), nir=nir)
    support = as_user("support")
    for answer in (post(support, "/recherche", {"q": f"SION {nir.value}"}), narrow(support, "/stagiaires/", {"texte": nir.value})):
        assert answer.status_code == 303
        assert nir.number not in answer.location and "personnes" not in answer.location
    signed_out = app.test_client().get("/stagiaires/", query_string={"texte": nir.value})
    assert signed_out.status_code == 303
    assert signed_out.location == "/stagiaires/", "nothing of it follows to the sign-in page"


def test_a_filter_leads_nowhere_else(as_user: AsUser) -> None:
    browser = as_user("principal")
    for elsewhere in ("//exemple.fr/", "https://exemple.fr/", "", "/\\exemple.fr"):
        assert narrow(browser, elsewhere, {"texte": "a"}).location.startswith("/?"), elsewhere
    assert narrow(browser, "/actions-de-formation/?texte=vieux", {"texte": "neuf"}).location == "/actions-de-formation/?texte=neuf"


def test_a_search_is_not_kept_with_a_number(as_user: AsUser) -> None:
    browser, nir = as_user("principal"), make_nir()
    kept = post(browser, f"/actions-de-formation/recherches/nouvelle?texte={nir.value}", {"name": "Avec un numéro"})
    assert kept.status_code == 303
    assert nir.number not in kept.location
    assert "Avec un numéro" not in browser.get("/actions-de-formation/recherches/").text


def test_suggestions_know_no_number(as_user: AsUser) -> None:
    nir = make_nir()
    answer = as_user("admin").get(f"/referentiels/contrats/lookup/organisation?q={nir.value}", headers={"Accept": "application/json"})
    assert answer.status_code == 303 and nir.number not in answer.location
