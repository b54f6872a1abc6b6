"""In a real browser: a market rule is written, tried and published, then a change is recorded at once; requests are decided in batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll
from tests.e2e.test_requests import fr, go_on, shown_date

#: No other journey asks for other dates or another title of these.
FIRST, SECOND = "19Q01762009_5", "24A00120031_1"
SignIn = Callable[..., Page]


def checked(page: Page) -> None:
    assert_accessible(page)
    assert_no_horizontal_scroll(page)


def new_request(page: Page, action: str, kind: str) -> None:
    """From the list of actions to the form of a kind."""
    page.goto("/actions-de-formation/")
    page.get_by_role("link", name=action, exact=True).click()
    page.get_by_role("link", name="Demande de modification de données").click()
    page.get_by_role("link", name="Nouvelle demande de modification").click()
    page.get_by_label("Type de modification").select_option(label=f"Demande de modification de {kind}")
    page.get_by_role("button", name="Valider").click()


def send(page: Page, why: str) -> None:
    page.get_by_label("Motivation de la demande").fill(why)
    page.get_by_role("button", name="Valider").click()


def change_title(page: Page, title: str) -> None:
    new_request(page, FIRST, "référentiel")
    page.get_by_role("textbox", name=re.compile("^Intitulé composante")).first.fill(title)
    go_on(page)


def test_a_rule_is_written_tried_published_and_applied(signed_in: SignIn) -> None:
    admin, page = signed_in("admin"), signed_in("principal")
    admin.goto("/regles-de-marche/")
    expect(admin.get_by_role("heading", name="Version 1, en vigueur")).to_be_visible()
    checked(admin)

    # the draft of the demonstration gives way to one that says a single thing
    admin.get_by_role("link", name="Supprimer le brouillon").click()
    admin.get_by_role("button", name="Supprimer le brouillon").click()
    admin.get_by_role("button", name="Commencer un brouillon").click()
    admin.get_by_role("link", name="Ajouter une règle").click()
    checked(admin)
    admin.get_by_label("Type de demande").select_option(label="Demande de modification de référentiel")
    admin.get_by_label("Champ").select_option(label="Places")
    admin.get_by_label("Enregistrée aussitôt").check()
    admin.get_by_role("button", name="Ajouter une règle au brouillon").click()
    expect(admin.get_by_role("alert").get_by_text(re.compile("ne modifie pas ce champ"))).to_be_visible()
    admin.get_by_label("Champ").select_option(label="Intitulé composante")
    admin.get_by_label("Pourquoi").fill("Un intitulé ne change rien au marché.")
    admin.get_by_role("button", name="Ajouter une règle au brouillon").click()
    expect(admin.get_by_role("row", name=re.compile("Intitulé composante"))).to_contain_text("Enregistrée aussitôt")

    admin.get_by_role("link", name="Essayer sur les dernières demandes").click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("Essai du brouillon")
    expect(admin.get_by_role("table").first.get_by_role("row", name=re.compile("Instruite par un validateur"))).to_be_visible()
    checked(admin)
    admin.get_by_role("link", name="Retour aux règles").click()

    # nothing changes before it is published
    change_title(page, "Un intitulé plus clair")
    expect(page.get_by_text("Ces modifications sont enregistrées aussitôt")).to_have_count(0)
    page.get_by_role("button", name="Enregistrer et quitter").click()

    admin.get_by_role("link", name="Publier les règles").click()
    checked(admin)
    admin.get_by_role("button", name="Publier les règles").click()
    expect(admin.locator(".alert-success").first).to_contain_text("est en vigueur")

    new_request(page, FIRST, "référentiel")
    if page.get_by_role("textbox", name=re.compile("^Intitulé composante")).count():
        go_on(page)
    expect(page.get_by_text("Ces modifications sont enregistrées aussitôt")).to_be_visible()
    expect(page.get_by_text("Un intitulé ne change rien au marché.")).to_be_visible()
    checked(page)
    send(page, "Plus clair.")
    expect(page.locator(".alert-success").first).to_contain_text("comptent désormais")
    row = page.get_by_role("row", name=re.compile("Demande de modification de référentiel")).first
    expect(row).to_contain_text("Validée")
    row.get_by_role("link", name=re.compile("^Historique")).click()
    expect(page.locator("#historique").get_by_text(re.compile("^Enregistrée aussitôt"))).to_be_visible()
    checked(page)
    page.goto("/actions-de-formation/")
    page.get_by_role("link", name=FIRST, exact=True).click()
    page.get_by_role("link", name="Composantes").click()
    expect(page.get_by_text("Un intitulé plus clair").first).to_be_visible()


def test_two_requests_are_decided_together(signed_in: SignIn) -> None:
    """A correction asked of both, with the same words; then one line of its own for one of them, read beside its field."""
    page, region = signed_in("principal"), signed_in("region")
    for action in (FIRST, SECOND):
        new_request(page, action, "dates")
        later = fr(shown_date(page, "Date de fin prévue actuelle") + timedelta(days=20))
        page.get_by_label("Nouvelle date de fin prévue").fill(later)
        go_on(page)
        send(page, "Vingt jours de plus.")
        expect(page.locator(".alert-success").first).to_be_visible()
    region.goto("/demandes-de-modification/?type=dates")
    for action in (FIRST, SECOND):
        region.get_by_role("checkbox", name=re.compile(action)).check()
    region.get_by_role("button", name="Décider des demandes choisies").click()
    expect(region.get_by_text("2 demandes choisies")).to_be_visible()
    checked(region)
    region.get_by_label("Demander une correction").check()
    region.get_by_role("button", name="Enregistrer les décisions").click()
    expect(region.get_by_role("alert")).to_contain_text("dites pourquoi")
    region.get_by_label("Observations").fill("Dites pour quelles épreuves.")
    region.get_by_role("button", name="Enregistrer les décisions").click()
    expect(region.get_by_role("heading", level=1)).to_have_text("Résultat des décisions")
    for action in (FIRST, SECOND):
        expect(region.get_by_role("row", name=re.compile(action))).to_contain_text("À corriger")
    checked(region)

    # corrected, then commented on by line
    page.goto("/actions-de-formation/")
    page.get_by_role("link", name=FIRST, exact=True).click()
    page.get_by_role("link", name="Demande de modification de données").click()
    page.get_by_role("link", name=re.compile("^Corriger")).click()
    expect(page.get_by_text("Dites pour quelles épreuves.")).to_be_visible()
    go_on(page)
    send(page, "Vingt jours de plus pour les épreuves de juin.")
    region.goto("/demandes-de-modification/?type=dates")
    region.get_by_role("row", name=re.compile(FIRST)).get_by_role("link", name=re.compile("^Instruire")).click()
    region.get_by_label("Demander une correction").check()
    region.get_by_label("Action / Date de fin prévue").fill("Le 30 au plus tard.")
    checked(region)
    region.get_by_role("button", name="Enregistrer la décision").click()
    expect(region.locator(".alert-success").first).to_be_visible()
    page.reload()
    page.get_by_role("link", name=re.compile("^Corriger")).first.click()
    expect(page.get_by_label("Nouvelle date de fin prévue")).to_have_accessible_description(re.compile("La Région.: Le 30 au plus tard"))
    checked(page)
