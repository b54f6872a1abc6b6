"""Every route for a secondary account whose rights were narrowed: 404 outside its actions, 403 outside its functions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.routing import Rule

from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.architecture.routes import ROUTES
from tests.architecture.test_routes import NOBODYS, SAME_ORIGIN, Browsers, World, _rules, _token, _url

#: Objects of accounts, which no action limits.
_NOT_OF_ACTIONS = ("MyAccountView", "AccountRightsView", "OrganisationAccountsView", "DelegationsView")


@pytest.fixture
def other_action(site: Flask, world: World) -> int:
    """An action of the organisation that none of the world's objects belongs to: all that "secondaire" is given."""
    with site.app_context(), bound_scope(Scope.system()), transaction() as session:
        found = session.scalar(
            text(
                "SELECT a.id FROM action a JOIN ab_user u USING (organisation_id) WHERE u.username = 'secondaire' AND a.id <> :action "
                "AND NOT EXISTS (SELECT FROM registration r WHERE r.action_id = a.id AND (r.trainee_id = :trainee OR r.id = :registration)) "
                "AND NOT EXISTS (SELECT FROM component c WHERE c.action_id = a.id AND c.id = :component) ORDER BY a.id LIMIT 1"
            ),
            {name: world.values[f"{name}_id"] for name in ("action", "trainee", "registration", "component")},
        )
        session.execute(text("UPDATE ab_user SET limited_to_actions = true WHERE username = 'secondaire'"))
        session.execute(
            text("INSERT INTO action_access (organisation_id, user_id, action_id) SELECT organisation_id, id, :action FROM ab_user WHERE username = 'secondaire'"),
            {"action": found},
        )
    assert found is not None
    return int(found)


def _asked(site: Flask, world: World, browsers: Browsers) -> Iterator[tuple[Rule, str, str, int, str]]:
    """(rule, method, address, status, body) of every route that "secondaire" may use when nothing is narrowed."""
    browser, token = browsers["secondaire"], _token(browsers["secondaire"])
    for rule, method in _rules(site):
        route = ROUTES[rule.endpoint]
        if route.public or "secondaire" not in route.allowed or rule.endpoint in ("SignInView.logout", "MyAccountView.end_sessions"):
            continue
        url = _url(site, rule, world.arguments(rule))
        if f"/{NOBODYS}" in url:  # the demonstration has no such object to show
            continue
        answer = browser.open(url, method=method, **({} if method == "GET" else {"data": {"csrf_token": token}, "headers": SAME_ORIGIN}))
        yield rule, method, url, answer.status_code, answer.get_data().decode(errors="replace")


@pytest.mark.slow
def test_other_actions_do_not_exist(site: Flask, world: World, browsers: Browsers, other_action: int) -> None:
    with site.app_context(), bound_scope(Scope.system()), transaction() as session:
        hidden = session.scalars(
            text("SELECT number FROM action a JOIN ab_user u USING (organisation_id) WHERE u.username = 'secondaire' AND a.id <> :given"), {"given": other_action}
        ).all()
    wrong, cells = [], 0
    for rule, method, url, status, body in _asked(site, world, browsers):
        cells += 1
        owner = ROUTES[rule.endpoint].owner and not rule.endpoint.startswith(_NOT_OF_ACTIONS)
        if (status != 404) if owner else (status >= 500 or status in (401, 403, 404)):
            wrong.append(f"{method} {url} → {status}")
        wrong += [f"{method} {url} shows {number}" for number in hidden if number in body]
    assert not wrong, "\n".join(wrong)
    assert cells > 25
    page = browsers["secondaire"].get(f"/actions-de-formation/{other_action}")
    assert page.status_code == 200


def test_without_functions_an_account_reads(site: Flask, world: World, browsers: Browsers) -> None:
    """What is left is what a read-only account has, route by route."""
    with site.app_context(), bound_scope(Scope.system()), transaction() as session:
        session.execute(text("UPDATE ab_user SET functions = '{consult}' WHERE username = 'secondaire'"))
    wrong, refused = [], 0
    for rule, method, url, status, _body in _asked(site, world, browsers):
        reads = "lecture" in ROUTES[rule.endpoint].allowed
        refused += not reads
        if (status in (401, 403, 404) or status >= 500) if reads else status != 403:
            wrong.append(f"{method} {url} → {status}")
    assert not wrong, "\n".join(wrong)
    assert refused > 10
