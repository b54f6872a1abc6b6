"""Lists, numbers and identities of trainees in a real browser: search by NIR, mass repair, request for a correction.

Leaves the demonstration as it was: AGORA refuses the number given here, and the Région the correction.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from app.core.nir import compute_key
from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll

SignIn = Callable[..., Page]
#: Of the demonstration: ALBA Elis, and N’GUESSAN Awa, known by an NIA.
ALBA = "2940331555021"
WANTED = "2960699326094"


def look(page: Page) -> None:
    assert_accessible(page)
    assert_no_horizontal_scroll(page)


def test_search_by_number(signed_in: SignIn) -> None:
    page = signed_in("principal")
    page.goto("/stagiaires/")
    page.get_by_label("Nom, prénom, NIR ou n° AGORA").fill(f"{ALBA} {compute_key(ALBA)}")
    page.get_by_role("button", name="Filtrer").click()
    expect(page.get_by_role("link", name="ALBA", exact=True)).to_be_visible()
    assert ALBA not in page.url
    assert ALBA not in page.content()
    look(page)
    page.locator("#quick-search-q").fill(f"{ALBA}{compute_key(ALBA)}")
    page.locator("#quick-search-q").press("Enter")
    expect(page).to_have_url(re.compile("personnes="))
    expect(page.get_by_role("link", name="ALBA", exact=True)).to_be_visible()
    page.goto("/stagiaires/?a_faire=fse")
    look(page)


def test_mass_repair(signed_in: SignIn, tmp_path: Path) -> None:
    page = signed_in("principal")
    page.goto("/stagiaires/nia-a-regulariser")
    expect(page.get_by_role("link", name="N’GUESSAN", exact=True)).to_be_visible()
    look(page)
    page.get_by_role("link", name="Redressement des NIR en masse").last.click()
    look(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Télécharger (CSV)").click()
    table = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    head, line = table[0], next(one for one in table if "GUESSAN" in one)
    for number, key, words in ((WANTED, "00", "La clé ne correspond pas"), ("2,96069932609E+12", "12", "puissance de dix")):
        wrong = tmp_path / "faux.csv"
        wrong.write_text("\n".join([head, f"{line.rstrip(';')};{number};{key}"]), encoding="utf-8")
        page.goto("/stagiaires/redressement-nir/")
        page.get_by_label("Fichier complété").set_input_files(wrong)
        page.get_by_role("button", name="Vérifier le fichier").click()
        expect(page.get_by_role("table")).to_contain_text(words)
        look(page)
    right = tmp_path / "juste.csv"
    right.write_text("\n".join([head, f"{line.rstrip(';')};{WANTED};{compute_key(WANTED)}"]), encoding="utf-8")
    page.get_by_role("link", name="Envoyer un autre fichier").click()
    page.get_by_label("Fichier complété").set_input_files(right)
    page.get_by_role("button", name="Vérifier le fichier").click()
    assert WANTED not in page.content()
    page.get_by_role("button", name="Enregistrer 1 NIR").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Compte rendu")
    expect(page.get_by_text("AGORA connaît ce NIR avec un autre prénom")).to_be_visible(timeout=60_000)
    look(page)


def test_request_for_a_correction(signed_in: SignIn) -> None:
    page, region = signed_in("principal"), signed_in("region")
    page.goto("/stagiaires/?texte=duclos")
    page.get_by_role("link", name="DUCLOS", exact=True).click()
    page.get_by_role("link", name="Demander une correction d’identité").click()
    look(page)
    page.get_by_label("Nom *", exact=False).first.fill("DUCLOT")
    page.get_by_label("Motif de la demande").fill("La carte d’identité porte DUCLOT.")
    page.get_by_role("button", name="Envoyer la demande à la Région").click()
    expect(page.locator("main")).to_contain_text("En attente de validation")
    look(page)
    region.goto("/stagiaires/corrections-identite/")
    look(region)
    region.get_by_role("link", name=re.compile("^DUCLOS")).first.click()
    expect(region.locator("main")).to_contain_text("DUCLOT")
    region.get_by_role("button", name="Refuser la correction").click()
    expect(region.locator("main")).to_contain_text("pourquoi la correction est refusée")
    region.get_by_label("Observations").fill("La pièce n’est pas lisible.")
    region.get_by_role("button", name="Refuser la correction").click()
    expect(region.locator("main")).to_contain_text("Refusée")
    look(region)
    page.reload()
    expect(page.locator("main")).to_contain_text("La pièce n’est pas lisible.")
