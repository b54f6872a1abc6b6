"""No page asks the database more often because there is more to show (bar B10.2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import event
from werkzeug.routing import Rule

from app.accounts import domain
from app.core.extensions import db
from tests.architecture.crowd import Crowd
from tests.architecture.routes import ROUTES
from tests.architecture.test_routes import Browsers, World, _rules, _url

#: The statements of a list: session and rights (with the transaction's own settings), the count, the rows, what the columns go through.
MOST = 14

#: Files and figures: their length is what is asked for, or they are not pages.
_NOT_PAGES = {
    "assets.file", "ui.theme", "ui.favicon", "ui.robots", "metrics.metrics", "health.healthz", "health.readyz", "api_v1.describe",
    "RequestDocumentsView.download", "RequestDocumentsView.letter",
}  # fmt: skip

VISITORS = ("principal", "admin", "support")


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """The statements that go to the database meanwhile."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _is_page(rule: Rule, method: str) -> bool:
    name = rule.endpoint.rpartition(".")[2]
    return method == "GET" and rule.endpoint in ROUTES and rule.endpoint not in _NOT_PAGES and name != "source"


def _visits(site: Flask, world: World, actor: str) -> Iterator[tuple[str, str]]:
    """(endpoint, address) of every page the actor may open; lists at their largest page."""
    for rule, method in _rules(site):
        if _is_page(rule, method) and actor in ROUTES[rule.endpoint].allowed:
            address = _url(site, rule, world.arguments(rule))
            yield rule.endpoint, address + "?" + urlencode({"size": 100, "q": _SEARCHING[rule.endpoint], "etat": "all"} if rule.endpoint in _SEARCHING else {"size": 100})


#: Pages that show nothing until something is looked for.
_SEARCHING = {"ui.search": "z2", "AccountConsoleView.list": "", "TownLookup.communes": "z2"}


@dataclass(frozen=True)
class Visit:
    """What one page asked and showed."""

    statements: list[str]
    rows: int


def _measure(site: Flask, world: World, browsers: Browsers, *, warm_up: bool = False) -> dict[tuple[str, str], Visit]:
    """(actor, endpoint) → the statements of a visit; a first one may fill what is remembered."""
    found: dict[tuple[str, str], Visit] = {}
    for actor in VISITORS:
        for endpoint, address in _visits(site, world, actor):
            if warm_up:
                browsers[actor].get(address)
            with counted(site) as statements:
                answer = browsers[actor].get(address)
            assert answer.status_code < 500, f"{address} as {actor}: {answer.status_code}"
            if answer.status_code == 200:
                found[actor, endpoint] = Visit(list(statements), answer.get_data().count(b"<tr"))
    return found


@pytest.mark.slow
def test_the_number_of_statements_does_not_grow(
    site: Flask, crowd: Crowd, full_world: World, browsers: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page of every list, as an organisation, the Région and the support, before and after a crowd comes in."""
    monkeypatch.setattr(domain, "SESSION_TOUCH", timedelta(hours=1))  # once a minute the session notes that it is used
    few = _measure(site, full_world, browsers, warm_up=True)
    crowd.gather()
    many = _measure(site, full_world, browsers)
    assert few.keys() == many.keys()
    lists = {f"{view.endpoint}.list" for view in site.appbuilder.baseviews if hasattr(view, "list_columns")}  # type: ignore[attr-defined]
    lists |= {"ActionsView.index", "TraineesView.index", "TraineesView.of_action", "AccountConsoleView.list", "OrganisationAccountsView.list", "DelegationsView.list", "RequestsView.queue", "SurveysView.index", "ImportsView.index"}
    full = {endpoint for (_actor, endpoint), visit in many.items() if visit.rows > 100}
    assert lists - full == set(), "lists that the crowd does not reach"
    wrong = [
        f"{endpoint} as {actor}: {len(few[actor, endpoint].statements)} then {len(visit.statements)}\n" + "\n".join(_more(few[actor, endpoint], visit))
        for (actor, endpoint), visit in many.items()
        if len(visit.statements) > len(few[actor, endpoint].statements)
    ]
    assert not wrong, "\n".join(wrong)
    heavy = [f"{endpoint} as {actor}: {len(visit.statements)}" for (actor, endpoint), visit in many.items() if len(visit.statements) > MOST]
    assert not heavy, "\n".join(heavy)


def _more(few: Visit, many: Visit) -> list[str]:
    """One line for each statement asked more often."""
    asked = dict.fromkeys(many.statements)
    more = {one: many.statements.count(one) - few.statements.count(one) for one in asked}
    return [f"    {count} × {' '.join(one.split())[:200]}" for one, count in more.items() if count > 0]
