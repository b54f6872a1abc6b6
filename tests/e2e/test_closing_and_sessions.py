"""The end of an action and the sessions of its components, in a real browser: by keyboard width and on a phone's."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

from playwright.sync_api import Page, expect

from app.core import clock
from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll

SignIn = Callable[..., Page]

#: Late to be closed: two trainees have left, one has not.
LATE = "19Q01762009_4"
RUNNING = "19Q01762009_5"
#: FORPRO SUP: both trainees have left.
CONVENTION = "25F00310024_1"
SOON = 20_000


def fr(day: date) -> str:
    """jj/mm/aaaa"""
    return day.strftime("%d/%m/%Y")


def fill(page: Page, label: str, value: str) -> None:
    """A text box by the beginning of its label."""
    page.get_by_role("textbox", name=re.compile("^" + re.escape(label))).first.fill(value)


def open_action(page: Page, number: str) -> None:
    """Through the list, to the page of the action."""
    page.goto(f"/actions-de-formation/?texte={number}")
    page.get_by_role("link", name=number, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(number)


def tab(page: Page, label: str) -> None:
    """One tab of the action."""
    page.get_by_role("navigation", name="Parties de l’action").get_by_role("link", name=label, exact=True).click()
    expect(page.get_by_role("navigation", name="Parties de l’action").locator("[aria-current=page]")).to_have_text(label)


def checked(page: Page) -> None:
    """Nothing that axe finds, and nothing wider than a phone."""
    assert_accessible(page)
    assert_no_horizontal_scroll(page, width=360)
    assert_no_horizontal_scroll(page)


def test_an_action_is_declared_finished_closed_and_reopened(signed_in: SignIn) -> None:
    page = signed_in("principal", width=360)
    open_action(page, LATE)
    expect(page.get_by_text("« Déclarer l’action terminée » n’est pas encore possible")).to_be_visible()
    checked(page)
    page.get_by_role("link", name="1 stagiaire sans sortie").click()
    expect(page.get_by_role("heading", name="Liste des stagiaires")).to_be_visible()
    checked(page)
    page.get_by_role("link", name=re.compile("^OLIVIER")).first.click()
    page.get_by_role("link", name=re.compile("Saisir la sortie")).click()
    fill(page, "Date de fin réelle", fr(clock.today() - timedelta(days=60)))
    page.get_by_role("combobox", name=re.compile("^Motif de sortie")).select_option(label="Accès à l’emploi")
    page.get_by_role("button", name="Enregistrer la sortie").click()
    expect(page.locator("#messages")).to_contain_text("sortie anticipée de OLIVIER")

    open_action(page, LATE)
    page.get_by_role("link", name="Déclarer l’action terminée").click()
    expect(page.get_by_text("Rien ne manque")).to_be_visible()
    checked(page)
    page.get_by_role("button", name="Déclarer l’action terminée").click()
    expect(page.locator("#messages")).to_contain_text("est déclarée terminée")
    expect(page.get_by_text("Déclarée terminée le")).to_be_visible()
    expect(page.get_by_role("link", name="Déclarer l’action terminée")).to_have_count(0)
    checked(page)
    tab(page, "Déclarations")
    expect(page.get_by_role("table", name="Déclarations de fin de l’action").get_by_role("row")).to_have_count(2)
    checked(page)
    tab(page, "Factures")
    expect(page.locator("#factures")).to_contain_text("acture d’avance")
    checked(page)

    region = signed_in("region")
    region.goto("/actions-de-formation/?statut=finished")
    region.get_by_role("link", name=LATE, exact=True).click()
    region.get_by_role("link", name="Clôturer l’action").click()
    expect(region.get_by_text("Déclarée terminée le")).to_be_visible()
    fill(region, "Observations", "Bilan reçu")
    checked(region)
    region.get_by_role("button", name="Clôturer l’action").click()
    expect(region.get_by_role("heading", level=1)).to_contain_text("Clôturée")

    region.get_by_role("link", name="Rouvrir l’action").click()
    region.get_by_role("button", name="Rouvrir l’action").click()
    expect(region.get_by_role("alert").first).to_contain_text("Il y a un problème")
    checked(region)
    fill(region, "Motif de la réouverture", "Sortie saisie au mauvais jour")
    region.get_by_role("button", name="Rouvrir l’action").click()
    expect(region.locator("#messages")).to_contain_text("de nouveau « En cours »")
    expect(region.get_by_text("Déclarée terminée le")).to_have_count(0)

    tab(page, "Historique")
    for sentence in ("a rouvert l’action", "Sortie saisie au mauvais jour", "a clôturé l’action", "Bilan reçu", "a été déclarée terminée"):
        expect(page.locator("#historique")).to_contain_text(sentence)
    checked(page)


def test_the_establishment_of_a_convention_asks_for_the_closing(signed_in: SignIn) -> None:
    """FORPRO SUP (guide 000): the files of the trainees become "Clôturé" when the Région closes the action."""
    page, region = signed_in("principal"), signed_in("region")
    open_action(page, CONVENTION)
    page.get_by_role("link", name="Déclarer l’action terminée").click()
    checked(page)
    page.get_by_label("Demander aussi à la Région de clôturer l’action").check()
    page.get_by_role("button", name="Déclarer l’action terminée").click()
    expect(page.get_by_text("L’établissement a demandé la clôture le")).to_be_visible()
    open_action(region, CONVENTION)
    region.get_by_role("link", name="Clôturer l’action").click()
    expect(region.get_by_text("L’établissement a demandé la clôture le")).to_be_visible()
    checked(region)
    region.get_by_role("button", name="Clôturer l’action").click()
    expect(region.get_by_role("heading", level=1)).to_contain_text("Clôturée")
    expect(region.locator("#panneau-stagiaires").get_by_text("Clôturé", exact=True)).to_have_count(2, timeout=SOON)


def test_the_life_of_a_session(signed_in: SignIn) -> None:
    page = signed_in("principal", width=360)
    open_action(page, RUNNING)
    tab(page, "Composantes et sessions")
    checked(page)
    page.get_by_role("link", name="Ajouter une session 02").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ajouter une session")
    end = page.get_by_role("textbox", name=re.compile("^Date de fin de session")).input_value()
    fill(page, "Date de fin de session", fr(clock.today() + timedelta(days=900)))
    fill(page, "Nombre de places", "8")
    page.get_by_role("button", name="Enregistrer la session").click()
    expect(page.get_by_text("La composante se termine le").first).to_be_visible()
    checked(page)
    fill(page, "Date de fin de session", end)
    page.get_by_role("button", name="Enregistrer la session").click()
    expect(page.locator("#messages")).to_contain_text("La session est créée")

    page.get_by_role("link", name="Ajouter une information collective").click()
    fill(page, "Date de l’information collective", fr(clock.today() + timedelta(days=10)))
    fill(page, "Heure", "midi")
    page.get_by_role("button", name="Enregistrer l’information collective").click()
    expect(page.get_by_text("Cette heure ne se lit pas").first).to_be_visible()
    checked(page)
    fill(page, "Heure", "14h30")
    page.get_by_role("button", name="Enregistrer l’information collective").click()
    expect(page.locator("#informations")).to_contain_text("14:30")
    checked(page)

    page.get_by_role("link", name="Modifier la session").click()
    fill(page, "Nombre de places", "6")
    page.get_by_role("button", name="Enregistrer la session").click()
    expect(page.locator("#historique")).to_contain_text("a été modifiée")

    page.get_by_role("link", name="Session créée par erreur").click()
    page.get_by_role("button", name="Annuler la session").click()
    expect(page.get_by_role("alert").first).to_contain_text("Il y a un problème")
    checked(page)
    fill(page, "Motif", "Doublon de la session 01")
    page.get_by_role("button", name="Annuler la session").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Annulée")
    expect(page.get_by_role("link", name="Modifier la session")).to_have_count(0)
    expect(page.locator("#historique")).to_contain_text("créée par erreur")
    checked(page)


def test_the_region_adds_a_site_and_its_town_is_found(signed_in: SignIn) -> None:
    """The towns come with the postal code, CEDEX included; without script a button asks for them."""
    page = signed_in("admin")
    open_action(page, RUNNING)
    tab(page, "Composantes et sessions")
    page.get_by_role("link", name="Ajouter un site 01").click()
    fill(page, "Nom du site", "Antenne de Narbonne")
    page.get_by_role("textbox", name=re.compile("^Code postal")).press_sequentially("11108")
    town = page.get_by_role("combobox", name=re.compile("^Commune"))
    expect(town).to_be_visible(timeout=SOON)
    town.select_option(label="NARBONNE CEDEX")
    checked(page)
    page.get_by_role("button", name="Ajouter le site").click()
    expect(page.locator("#messages")).to_contain_text("Antenne de Narbonne")

    plain = signed_in("admin", javascript=False)
    open_action(plain, RUNNING)
    tab(plain, "Composantes et sessions")
    plain.get_by_role("link", name="Ajouter un site 01").click()
    fill(plain, "Nom du site", "Antenne de Montpellier")
    fill(plain, "Code postal", "34000")
    plain.get_by_role("button", name="Rechercher la ville").click()
    plain.get_by_role("combobox", name=re.compile("^Commune")).select_option(label="Montpellier")
    plain.get_by_role("button", name="Ajouter le site").click()
    expect(plain.locator("#messages")).to_contain_text("Antenne de Montpellier / Montpellier / 34000")
