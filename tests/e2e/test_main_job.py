"""The main job, from the reference data to the closed file, in a real browser: five journeys, in order.

They share one running product and follow one another as a working week does: the action opened in one is closed in the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from app.core import clock
from tests.e2e.axe import assert_accessible
from tests.e2e.portal import PASSWORD, Product, sign_in

GUIDE_ACTION = "23C00390257_1"  # guide 003
SignIn = Callable[..., Page]

#: AGORA's answer may wait for the next nudge or the sweeper.
SOON, LATER = 20_000, 120_000


def fr(day: date) -> str:
    """jj/mm/aaaa"""
    return day.strftime("%d/%m/%Y")


TODAY = clock.today()
ENTRY = TODAY - timedelta(days=4)


# ---- gestures ---------------------------------------------------------------------------------------------------------


def open_action(page: Page, number: str) -> None:
    """From the home page, through the list, to the page of the action."""
    page.goto("/")
    page.get_by_role("link", name="Voir toutes mes actions").click()
    page.get_by_role("link", name=number, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(number)


def choose(page: Page, group: str, answer: str) -> None:
    """One radio button of a group."""
    page.get_by_role("group", name=re.compile("^" + re.escape(group))).get_by_label(answer, exact=True).check()


def pick(page: Page, label: str, option: int | str = 1) -> None:
    """One option of a list, by its place or its words."""
    box = page.get_by_role("combobox", name=re.compile("^" + re.escape(label)))
    if isinstance(option, int):
        box.select_option(index=option)
    else:
        box.select_option(label=option)


def fill(page: Page, label: str, value: str) -> None:
    """A text box by the beginning of its label."""
    page.get_by_role("textbox", name=re.compile("^" + re.escape(label).replace("/", "."))).first.fill(value)


def look_up(page: Page, label: str, code: str) -> None:
    """A box that searches a big list as one types; the code alone is enough."""
    box = page.get_by_role("combobox", name=re.compile("^" + re.escape(label))).or_(page.get_by_role("textbox", name=re.compile("^" + re.escape(label))))
    box.first.fill(code)
    box.first.press("Escape")


def start_registration(page: Page, number: str) -> None:
    """From the page of the action to the first step."""
    open_action(page, number)
    page.get_by_role("link", name="Enregistrer un stagiaire").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Enregistrement d’un stagiaire : Vérification")


def verify(page: Page, nir: str, key: str, name: str) -> None:
    """Step "Vérification"."""
    page.get_by_label("Numéro (13 caractères)").fill(nir)
    page.get_by_label("Clé (2 chiffres)").fill(key)
    fill(page, "Nom", name)
    page.get_by_role("button", name="Enregistrer et passer à l’étape suivante").click()


def contact_details(page: Page) -> None:
    """Step "Identification": nationality, address and contact details."""
    pick(page, "Nationalité")
    fill(page, "N° de voie", "12")
    pick(page, "Type de voie", "Rue")
    fill(page, "Libellé de la voie", "des Lilas")
    fill(page, "Code postal", "31000")
    town = page.get_by_label(re.compile("^Ville|^Commune")).first
    expect(town).to_have_value("Toulouse", timeout=SOON)
    fill(page, "Téléphone portable", "06 00 00 00 01")
    fill(page, "Courriel", "stagiaire@example.org")
    page.get_by_role("button", name="Enregistrer et passer à l’étape suivante").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Enregistrement d’un stagiaire : Situation initiale")


def initial_situation(page: Page) -> None:
    """Step "Situation initiale"."""
    pick(page, "Catégorie de public")
    pick(page, "Objectif général")
    pick(page, "Situation professionnelle", 2)
    asked = page.get_by_label("Numéro de demandeur d’emploi")
    choose(page, "Inscrit à France Travail", "Non")
    expect(asked).to_be_hidden()
    choose(page, "Inscrit à France Travail", "Oui")
    expect(asked).to_be_visible()
    fill(page, "Date d’inscription à France Travail", "01/12/2017")
    fill(page, "Numéro de demandeur d’emploi", "8783435M")
    for question in ("Bénéficiaire de l’ARE", "Bénéficiaire autres minima", "Bénéficiaire du RSA", "Bénéficiaire de l’AAH"):
        choose(page, question, "Non")
    choose(page, "Bénéficiaire d’une Obligation d’Emploi", "Non connu")
    choose(page, "Sortant scolaire", "Non")
    pick(page, "Niveau à l’entrée en formation", 5)
    pick(page, "Dernière classe suivie", 5)
    pick(page, "Diplôme le plus élevé obtenu", 5)
    pick(page, "Niveau de la certification la plus élevée obtenue", 5)
    page.get_by_role("button", name="Enregistrer et passer à l’étape suivante").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Enregistrement d’un stagiaire : Récapitulatif")


def register(page: Page) -> None:
    """Final act of the registration wizard."""
    page.get_by_role("button", name="Enregistrer le stagiaire").click()


def enrol(page: Page, *, component: str = "01", start: date = ENTRY, end: date | None = None) -> None:
    """From the sheet: component, dates, site, hours."""
    page.get_by_role("link", name="Inscrire sur une composante").first.click()
    choice = page.get_by_role("row", name=re.compile(rf"^\s*{component}")).get_by_role("link", name=re.compile("^Choisir"))
    if choice.count():
        choice.click()
    fill(page, "Date de début prévue", fr(start))
    if end is not None:
        fill(page, "Date de fin prévue", fr(end))
    sites = page.get_by_role("group", name=re.compile("^Site de réalisation"))
    sites.get_by_role("radio").first.check()
    fill(page, "Heure stag fact", "300,00")
    fill(page, "Heure stagiaire entreprise", "100,00")
    page.get_by_role("button", name="Enregistrer l’inscription").click()


def agora_number(page: Page) -> str:
    """The number shown on the sheet."""
    shown = page.locator("[id^='agora-'] code").first
    expect(shown).to_have_text(re.compile(r"^\d{8,12}$"), timeout=SOON)
    return shown.inner_text()


def signed_out(page: Page) -> None:
    """Forget the session."""
    page.context.clear_cookies()


# ---- 1 ----------------------------------------------------------------------------------------------------------------


def test_1_the_region_manages_reference_data_and_contracts(signed_in: SignIn) -> None:
    """Lists with seeds, search, sort and export; then a contract, an action and a component."""
    page = signed_in("admin")
    for list_name in ("Dispositifs", "Niveaux", "Catégories de public", "Objectifs généraux", "Situations professionnelles", "Sites", "Motifs de sortie"):
        page.locator("nav summary", has_text="Référentiels").click()
        page.locator("nav").get_by_role("link", name=list_name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(list_name)
        assert page.locator("tbody tr").count() >= 2

    page.goto("/referentiels/motifs-de-sortie/add")
    fill(page, "Code", "REORIENTATION")
    fill(page, "Libellé", "Réorientation")
    page.get_by_role("button", name=re.compile("^Ajouter")).click()
    page.goto("/referentiels/motifs-de-sortie/list/?q=orientation")
    expect(page.locator("tbody")).to_contain_text("Réorientation")

    number = f"26T{TODAY:%m%d}0001"
    page.goto("/referentiels/contrats/add")
    fill(page, "N° Contrat/Conv.", number)
    page.locator("#label").fill("Marché d’essai")
    fill(page, "Numéro de lot", "7")
    fill(page, "Libellé du lot", "Essais")
    choose(page, "Type", "Marché")
    pick(page, "Dispositif", "QUALIF PRO")
    look_up(page, "Titulaire", "12345678913000")
    page.get_by_role("button", name=re.compile("^Ajouter")).click()
    page.goto(f"/referentiels/contrats/list/?q={number}")
    expect(page.locator("tbody")).to_contain_text("ORGANISME DE FORMATION GARONNE")

    page.goto("/referentiels/actions/add")
    look_up(page, "Contrat", number)
    fill(page, "N° Action", f"{number}_1")
    fill(page, "Intitulé de l’action", "Action d’essai")
    fill(page, "Année", str(TODAY.year))
    fill(page, "Date de début prévue", fr(ENTRY))
    fill(page, "Date de fin prévue", fr(TODAY + timedelta(days=200)))
    page.get_by_role("button", name=re.compile("^Ajouter")).click()
    page.goto(f"/referentiels/actions/list/?q={number}")
    expect(page.locator("tbody")).to_contain_text("En attente d’ouverture")

    page.goto("/referentiels/composantes/add")
    look_up(page, "Action", f"{number}_1")
    page.get_by_role("textbox", name=re.compile("^N°")).first.fill("01")
    fill(page, "Intitulé composante", "Composante d’essai")
    fill(page, "Date de début prévue", fr(ENTRY))
    fill(page, "Date de fin prévue", fr(TODAY + timedelta(days=201)))
    fill(page, "Heures en centre prévues", "100")
    fill(page, "Heures en entreprise prévues", "0")
    fill(page, "Places", "10")
    page.get_by_role("button", name=re.compile("^Ajouter")).click()
    expect(page.get_by_text("Les dates d’une composante sont comprises dans celles de son action.").first).to_be_visible()
    fill(page, "Date de fin prévue", fr(TODAY + timedelta(days=200)))
    page.get_by_role("button", name=re.compile("^Ajouter")).click()

    signed_out(page)
    sign_in(page, "principal")
    open_action(page, f"{number}_1")
    page.get_by_role("link", name="Composantes et sessions").click()
    expect(page.locator("#composantes")).to_contain_text("Composante d’essai")


# ---- 2 ----------------------------------------------------------------------------------------------------------------


def test_2_from_the_home_page_to_a_waiting_action(signed_in: SignIn) -> None:
    """« MES ACTIONS », the list with the guide's columns, and an action "en attente d'ouverture"."""
    page = signed_in("principal")
    for tile in ("Actions en attente d’ouverture", "Actions en cours", "Actions en retard de fermeture"):
        expect(page.get_by_role("link", name=re.compile(tile))).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name=re.compile("Actions en attente d’ouverture")).click()
    expect(page).to_have_url(re.compile("statut=AO"))
    headers = [text.split("\n")[0].strip() for text in page.get_by_role("columnheader").all_inner_texts()]
    assert headers == [
        "N° Contrat/Conv.", "N° Action", "Intitulé de l’action", "Statut", "Année", "Date de début réelle", "Date de fin prévue", "Gestion",
    ]  # fmt: skip
    expect(page.get_by_role("rowheader", name=re.compile("23C00390257 – Lot 39"))).to_be_visible()
    assert_accessible(page)

    fill_filter = page.get_by_role("textbox", name=re.compile("n° action ou intitulé"))
    fill_filter.fill("sanitaire 23c")
    page.get_by_role("search", name="Filtrer les actions").get_by_role("button", name="Rechercher").click()
    expect(page.get_by_role("link", name=GUIDE_ACTION, exact=True)).to_be_visible()
    page.get_by_role("link", name=GUIDE_ACTION, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("En attente d’ouverture")
    expect(page.get_by_text("Aucun stagiaire n’est encore inscrit.").first).to_be_visible()
    assert_accessible(page)


# ---- 3 ----------------------------------------------------------------------------------------------------------------


def test_3_register_enrol_and_open(signed_in: SignIn) -> None:
    """Identity live from AGORA, enrolment with its number without reload, then the opening wizard: AO → EC."""
    page = signed_in("principal")

    # Opening before anybody has entered is refused, with the reason.
    open_action(page, GUIDE_ACTION)
    page.goto(page.url.rstrip("/") + "/ouverture/detail")
    expect(page.get_by_text("L’action ne peut pas encore être ouverte")).to_be_visible()
    expect(page.get_by_text("facture d’avance").first).to_be_visible()
    assert page.get_by_role("button", name="Valider le formulaire").count() == 0

    start_registration(page, GUIDE_ACTION)
    assert_accessible(page)
    verify(page, "1620713155089", "83", "SION")
    expect(page.get_by_text("La clé ne correspond pas").or_(page.get_by_text(re.compile("[Cc]lé.*pas"))).first).to_be_visible()
    page.get_by_label("Clé (2 chiffres)").fill("82")
    page.get_by_role("button", name="Enregistrer et passer à l’étape suivante").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Enregistrement d’un stagiaire : Identification")
    expect(page.locator("#identite")).to_contain_text("Identité confirmée par AGORA", timeout=SOON)
    for value in ("SION", "ANDRE", "21/07/1962", "Masculin", "1 62 07 ** *** *** **"):
        expect(page.locator("#identite")).to_contain_text(value)
    expect(page.locator("#identite input")).to_have_count(0)
    assert_accessible(page)
    contact_details(page)
    assert_accessible(page)
    initial_situation(page)
    assert "1620713155089" not in page.content()
    assert_accessible(page)
    register(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("SION ANDRE")

    enrol(page)
    number = agora_number(page)
    expect(page.locator("[id^='agora-']").first).to_contain_text("Entrée en formation")
    assert_accessible(page)
    assert len(number) >= 8

    open_action(page, GUIDE_ACTION)
    page.get_by_role("link", name="Ouvrir l’action").first.click()
    expect(page.get_by_text("Date de début prévue").first).to_be_visible()
    assert_accessible(page)
    fill(page, "Date de début réelle", fr(ENTRY + timedelta(days=1)))
    choose(page, "Fréquence de déclaration", "Mensuelle")
    choose(page, "Période de facturation", "Trimestrielle")
    page.get_by_role("button", name="Valider le formulaire").click()
    expect(page.get_by_text("doit être la date d’entrée du premier stagiaire").first).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name=re.compile("^Mettre le .* et continuer$")).click()
    expect(page.get_by_text("Récapitulatif").first).to_be_visible()
    expect(page.get_by_text(fr(ENTRY)).first).to_be_visible()
    page.get_by_role("button", name="Ouvrir l’action").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("En cours")
    expect(page.locator("#messages")).to_contain_text("est ouverte depuis")
    expect(page.get_by_role("link", name="Ouvrir l’action")).to_have_count(0)
    page.get_by_role("link", name="Historique", exact=True).click()
    expect(page.locator("#historique")).to_contain_text("L’action a été ouverte.")


def test_3_with_agora_stopped_the_number_comes_by_itself(signed_in: SignIn, product: Product) -> None:
    """The enrolment is saved and says so; once AGORA is back, the open page shows the number without a hand."""
    page = signed_in("principal")
    with product.agora.stopped():
        start_registration(page, "23C00390257_2")
        verify(page, "2840588321025", "32", "OEILLET")
        expect(page.locator("#identite")).to_contain_text("AGORA ne répond pas", timeout=SOON)
        choose(page, "Civilité", "Mme")
        page.locator("#identite").get_by_label(re.compile("^Prénom")).fill("Marie-Ange")
        page.locator("#identite").get_by_label(re.compile("^Date de naissance")).fill("17/05/1984")
        choose(page, "Genre", "Féminin")
        contact_details(page)
        initial_situation(page)
        register(page)
        enrol(page)
        rubric = page.locator("[id^='agora-']").filter(has_text="enregistrée").first
        expect(rubric).to_contain_text("L’inscription est enregistrée", timeout=SOON)
    expect(page.locator("[id^='agora-'] code").first).to_have_text(re.compile(r"^\d{8,12}$"), timeout=LATER)
    expect(page.locator("[id^='agora-']").first).to_contain_text("Entrée en formation")


def test_3_an_nia_is_never_sent(signed_in: SignIn) -> None:
    """Guide 000: a provisional number is kept, said, and not sent."""
    page = signed_in("principal")
    start_registration(page, "23C00390257_2")
    verify(page, "7840588321025", _key("7840588321025"), "DIALLO")
    expect(page.locator("#identite")).to_contain_text("NIA")
    choose(page, "Civilité", "M.")
    page.locator("#identite").get_by_label(re.compile("^Prénom")).fill("Mamadou")
    page.locator("#identite").get_by_label(re.compile("^Date de naissance")).fill("02/05/1984")
    choose(page, "Genre", "Masculin")
    contact_details(page)
    initial_situation(page)
    register(page)
    enrol(page)
    expect(page.locator("#messages")).to_contain_text("Un NIA n’est pas transmis à AGORA")
    expect(page.locator("[id^='agora-']").first).to_contain_text("NIR attendu")


def test_3_without_script(signed_in: SignIn) -> None:
    """The same registration works with JavaScript off, by ordinary pages."""
    page = signed_in("principal", javascript=False)
    start_registration(page, "23C00390257_2")
    verify(page, "2550814168025", "38", "LACAZE-DUTHIERS")
    for _attempt in range(20):
        if "Identité confirmée par AGORA" in page.locator("#identite").inner_text():
            break
        page.get_by_role("link", name="Afficher la réponse d’AGORA").click()
    expect(page.locator("#identite")).to_contain_text("HÉLÈNE")
    pick(page, "Nationalité")
    pick(page, "Type de voie", "Rue")
    fill(page, "Libellé de la voie", "des Lilas")
    fill(page, "Code postal", "31000")
    fill(page, "Ville", "toulouse")
    fill(page, "Téléphone portable", "0600000002")
    fill(page, "Courriel", "helene@example.org")
    page.get_by_role("button", name="Enregistrer et passer à l’étape suivante").click()
    initial_situation(page)
    register(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("VIGNAU HÉLÈNE (née LACAZE-DUTHIERS)")


# ---- 4 ----------------------------------------------------------------------------------------------------------------


def test_4_exit_then_closing_by_the_region(signed_in: SignIn) -> None:
    """« Sortie de formation » under the same number; the Région closes: "Clôturé"."""
    page = signed_in("principal")
    open_action(page, GUIDE_ACTION)
    page.get_by_role("link", name="Voir toute la liste des stagiaires").click()  # the page of the action shows the first ten
    page.get_by_role("main").get_by_role("link", name="SION", exact=True).click()
    sheet = page.url
    number = agora_number(page)
    page.get_by_role("link", name=re.compile("Saisir la sortie")).click()
    assert_accessible(page)
    fill(page, "Date de fin réelle", fr(TODAY + timedelta(days=3)))
    pick(page, "Motif de sortie", "Accès à l’emploi")
    page.get_by_role("button", name="Enregistrer la sortie").click()
    expect(page.get_by_text("La sortie ne peut pas être future").first).to_be_visible()
    fill(page, "Date de fin réelle", fr(TODAY))
    page.get_by_role("button", name="Enregistrer la sortie").click()
    expect(page.locator("#messages")).to_contain_text("sortie anticipée de SION ANDRE")
    expect(page.locator("[id^='agora-']").first).to_contain_text("Sortie de formation", timeout=SOON)
    assert agora_number(page) == number

    region = signed_in("region")
    region.goto("/actions-de-formation/?texte=" + GUIDE_ACTION)
    region.get_by_role("link", name=GUIDE_ACTION, exact=True).click()
    region.get_by_role("link", name="Clôturer l’action").click()
    expect(region.get_by_text("L’organisme n’a pas déclaré l’action terminée")).to_be_visible()
    region.get_by_role("button", name="Clôturer l’action").click()
    expect(region.get_by_role("heading", level=1)).to_contain_text("Clôturée")

    # Neither page is loaded again: what AGORA answers arrives by itself.
    expect(region.locator("#stagiaires").get_by_text("Clôturé", exact=True).first).to_be_visible(timeout=SOON)
    expect(page.locator("[id^='agora-']").first).to_contain_text("Clôturé", timeout=SOON)
    assert agora_number(page) == number
    region.get_by_role("link", name="Historique", exact=True).click()
    expect(region.locator("#historique")).to_contain_text("La Région a clôturé l’action.")
    page.goto(sheet)
    expect(page.get_by_role("link", name="Inscrire sur une composante")).to_have_count(0)


# ---- 5 ----------------------------------------------------------------------------------------------------------------


def test_5_the_secondary_account_does_the_same_but_manages_no_account(signed_in: SignIn) -> None:
    page = signed_in("secondaire")
    start_registration(page, "23C00390257_2")
    verify(page, "2951099126111", "93", "N’DIAYE")
    expect(page.locator("#identite")).to_contain_text("AWA", timeout=SOON)
    contact_details(page)
    initial_situation(page)
    register(page)
    enrol(page)
    agora_number(page)
    expect(page.get_by_role("link", name="Comptes utilisateurs")).to_have_count(0)


def test_5_another_organisation_finds_nothing_of_it(signed_in: SignIn) -> None:
    """404 for all of it, as if it did not exist."""
    page = signed_in("principal")
    open_action(page, GUIDE_ACTION)
    action = page.url
    page.get_by_role("link", name="Voir toute la liste des stagiaires").click()  # the page of the action shows the first ten
    page.get_by_role("main").get_by_role("link", name="SION", exact=True).click()
    sheet = page.url
    person = page.get_by_role("link", name="Toutes les inscriptions de ce stagiaire").get_attribute("href")
    other = signed_in("autre-of")
    paths = (action, sheet, person, action + "/ouverture/detail", sheet + "/coordonnees", action.replace("/actions-de-formation/", "/stagiaires/action/"))
    for address in paths:
        answer = other.goto(str(address))
        assert answer is not None
        assert answer.status == 404, address
    other.goto("/stagiaires/?texte=sion")
    expect(other.get_by_text("Aucun stagiaire ne correspond à ces filtres")).to_be_visible()


def test_5_three_wrong_passwords_block_and_support_unblocks(page: Page, signed_in: SignIn) -> None:
    """Support unblocks the account, and sees no trainee."""
    for _attempt in range(3):
        sign_in(page, "secondaire", "pas-le-bon-mot-de-passe")
    sign_in(page, "secondaire", PASSWORD)
    assert page.get_by_text("Bonjour").count() == 0

    support = signed_in("support")
    support.get_by_role("link", name=re.compile("bloqué")).first.click()
    support.get_by_role("link", name=re.compile("MOREAU|secondaire")).first.click()
    support.get_by_role("link", name=re.compile("^Débloquer")).or_(support.get_by_role("button", name=re.compile("^Débloquer"))).first.click()
    confirm = support.get_by_role("button", name=re.compile("^Débloquer"))
    if confirm.count():
        confirm.last.click()
    for address in ("/stagiaires/", "/stagiaires/1", "/stagiaires/fiche/1", "/actions-de-formation/"):
        answer = support.goto(address)
        assert answer is not None
        assert answer.status == 403, address

    sign_in(page, "secondaire", PASSWORD)
    expect(page.get_by_text("Bonjour")).to_be_visible()


# ---- every size -------------------------------------------------------------------------------------------------------


#: What sticks out on the right of a page that scrolls sideways.
BEYOND = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
    [document.documentElement.scrollWidth, ...[...document.querySelectorAll("body *")]
        .map(one => [one.tagName, one.className, Math.round(one.getBoundingClientRect().right)]).filter(one => one[2] > window.innerWidth)]"""


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways(signed_in: SignIn, width: int) -> None:
    page = signed_in("principal", width=width)
    for address in ("/", "/actions-de-formation/", "/actions-de-formation/1", "/stagiaires/", "/stagiaires/action/3", "/stagiaires/fiche/1", "/stagiaires/1"):
        page.goto(address)
        beyond = page.evaluate(BEYOND)
        assert not beyond, f"{address} at {width} px: {beyond}"


def _key(number: str) -> str:
    from app.core.nir import compute_key

    return compute_key(number)
