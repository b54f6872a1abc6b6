"""Every page that each kind of account may open: named, titled, in French, labelled, with nothing inline and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from tests.architecture.markup import problems
from tests.architecture.routes import ROUTES
from tests.architecture.test_routes import SAME_ORIGIN, Browsers, World, _rules, _token, _url

ACTORS = ("nobody", "principal", "secondaire", "lecture", "validateur", "gestionnaire", "admin", "support")

#: Where the path would say nothing: the first page, signed in or not.
_WITHOUT_PATH = {"HomeView.index", "SignInView.login"}
#: Files, parts of pages, figures; and the style guide, which shows components with sample values.
_NOT_PAGES = {
    "assets.file", "ui.theme", "ui.favicon", "ui.robots", "ui.token", "metrics.metrics", "health.healthz", "health.readyz", "TownLookup.communes",
    "api_v1.describe", "RegistrationPages.agora", "RegistrationPages.towns", "SessionsView.towns", "SiteView.towns", "RegistrationView.identity", "TraineesView.panel", "IdentityPages.check",
    "DemoMailView.source", "ui.styleguide", "RequestDocumentsView.download", "RequestDocumentsView.letter",
    "BulkAccountsView.template", "BulkAccountsView.show", "BulkAccountsView.errors",  # a file, and what only follows one: tests/accounts/test_bulk.py
    "ExchangesView.state", "ExportsView.state",  # a part of the console, of one's files
    # behind a link sent by mail: tests/surveys/test_screens.py, and the browser journey of the surveys
    "SurveyReplyView.open", "SurveyReplyView.open_stop", "SurveyReplyView.answer", "SurveyReplyView.stop", "SurveyReplyView.thanks",
    "ImportsView.progress", "ImportsView.undo", "ImportsView.line",  # a part, and what follows a file: tests/imports/test_pages.py
    "ImportDocumentsView.specification_pdf", "ImportDocumentsView.template", "ImportDocumentsView.example",  # files: tests/imports/test_documents.py
    "NumberRepairView.progress", "NumberRepairView.errors",  # a part, a file: tests/trainees/test_number_repair.py
}  # fmt: skip


#: Wizards of the modification requests, and their word in the address.
_REQUESTS = (("Dates", "dates"), ("Reference", "referentiel"), ("Volumes", "volumes"), ("Sites", "sites"), ("Partners", "partenaires"))


def _addresses(site: Flask, world: World, actor: str) -> Iterator[tuple[str, str]]:
    for rule, method in _rules(site):
        endpoint = rule.endpoint
        if method != "GET" or endpoint in _NOT_PAGES or endpoint not in ROUTES or endpoint.endswith(".lookup"):
            continue
        if actor in ROUTES[endpoint].allowed:
            yield endpoint, _url(site, rule, world.arguments(rule))


@pytest.fixture
def waiting(site: Flask) -> int:
    """An action of organisation A that waits to be opened and has trainees, so that the wizard opens."""
    statement = (
        "SELECT a.id FROM action a JOIN ab_user u ON u.organisation_id = a.organisation_id AND u.username = 'principal' "
        "WHERE a.status = 'AO' ORDER BY (SELECT count(*) FROM registration r WHERE r.action_id = a.id) DESC, a.id LIMIT 1"
    )
    with site.app_context(), bound_scope(Scope.system()):
        return int(db.session.scalar(text(statement)))


def _wrong(answer: Any, address: str, *, path: bool = True, statuses: tuple[int, ...] = (200,)) -> list[str]:
    if answer.status_code not in statuses:
        return [f"{address}: answered {answer.status_code}"]
    if answer.mimetype != "text/html":
        return [f"{address}: {answer.mimetype}"]
    return [f"{address}: {problem}" for problem in problems(answer.get_data(as_text=True), path=path)]


@pytest.mark.slow
@pytest.mark.parametrize("actor", ACTORS)
def test_every_page(site: Flask, full_world: World, browsers: Browsers, waiting: int, actor: str) -> None:
    browser = browsers[actor]
    wrong: list[str] = []
    seen = 0
    visits = list(_addresses(site, full_world, actor))
    if actor != "nobody":
        visits += [("search", "/recherche?q=a"), ("search", "/recherche?q=sion"), ("search", "/recherche?q=zzzz")]
    if actor in ("principal", "secondaire"):
        visits += [
            ("ActionsView.show", f"/actions-de-formation/{waiting}"),
            ("ActionsView.declarations", f"/actions-de-formation/{waiting}/declarations"),
            ("ActionsView.invoices", f"/actions-de-formation/{waiting}/factures"),
            ("OpeningView.start", f"/actions-de-formation/{waiting}/ouverture/"),
            ("RegistrationView.start", f"/stagiaires/action/{waiting}/enregistrement/"),
            *((f"{kind}RequestView.start", f"/actions-de-formation/{waiting}/demandes/{name}/") for kind, name in _REQUESTS),
        ]
    if actor not in ("nobody", "support"):
        visits += [("ActionsView.index", "/actions-de-formation/?texte=zzzz&statut=AO"), ("TraineesView.index", "/stagiaires/?texte=zzzz")]
    for endpoint, address in visits:
        answer = browser.get(address, follow_redirects=True)
        missing = endpoint in ("DemoMailView.show", "TokensView.revoke", "OrganisationTokensView.revoke", "SavedSearchesView.rename", "SavedSearchesView.delete", "ExportsView.delete", "ExportSelectionsView.rename", "ExportSelectionsView.delete")  # nobody's
        landed = {"/": "HomeView.index", "/connexion": "SignInView.login"}.get(answer.request.path, endpoint)
        path = not missing and landed not in _WITHOUT_PATH
        wrong += _wrong(answer, f"{endpoint} {address}", path=path, statuses=(404,) if missing else (200,))
        seen += 1
    assert not wrong, "\n".join([f"{len(wrong)} problems for {actor}:", *wrong])
    assert seen > (4 if actor == "nobody" else 10)


def _empty_forms(site: Flask, world: World, actor: str) -> Iterator[str]:
    """Every form that can be sent back to its own address."""
    both: dict[str, set[str]] = {}
    for rule, method in _rules(site):
        both.setdefault(rule.endpoint, set()).add(method)
    for rule, method in _rules(site):
        endpoint = rule.endpoint
        no_page = (".delete", ".close", ".unblock", ".login", ".revoke", "SavedSearchesView.rename", "ExportSelectionsView.rename")
        sent_back = method == "POST" and both[endpoint] == {"GET", "POST"} and not endpoint.endswith(no_page)
        without_link = endpoint in ("AccessView.choose", "AccessView.confirm_email", "SurveyReplyView.answer", "SurveyReplyView.stop")  # the form stands behind a link sent by mail
        if sent_back and not without_link and endpoint in ROUTES and actor in ROUTES[endpoint].allowed:
            yield _url(site, rule, world.arguments(rule))


@pytest.mark.slow
@pytest.mark.parametrize("actor", ["principal", "admin"])
def test_every_form_sent_empty(site: Flask, world: World, browsers: Browsers, actor: str) -> None:
    """What is missing is said on a page as good as the others, with a summary of the errors."""
    browser = browsers[actor]
    token = _token(browser)
    wrong: list[str] = []
    refused = 0
    for address in _empty_forms(site, world, actor):
        answer = browser.post(address, data={"csrf_token": token}, headers=SAME_ORIGIN)
        if answer.status_code in (302, 303):
            continue
        wrong += _wrong(answer, f"POST {address}", statuses=(200, 409, 422))
        if "error-summary" not in answer.get_data(as_text=True) and answer.status_code != 409:
            wrong.append(f"POST {address}: no summary of the errors")
        refused += 1
    assert not wrong, "\n".join(wrong)
    assert refused > 3


def _post(browser: FlaskClient, address: str, data: dict[str, str]) -> Any:
    return browser.post(address, data=data, headers=SAME_ORIGIN)


def test_error_pages(site: Flask, world: World, browsers: Browsers) -> None:
    """403, 404, 405, 419, the refused sign-in and the refused steps of the registration: pages like the others."""
    principal, support, nobody = browsers["principal"], browsers["support"], browsers["nobody"]
    action = world.values["action_id"]
    login_page = nobody.get("/connexion").get_data(as_text=True)
    token = login_page.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
    wrong = [
        *_wrong(principal.get("/nulle-part"), "404", path=False, statuses=(404,)),
        *_wrong(nobody.get("/nulle-part"), "404, signed out", path=False, statuses=(404,)),
        *_wrong(principal.get("/organismes/list/"), "403", path=False, statuses=(403,)),
        *_wrong(support.get("/stagiaires/"), "403 support", path=False, statuses=(403,)),
        *_wrong(principal.get("/mon-compte/sessions/deconnecter"), "405", path=False, statuses=(405,)),
        *_wrong(_post(principal, "/mon-compte/mot-de-passe", {"old": "x", "csrf_token": "x"}), "419", path=False, statuses=(419,)),
        *_wrong(_post(nobody, "/connexion", {"csrf_token": token, "username": "principal", "password": "faux"}), "sign-in refused", path=False, statuses=(200, 401, 422)),
        *_wrong(
            _post(principal, f"/stagiaires/action/{action}/enregistrement/verification", {"csrf_token": _token(principal)}),
            "registration, first step empty", statuses=(200, 422),
        ),
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)
