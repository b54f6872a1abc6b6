"""Nothing tells whether an account exists: neither the words, nor the headers, nor the time it takes (bar B1.4).

The times are compared as distributions, by a rank test over tries made in turn, so that a busy machine disturbs all alike. No
absolute threshold: only a difference that shows again and again, in the same direction, fails.
"""

from __future__ import annotations

import math
import os
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import text, update

from app.accounts import services
from app.core import clock
from app.core.extensions import db
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import WRONG, post, token

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

#: Tries for each state in each campaign.
ROUNDS = int(os.environ.get("ENUMERATION_ROUNDS") or 40)
CAMPAIGNS = 3
SURE = 0.001
#: Below this share of the median, a difference is lost in any network.
NEGLIGIBLE = 0.05
RECOVER = "/authentification/generation-mot-de-passe"
#: All names are as long as one another, so that nothing else differs.
STATES = ("known", "block", "inact", "pendi", "delet", "close")


# ---- the rank test -----------------------------------------------------------------------------------------------------


def rank_test(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Mann–Whitney: (two-sided p by the normal approximation, chance that a value of ``first`` is the larger one)."""
    n, m = len(first), len(second)
    pooled = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks, ties, index = 0.0, 0.0, 0
    while index < len(pooled):
        end = index
        while end < len(pooled) and pooled[end][0] == pooled[index][0]:
            end += 1
        count = end - index
        ranks += (index + end + 1) / 2 * sum(1 for _value, group in pooled[index:end] if group == 0)
        ties += count**3 - count
        index = end
    u = ranks - n * (n + 1) / 2
    total = n + m
    spread = math.sqrt(n * m / 12 * (total + 1 - ties / (total * (total - 1))))
    if spread == 0:
        return 1.0, 0.5
    z = (abs(u - n * m / 2) - 0.5) / spread
    return min(1.0, math.erfc(max(z, 0.0) / math.sqrt(2))), u / (n * m)


def test_the_rank_test_itself() -> None:
    """Against values worked out by hand and by R (wilcox.test, exact = FALSE, correct = TRUE)."""
    p, larger = rank_test([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])
    assert larger == 0
    assert p == pytest.approx(0.01219, abs=1e-4)
    assert rank_test([1, 1, 1], [1, 1, 1]) == (1.0, 0.5)
    p, larger = rank_test([1, 3, 5, 7, 9], [2, 4, 6, 8, 10])
    assert larger == pytest.approx(0.4)
    assert p == pytest.approx(0.6761, abs=1e-4)


# ---- the accounts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def quiet(committed: Flask) -> Flask:
    """An application whose commits are real, with one account in each state; nothing is put on the queue."""
    with committed.app_context(), bound_scope(Scope.system()):
        own = db.session.scalar(text("SELECT organisation_id FROM ab_user WHERE username = 'secondaire'"))
        closed = services.create_organisation(legal_name="ORGANISME FERMÉ", siret="73282932000074")
        for state in STATES:
            services.create_account(
                first_name="Ada",
                last_name="LOVELACE",
                email="ada@example.org",
                roles=[Role.SECONDARY],
                organisation_id=closed.id if state == "close" else own,
                identifiant=f"compte-{state}",
                password=None if state == "pendi" else "Zk7!qpWv2#Lm",
            )
        _set("block", blocked_at=clock.now(), failed_attempts=3)
        _set("inact", active=False, deactivated_at=clock.now())
        _set("delet", deleted_at=clock.now())
        with transaction() as session:
            session.execute(text("UPDATE organisation SET active = false WHERE id = :id"), {"id": closed.id})
    return committed


def _set(state: str, **values: Any) -> None:
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(update(User).where(User.username == f"compte-{state}").values(**values))


def _give_tries_back(app: Flask) -> None:
    """So that the known account is still one whose password is looked at."""
    with app.app_context():
        _set("known", failed_attempts=0, failed_in_window=0, blocked_at=None)


class Visitor:
    """One browser, from an address of its own each time."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.browser: FlaskClient = app.test_client()
        self.token = token(self.browser)
        self.number = 0

    def send(self, path: str, data: dict[str, str]) -> tuple[TestResponse, float]:
        """The answer, and the seconds it took."""
        self.number += 1
        address = f"203.{self.number // 65536 % 256}.{self.number // 256 % 256}.{self.number % 256}"
        begin = time.perf_counter()
        answer = self.browser.post(path, data={**data, "csrf_token": self.token}, environ_overrides={"REMOTE_ADDR": address})
        return answer, time.perf_counter() - begin


def _sign_in(visitor: Visitor, state: str) -> tuple[TestResponse, float]:
    return visitor.send("/connexion", {"username": f"compte-{state}", "password": WRONG})


def _recover(visitor: Visitor, state: str) -> tuple[TestResponse, float]:
    return visitor.send(RECOVER, {"username": f"compte-{state}", "last_name": "LOVELACE", "first_name": "Ada", "email": "ada@example.org"})


# ---- the times -----------------------------------------------------------------------------------------------------------


def _measure(visitor: Visitor, ask: Callable[[Visitor, str], tuple[TestResponse, float]], states: Sequence[str]) -> dict[str, list[float]]:
    """Each state in turn, in an order that rotates."""
    found: dict[str, list[float]] = {state: [] for state in states}
    for number in range(ROUNDS + 3):
        for state in [*states[number % len(states) :], *states[: number % len(states)]]:
            _give_tries_back(visitor.app)
            _answer, seconds = ask(visitor, state)
            if number >= 3:  # the first ones warm up
                found[state].append(seconds)
    return found


def _differences(found: dict[str, list[float]]) -> dict[str, bool]:
    """State → whether it is the slower one, for those that are told apart from an unknown account."""
    told_apart = {}
    usual = statistics.median(found["xxxxx"])
    for state, times in found.items():
        p, slower = rank_test(times, found["xxxxx"])
        gap = abs(statistics.median(times) - usual) / usual
        if state != "xxxxx" and p < SURE and gap > NEGLIGIBLE:
            told_apart[state] = slower > 0.5
    return told_apart


def test_a_difference_would_be_seen() -> None:
    """A tenth slower, under noise of a tenth: told apart; the same distribution twice: not."""
    chance = random.Random(20261125)
    draw = lambda centre: [chance.gauss(centre, centre / 10) for _ in range(ROUNDS * 4)]  # noqa: E731
    assert _differences({"xxxxx": draw(30), "known": draw(33), "block": draw(27)}) == {"known": True, "block": False}
    assert _differences({"xxxxx": draw(30), "known": draw(30)}) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("ask", "states"), [(_sign_in, (*STATES, "xxxxx")), (_recover, (*STATES, "xxxxx"))], ids=["sign-in", "recovery"])
def test_the_time_tells_nothing(quiet: Flask, monkeypatch: pytest.MonkeyPatch, ask: Any, states: tuple[str, ...]) -> None:
    monkeypatch.setattr("app.accounts.services.access.enqueue", lambda *_arguments, **_options: None)
    visitor = Visitor(quiet)
    always: dict[str, bool] | None = None
    found: dict[str, list[float]] = {}
    for _campaign in range(CAMPAIGNS):
        found = _measure(visitor, ask, states)
        seen = _differences(found)
        always = seen if always is None else {state: slower for state, slower in always.items() if seen.get(state) == slower}
        if not always:
            break
    report = {state: f"{statistics.median(times) * 1000:.2f} ms" for state, times in found.items()}
    print(report)
    assert not always, f"told apart from an unknown account {CAMPAIGNS} times running: {always}; medians {report}"


# ---- the words -----------------------------------------------------------------------------------------------------------


def _same_for_all(answer: TestResponse) -> tuple[int, str, list[tuple[str, str]]]:
    """Status, body and headers, without what is new in each answer whoever asks: tokens, nonces, reference, hour, cookie."""
    body = answer.text.replace(answer.headers["X-Request-ID"], "…")
    body = re.sub(r'(name="csrf_token" value|name="csrf-token" content|nonce)="[^"]*"', r'\1="…"', body)
    body = re.sub(r"compte-\w{5}", "compte-…", re.sub(r"<time .*?</time>", "<time/>", body, flags=re.DOTALL))
    headers = []
    for name, value in answer.headers:
        if name == "Set-Cookie":
            headers.append((name, re.sub(r"=[^;]*", "=…", value, count=1)))
        elif name not in ("X-Request-ID", "Date"):
            headers.append((name, re.sub(r"'nonce-[^']*'", "'nonce-…'", value)))
    return answer.status_code, body, sorted(headers)


@pytest.mark.parametrize(("ask", "status"), [(_sign_in, 422), (_recover, 303)], ids=["sign-in", "recovery"])
def test_the_answers_are_equal_to_the_byte(quiet: Flask, ask: Any, status: int) -> None:
    answers = {state: _same_for_all(ask(Visitor(quiet), state)[0]) for state in (*STATES, "xxxxx")}
    assert answers["xxxxx"][0] == status
    for state, found in answers.items():
        assert found == answers["xxxxx"], state


def test_the_page_after_a_recovery_is_the_same(quiet: Flask) -> None:
    pages = set()
    for state in (*STATES, "xxxxx"):
        visitor = Visitor(quiet)
        answer, _seconds = _recover(visitor, state)
        pages.add(repr(_same_for_all(visitor.browser.get(str(answer.location)))))
    assert len(pages) == 1


def test_wrong_personal_data_and_no_account_are_the_same(quiet: Flask) -> None:
    answers = [
        _same_for_all(
            post(quiet.test_client(), RECOVER, {"username": f"compte-{state}", "last_name": name, "first_name": "Ada", "email": "ada@example.org"})
        )
        for state, name in (("known", "AUTRE"), ("xxxxx", "AUTRE"), ("known", "LOVELACE"))
    ]
    assert answers[0] == answers[1] == answers[2]
