"""Addresses and words nobody types: numbers beyond any row's, NUL. They answer 404 or an ordinary page, never a failure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.mark.parametrize("number", ["2147483648", "9223372036854775808", "9" * 30, "9" * 5000])
@pytest.mark.parametrize(
    "path",
    [
        "/comptes/{}",
        "/comptes/{}/debloquer",
        "/actions-de-formation/{}",
        "/actions-de-formation/{}/cloture",
        "/stagiaires/{}",
        "/stagiaires/action/{}",
        "/stagiaires/fiche/{}",
    ],
)
def test_a_number_no_row_can_bear_is_a_page_that_does_not_exist(as_user: Callable[[str], FlaskClient], path: str, number: str) -> None:
    assert as_user("admin").get(path.format(number)).status_code == 404


def test_the_largest_number_is_still_asked_of_the_database(as_user: Callable[[str], FlaskClient]) -> None:
    assert as_user("admin").get("/comptes/2147483647").status_code == 404


def test_nul_in_an_identifiant(client: FlaskClient) -> None:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)', client.get("/connexion").text)
    assert found is not None
    answer = client.post("/connexion", data={"username": "princi\x00pal", "password": "x\x00y", "csrf_token": found[1]})
    assert answer.status_code == 422


def test_nul_in_the_quick_search(as_user: Callable[[str], FlaskClient], caplog: pytest.LogCaptureFixture) -> None:
    assert as_user("admin").get("/recherche?q=23%00C0").status_code == 200
    assert "quick search failed" not in caplog.text
