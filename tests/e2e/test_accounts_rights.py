"""Rights and delegation, in a real browser: a secondary account narrowed, then standing in for the principal."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from playwright.sync_api import Page, expect

from app.core import clock
from tests.e2e.axe import assert_accessible
from tests.e2e.portal import Product

GIVEN, HIDDEN = "23C00390257_1", "23C00390257_2"
SignIn = Callable[..., Page]


def address_of(page: Page, number: str) -> str:
    """The address of an action, read in the list."""
    page.goto("/actions-de-formation/")
    return str(page.get_by_role("link", name=number, exact=True).get_attribute("href"))


def open_rights(page: Page) -> None:
    page.goto("/")
    page.goto("/gestion-organisme/comptes/")
    page.get_by_role("row", name=re.compile("MOREAU Karim")).get_by_role("link", name="Droits").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Droits de M. MOREAU Karim")


def test_a_secondary_account_is_narrowed_then_stands_in(product: Product, signed_in: SignIn) -> None:
    principal, secondary = signed_in("principal"), signed_in("secondaire", width=360)
    given, hidden = address_of(secondary, GIVEN), address_of(secondary, HIDDEN)

    # narrowed: one action, no function but reading
    open_rights(principal)
    assert_accessible(principal)
    for function in ("Stagiaires et inscriptions", "Déclarations de réalisation", "Enquêtes et bilans", "Facturation", "Ouverture et demandes de modification"):
        principal.get_by_label(function).uncheck()
    principal.get_by_label("Certaines actions").check()
    principal.get_by_label(re.compile(GIVEN)).check()
    principal.get_by_role("button", name="Enregistrer les droits").click()
    expect(principal.get_by_text("Les droits de Monsieur MOREAU Karim ont bien été enregistrés")).to_be_visible()

    answer = secondary.goto(hidden)
    assert answer is not None and answer.status == 404
    secondary.goto(given)
    expect(secondary.get_by_role("link", name="Enregistrer un stagiaire")).to_have_count(0)
    answer = secondary.goto("/imports/")
    assert answer is not None and answer.status == 403
    expect(secondary.get_by_text("Le compte principal de votre organisme peut vous la donner")).to_be_visible()
    secondary.goto("/mon-compte/")
    expect(secondary.locator("#rights")).to_contain_text("Certaines actions")
    assert_accessible(secondary)

    # standing in: the principal's pages, its name on top of them and in the journal
    principal.goto("/gestion-organisme/delegation/")
    assert_accessible(principal)
    principal.get_by_label("M. MOREAU Karim").check()
    today = clock.today()
    principal.get_by_label("Premier jour").fill(today.strftime("%d/%m/%Y"))
    principal.get_by_label("Dernier jour").fill((today + timedelta(days=6)).strftime("%d/%m/%Y"))
    principal.get_by_role("button", name="Déléguer mes droits").click()
    expect(principal.get_by_text("Vos droits sont délégués à M. MOREAU Karim")).to_be_visible()

    secondary.goto(hidden)
    expect(secondary.get_by_text("Vous agissez pour le compte de Madame BLANC Paule jusqu’au")).to_be_visible()
    expect(secondary.get_by_role("heading", level=1)).to_contain_text(HIDDEN)
    assert_accessible(secondary)
    answer = secondary.goto("/gestion-organisme/comptes/")
    assert answer is not None and answer.status == 200

    # taken back, after asking
    principal.get_by_role("link", name=re.compile("^Reprendre")).click()
    principal.get_by_role("dialog").get_by_role("button", name="Reprendre la délégation").click()
    expect(principal.get_by_text("a pris fin")).to_be_visible()
    answer = secondary.goto("/gestion-organisme/comptes/")
    assert answer is not None and answer.status == 403

    # as before, for the journeys that follow
    open_rights(principal)
    for box in principal.locator("input[name=functions]:enabled").all():
        box.check()
    principal.get_by_label("Toutes les actions").check()
    principal.get_by_role("button", name="Enregistrer les droits").click()
    expect(principal.get_by_text("ont bien été enregistrés")).to_be_visible()
    answer = secondary.goto(hidden)
    assert answer is not None and answer.status == 200
