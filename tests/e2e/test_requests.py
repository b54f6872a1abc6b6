"""Guide 003 §2 in a real browser: an organisation asks to move the actual start, the Région sends back, then validates."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll

ACTION = "24A00120031_1"
SignIn = Callable[..., Page]


def fr(day: date) -> str:
    return day.strftime("%d/%m/%Y")


def shown_date(page: Page, label: str) -> date:
    """The date that follows a label of the form."""
    text = page.get_by_text(re.compile("^" + re.escape(label))).inner_text()
    return datetime.strptime(text.rpartition(" ")[2].rpartition("\u00a0")[2].strip(), "%d/%m/%Y").date()


def open_follow_up(page: Page) -> None:
    """From the list, through « Gérer l’action de formation », to the tab."""
    page.goto("/actions-de-formation/")
    page.get_by_role("link", name=ACTION, exact=True).click()
    page.get_by_role("link", name="Demande de modification de données").click()
    expect(page.get_by_role("heading", name="SUIVI DES DEMANDES DE MODIFICATION")).to_be_visible()


def choose_kind(page: Page) -> None:
    page.get_by_role("link", name="Nouvelle demande de modification").click()
    page.get_by_label("Type de modification").select_option(label="Demande de modification de dates")
    page.get_by_role("button", name="Valider").click()
    expect(page.get_by_role("heading", name="DATES", exact=True)).to_be_visible()


def go_on(page: Page) -> None:
    page.get_by_role("button", name="Enregistrer et passer à l’étape suivante").click()


def examine(page: Page) -> None:
    """From the menu of the Région to the request."""
    page.goto("/")
    page.get_by_text("Actions de formation", exact=True).first.click()
    page.get_by_role("link", name="Demandes de modification", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Demandes de modification")
    assert_accessible(page)
    assert_no_horizontal_scroll(page)
    page.get_by_role("row", name=re.compile(ACTION)).get_by_role("link", name=re.compile("^Instruire")).click()


def test_guide_003_section_2(signed_in: SignIn) -> None:
    page, region = signed_in("principal"), signed_in("region")
    open_follow_up(page)
    assert_accessible(page)
    choose_kind(page)
    assert_accessible(page)
    assert_no_horizontal_scroll(page)
    end = shown_date(page, "Date de fin prévue actuelle")
    expect(page.get_by_role("heading", name="LISTE DES COMPOSANTES")).to_be_visible()

    # the trainees do not fit into a shorter component: said at the field, what was typed stays
    page.get_by_role("textbox", name=re.compile("nouvelle date de fin$")).first.fill(fr(end - timedelta(days=100)))
    go_on(page)
    expect(page.get_by_role("alert").get_by_text(re.compile("en dehors de ses nouvelles dates"))).to_be_visible()
    assert_accessible(page)
    later = fr(end + timedelta(days=31))
    page.get_by_role("textbox", name=re.compile("nouvelle date de fin$")).first.fill(later)
    page.get_by_label("Nouvelle date de fin prévue").fill(later)
    go_on(page)

    # the draft survives: leave, come back
    page.get_by_role("button", name="Enregistrer et quitter").click()
    choose_kind_again = page.get_by_role("link", name="Nouvelle demande de modification")
    expect(choose_kind_again).to_be_visible()
    choose_kind_again.click()
    page.get_by_label("Type de modification").select_option(label="Demande de modification de dates")
    page.get_by_role("button", name="Valider").click()
    expect(page.get_by_text(re.compile("Vous reprenez la saisie"))).to_be_visible()
    if page.get_by_label("Nouvelle date de fin prévue").count():
        go_on(page)

    table = page.get_by_role("table", name="MODIFICATIONS")
    for column in ("Intitulé du champ", "Champ avant modification", "Champ après modification"):
        expect(table.get_by_role("columnheader", name=column)).to_be_visible()
    expect(table.get_by_role("row")).to_have_count(3)
    expect(table.get_by_role("row", name=re.compile("Action . Date de fin prévue"))).to_contain_text(fr(end))
    assert_accessible(page)
    page.get_by_label("Motivation de la demande").fill("Un mois de plus.")
    page.get_by_role("button", name="Valider").click()
    expect(page.locator(".alert-success").first).to_contain_text("En attente de validation")
    expect(page.get_by_role("heading", name="Prochaine étape")).to_be_visible()
    expect(page.locator("#courrier")).to_contain_text("vous devez émettre un courrier validé par une personne habilitée")
    assert_accessible(page)
    assert_no_horizontal_scroll(page)
    open_follow_up(page)
    row = page.get_by_role("row", name=re.compile("Demande de modification de dates"))
    expect(row).to_contain_text("En attente de validation")
    expect(row).to_contain_text("Courrier attendu")
    assert_accessible(page)
    assert_no_horizontal_scroll(page)

    # a second one of the same kind is not possible
    page.get_by_role("link", name="Nouvelle demande de modification").click()
    page.get_by_label("Type de modification").select_option(label="Demande de modification de dates")
    page.get_by_role("button", name="Valider").click()
    expect(page.get_by_role("alert")).to_contain_text("déjà en attente de validation")

    # the Région sends it back
    examine(region)
    assert_accessible(region)
    assert_no_horizontal_scroll(region)
    region.get_by_label("Demander une correction").check()
    region.get_by_role("button", name="Enregistrer la décision").click()
    expect(region.get_by_role("alert")).to_contain_text("dites pourquoi")
    assert_accessible(region)
    region.get_by_label("Observations").fill("Dites combien de stagiaires.")
    region.get_by_role("button", name="Enregistrer la décision").click()
    expect(region.locator(".alert-success").first).to_be_visible()

    # corrected on the same pages, sent again
    open_follow_up(page)
    page.get_by_role("link", name=re.compile("^Corriger")).click()
    expect(page.get_by_text("Dites combien de stagiaires.")).to_be_visible()
    expect(page.get_by_label("Nouvelle date de fin prévue")).to_have_value(later)
    go_on(page)
    expect(page.get_by_label("Motivation de la demande")).to_have_value("Un mois de plus.")
    page.get_by_label("Motivation de la demande").fill("Un mois de plus pour deux stagiaires.")
    page.get_by_role("button", name="Valider").click()
    expect(page.locator(".alert-success").first).to_be_visible()

    # validated, with its amendment; the dates of the action follow
    examine(region)
    region.get_by_label("Valider", exact=True).check()
    region.get_by_label("Numéro d’avenant").fill("AV-1")
    region.get_by_role("button", name="Enregistrer la décision").click()
    expect(region.get_by_role("alert")).to_contain_text("ni courrier signé ni confirmation à l’écran")
    assert_accessible(region)
    region.get_by_label("J’ai vu que cette demande est sans courrier").check()
    region.get_by_role("button", name="Enregistrer la décision").click()
    expect(region.locator(".alert-success").first).to_contain_text("validée")
    open_follow_up(page)
    row = page.get_by_role("row", name=re.compile("Demande de modification de dates"))
    expect(row).to_contain_text("Validée")
    expect(row).to_contain_text("AV-1")
    row.get_by_role("link", name=re.compile("^Historique")).click()
    history = page.locator("#historique")
    for step in ("La demande a été émise.", "La Région a demandé une correction.", "La demande a été corrigée et renvoyée.", "La Région a validé la demande"):
        expect(history.get_by_text(re.compile("^" + re.escape(step)))).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name=re.compile("^Voir")).first.click()
    expect(page.locator("#resume")).to_contain_text(later)


def test_a_request_is_withdrawn_without_script(signed_in: SignIn) -> None:
    page = signed_in("principal", javascript=False)
    page.goto("/actions-de-formation/")
    page.get_by_role("link", name="23C00390257_2", exact=True).click()
    page.get_by_role("link", name="Demande de modification de données").click()
    page.get_by_role("link", name=re.compile("^Retirer")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Retirer cette demande ?".replace(" ?", "\u202f?"))
    page.get_by_role("button", name="Retirer la demande").click()
    expect(page.get_by_role("row", name=re.compile("Demande de modification de dates"))).to_contain_text("Retirée")


def test_the_other_kinds(signed_in: SignIn) -> None:
    """Their forms are as usable as the first one's; places are asked, and seen by the Région as a change."""
    page, region = signed_in("principal"), signed_in("region")
    page.goto("/actions-de-formation/")
    page.get_by_role("link", name="19Q01762009_5", exact=True).click()
    page.get_by_role("link", name="Demande de modification de données").click()
    start = page.url
    for kind in ("référentiel", "sites", "volumes et places"):
        page.goto(start)
        page.get_by_role("link", name="Nouvelle demande de modification").click()
        page.get_by_label("Type de modification").select_option(label=f"Demande de modification de {kind}")
        page.get_by_role("button", name="Valider").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Demande de modification de {kind}")
        assert_accessible(page)
        assert_no_horizontal_scroll(page)
    page.get_by_label("Places, nouvelle valeur").first.fill("1")
    go_on(page)
    expect(page.get_by_role("alert").get_by_text(re.compile("il ne peut pas y avoir moins de places"))).to_be_visible()
    page.get_by_label("Places, nouvelle valeur").first.fill("24")
    go_on(page)
    page.get_by_label("Motivation de la demande").fill("Liste d’attente.")
    page.get_by_role("button", name="Valider").click()
    expect(page.locator(".alert-success").first).to_be_visible()
    region.goto("/demandes-de-modification/?type=volumes")
    region.get_by_role("link", name=re.compile("^Instruire")).first.click()
    expect(region.get_by_role("row", name=re.compile("Places"))).to_contain_text("24")
    assert_accessible(region)

    # the letter is signed on paper: what is not a document is refused, the scan stands with the request for both
    page.get_by_label("Courrier signé").set_input_files({"name": "courrier.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"})
    page.get_by_role("button", name="Joindre le courrier signé").click()
    expect(page.get_by_role("alert")).to_contain_text("courrier.exe")
    assert_accessible(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Télécharger le courrier (PDF)").click()
    page.get_by_label("Courrier signé").set_input_files(
        {"name": "Courrier signé.pdf", "mimeType": "application/pdf", "buffer": download.value.path().read_bytes()}
    )
    page.get_by_role("button", name="Joindre le courrier signé").click()
    expect(page.locator("#documents").get_by_role("link", name="Courrier signé.pdf")).to_be_visible()
    region.reload()
    expect(region.locator("#documents").get_by_role("link", name="Courrier signé.pdf")).to_be_visible()
    expect(region.get_by_label("J’ai vu que cette demande est sans courrier")).to_have_count(0)
