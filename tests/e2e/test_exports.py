"""Exports of lists in a real browser: columns chosen and remembered, a file prepared in the background, its notice and its download; the numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible

SignIn = Callable[..., Page]


def fits(page: Page) -> None:
    """No wider than the screen."""
    page.wait_for_load_state()  # a page that waits for a file shows itself anew
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def rows(path: Path) -> list[list[str]]:
    """Heading and lines of a CSV file."""
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), delimiter=";"))


def only(page: Page, *labels: str) -> None:
    """Check these columns and no other."""
    group = page.get_by_role("group", name="Colonnes du fichier")
    checked = group.get_by_role("checkbox", checked=True)
    while checked.count():
        checked.first.uncheck()
    for label in labels:
        group.get_by_role("checkbox", name=label, exact=True).check()


@pytest.mark.parametrize("javascript", [True, False])
def test_columns_a_file_in_the_background_and_its_download(signed_in: SignIn, javascript: bool) -> None:
    page = signed_in("principal", javascript=javascript)
    page.goto("/stagiaires/?a_faire=sans-sortie")
    page.get_by_role("link", name="Export des stagiaires").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Export des stagiaires")
    expect(page.locator("main")).to_contain_text("Sans sortie")
    if javascript:
        assert_accessible(page)
    only(page, "Prénom", "Nom de naissance", "Date d’entrée")
    page.get_by_role("radio", name="CSV").check()
    with page.expect_download() as direct:
        page.get_by_role("button", name="Télécharger le fichier").click()
    found = rows(Path(direct.value.path()))
    assert found[0] == ["Nom de naissance", "Prénom", "Date d’entrée"] and len(found) > 1

    page.goto("/stagiaires/?a_faire=sans-sortie")
    page.get_by_role("link", name="Export des stagiaires").click()
    expect(page.get_by_role("checkbox", name="Prénom", exact=True)).to_be_checked()
    expect(page.get_by_role("checkbox", name="Courriel", exact=True)).not_to_be_checked()
    page.get_by_role("radio", name="CSV").check()
    page.get_by_role("link", name="Décocher toutes les colonnes").click()
    expect(page.get_by_role("checkbox", name="Prénom", exact=True)).not_to_be_checked()
    page.get_by_role("link", name="Cocher toutes les colonnes", exact=True).click()
    expect(page.get_by_role("checkbox", name="Courriel", exact=True)).to_be_checked()
    if javascript:  # in place: nothing of what was chosen is lost
        expect(page.get_by_role("radio", name="CSV")).to_be_checked()
    only(page, "Prénom", "Nom de naissance", "Date d’entrée")
    page.get_by_role("radio", name="CSV").check()
    page.get_by_role("checkbox", name="Préparer le fichier en arrière-plan").check()
    page.get_by_role("button", name="Télécharger le fichier").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mes exports")
    for _try in range(60):
        if page.get_by_role("button", name="Télécharger").count():
            break
        page.wait_for_timeout(1000)
        if not javascript:
            page.reload()
    if javascript:
        assert_accessible(page)
    page.goto("/")
    page.get_by_role("button", name="Voir mes exports").wait_for()
    if javascript:  # by the menu of the account: the list that is shown ends the notice, as its button does
        with page.expect_response("**/exports/vus"):
            page.goto("/exports/")
        page.goto("/")
        expect(page.get_by_role("button", name="Voir mes exports")).to_have_count(0)
        page.goto("/exports/")
    else:
        page.get_by_role("button", name="Voir mes exports").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mes exports")
    expect(page.get_by_role("button", name="Voir mes exports")).to_have_count(0)
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Télécharger").first.click()
    assert rows(Path(fetched.value.path())) == found
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/exports/")
    fits(page)
    page.get_by_role("link", name="Supprimer").first.click()
    fits(page)
    page.get_by_role("button", name="Supprimer le fichier").click()
    expect(page.get_by_role("status").first).to_contain_text("est supprimé")


def test_many_columns_stand_side_by_side(signed_in: SignIn) -> None:
    """As many as there is room for, under the links that check or uncheck them all; one under the other on a telephone."""
    page = signed_in("principal")
    boxes = page.get_by_role("group", name="Colonnes du fichier").get_by_role("checkbox")
    for width, least, most in ((1280, 3, 5), (360, 1, 1)):
        page.set_viewport_size({"width": width, "height": 740})
        page.goto("/exports/liste/stagiaires")
        fits(page)
        places = [box.bounding_box() for box in boxes.all()]
        assert least <= len({round(place["x"]) for place in places if place is not None}) <= most
        toggle = page.get_by_role("link", name="Décocher toutes les colonnes").bounding_box()
        assert toggle is not None and places[0] is not None and toggle["y"] < places[0]["y"]


def test_numbers_need_a_reason(signed_in: SignIn) -> None:
    page = signed_in("principal")
    page.goto("/exports/liste/stagiaires")
    page.get_by_role("radio", name="CSV").check()
    only(page, "Prénom")
    page.get_by_role("checkbox", name="Ajouter les NIR en clair").check()
    page.get_by_role("button", name="Télécharger le fichier").click()
    expect(page.get_by_role("alert")).to_contain_text("10 caractères au moins")
    assert_accessible(page)
    page.set_viewport_size({"width": 360, "height": 740})
    fits(page)
    expect(page.get_by_role("checkbox", name="Ajouter les NIR en clair")).to_be_checked()
    page.get_by_role("textbox", name="Motif de lecture des numéros").fill("Contrôle demandé par la Région")
    with page.expect_download() as given:
        page.get_by_role("button", name="Télécharger le fichier").click()
    found = rows(Path(given.value.path()))
    assert found[0] == ["Prénom", "NIR"] and any(row[1] for row in found[1:])

    other = signed_in("secondaire")
    other.goto("/exports/liste/stagiaires")
    expect(other.get_by_role("checkbox", name="Ajouter les NIR en clair")).to_have_count(0)


@pytest.mark.parametrize("javascript", [True, False])
def test_columns_kept_under_a_name(signed_in: SignIn, javascript: bool) -> None:
    page = signed_in("principal", javascript=javascript)
    name = f"Pour la paie {javascript}"
    page.goto("/exports/liste/stagiaires?a_faire=sans-sortie")
    only(page, "Prénom", "Nom de naissance")
    page.get_by_role("button", name="Garder ces colonnes sous un nom").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Garder ces colonnes sous un nom")
    page.get_by_role("button", name="Garder la sélection").click()
    expect(page.get_by_role("alert")).to_be_visible()
    if javascript:
        assert_accessible(page)
    page.get_by_role("textbox", name="Nom de la sélection").fill(name)
    page.get_by_role("textbox", name="Nom de la sélection").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("est gardée")
    expect(page.locator("main")).to_contain_text("Sans sortie")
    page.goto("/exports/liste/stagiaires?colonnes=toutes")
    expect(page.get_by_role("checkbox", name="Courriel", exact=True)).to_be_checked()
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("checkbox", name="Prénom", exact=True)).to_be_checked()
    expect(page.get_by_role("checkbox", name="Courriel", exact=True)).not_to_be_checked()
    if javascript:
        assert_accessible(page)
    page.get_by_role("radio", name="CSV").check()
    with page.expect_download() as given:
        page.get_by_role("button", name="Télécharger le fichier").click()
    assert rows(Path(given.value.path()))[0] == ["Nom de naissance", "Prénom"]
    page.set_viewport_size({"width": 360, "height": 740})
    fits(page)
    page.get_by_role("link", name="Renommer ou supprimer des sélections").click()
    fits(page)
    if javascript:
        assert_accessible(page)
    line = page.get_by_role("row", name=name)
    line.get_by_role("link", name="Renommer").click()
    page.get_by_role("textbox", name="Nom de la sélection").fill(f"{name}, corrigé")
    page.get_by_role("button", name="Renommer").click()
    expect(page.get_by_role("status").first).to_contain_text("corrigé")
    page.get_by_role("row", name=f"{name}, corrigé").get_by_role("link", name="Supprimer").click()
    page.get_by_role("button", name="Supprimer la sélection").click()
    expect(page.get_by_role("status").first).to_contain_text("est supprimée")
    expect(page.get_by_role("row", name=name)).to_have_count(0)
