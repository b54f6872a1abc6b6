"""Guide 004 §1 to §2.5, page by page: a colleague's account from its creation to its deletion, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll
from tests.e2e.portal import sign_in

SignIn = Callable[..., Page]
OF = "de l’organisme de formation ORGANISME DE FORMATION GARONNE"
PERSON = "Madame NOM TEST COMPTE PRENOM TEST COMPTE"


def accounts(page: Page) -> None:
    """Menu "Gestion organisme" → "Comptes utilisateurs"."""
    page.get_by_text("Gestion organisme", exact=True).first.click()
    page.get_by_role("link", name="Comptes utilisateurs").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Comptes utilisateurs")


def act(page: Page, name: str, question: str, verb: str) -> None:
    """A button of "Gestion", its question, its verb."""
    page.get_by_role("row", name=re.compile("NOM TEST COMPTE")).get_by_role("link", name=re.compile("^" + name)).click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text(question)
    expect(dialog).to_contain_text(PERSON)
    expect(dialog.get_by_role("button", name="Annuler")).to_be_focused()
    dialog.get_by_role("button", name=verb).click()


def said(page: Page, words: str) -> None:
    expect(page.locator("#messages")).to_contain_text(words)


def mail(page: Page, subject: str) -> str:
    """The newest message of that subject, in the viewer of the demonstration."""
    page.get_by_role("link", name="Courriels de démonstration").first.click()
    page.get_by_role("link", name=re.compile(re.escape(subject))).first.click()
    return page.locator("main").inner_text()


def fill(page: Page, label: str, value: str) -> None:
    page.get_by_role("textbox", name=re.compile("^" + label)).fill(value)


def test_the_life_of_an_account(signed_in: SignIn) -> None:
    page = signed_in("principal")
    accounts(page)
    for words in ("Informations du compte principal", "Informations des comptes secondaires"):
        expect(page.get_by_role("heading", name=words)).to_be_visible()
    assert_accessible(page)

    # §1: the dialog "Gestion du compte", wrong then right, typed and sent by keyboard
    page.get_by_role("link", name="Créer un nouveau compte").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Gestion du compte")
    for words in ("Raison sociale", "Enseigne", "SIRET", "Les champs obligatoires sont marqués par un"):
        expect(dialog).to_contain_text(words)
    fill(page, "Nom d’usage", "NOM TEST COMPTE")
    fill(page, "Prénom", "PRENOM TEST COMPTE")
    fill(page, "Courriel", "aa")
    page.keyboard.press("Enter")
    expect(dialog.locator(".error-summary")).to_be_focused()
    expect(dialog.get_by_role("textbox", name=re.compile("^Nom d’usage"))).to_have_value("NOM TEST COMPTE")
    assert_accessible(page)
    dialog.get_by_label("Madame").check()
    fill(page, "Courriel", "aa@aa.fr")
    dialog.get_by_role("button", name="Valider").dblclick()
    said(page, f"Le compte secondaire de {PERSON} {OF} a bien été créé. Un mail de récupération de mot de passe a été envoyé au mail du compte.")
    expect(page.get_by_text("Nombre de résultats : 2")).to_be_visible()
    assert_no_horizontal_scroll(page)
    identifiant = page.get_by_role("row", name=re.compile("NOM TEST COMPTE")).locator("code").inner_text()
    words = mail(page, "Votre compte sur «")
    for part in (identifiant, "NOM TEST COMPTE", "PRENOM TEST COMPTE", "/acces/", "/authentification/generation-mot-de-passe", "24 heures", "CNIL"):
        assert part in words, part

    # §2.1 and §3: two windows, nobody overwrites anybody
    accounts(page)
    page.get_by_role("row", name=re.compile("NOM TEST COMPTE")).get_by_role("link", name=re.compile("^Modifier")).click()
    other = page.context.new_page()
    other.goto("/gestion-organisme/comptes/")
    other.get_by_role("row", name=re.compile("NOM TEST COMPTE")).get_by_role("link", name=re.compile("^Modifier")).click()
    fill(other, "Courriel", "bb@aa.fr")
    other.get_by_role("button", name="Valider").click()
    said(other, "a bien été modifié")
    fill(page, "Courriel", "cc@aa.fr")
    page.get_by_role("button", name="Valider").click()
    expect(page.get_by_text("Votre version")).to_be_visible()
    assert_accessible(page)
    page.get_by_label(re.compile("bb@aa.fr")).check()
    page.get_by_role("button", name="Enregistrer ces choix").click()
    expect(page.get_by_role("row", name=re.compile("NOM TEST COMPTE"))).to_contain_text("bb@aa.fr")

    # §2.2
    act(page, "Régénérer le mot de passe", "Êtes-vous sûr de vouloir régénérer le mot de passe ?", "Régénérer le mot de passe")
    said(page, f"{PERSON} {OF} a bien été régénéré. Un mail de notification de régénération de mot de passe a été envoyé au mail du compte.")
    assert identifiant in mail(page, "Choisissez un nouveau mot de passe")

    # §2.5
    accounts(page)
    act(page, "Désactiver", "Êtes-vous sûr de vouloir désactiver le compte ?", "Désactiver le compte")
    said(page, f"{PERSON} {OF} a bien été désactivé.")
    expect(page.get_by_role("row", name=re.compile("NOM TEST COMPTE"))).to_contain_text("Inactif")
    act(page, "Activer", "Êtes-vous sûr de vouloir activer le compte ?", "Activer le compte")
    said(page, f"{PERSON} {OF} a bien été activé.")

    # §2.3
    act(page, "Supprimer", "Êtes-vous sûr de vouloir supprimer le compte ?", "Supprimer le compte")
    said(page, f"{PERSON} {OF} a bien été supprimé.")
    expect(page.get_by_text("Nombre de résultats : 1")).to_be_visible()
    expect(page.get_by_role("table")).not_to_contain_text("NOM TEST COMPTE")


def test_unblocking_without_script_nor_a_large_screen(signed_in: SignIn, new_context: Callable[..., BrowserContext]) -> None:
    """§2.4, and the same acts as pages of their own, on a telephone."""
    stranger = new_context().new_page()
    for _try in range(3):
        sign_in(stranger, "secondaire", "Portail-faux-2026")
    page = signed_in("principal", javascript=False, width=360)
    page.goto("/gestion-organisme/comptes/")
    line = page.get_by_role("row", name=re.compile("MOREAU"))
    expect(line).to_contain_text("Bloqué")
    line.get_by_role("link", name=re.compile("^Débloquer le compte")).click()
    expect(page.locator("main")).to_contain_text("Êtes-vous sûr de vouloir débloquer le compte ?")
    page.get_by_role("button", name="Débloquer le compte").click()
    said(page, f"Le compte secondaire de Monsieur MOREAU Karim {OF} a bien été débloqué.")
    page.get_by_role("link", name="Créer un nouveau compte").click()
    page.get_by_role("button", name="Valider").click()
    expect(page.locator(".error-summary")).to_contain_text("Nom d’usage : indiquez le nom d’usage.")
    page.get_by_role("link", name="Annuler").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Comptes utilisateurs")


def test_what_was_typed_in_a_window_outlives_the_session(signed_in: SignIn, new_context: Callable[..., BrowserContext]) -> None:
    """The message is in the window, where the keyboard is; one signs in elsewhere and sends the form as it stands."""
    context = new_context()
    page = context.new_page()
    sign_in(page, "principal")
    accounts(page)
    page.get_by_role("link", name="Créer un nouveau compte").click()
    dialog = page.get_by_role("dialog", name="Gestion du compte")
    fill(page, "Nom d’usage", "Fenêtre")
    fill(page, "Prénom", "Ève")
    fill(page, "Courriel", "eve.fenetre@example.org")

    elsewhere = signed_in("principal")
    elsewhere.goto("/mon-compte/")
    elsewhere.get_by_role("button", name="Déconnecter les autres sessions").click()
    expect(elsewhere.get_by_text(re.compile("déconnecté"))).not_to_have_count(0)

    dialog.get_by_role("button", name="Valider").click()
    told = dialog.get_by_role("alert")
    expect(told).to_contain_text("Votre session est terminée")
    expect(told).to_be_focused()
    assert_accessible(page)
    with context.expect_page() as opened:
        told.get_by_role("link", name="Se reconnecter").click()
    sign_in(opened.value, "principal")
    opened.value.close()
    page.bring_to_front()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(told).to_have_count(0)
    dialog.get_by_role("button", name="Valider").click()
    said(page, f"{OF} a bien été créé")
    expect(page.locator("#messages .alert")).to_be_focused()
    page.get_by_role("link", name="Créer un nouveau compte").click()
    dialog.get_by_role("button", name="Valider").click()
    expect(dialog.locator(".error-summary")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page).to_have_title(re.compile("^Comptes utilisateurs"))
    page.get_by_role("row", name=re.compile("Fenêtre", re.IGNORECASE)).get_by_role("link", name=re.compile("^Supprimer")).click()
    page.locator("dialog[open]").get_by_role("button", name="Supprimer le compte").click()
    said(page, "a bien été supprimé")
