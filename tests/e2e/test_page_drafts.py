"""Typed into an edit page and not sent: it is there the next time, whatever happened in between."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll
from tests.e2e.portal import sign_in
from tests.e2e.test_editing import open_session

SignIn = Callable[..., Page]
KEPT = re.compile(r"Brouillon enregistré à \d\d:\d\d")
OFFERED = re.compile(r"Vous aviez commencé une saisie le \d\d/\d\d/\d{4} à \d\d:\d\d.: elle n’est pas enregistrée")
PLACES = "Nombre de places"
#: Where pictures of the pages go, to be looked at; none by default.
PICTURES = os.environ.get("PORTAL_PICTURES")


def picture(page: Page, name: str) -> None:
    if PICTURES:
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 900})


def test_typed_closed_and_resumed(signed_in: SignIn) -> None:
    page = signed_in("principal")
    address = open_session(page)
    before = page.get_by_label(PLACES).input_value()
    page.get_by_label(PLACES).fill("31")
    expect(page.locator(".draft-state")).to_have_text(KEPT)
    picture(page, "draft-kept")
    questions: list[str] = []
    page.on("dialog", lambda dialog: (questions.append(dialog.type), dialog.accept()))
    page.locator("#ends_on").focus()  # leaving the field says again what was typed in it
    page.goto("/")
    assert questions == [], "what is kept needs no warning"
    page.context.close()

    page = signed_in("principal")
    page.goto(address)
    expect(page.get_by_text(OFFERED)).to_be_visible()
    expect(page.get_by_label(PLACES)).to_have_value(before)
    assert_accessible(page)
    picture(page, "draft-offered")
    page.set_viewport_size({"width": 320, "height": 800})
    assert_no_horizontal_scroll(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("link", name="L’abandonner").click()
    expect(page.get_by_role("dialog").get_by_text("définitivement")).to_be_visible()
    picture(page, "draft-drop")
    page.goto(f"/brouillon/abandon?page={address.removeprefix(address.partition('/actions')[0])}")  # the same question as a page
    assert_accessible(page)
    picture(page, "draft-drop-page")
    page.get_by_role("link", name="Annuler").click()
    page.get_by_role("link", name="Reprendre ma saisie").click()
    expect(page.get_by_text(re.compile("Vous reprenez votre saisie du"))).to_be_visible()
    expect(page.get_by_label(PLACES)).to_have_value("31")
    assert_accessible(page)
    picture(page, "draft-resumed")
    page.get_by_role("button", name="Enregistrer la session").click()
    expect(page.get_by_text("La session est enregistrée.")).to_be_visible()
    page.goto(address)
    expect(page.get_by_label(PLACES)).to_have_value("31")
    expect(page.get_by_text(OFFERED)).to_have_count(0)
    page.get_by_label(PLACES).fill(before)  # the journeys that follow find the session as it was
    page.get_by_role("button", name="Enregistrer la session").click()
    expect(page.get_by_text("La session est enregistrée.")).to_be_visible()


def test_the_session_ends_while_one_types(signed_in: SignIn) -> None:
    page = signed_in("secondaire")
    address = open_session(page)
    page.context.clear_cookies()
    page.get_by_label(PLACES).fill("32")
    expect(page.get_by_text("Votre session est terminée")).to_be_visible()
    expect(page.locator(".draft-state")).to_have_text("Modifications pas encore enregistrées")
    picture(page, "draft-expired")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Se reconnecter").click()
    tab = opened.value
    sign_in(tab, "secondaire")
    expect(tab.get_by_role("heading", level=1)).to_be_visible()
    page.bring_to_front()
    expect(page.get_by_label(PLACES)).to_have_value("32")
    with page.expect_response(lambda answer: answer.url.endswith("/brouillon") and answer.ok and "Par t" in (answer.request.post_data or "")):
        page.locator("#registration_terms").fill("Par téléphone")
    expect(page.locator(".draft-state")).to_have_text(KEPT)
    expect(page.get_by_text("Votre session est terminée")).to_have_count(0)
    page.context.close()
    # without script it is resumed as well, and given up with a page of its own
    plain = signed_in("secondaire", javascript=False)
    plain.goto(address)
    plain.get_by_role("link", name="Reprendre ma saisie").click()
    expect(plain.get_by_label(PLACES)).to_have_value("32")
    expect(plain.locator("#registration_terms")).to_have_value("Par téléphone")
    plain.get_by_role("link", name="L’abandonner").click()
    plain.get_by_role("button", name="Supprimer le brouillon").click()
    expect(plain.get_by_text("Votre brouillon a été supprimé.")).to_be_visible()
    expect(plain.get_by_label(PLACES)).not_to_have_value("32")


def test_left_at_once_in_a_dialog_and_on_a_screen_of_the_lists(signed_in: SignIn) -> None:
    page = signed_in("principal")
    page.on("dialog", lambda dialog: dialog.accept())
    address = open_session(page)
    page.locator("#registration_address").fill("3 rue Vieille")
    page.goto("/")  # sooner than it would have been kept
    page.goto(address)
    expect(page.get_by_text(OFFERED)).to_be_visible()
    page.get_by_role("link", name="L’abandonner").click()
    page.get_by_role("dialog").get_by_role("button", name="Supprimer le brouillon").click()
    expect(page.get_by_text("Votre brouillon a été supprimé.")).to_be_visible()

    page.goto("/gestion-organisme/comptes/")
    edit = page.locator("a[href$='/modifier']").first
    edit.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Prénom")).to_be_visible()
    first_name = dialog.get_by_label("Prénom").input_value()
    dialog.get_by_label("Prénom").fill("Camille")
    expect(dialog.locator(".draft-state")).to_have_text(KEPT)
    dialog.get_by_role("link", name="Annuler").click()
    edit.click()
    expect(dialog.get_by_text(OFFERED)).to_be_visible()
    expect(dialog.get_by_label("Prénom")).to_have_value(first_name)
    picture(page, "draft-dialog")
    dialog.get_by_role("link", name="Reprendre ma saisie").click()
    expect(page.get_by_label("Prénom")).to_have_value("Camille")
    page.get_by_role("link", name="L’abandonner").click()
    page.get_by_role("dialog").get_by_role("button", name="Supprimer le brouillon").click()
    expect(page.get_by_label("Prénom")).to_have_value(first_name)
