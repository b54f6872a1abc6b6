"""The console: an organisation with its principal account, a change of principal, a file of accounts, support's eyes, the journal."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible

SIRET = "73282932000074"
FILE = "\r\n".join(
    [
        "Type de compte;SIRET;Raison sociale;Enseigne;NDA;Civilité;Nom d’usage;Prénom;Courriel",
        f"Secondaire;{SIRET};;;;Madame;ARNAUD;Zoé;zoe.arnaud@example.org",
        f"Secondaire;{SIRET};;;;Monsieur;BONNET;Théo;theo.bonnet@example.org",
    ]
)


def test_the_region_creates_an_organisation_then_accounts_from_a_file(signed_in: Callable[..., Page]) -> None:
    page = signed_in("region")
    page.goto("/comptes/organismes/creer")
    page.get_by_label("Raison sociale").fill("LYCÉE DES MÉTIERS DU CANAL")
    page.get_by_label("SIRET").fill("732 829 320 00075")
    page.get_by_label("Madame").check()
    page.get_by_label("Nom d’usage").fill("VIDAL")
    page.get_by_label("Prénom").fill("Anne")
    page.locator("#email").fill("anne.vidal@example.org")
    page.get_by_role("button", name="Créer l’organisme et inviter son gestionnaire").click()
    expect(page.locator(".error-summary")).to_contain_text("clé de contrôle")
    expect(page.get_by_label("Prénom")).to_have_value("Anne")
    assert_accessible(page)
    page.get_by_label("SIRET").fill(SIRET)
    page.get_by_role("button", name="Créer l’organisme et inviter son gestionnaire").click()
    expect(page.get_by_text("Une invitation a été envoyée à anne.vidal@example.org")).to_be_visible()
    assert_accessible(page)

    page.goto("/comptes/fichier/")
    page.get_by_label("Fichier de comptes").set_input_files({"name": "comptes.csv", "mimeType": "text/csv", "buffer": FILE.encode("cp1252")})
    page.get_by_role("button", name="Vérifier le fichier").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Aperçu du fichier")
    assert_accessible(page)
    page.get_by_role("button", name="Créer 2 comptes").click()
    expect(page.get_by_text("2 comptes ont bien été créés")).to_be_visible()


def test_support_changes_the_principal_and_looks_through_its_eyes(signed_in: Callable[..., Page]) -> None:
    """Without script, as the act itself needs none; on a narrow screen. The journal then tells all of it."""
    page = signed_in("support", javascript=False, width=360)
    page.goto(f"/comptes/?q={SIRET}&etat=all")
    page.get_by_role("link", name="Mme VIDAL Anne", exact=True).first.click()
    page.get_by_role("link", name="LYCÉE DES MÉTIERS DU CANAL").click()
    page.get_by_role("link", name="Changer le compte principal").click()
    page.get_by_label("Nouveau gestionnaire du compte").select_option(label=next(text for text in page.locator("#who option").all_inner_texts() if "BONNET" in text))
    page.get_by_label("J’ai lu ce que cela change").check()
    page.get_by_role("button", name="Changer le compte principal").click()
    expect(page.get_by_text("Le compte de Monsieur BONNET Théo est désormais le compte principal")).to_be_visible()

    page.get_by_role("link", name="M. BONNET Théo").first.click()
    page.get_by_role("link", name="Voir le portail comme cette personne").click()
    page.get_by_label("Motif").fill("Appel de ce matin")
    page.get_by_role("button", name="Voir le portail comme cette personne").click()
    expect(page.get_by_text("Vous regardez le portail comme M. BONNET Théo (lecture seule)")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.goto("/stagiaires/")
    expect(page.get_by_text("Les données des stagiaires ne sont pas montrées à l’assistance.", exact=True)).to_be_visible()
    page.goto("/gestion-organisme/historique/")
    expect(page.get_by_text("Mme LECLERC Nadia a donné à M. BONNET Théo le rôle « Compte principal ».")).to_be_visible()
    expect(page.get_by_text("Motif : Appel de ce matin")).to_be_visible()
    page.get_by_role("button", name="Terminer l’observation").click()
    expect(page.get_by_text("Vous ne regardez plus le portail comme M. BONNET Théo.")).to_be_visible()
