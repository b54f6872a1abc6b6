"""« Imports » in a real browser: a file is sent, its columns named, a line mended, the rest applied, then all of it undone."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect
from python_calamine import CalamineWorkbook
from xlsxwriter import Workbook

from app.core import clock
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
    page.get_by_role("link", name="Abandonner ce fichier").click()
    look(page)
    page.get_by_role("button", name="Abandonner ce fichier").click()
    expect(page.get_by_text("rien n’en est conservé")).to_be_visible()


# ---- the matrices about enrolments -----------------------------------------------------------------------------------------


def ago(days: int) -> str:
    return (clock.today() - timedelta(days=days)).strftime("%d/%m/%Y")


def filled(page: Page, matrix: str, kind: str, folder: Path, rows: list[dict[str, str]]) -> Path:
    """« Format d'import », downloaded and filled in: under its headings, in its order."""
    page.goto("/imports/")
    with page.expect_download() as download:
        page.locator(f'main a[href="/imports/{matrix}/format.{kind}"]').click()
    content = Path(download.value.path()).read_bytes()
    target = folder / f"{matrix}.{kind}"
    if kind == "csv":
        headings = next(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))
        assert {name for row in rows for name in row} <= set(headings)
        with target.open("w", encoding="utf-8-sig", newline="") as output:
            writer = csv.writer(output, delimiter=";")
            writer.writerows([headings, *([row.get(one, "") for one in headings] for row in rows)])
        return target
    headings = [str(one) for one in CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()[0]]
    book = Workbook(target)
    sheet = book.add_worksheet()
    for number, line in enumerate([headings, *([row.get(one, "") for one in headings] for row in rows)]):
        for place, words in enumerate(line):
            sheet.write_string(number, place, words)
    book.close()
    assert {name for row in rows for name in row} <= set(headings)
    return target


def send(page: Page, matrix: str, path: Path) -> None:
    page.goto("/imports/")
    page.locator(f'main a[href="/imports/{matrix}"]').click()
    page.get_by_label("Fichier à importer").set_input_files(path)
    page.get_by_role("button", name="Envoyer et contrôler le fichier").click()
    expect(page.get_by_text("Contrôlé : à décider")).to_be_visible(timeout=60_000)


def mend(page: Page, line: int, **cells: str) -> None:
    page.locator(f'main table a[href$="/ligne/{line}"]').first.click()
    look(page)
    for name, words in cells.items():
        page.locator(f"#cellule-{name}").fill(words)
    page.get_by_role("button", name="Enregistrer cette ligne").click()
    expect(page.get_by_text("est maintenant correcte")).to_be_visible()


def apply_and_undo(page: Page, button: str, sheet: Callable[[Page], None], after: Callable[[Page], None]) -> None:
    """Apply, look at the sheet, undo, look again."""
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("link", name="Annuler tout l’import")).to_be_visible(timeout=60_000)
    look(page)
    report = page.url
    sheet(page)
    page.goto(report)
    page.get_by_role("link", name="Annuler tout l’import").click()
    look(page)
    page.get_by_role("button", name="Annuler tout l’import").click()
    expect(page.locator("h1 .badge")).to_contain_text("Annulé", timeout=60_000)
    look(page)
    after(page)


def sheet_of(page: Page, name: str) -> Locator:
    """The table of the enrolments of a trainee, found by the name."""
    page.goto(f"/stagiaires/?texte={name}")
    page.locator('main table a[href*="/stagiaires/fiche/"]').filter(has_text=re.compile(name, re.IGNORECASE)).first.click()
    return page.get_by_role("table").first


def test_a_file_of_enrolments(signed_in: SignIn, tmp_path: Path) -> None:
    """Somebody known by an NIA: nothing leaves for AGORA, so that undoing leaves no trace."""
    page = signed_in("principal")
    who = {"N° Action": "19Q01762009_5", "NIR / NIA": "7960699326094", "Clé": compute_key("7960699326094"), "Nom de naissance": "N'Guessan"}
    plan = {"Date de début prévue": ago(1), "Date de fin prévue": ago(-30), "Heure stag fact (hcf)": "50", "Heure stagiaire entreprise (he)": "10"}
    # Named, because other journeys give this composante more sites.
    plan["Site de réalisation"] = "Centre de formation de Toulouse / TOULOUSE / 31100"
    path = filled(page, "inscriptions", "csv", tmp_path, [who | plan | {"N° Composante": "1", "Date de fin prévue": "31/02/2026"}])
    send(page, "inscriptions", path)
    expect(page.get_by_role("table", name="Lignes à corriger")).to_contain_text("Date de fin prévue")
    look(page)
    mend(page, 2, planned_end=ago(-30))

    def there(page: Page) -> None:
        expect(sheet_of(page, "GUESSAN").get_by_role("row").filter(has_text=ago(1))).to_be_visible()

    def gone(page: Page) -> None:
        expect(sheet_of(page, "GUESSAN").get_by_role("row").filter(has_text=ago(1))).to_have_count(0)

    apply_and_undo(page, "Appliquer le fichier (1 ligne)", there, gone)


def test_a_file_of_outcomes(signed_in: SignIn, tmp_path: Path) -> None:
    page = signed_in("principal")
    number = "2940331555021"
    row = {
        "N° Action": "19Q01762009_5", "NIR / NIA": number, "Clé": compute_key(number), "Nom de naissance": "Alba", "N° Composante": "01",
        "Réalisation": "Non réalisée", "Motif de la correction": "court",
    }  # fmt: skip
    send(page, "realisations", filled(page, "realisations", "xlsx", tmp_path, [row]))
    look(page)
    mend(page, 2, reason="Absente dès la première semaine, justificatifs au dossier")
    before = "Réalisation partielle"

    def corrected(page: Page) -> None:
        expect(sheet_of(page, "ALBA")).to_contain_text("Absente dès la première semaine")

    def as_before(page: Page) -> None:
        expect(sheet_of(page, "ALBA").locator(".badge").filter(has_text=before)).to_be_visible()

    apply_and_undo(page, "Appliquer le fichier (1 ligne)", corrected, as_before)


def test_a_file_of_acts_that_follow_one_another(signed_in: SignIn, tmp_path: Path) -> None:
    """The programme asks for no number; a line to mend holds the one behind it, and frees it when it is mended."""
    page = signed_in("principal", width=360)
    who = {"N° Action": "24A00120031_1", "Nom de naissance": "Saurel", "Prénom": "Inaya", "Date de naissance": "17/10/2005", "N° Composante": "01"}
    rows = [
        who | {"Nature": "Rectification", "Heure stagiaire entreprise (he)": "beaucoup"},
        who | {"Nature": "Sortie", "Date de fin réelle": ago(2), "Motif de sortie": "Accès à l’emploi"},
    ]
    send(page, "sorties", filled(page, "sorties", "xlsx", tmp_path, rows))
    table = page.get_by_role("table", name="Lignes à corriger")
    expect(table).to_contain_text("La ligne 2 concerne la même inscription")
    look(page)
    mend(page, 2, hours_company="65,5")

    def left(page: Page) -> None:
        table = sheet_of(page, "SAUREL")
        expect(table).to_contain_text(ago(2))
        expect(table).to_contain_text("65,50 he")

    def back(page: Page) -> None:
        table = sheet_of(page, "SAUREL")
        expect(table).not_to_contain_text("65,50 he")
        expect(table).to_contain_text("Sortie annulée")
        expect(table).to_contain_text("Annulation d’un import")

    apply_and_undo(page, "Appliquer le fichier (2 lignes)", left, back)


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
