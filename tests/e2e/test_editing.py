"""Two people on one page, in two real browsers: they see each other, both their changes land, and where both changed the same, one chooses."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll

SignIn = Callable[..., Page]
PRESENCE = re.compile(r"modifie cette page depuis \d\d:\d\d")
#: Where pictures of the pages go, to be looked at; none by default.
PICTURES = os.environ.get("PORTAL_PICTURES")


def picture(page: Page, name: str) -> None:
    if PICTURES:
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 900})


def open_session(page: Page) -> str:
    """The edit page of a running action's first session."""
    page.goto("/actions-de-formation/")
    page.get_by_role("link", name="24A00120031_1", exact=True).click()
    page.get_by_role("link", name="Composantes et sessions", exact=True).click()
    page.locator("a[href$='/modification'], a[href*='/actions-de-formation/sessions/']").first.click()
    if not page.url.endswith("/modification"):
        page.get_by_role("link", name="Modifier la session").click()
    expect(page.get_by_label("Nombre de places")).to_be_visible()
    return page.url


def test_two_people_on_one_page(signed_in: SignIn) -> None:
    mine, theirs = signed_in("principal"), signed_in("secondaire")
    address = open_session(mine)
    expect(mine.locator(".presence")).to_be_attached()
    expect(mine.locator(".presence")).to_have_text("")

    # they see each other: the second at once, the first while it types or looks
    theirs.goto(address)
    expect(theirs.locator(".presence")).to_contain_text(PRESENCE)
    expect(mine.locator(".presence")).to_contain_text(PRESENCE, timeout=25_000)
    assert mine.locator(".presence").get_attribute("role") == "status"
    assert "secondaire" not in mine.locator(".presence").inner_text()
    assert_accessible(mine)
    assert_no_horizontal_scroll(mine)
    picture(mine, "presence")

    # two fields: both land
    theirs.get_by_label("Modalités d’inscription").or_(theirs.locator("#registration_terms")).first.fill("Sur rendez-vous")
    theirs.get_by_role("button", name="Enregistrer la session").click()
    expect(theirs.get_by_text("La session est enregistrée.")).to_be_visible()
    expect(mine.locator(".presence")).to_have_text("", timeout=25_000)
    mine.get_by_label("Nombre de places").fill("7")
    mine.get_by_role("button", name="Enregistrer la session").click()
    expect(mine.get_by_text("La session est enregistrée.")).to_be_visible()
    expect(mine.get_by_role("definition").filter(has_text="Sur rendez-vous")).to_be_visible()

    # the same field: the three values, and a choice
    mine.goto(address)
    theirs.goto(address)
    theirs.get_by_label("Nombre de places").fill("9")
    theirs.get_by_role("button", name="Enregistrer la session").click()
    expect(theirs.get_by_text("La session est enregistrée.")).to_be_visible()
    mine.get_by_label("Nombre de places").fill("8")
    mine.locator("#registration_address").fill("2 rue Neuve")
    mine.get_by_role("button", name="Enregistrer la session").click()
    question = mine.get_by_role("table", name=re.compile("Champs modifiés"))
    expect(question.get_by_role("cell", name="7", exact=True)).to_be_visible()
    expect(question.locator("label[for=choice-places-mine]")).to_contain_text("8")
    expect(question.locator("label[for=choice-places-theirs]")).to_contain_text("9")
    assert_accessible(mine)
    assert_no_horizontal_scroll(mine)
    picture(mine, "conflict")
    mine.get_by_role("button", name=re.compile("Enregistrer")).click()  # no version is chosen in advance
    expect(mine.locator("#choice-places-error")).to_contain_text("Choisissez la version à conserver")
    question.locator("#choice-places-theirs").check()
    mine.get_by_role("button", name=re.compile("Enregistrer")).click()
    expect(mine.get_by_text("La session est enregistrée.")).to_be_visible()
    expect(mine.get_by_role("definition").filter(has_text="2 rue Neuve")).to_be_visible()
    mine.goto(address)
    expect(mine.get_by_label("Nombre de places")).to_have_value("9")


def test_without_script_it_is_said_when_the_page_is_shown(signed_in: SignIn) -> None:
    mine, region = signed_in("secondaire", javascript=False), signed_in("admin")
    address = open_session(mine)
    region.goto(address)
    expect(region.locator(".presence")).to_contain_text(PRESENCE)
    mine.goto(address)
    expect(mine.locator(".presence")).to_contain_text(re.compile(r"La Région modifie cette page depuis \d\d:\d\d"))
