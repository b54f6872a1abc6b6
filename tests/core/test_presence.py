"""« Mme X modifie cette page depuis 14:02 »: who sees whom, for how long, and nothing at all without Redis."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

from app.core import clock, presence
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_registration
from tests.actions.test_sessions import make_session

if TYPE_CHECKING:
    from flask.testing import FlaskClient

AsUser = Callable[[str], "FlaskClient"]


@pytest.fixture
def address(db_session: Any) -> str:
    """The edit page of a session of organisation A."""
    return f"/actions-de-formation/sessions/{make_session().id}/modification"


def told(page: Any) -> list[str]:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)).replace("\u00a0", " ")
    return re.findall(r"(?:^| )((?:Mme|M\.|La Région)[^.]{0,80}? modifie cette page depuis \d\d:\d\d\.)", text)


def page_of(answer: Any) -> str:
    return str(re.search(r'data-presence-page="([^"]+)"', answer.text)[1])  # type: ignore[index]


def ping(browser: FlaskClient, page: str, **data: str) -> Any:
    return post(browser, "/presence", {"row_page": page, **data})


def test_colleagues_see_each_other_by_name(as_user: AsUser, address: str) -> None:
    first, second = as_user("principal"), as_user("secondaire")
    alone = first.get(address)
    assert told(alone) == []
    met = second.get(address)
    assert len(told(met)) == 1
    assert "principal" not in re.search(r'<div class="presence".*?</div>\s*</div>', met.text, re.DOTALL)[0].lower()  # type: ignore[index]  # no identifiant
    assert 'role="status"' in met.text
    assert len(told(ping(first, page_of(alone)))) == 1, "the first learns of the second while it works"
    assert told(first.get(address)) == told(ping(first, page_of(alone)))


def test_an_organisation_reads_la_region_and_the_region_reads_names(as_user: AsUser, address: str) -> None:
    as_user("admin").get(address)
    seen = told(as_user("principal").get(address))
    assert len(seen) == 1
    assert seen[0].startswith("La Région modifie")
    seen = told(as_user("admin").get(address))
    assert len(seen) == 1
    assert "(" in seen[0], "with the organisation"
    assert "La Région" not in seen[0]


def test_since_when_and_until_when(as_user: AsUser, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    first, second = as_user("principal"), as_user("secondaire")
    opened = first.get(address)
    at = f"depuis {clock.to_local(start):%H:%M}"

    def later(seconds: int) -> None:
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=seconds))

    later(90)
    assert at in told(second.get(address))[0]
    ping(first, page_of(opened))
    later(130)
    assert at in told(second.get(address))[0], "still there, since the beginning"
    later(90 + 51)
    assert told(second.get(address)) == [], "a page that says nothing any more is forgotten"


def test_who_leaves_is_gone_and_who_is_refused_stays(as_user: AsUser, address: str) -> None:
    first, second = as_user("principal"), as_user("secondaire")
    opened = first.get(address)
    assert ping(first, page_of(opened), left="1").status_code == 204
    assert told(second.get(address)) == []
    refused = post(first, address, {"row_page": page_of(opened), "starts_on": "x"})
    assert refused.status_code == 422
    assert page_of(refused), "the page shown again with its errors goes on telling"
    assert len(told(second.get(address))) == 1


def test_a_page_is_worth_something_to_its_reader_only(as_user: AsUser, address: str) -> None:
    page = page_of(as_user("principal").get(address))
    for other in ("autre-of", "secondaire", "admin"):
        assert ping(as_user(other), page).status_code == 204
    assert told(as_user("admin").get(address)) != []
    for wrong in ("", "x", page[:-4] + "AAAA"):
        assert ping(as_user("principal"), wrong).status_code == 204
    assert as_user("autre-of").get(address).status_code == 404
    assert len(told(as_user("secondaire").get(address))) == 2, "the principal and the Région, nobody else"


def test_signed_out_nothing_is_told(client: FlaskClient) -> None:
    assert post(client, "/presence", {"row_page": "x"}).status_code == 401


@pytest.mark.parametrize("who", ["principal"])
def test_without_redis_pages_are_as_before(as_user: AsUser, address: str, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    calls: list[datetime] = []

    def away() -> Any:
        calls.append(clock.now())
        raise RedisAway("gone")

    monkeypatch.setattr(presence, "_redis", away)
    monkeypatch.setattr(presence, "_paused_until", 0.0)
    for _ in range(3):
        page = as_user(who).get(address)
        assert page.status_code == 200
        assert told(page) == []
    assert len(calls) == 1, "asked once, then left alone for a while"


def test_the_sheet_of_a_trainee_and_the_rights_of_an_account_too(as_user: AsUser, db_session: Any) -> None:
    sheet = f"/stagiaires/fiche/{make_registration(make_action())}/coordonnees"
    as_user("principal").get(sheet)
    assert len(told(as_user("secondaire").get(sheet))) == 1
    account = re.search(r"/gestion-organisme/comptes/(\d+)/modifier", as_user("principal").get("/gestion-organisme/comptes/").text)
    assert account is not None
    as_user("principal").get(f"/gestion-organisme/comptes/{account[1]}/modifier")
    assert told(as_user("support").get(f"/gestion-organisme/droits/{account[1]}")) == [], "the holder and the rights are two pages"
    assert len(told(as_user("support").get(f"/comptes/{account[1]}/modifier"))) == 1
