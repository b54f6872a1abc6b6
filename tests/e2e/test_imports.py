"""« Imports » in a real browser: a file is sent, its columns named, a line mended, the rest applied, then all of it undone."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from app.core.nir import compute_key
from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll
from tests.e2e.portal import PASSWORD

SignIn = Callable[..., Page]
SHEET = {
    "Civilité": "Monsieur", "Nom de naissance": "Dupuy", "Prénom": "Marc", "Date de naissance": "02/06/1985", "Sexe": "Homme", "Nationalité": "Française",
    "N° de voie": "12", "Type de voie": "Rue", "Libellé de la voie": "des Acacias", "CP": "31000", "Ville": "toulouse", "Portable": "06 12 34 56 78",
    "Mail": "marc@exemple.fr", "Inscrit à France Travail": "non", "Bénéficiaire de l’ARE": "non", "Bénéficiaire du RSA": "non",
    "Bénéficiaire de l’AAH": "non", "Bénéficiaire autres minima sociaux (hors RSA et AAH)": "non", "Bénéficiaire d’une Obligation d’Emploi (BOE)": "Non",
    "Sortant scolaire (moins d’un an)": "non",
}  # fmt: skip
#: Whose first allowed value is taken from the specification.
LISTS = (
    "Objectif général", "Situation professionnelle", "Niveau à l’entrée en formation", "Dernière classe suivie", "Diplôme le plus élevé obtenu",
    "Niveau de la certification la plus élevée obtenue",
)  # fmt: skip


def look(page: Page) -> None:
    assert_accessible(page)
    assert_no_horizontal_scroll(page)


def first_values(page: Page) -> dict[str, str]:
    """What may stand in the columns of lists, as the form of a trainee who is there offers it."""
    page.goto("/stagiaires/")
    page.locator('main table a[href*="/stagiaires/fiche/"]').first.click()
    page.locator('a[href$="/situation"]').first.click()
    found = {}
    for words in LISTS:
        found[words] = page.get_by_label(words).first.locator("option").nth(1).inner_text()
    return found


def test_a_file_from_its_arrival_to_its_undoing(signed_in: SignIn, tmp_path: Path) -> None:
    page = signed_in("principal")
    values = first_values(page)
    action = "23C00390257_2"
    rows = []
    for order, changes in ((1, {}), (2, {"Ville": "PARIS", "Nom de naissance": "Dupuis"})):
        number = f"18506311{order:02d}{order:03d}"
        rows.append({"N° d’action": action, "NIR": number, "Clé": compute_key(number), **SHEET, **values, "Commentaire": "à relire", **changes})
    sent = tmp_path / "stagiaires.csv"
    with sent.open("w", encoding="utf-8-sig", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    page.goto("/imports/")
    page.locator('main a[href="/imports/stagiaires"]').click()
    page.get_by_label("Fichier à importer").set_input_files(sent)
    look(page)
    page.get_by_role("button", name="Envoyer et contrôler le fichier").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Colonnes du fichier", timeout=60_000)
    look(page)
    page.get_by_role("button", name="Contrôler le fichier avec ces colonnes").click()
    expect(page.get_by_text("Contrôlé : à décider")).to_be_visible(timeout=60_000)
    expect(page.locator("main")).to_contain_text("Rien n’a encore été enregistré")
    assert rows[0]["NIR"] not in page.content()
    look(page)
    page.locator("main table a[href*=\"/ligne/\"]").first.click()
    look(page)
    page.get_by_label("Ville").fill("Toulouse")
    page.get_by_role("button", name="Enregistrer cette ligne").click()
    expect(page.get_by_text("est maintenant correcte")).to_be_visible()
    page.get_by_role("button", name="Appliquer le fichier (2 lignes)").click()
    expect(page.get_by_role("link", name="Annuler tout l’import")).to_be_visible(timeout=60_000)
    look(page)
    page.get_by_role("link", name="Annuler tout l’import").click()
    look(page)
    page.get_by_role("button", name="Annuler tout l’import").click()
    expect(page.locator("h1 .badge")).to_contain_text("Annulé", timeout=60_000)
    page.goto("/imports/stagiaires")
    page.get_by_label("Fichier à importer").set_input_files(sent)
    page.get_by_role("button", name="Envoyer et contrôler le fichier").click()
    expect(page.get_by_text("Contrôlé : à décider")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Abandonner ce fichier").click()
    expect(page.get_by_text("rien n’en est conservé")).to_be_visible()


def test_a_file_sent_by_a_program(signed_in: SignIn) -> None:
    page = signed_in("principal")
    values = first_values(page)
    page.goto("/imports/")
    page.get_by_role("main").get_by_role("link", name="Imports par votre logiciel").click()
    look(page)
    page.get_by_role("main").get_by_role("link", name="Jetons d’API").click()
    look(page)
    page.get_by_role("link", name="Créer un jeton").click()
    page.get_by_label("Nom").fill("Logiciel de planning")
    page.get_by_label("Envoyer des fichiers à importer").check()
    page.get_by_label("Suivre les fichiers importés").check()
    page.get_by_label("30 jours").check()
    page.get_by_label("Mot de passe actuel").fill(PASSWORD)
    page.get_by_role("button", name="Créer le jeton").click()
    token = page.get_by_text(re.compile(r"^pmf_")).inner_text()

    rows = []
    for order, changes in ((7, {}), (8, {"Ville": "PARIS", "Nom de naissance": "Lenoir"})):
        number = f"18506311{order:02d}{order:03d}"
        rows.append({"N° d’action": "23C00390257_2", "NIR": number, "Clé": compute_key(number), **SHEET, **values, "Nom de naissance": "Lebrun", **changes})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode("utf-8-sig")

    def asked(path: str, method: str = "GET", headers: dict[str, str] | None = None, **options: Any) -> Any:
        return page.request.fetch(path, method=method, headers={"Authorization": f"Bearer {token}"} | (headers or {}), **options)

    def until_done(path: str) -> Any:
        deadline = time.monotonic() + 60
        while True:
            answer = asked(path)
            assert answer.status == 200, answer.text()
            if answer.json()["termine"]:
                return answer
            assert time.monotonic() < deadline, answer.text()
            time.sleep(0.5)

    form = {"matrice": "stagiaires", "fichier": {"name": "stagiaires.csv", "mimeType": "text/csv", "buffer": content}}
    sent = asked("/api/v1/imports", "POST", multipart=form)
    assert sent.status == 202, sent.text()
    address = sent.headers["location"]
    checked = until_done(address)
    assert checked.json()["comptes"] == {"creation": 1, "modification": 0, "inchange": 0, "erreur": 1}
    errors = asked(f"{address}/erreurs").json()["erreurs"]
    assert [(one["ligne"], one["valeur"]) for one in errors] == [(3, "PARIS")]
    report = asked(f"{address}/rapport?format=csv&lignes=erreurs")
    assert "À corriger" in report.text() and "Lenoir" in report.text()
    assert asked(f"{address}/application", "POST", data={"lignes": "valides"}).status == 428
    applied = asked(f"{address}/application", "POST", headers={"If-Match": checked.headers["etag"]}, data={"lignes": "valides"})
    assert applied.status == 202, applied.text()
    done = until_done(address)
    assert done.json()["etat"] == "applique"
    assert asked("/api/v1/imports", "POST", multipart=form).json()["deja_envoye"] is True

    page.goto("/imports/")
    row = page.get_by_role("row", name=re.compile("Logiciel de planning")).first
    expect(row).to_contain_text("Appliqué")
    row.get_by_role("link").first.click()
    expect(page.locator("main")).to_contain_text("Logiciel de planning")
    look(page)
    undone = asked(f"{address}/annulation", "POST", headers={"If-Match": done.headers["etag"]})
    assert undone.status == 202, undone.text()
    assert until_done(address).json()["etat"] == "annule"

    page.goto("/gestion-organisme/jetons/")
    look(page)
    page.set_viewport_size({"width": 360, "height": 740})
    look(page)
    row = page.get_by_role("row", name=re.compile("Logiciel de planning"))
    row.get_by_role("button", name=re.compile("^Révoquer")).or_(row.get_by_role("link", name=re.compile("^Révoquer"))).first.click()
    page.get_by_role("dialog").get_by_role("button", name="Révoquer le jeton").click()
    expect(page.get_by_text("Le jeton « Logiciel de planning » a bien été révoqué")).to_be_visible()
    assert asked(address).status == 401
