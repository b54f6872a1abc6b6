"""The home page: each kind of account sees what it can act on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from app.accounts.domain import MAX_FAILED_ATTEMPTS
from app.accounts.queries import Shown, find_accounts
from app.actions import queries as actions
from app.actions.services import declare_finished
from app.core import clock
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.dashboard import queries
from app.requests import services as requests
from app.requests.domain import RequestEvent
from app.surveys import queries as surveys
from app.surveys.domain import Moment
from app.surveys.labels import TILE_LABELS
from tests.actions.helpers import make_action, make_enrolment, make_finished, statements
from tests.requests.helpers import ask, decision, open_action
from tests.surveys.helpers import left

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def number_of(page: str, label: str) -> int | None:
    """The number of a tile; None when it is not shown."""
    found = re.search(rf'tile-label">\s*{label}.*?tile-number">\s*(\d+)', page, re.DOTALL)
    return int(found[1]) if found else None


def test_my_actions(as_user: AsUser) -> None:
    """Guide 003: three counters, each a link to the list it counts."""
    browser = as_user("principal")
    before = browser.get("/").text
    assert "Mes actions" in before
    make_action()
    after = browser.get("/").text
    label = "Actions en attente d’ouverture"
    assert number_of(after, label) == (number_of(before, label) or 0) + 1
    for status in ("AO", "EC", "late"):
        assert f"/actions-de-formation/?statut={status}" in after
    assert "Voir toutes mes actions" in after


def test_only_what_can_be_acted_on_is_shown(as_user: AsUser) -> None:
    browser = as_user("autre-of")
    db.session.execute(
        text(
            "UPDATE enrolment SET agora_state = 'done', agora_number = coalesce(agora_number, '9' || lpad(id::text, 8, '0')) WHERE agora_state IN ('waiting', 'rejected')"
        )
    )
    assert number_of(browser.get("/").text, "Stagiaires à corriger pour AGORA") is None


def test_what_is_to_mend_is_counted_and_linked(as_user: AsUser) -> None:
    browser = as_user("principal")
    enrolment_id = make_enrolment(make_action())
    db.session.execute(text("UPDATE enrolment SET agora_state = 'rejected', agora_refusal = '{}' WHERE id = :id"), {"id": enrolment_id})
    page = browser.get("/").text
    assert (number_of(page, "Stagiaires à corriger pour AGORA") or 0) >= 1
    assert "/stagiaires/?a_faire=agora-a-corriger" in page


def test_the_region_counts_everything(as_user: AsUser) -> None:
    page = as_user("region").get("/").text
    assert "Actions de tous les organismes" in page
    ours = sum(number_of(as_user(account).get("/").text, "Actions en cours") or 0 for account in ("principal", "autre-of"))
    assert number_of(page, "Actions en cours") == ours


def test_support_sees_accounts_and_nothing_else(as_user: AsUser) -> None:
    page = as_user("support").get("/").text
    assert "bloqué" in page
    assert "Mes actions" not in page
    assert "/stagiaires/" not in page


def test_nobody_signed_in_is_sent_to_the_sign_in_page(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code in (302, 303)
    assert "/connexion" in answer.headers["Location"]


@pytest.mark.parametrize("account", ["principal", "region"])
def test_the_home_page_costs_the_same_whatever_there_is(as_user: AsUser, account: str) -> None:
    browser = as_user(account)
    costs = []
    for more in (1, 6):
        for _ in range(more):
            make_enrolment(make_action())
        browser.get("/")
        with statements() as sent:
            assert browser.get("/").status_code == 200
        costs.append(len(sent))
    assert costs[0] == costs[1]


def test_blocked_accounts_are_counted_as_the_console_lists_them(db_session: Session) -> None:
    """Also the account that has no tries left although nobody wrote that it is blocked."""
    before = queries.blocked_accounts()
    db_session.execute(text("UPDATE ab_user SET failed_attempts = :most WHERE username = 'secondaire'"), {"most": MAX_FAILED_ATTEMPTS})
    assert queries.blocked_accounts() == before + 1 == find_accounts("", Shown.BLOCKED, page=1, size=10)[1]


def test_the_region_sees_what_waits_for_it(as_user: AsUser) -> None:
    """Actions declared finished, requests to decide: only those who may act on them, only when there are some."""
    finished = make_finished(people=1)
    browsers = {name: as_user(name) for name in ("admin", "region", "principal")}
    labels = ("Actions déclarées terminées, à clôturer", "Demandes de modification à instruire")
    before = {name: [number_of(browser.get("/").text, label) or 0 for label in labels] for name, browser in browsers.items()}
    with bound_scope(Scope.system()):
        assert declare_finished(finished.id)
        action = open_action()
        request_id = ask(action)
    page = browsers["admin"].get("/").text
    assert [number_of(page, label) for label in labels] == [number + 1 for number in before["admin"]]
    assert "?statut=finished" in page
    assert [number_of(browsers["principal"].get("/").text, label) for label in labels] == [None, None]

    with bound_scope(Scope.system()):
        requests.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, observations="Précisez la date."))
    assert (number_of(browsers["admin"].get("/").text, labels[1]) or 0) == before["admin"][1]
    page = browsers["principal"].get("/").text
    assert "Demandes de modification à corriger" in page and f'/demandes-de-modification/{request_id}"' in page
    assert f'/demandes-de-modification/{request_id}"' not in as_user("autre-of").get("/").text


def test_what_waits_is_counted_up_to_a_bound(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody needs to know how many beyond, and the page is read all day."""
    action = make_action()
    for number in range(3):
        left(action, name=f"PARTI {number}")
    browser, label = as_user("principal"), str(TILE_LABELS[Moment.EXIT])
    assert (number_of(browser.get("/").text, label) or 0) >= 3
    monkeypatch.setattr(actions, "TILE_CAP", 2)
    counted = surveys.waiting_counts(clock.today())
    assert counted.waiting[Moment.EXIT] == 3, "counted one further than the bound, and no more"
    page = browser.get("/").text
    assert re.search(rf'tile-label">\s*{label}.*?tile-number">plus de 2<', page, re.DOTALL)
    exact = "Actions en attente d’ouverture"
    assert number_of(page, exact) is not None, "the actions are counted whole"
