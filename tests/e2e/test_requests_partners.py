"""« Partenaires » in a real browser: a co-traitant is asked for with its document, the letter confirmed, the amendment put in, the page of the action follows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from app.core import clock
from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll

ACTION = "23C00390257_2"
SignIn = Callable[..., Page]
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"

#: Partners come in within the dates of the action, which are counted from today.
TODAY = f"{clock.today():%d/%m/%Y}"


def file(name: str, content: bytes = PDF) -> dict[str, object]:
    return {"name": name, "mimeType": "application/pdf", "buffer": content}


def usable(page: Page) -> None:
    assert_accessible(page)
    assert_no_horizontal_scroll(page)


def go_on(page: Page) -> None:
    page.get_by_role("button", name="Enregistrer et passer à l’étape suivante").click()


def test_a_partner_its_document_and_its_letter(signed_in: SignIn, tmp_path: Path) -> None:
    page, region = signed_in("principal"), signed_in("region")
    page.goto("/actions-de-formation/")
    page.get_by_role("link", name=ACTION, exact=True).click()
    action = page.url
    expect(page.locator("#partenaires")).to_contain_text("Maison des métiers du soin")
    page.get_by_role("link", name="Demande de modification de données").click()
    page.get_by_role("link", name="Nouvelle demande de modification").click()
    page.get_by_label("Type de modification").select_option(label="Demande de modification de partenaires")
    page.get_by_role("button", name="Valider").click()
    expect(page.get_by_role("heading", name="Nouveau partenaire 1")).to_be_visible()
    usable(page)
    new = page.get_by_role("group", name="Nouveau partenaire 1")
    new.get_by_label("Nature du partenaire").select_option(label="Sous-traitant")
    new.get_by_label("Raison sociale").fill("GRETA du Lauragais")
    new.get_by_label("SIRET").fill("824 228 142 00028")
    new.get_by_label("Intervient à partir du").first.fill(TODAY)
    page.get_by_role("button", name="Ajouter un autre partenaire").click()
    expect(page.get_by_role("heading", name="Nouveau partenaire 2")).to_be_visible()
    go_on(page)
    expect(page.get_by_role("alert").get_by_text(re.compile("n’est pas un SIRET"))).to_be_visible()
    usable(page)
    new.get_by_label("SIRET").fill("824 228 142 00025")
    go_on(page)

    # a false document is refused at the field, what was typed and what was accepted stay; one is taken away
    page.get_by_label("Motivation de la demande").fill("Hausse des effectifs.")
    page.get_by_label("Documents à joindre").set_input_files([file("Accord.pdf"), file("Autre.pdf", PDF + b"2"), file("faux.pdf", b"MZ...")])
    page.get_by_role("button", name="Joindre", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("faux.pdf")
    expect(page.get_by_label("Motivation de la demande")).to_have_value("Hausse des effectifs.")
    usable(page)
    page.get_by_role("button", name="Retirer Autre.pdf").click()
    expect(page.get_by_role("link", name="Autre.pdf")).to_have_count(0)
    expect(page.get_by_role("link", name="Accord.pdf")).to_be_visible()
    page.get_by_role("button", name="Valider").click()
    expect(page.locator(".alert-success").first).to_contain_text("En attente de validation")

    # the letter: made by the portal, confirmed on screen
    request = page.url
    expect(page.locator("#courrier")).to_contain_text("Ni courrier signé ni confirmation")
    usable(page)
    page.get_by_role("link", name="Courrier de la demande").click()
    usable(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Télécharger le courrier (PDF)").click()
    assert download.value.suggested_filename.startswith(f"courrier-{ACTION}-")
    download.value.save_as(tmp_path / "courrier.pdf")
    assert (tmp_path / "courrier.pdf").read_bytes().startswith(b"%PDF-")
    page.get_by_text("Confirmer le courrier à l’écran").click()
    page.get_by_role("dialog").get_by_role("button", name="Confirmer à l’écran").click()
    expect(page.locator("#documents")).to_contain_text("Courrier confirmé à l’écran par Paule BLANC")

    # the Région sees all of it, and validates with the amendment
    region.goto(request)
    expect(region.locator("#documents")).to_contain_text("Courrier confirmé à l’écran par Paule BLANC")
    expect(region.locator("#documents").get_by_role("link", name="Accord.pdf")).to_be_visible()
    usable(region)
    region.get_by_label("Valider", exact=True).check()
    region.get_by_label("Numéro d’avenant").fill("AV-7")
    region.get_by_label("Document de l’avenant").set_input_files(file("Avenant 7.pdf", PDF + b"7"))
    region.get_by_role("button", name="Enregistrer la décision").click()
    expect(region.locator(".alert-success").first).to_contain_text("validée")
    page.goto(action)
    expect(page.locator("#partenaires").get_by_role("row", name=re.compile("GRETA du Lauragais"))).to_contain_text("824 228 142 00025")
    usable(page)
    page.get_by_role("link", name="Documents", exact=True).click()
    expect(page.get_by_role("row", name=re.compile(r"Avenant 7\.pdf"))).to_contain_text("Avenant")
    usable(page)


def test_documents_without_script_at_320_pixels(signed_in: SignIn) -> None:
    page = signed_in("principal", javascript=False, width=320)
    page.goto("/actions-de-formation/")
    page.get_by_role("link", name="24A00120031_1", exact=True).click()
    page.get_by_role("link", name="Demande de modification de données").click()
    page.get_by_role("link", name="Nouvelle demande de modification").click()
    page.get_by_label("Type de modification").select_option(label="Demande de modification de partenaires")
    page.get_by_role("button", name="Valider").click()
    page.get_by_label("Nature du partenaire").select_option(label="Co-traitant")
    page.get_by_label("Raison sociale").fill("Atelier")
    page.get_by_label("SIRET").fill("82422814200017")
    page.get_by_label("Intervient à partir du").fill(TODAY)
    go_on(page)
    page.get_by_label("Documents à joindre").set_input_files(file("Accord.pdf"))
    page.get_by_role("button", name="Joindre", exact=True).click()
    expect(page.get_by_role("link", name="Accord.pdf")).to_be_visible()
    assert_no_horizontal_scroll(page)
    page.get_by_role("button", name="Enregistrer et quitter").click()
