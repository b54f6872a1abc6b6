"""The list of the actions in a real browser (guide 003 §1), and its exports (guide 001): search, sort, fold, keep, take away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.core.tabular import read_table
from tests.e2e.axe import assert_accessible

SignIn = Callable[..., Page]
LIST = "/actions-de-formation/"


@pytest.mark.parametrize("javascript", [True, False])
def test_search_keep_and_export(signed_in: SignIn, javascript: bool) -> None:
    page = signed_in("principal", javascript=javascript)
    page.goto(LIST)
    name = "Préparations" if javascript else "Préparations sans script"
    page.get_by_text("Recherche avancée").click()
    page.get_by_role("textbox", name="Intitulé de l’action").fill("preparation")
    page.get_by_role("textbox", name="Fin prévue à partir du").fill("31/02/2026")
    page.get_by_role("search", name="Filtrer les actions").get_by_role("button", name="Rechercher").click()
    expect(page.get_by_role("alert")).to_contain_text("Fin prévue à partir du")
    expect(page.get_by_role("textbox", name="Fin prévue à partir du")).to_have_value("31/02/2026")
    expect(page.get_by_role("textbox", name="Intitulé de l’action")).to_have_value("preparation")
    page.get_by_role("textbox", name="Fin prévue à partir du").fill("")
    page.get_by_role("search", name="Filtrer les actions").get_by_role("button", name="Rechercher").click()
    expect(page.get_by_role("link", name="23C00390257_1", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="19Q01762009_5", exact=True)).to_have_count(0)

    page.get_by_text("Mes recherches").click()
    page.get_by_role("link", name="Enregistrer cette recherche").click()
    page.get_by_role("textbox", name="Nom de la recherche").fill(name)
    page.get_by_role("button", name="Enregistrer", exact=True).click()
    expect(page.get_by_text("est enregistrée : vous la retrouvez")).to_be_visible()

    page.get_by_role("link", name="Export des composantes").click()
    page.get_by_role("radio", name="ODS (LibreOffice)").check()
    page.get_by_role("checkbox", name="SIRET").uncheck()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Télécharger le fichier").click()
    assert taken.value.suggested_filename.startswith("composantes-")
    table = read_table(Path(taken.value.path()).read_bytes())
    assert "Commune session" in table.header and "SIRET" not in table.header
    place = table.header.index("N° Action")
    assert {row.cells[place].text.partition("_")[0] for row in table.rows} == {"23C00390257"}

    page.goto(LIST)
    page.get_by_text("Mes recherches").click()
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("textbox", name="Intitulé de l’action")).to_have_value("preparation")
    page.goto(f"{LIST}recherches/")
    page.get_by_role("link", name=f"Supprimer {name}", exact=True).click()
    page.get_by_role("button", name="Supprimer la recherche").click()
    expect(page.get_by_text("est supprimée")).to_be_visible()


def test_fold_unfold_and_sort_by_keyboard_without_script(signed_in: SignIn) -> None:
    page = signed_in("principal", javascript=False)
    page.goto(LIST)
    page.get_by_role("link", name="Tout plier", exact=True).press("Enter")
    expect(page.get_by_role("link", name="23C00390257_1", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Déplier").filter(has_text="23C00390257").first.press("Enter")
    expect(page.get_by_role("link", name="23C00390257_1", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="19Q01762009_5", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Tout déplier", exact=True).press("Enter")
    expect(page.get_by_role("link", name="19Q01762009_5", exact=True)).to_be_visible()
    page.get_by_role("columnheader", name="Intitulé de l’action").get_by_role("link").press("Enter")
    expect(page.get_by_role("columnheader", name="Intitulé de l’action")).to_have_attribute("aria-sort", "ascending")


@pytest.mark.parametrize("width", [1280, 320])
def test_accessible_and_within_the_screen(signed_in: SignIn, width: int) -> None:
    page = signed_in("admin", width=width)
    for address in (f"{LIST}?statut=EC&debut_du=x&plis=tous", f"{LIST}?sort=fin", f"{LIST}export/composantes?statut=EC", f"{LIST}recherches/nouvelle?statut=EC", f"{LIST}recherches/"):
        page.goto(address)
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address
