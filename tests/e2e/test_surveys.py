"""Situation surveys (guide 000, "Saisie des enquêtes"): the exit, the survey due, its dependent questions, and the trainee's own link."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from app.core import clock
from tests.e2e.axe import assert_accessible

SignIn = Callable[..., Page]
NewContext = Callable[..., BrowserContext]

ACTION, NAME, FIRST_NAME = "19Q01762009_5", "BARTHE", "Manon"
TITLE = "Bilan de situation à la sortie"


def question(page: Page, label: str) -> object:
    """The list of one question."""
    return page.get_by_role("combobox", name=re.compile("^" + re.escape(label)))


def fits(page: Page) -> None:
    """No wider than the screen."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def leave(page: Page) -> None:
    """Enter the exit of the trainee, today."""
    page.goto("/stagiaires/?texte=" + NAME)
    page.get_by_role("link", name=NAME, exact=True).first.click()
    page.get_by_role("link", name=re.compile("^(Sortie|Saisir la sortie)")).first.click()
    page.get_by_role("textbox", name=re.compile("^Date de fin réelle|^Fin réelle")).fill(clock.today().strftime("%d/%m/%Y"))
    page.get_by_role("combobox", name=re.compile("^Motif")).select_option(label="Accès à l’emploi")
    page.get_by_role("button", name=re.compile("^Enregistrer")).click()
    expect(page.get_by_role("heading", name="Bilans de situation")).to_be_visible()


def link_of_the_trainee(page: Page) -> str:
    """The personal link, from the viewer of the demonstration's mail; the message leaves within a minute."""
    for _try in range(100):
        page.goto("/courriels-de-demonstration/")
        mails = [one.get_attribute("href") for one in page.get_by_role("link", name="Votre situation après votre formation").all()]
        for mail in mails:
            page.goto(str(mail))
            if f"Bonjour {FIRST_NAME}," in page.inner_text("main"):
                return str(page.locator("a[href*='/enquete/']").first.get_attribute("href"))
        page.wait_for_timeout(1000)
    raise AssertionError("no message came")


def test_the_trainee_answers_by_the_link_and_the_organisation_by_the_page(signed_in: SignIn, new_context: NewContext) -> None:
    page = signed_in("principal")
    leave(page)

    phone = new_context(width=360, height=740).new_page()
    phone.goto(link_of_the_trainee(page))
    expect(phone).to_have_url(re.compile("/enquete/repondre$"))
    expect(phone.get_by_role("heading", level=1)).to_have_text("Que devenez-vous ?")
    expect(phone.get_by_text(f"Bonjour {FIRST_NAME},")).to_be_visible()
    expect(phone.get_by_text(NAME)).to_have_count(0)
    fits(phone)
    company = phone.get_by_label(re.compile("^Entreprise"))
    expect(company).to_be_hidden()
    question(phone, "Votre situation aujourd’hui").select_option(label="En emploi")  # type: ignore[attr-defined]
    expect(company).to_be_visible()
    phone.get_by_role("button", name="Envoyer mes réponses").click()
    expect(phone.get_by_role("alert")).to_contain_text("Type de contrat de travail")
    assert_accessible(phone)
    question(phone, "Votre situation aujourd’hui").select_option(label="En recherche d’emploi")  # type: ignore[attr-defined]
    expect(company).to_be_hidden()
    phone.get_by_role("group", name=re.compile("^Avez-vous obtenu")).get_by_label("Non connue").check()
    phone.get_by_role("button", name="Envoyer mes réponses").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text(f"Merci, {FIRST_NAME}")
    fits(phone)
    assert_accessible(phone)

    page.goto(f"/bilans-de-situation/?action={ACTION}&moment=sortie")
    page.get_by_role("link", name=re.compile(f"^{NAME}")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(TITLE)
    expect(page.get_by_text("Répondu par le stagiaire le").first).to_be_visible()
    page.get_by_role("link", name="Saisir le bilan").click()
    question(page, "Situation").select_option(label="En emploi")  # type: ignore[attr-defined]
    page.get_by_role("group", name=re.compile("^Atteinte de la certification")).get_by_label("Oui", exact=True).check()
    page.get_by_role("button", name="Enregistrer le bilan").click()
    expect(page.get_by_role("alert").first).to_contain_text("Niveau de la certification obtenue")
    assert_accessible(page)
    question(page, "Type de contrat de travail").select_option(label="Contrat à durée déterminée compris entre 3 et 6 mois")  # type: ignore[attr-defined]
    question(page, "Catégorie socioprofessionnelle").select_option(label="Employés")  # type: ignore[attr-defined]
    question(page, "Niveau de la certification").select_option(index=4)  # type: ignore[attr-defined]
    page.get_by_role("button", name="Enregistrer le bilan").click()
    expect(page.get_by_text("Le stagiaire et l’organisme ont répondu différemment")).to_be_visible()
    assert_accessible(page)


def test_due_on_the_home_page_and_filled_in_without_script(signed_in: SignIn) -> None:
    page = signed_in("principal", javascript=False)
    page.get_by_role("link", name=re.compile("Bilans de situation à 6 mois en attente")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bilans de situation")
    page.get_by_role("link", name=re.compile("^Saisir ")).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bilan de situation à 6 mois")
    question(page, "Situation").select_option(label="En formation ou en reprise d’études")  # type: ignore[attr-defined]
    page.get_by_role("group", name=re.compile("^Atteinte de la certification")).get_by_label("Non", exact=True).check()
    page.get_by_role("button", name="Enregistrer le bilan").click()
    expect(page.get_by_text("est enregistré")).to_be_visible()
    expect(page.get_by_text("En formation ou en reprise d’études")).to_be_visible()


def test_a_link_that_never_was(new_context: NewContext) -> None:
    phone = new_context(width=360, height=740).new_page()
    phone.goto("/enquete/" + "x" * 43)
    expect(phone.get_by_role("heading", level=1)).to_have_text("Ce lien n’est pas valable")
    fits(phone)
    assert_accessible(phone)
