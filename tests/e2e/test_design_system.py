"""The design system in a browser: every component in light and dark, by keyboard, on a phone, with and without script.

Runs on a small application of its own: what is checked here does not depend on data.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from app.core.nir.messages import PROBLEM_MESSAGES
from app.core.nir.number import NirProblem, check
from app.core.ui import menu
from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll
from tests.e2e.browsing import WatchedBrowser
from tests.ui.conftest import make_app

PAGES = ("/ui", "/accessibilite", "/donnees-personnelles", "/recherche?q=sion", "/recherche", "/nulle-part", "/fail", "/stop/403", "/stop/429", "/stop/503")


@pytest.fixture(scope="module")
def guide() -> Iterator[str]:
    kept = dict(menu._entries)
    menu._entries.clear()
    app = make_app()
    for group, label, endpoint in (
        ("Accueil", "Accueil", "echo"),
        ("Actions de formation", "Liste des actions", "ui.styleguide"),
        ("Actions de formation", "Liste des stagiaires", "closed"),
        ("Référentiels", "Dispositifs", "ui.data_protection"),
        ("Référentiels", "Niveaux", "ui.accessibility"),
    ):
        menu.register_menu(group=group, label=label, endpoint=endpoint)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    menu._entries.clear()
    menu._entries.update(kept)


@pytest.fixture
def open_page(browser: WatchedBrowser, guide: str) -> Iterator[Any]:
    contexts = []
    troubles: list[str] = []

    def make(path: str = "/ui", *, width: int = 1280, javascript: bool = True) -> Page:
        context = browser.new_context(base_url=guide, javascript=javascript, width=width, height=900)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" and "Failed to load" not in message.text else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((guide, "data:")) else troubles.append(f"request to {request.url}"))
        page.goto("/connecter")
        page.goto(path)
        return page

    yield make
    browser.rest()
    for context in contexts:
        context.close()
    assert not troubles


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_accessible_and_fit_a_phone(open_page: Any, path: str) -> None:
    page = open_page(path)
    assert_accessible(page)
    page.set_viewport_size({"width": 320, "height": 800})
    assert_accessible(page, themes=("light",))
    assert_no_horizontal_scroll(page)


def test_open_parts_are_accessible(open_page: Any) -> None:
    page = open_page()
    page.locator("summary", has_text="Actions de formation").click()
    assert_accessible(page)
    page.locator(".account-menu summary").click()
    expect(page.locator(".menu-panel").first).to_be_hidden()
    assert_accessible(page)
    page.locator("#formulaires [data-date-open]").first.click()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.locator("#town").fill("sai")
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Clôturer l’action").click()
    assert_accessible(page)


def test_phone_menu(open_page: Any) -> None:
    page = open_page(width=320)
    toggle = page.get_by_role("button", name="Menu")
    expect(page.locator("#menu").get_by_role("link", name="Accueil")).to_be_hidden()
    toggle.click()
    expect(toggle).to_have_attribute("aria-expanded", "true")
    assert_accessible(page)
    assert_no_horizontal_scroll(page)


def test_keyboard(open_page: Any) -> None:
    page = open_page("/accessibilite")
    page.keyboard.press("Tab")
    expect(page.locator(".skip-links a").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#quick-search-q")).to_be_focused()
    page.keyboard.type("sion")
    page.keyboard.press("Enter")
    page.wait_for_url("**/recherche?q=sion")


def test_error_summary_takes_the_focus_and_leads_to_the_fields(open_page: Any) -> None:
    page = open_page()
    expect(page.locator(".error-summary")).to_be_focused()
    page.locator(".error-summary a[href='#bad-gender-0']").click()
    expect(page.locator("#bad-gender-0")).to_be_focused()


def test_dialog_focuses_cancel_and_gives_the_focus_back(open_page: Any) -> None:
    page = open_page()
    trigger = page.get_by_role("link", name="Clôturer l’action")
    trigger.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Annuler").and_(page.locator("[data-dialog-close]")).first).to_be_focused()
    page.keyboard.press("Escape")
    expect(trigger).to_be_focused()


def test_calendar_by_keyboard(open_page: Any) -> None:
    page = open_page()
    page.locator("#birth_date").fill("5/1/2023")
    page.keyboard.press("Tab")
    expect(page.locator("#birth_date")).to_have_value("05/01/2023")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("PageDown")
    page.keyboard.press("Enter")
    expect(page.locator("#birth_date")).to_have_value("13/02/2023")
    expect(page.locator("[data-date-open]").nth(1)).to_be_focused()


def french(problem: NirProblem) -> str:
    """The server's sentence, as the page has it."""
    with make_app().test_request_context(headers={"Accept-Language": "fr"}):
        return str(PROBLEM_MESSAGES[problem]).replace("\N{NO-BREAK SPACE}", " ")


def test_number_is_grouped_checked_and_posted_bare(open_page: Any) -> None:
    page = open_page()
    page.locator("#nir").press_sequentially("162071315508982")
    expect(page.locator("#nir")).to_have_value("1 62 07 13 155 089")
    expect(page.locator("#nir_key")).to_have_value("82")
    expect(page.locator("[data-nir-result]").first).to_have_text("La clé correspond au numéro.")
    page.locator("#nir_key").fill("83")
    expect(page.locator("[data-nir-result]").first).to_contain_text("ne correspond pas")
    assert page.evaluate("new FormData(document.querySelector('#nir').form).get('nir')") == "1620713155089"


@pytest.mark.parametrize(("number", "key"), [("1620713155089", "82"), ("2690549588157", "80"), ("2B", None)])
def test_key_rule_of_the_script(open_page: Any, number: str, key: str | None) -> None:
    page = open_page()
    page.locator("#nir").fill(number)
    page.locator("#nir_key").fill(key or "00")
    result = page.locator("[data-nir-result]").first
    expect(result).to_have_text("La clé correspond au numéro." if key else str(french(NirProblem.LENGTH)))


@pytest.mark.parametrize(
    ("number", "key", "problem"),
    [
        ("0000000000000", "97", NirProblem.FIRST_DIGIT),
        ("5620713155089", "82", NirProblem.FIRST_DIGIT),
        ("162O713155089", "82", NirProblem.CHARACTERS),
        ("16207131550A9", "82", NirProblem.CHARACTERS),
        ("162071315508", "82", NirProblem.LENGTH),
        ("16207131550891", "82", NirProblem.LENGTH),
        ("1621513155089", "82", NirProblem.MONTH),
        ("1620713155089", "8", NirProblem.KEY_FORMAT),
        ("1620713155089", "8O", NirProblem.KEY_FORMAT),
    ],
)
def test_the_script_says_what_the_server_would(open_page: Any, number: str, key: str, problem: NirProblem) -> None:
    """The key is judged only of a number that is well formed, and the sentence is the server's own."""
    page = open_page()
    assert check(number, key) is problem
    page.locator("#nir").fill(number)
    page.locator("#nir_key").fill(key)
    page.locator("#nir_key").blur()
    expect(page.locator("[data-nir-result]").first).to_have_text(french(problem))


def test_a_number_being_typed_is_not_too_short(open_page: Any) -> None:
    page = open_page()
    result = page.locator("[data-nir-result]").first
    page.locator("#nir").fill("")
    page.locator("#nir_key").fill("")
    page.locator("#nir").press_sequentially("162071315508")
    expect(result).to_have_text("")
    page.locator("#nir").blur()
    expect(result).to_have_text(french(NirProblem.LENGTH))


@pytest.mark.parametrize("pasted", ["162071315508982", "1 62 07 13 155 089 82"])
def test_fifteen_characters_put_in_the_first_box_are_split(open_page: Any, pasted: str) -> None:
    page = open_page()
    page.locator("#nir_key").fill("")
    page.locator("#nir").evaluate("(box, text) => { box.focus(); box.value = text; box.setSelectionRange(0, 0); box.dispatchEvent(new Event('input')); }", pasted)
    expect(page.locator("#nir")).to_have_value("1 62 07 13 155 089")
    expect(page.locator("#nir_key")).to_have_value("82")
    expect(page.locator("[data-nir-result]").first).to_have_text("La clé correspond au numéro.")


def test_long_list_becomes_search_as_you_type(open_page: Any) -> None:
    page = open_page()
    page.locator("#town").fill("gely")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#town")).to_have_value("SAINT-GÉLY-DU-FESC")
    assert page.evaluate("document.querySelector('select[name=town]').value") == "4"


def test_rows_open_on_click(open_page: Any) -> None:
    page = open_page()
    page.locator("tr[data-href] td", has_text="Lot 39").first.click()
    page.wait_for_url("**/ui#ligne-0")


def test_without_script_everything_is_there(open_page: Any) -> None:
    page = open_page(javascript=False, width=360)
    expect(page.locator("#menu").get_by_role("link", name="Accueil")).to_be_visible()
    expect(page.locator("select[name=town]")).to_be_visible()
    expect(page.locator("[data-date-open]").first).to_be_hidden()
    expect(page.locator(".error-summary")).to_be_focused()
    expect(page.get_by_role("link", name="Clôturer l’action")).to_have_attribute("href", "#cloturer-page")
    page.locator(".account-menu summary").click()
    expect(page.get_by_role("button", name="Se déconnecter")).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_expired_form_is_sent_again(open_page: Any, javascript: bool) -> None:
    page = open_page("/formulaire", javascript=javascript)
    page.locator("#nom").fill("SION & <Fils>")
    page.context.clear_cookies()
    page.get_by_role("button", name="Envoyer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Le formulaire n’était plus valable")
    if javascript:
        assert_accessible(page)
    page.get_by_role("button", name="Renvoyer le formulaire").click()
    expect(page.locator("h1")).to_have_count(0)
    kept = json.loads(page.locator("body").inner_text())
    assert kept["nom"] == "SION & <Fils>"
    assert kept["note"] == "a\r\nb"
