"""Every page that the menu leads to, and one page of each kind beyond it, for each kind of account.

Accessible in light on a desk and in dark on a phone, no wider than the phone, silent in the console, within the content security policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.e2e.axe import describe, violations

ROLES = ("principal", "admin", "region", "support")
PHONE, DESK = {"width": 320, "height": 800}, {"width": 1280, "height": 900}
MOST = 140  # pages of one account: beyond it, something multiplies

#: Lists of one shape (a code, a label, a period): one of them speaks for the others.
_ALIKE = (
    "categories-de-public|objectifs-generaux|situations-professionnelles|motifs-de-sortie|nationalites|dernieres-classes|diplomes|types-de-voie|"
    "situations-des-bilans|types-de-contrat-de-travail|secteurs-professionnels|categories-socioprofessionnelles"
)
#: Lists whose forms have something of their own: relations, fields found by typing, dates, flags.
_OWN_FORMS = "dispositifs|contrats|actions|composantes|contacts"
#: Files, and what would not be a page.
_NOT_PAGES = re.compile(r"/export/|/source$|/modele\.|/erreurs\.csv$|/assets/|/metrics|/healthz|/api/v1/|/readyz|/jeton|/courrier\.pdf$|/specifications\.pdf$|/format\.(?:xlsx|ods|csv)$|/exemple\.csv$|/demandes-de-modification/documents/")

_WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', (e) => window.__violations.push(e.violatedDirective + ' ' + e.blockedURI));
"""
_WIDER = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1).slice(0, 3).map((e) => e.outerHTML.slice(0, 120))"""
#: On a phone, the label of a cell stands beside its value, never under it.
_OVERLAPS = """() => [...document.querySelectorAll('.table-cards tbody [data-label]')].filter((e) => {
  const label = getComputedStyle(e, '::before'), value = e.querySelector(':scope > .cell');
  const style = getComputedStyle(e);
  // in one column the label stands above its value
  if (!value || label.content === 'none' || style.display !== 'grid' || style.gridTemplateColumns.split(' ').length < 2) return false;
  return label.whiteSpace === 'nowrap' || e.getBoundingClientRect().left + parseFloat(label.width) > value.getBoundingClientRect().left + 1;
}).slice(0, 3).map((e) => e.dataset.label)"""
_LINKS = "(selector) => [...document.querySelectorAll(selector)].map((a) => a.getAttribute('href'))"
_FOCUS_ON_MAIN_ACTION = """() => { const e = document.activeElement;
return !!e && e.matches('main a.button-primary, main button.button-primary') }"""


def kind_of(address: str) -> str:
    """Addresses of one kind of page: numbers and shapes alike left out."""
    path = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "N", urlsplit(address).path)
    path = re.sub(r"\d+", "N", path)
    path = re.sub(rf"^/referentiels/(?:{_ALIKE})/list/", "/referentiels/*/list/", path)
    path = re.sub(r"^/supervision/[^/]+/show/.*", "/supervision/*/show", path)
    return re.sub(rf"^/referentiels/(?!(?:{_OWN_FORMS})/)[^/]+/(show|edit|add|delete)", r"/referentiels/*/\1", path)


class Visitor:
    """Goes from page to page and notes what is wrong."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.console: list[str] = []
        page.add_init_script(_WATCH)
        page.on("console", lambda message: self.console.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def open(self, address: str, *, status: int = 200) -> None:
        """Go there and look at everything."""
        self.console.clear()
        answer = self.page.goto(address)
        if answer is None or answer.status != status:
            self.wrong.append(f"{address}: answered {answer.status if answer else 'nothing'}")
            return
        self.look(address, status=status)

    def look(self, name: str, *, status: int = 200) -> None:
        """Look at the page shown now."""
        found = []
        for theme, size in (("light", DESK), ("dark", PHONE)):
            self.page.set_viewport_size(size)  # type: ignore[arg-type]
            self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            if broken := violations(self.page):
                found.append(f"{theme}, {size['width']} px: {describe(broken)}")
        if wider := self.page.evaluate(_WIDER):
            found.append(f"wider than 320 px: {wider}")
        if overlapping := self.page.evaluate(_OVERLAPS):
            found.append(f"labels over their values: {overlapping}")
        self.page.set_viewport_size(DESK)  # type: ignore[arg-type]
        self.page.emulate_media(color_scheme="light")
        found += [f"policy: {one}" for one in self.page.evaluate("() => window.__violations || []")]
        # The browser itself reports an error page as a resource that failed to load.
        found += [f"console: {one}" for one in self.console if not (status >= 400 and "Failed to load resource" in one)]
        self.wrong += [f"{name}: {one}" for one in found]

    def links(self, selector: str) -> Iterator[str]:
        """Addresses of our own that these links lead to."""
        for address in self.page.evaluate(_LINKS, selector):
            if address and address.startswith("/") and not _NOT_PAGES.search(address):
                yield address.partition("#")[0]

    def tabs_to_main_action(self, *, within: int = 150) -> bool:
        """Whether the Tab key alone reaches the page's main action."""
        self.page.evaluate("() => { document.activeElement && document.activeElement.blur(); window.scrollTo(0, 0) }")
        for _press in range(within):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(_FOCUS_ON_MAIN_ACTION):
                return True
        return False


@pytest.fixture
def visitor(signed_in: Callable[..., Page], request: pytest.FixtureRequest) -> Visitor:
    """A browser in which the account of the test has signed in."""
    return Visitor(signed_in(request.param))


@pytest.mark.parametrize("visitor", ROLES, indirect=True)
def test_every_page(visitor: Visitor, request: pytest.FixtureRequest) -> None:
    reader = request.node.callspec.params["visitor"] == "region"  # its reference screens are the administrator's, less the buttons
    visitor.open("/")
    waiting = ["/", *visitor.links("#menu a, .account-panel a, footer a")]
    menu = {kind_of(address) for address in waiting}
    seen: set[str] = set()
    while waiting:
        address = waiting.pop(0)
        if kind_of(address) in seen:
            continue
        seen.add(kind_of(address))
        visitor.open(address)
        if not (reader and address.startswith("/referentiels/")):
            waiting += [one for one in visitor.links("main a") if kind_of(one) not in seen]
        assert len(seen) <= MOST, sorted(seen)
    assert menu <= seen
    assert len(seen) > len(menu), "nothing beyond the menu"
    assert not visitor.wrong, "\n".join([f"{len(visitor.wrong)} problems on {len(seen)} pages:", *visitor.wrong])


@pytest.mark.parametrize("visitor", ["principal"], indirect=True)
def test_error_pages(visitor: Visitor) -> None:
    visitor.open("/nulle-part", status=404)
    visitor.open("/organismes/list/", status=403)
    visitor.open("/stagiaires/987654321", status=404)
    assert not visitor.wrong, "\n".join(visitor.wrong)


def _submit(page: Page) -> None:
    """The form of the page, as it is."""
    page.locator("main form[method=post] button[type=submit].button-primary").first.click()
    page.wait_for_load_state()


@pytest.mark.parametrize(
    ("visitor", "address"),
    [("admin", "/referentiels/dispositifs/add"), ("admin", "/referentiels/contacts/add"), ("principal", "/mon-compte/"), ("principal", "registration")],
    indirect=["visitor"],
)
def test_forms_with_errors(visitor: Visitor, address: str) -> None:
    """What is missing is said, focused and accessible; the main action is within reach of the Tab key before and after."""
    page = visitor.page
    if address == "registration":
        page.goto("/actions-de-formation/?statut=EC")
        page.locator("main table a[href*='/actions-de-formation/']").first.click()
        page.locator("main a[href*='/enregistrement/']").first.click()
        page.wait_for_load_state()
    else:
        page.goto(address)
    assert visitor.tabs_to_main_action(), f"{page.url}: the main action is not reached"
    _submit(page)
    assert page.locator(".error-summary").count() == 1, page.url
    assert page.evaluate("() => document.activeElement.classList.contains('error-summary')"), "the summary is not focused"
    visitor.console.clear()
    visitor.look(f"{address} with errors", status=422)
    assert visitor.tabs_to_main_action(), f"{page.url}: the main action is not reached after an error"
    assert not visitor.wrong, "\n".join(visitor.wrong)


def test_sign_in_refused(page: Page) -> None:
    visitor = Visitor(page)
    visitor.open("/connexion")
    assert visitor.tabs_to_main_action()
    page.get_by_label("Identifiant").fill("personne")
    page.locator("input[type=password]").fill("faux")
    _submit(page)
    visitor.look("/connexion refused", status=422)
    assert not visitor.wrong, "\n".join(visitor.wrong)


def test_pages_of_those_who_are_not_signed_in(page: Page) -> None:
    visitor = Visitor(page)
    for address in ("/connexion", "/accessibilite", "/donnees-personnelles", "/courriels-de-demonstration/"):
        visitor.open(address)
    visitor.open("/nulle-part", status=404)
    assert not visitor.wrong, "\n".join(visitor.wrong)
