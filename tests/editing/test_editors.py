"""Editors over the same objects: no acknowledged write is lost, whatever the order; and what two threads do at the same moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from app.accounts import services as accounts
from app.accounts.testing import sign_in
from app.core.extensions import db
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.architecture.filled import Filled
from tests.architecture.test_routes import SAME_ORIGIN
from tests.editing.machine import Editors, Tally

#: ``PORTAL_INTERLEAVINGS=10000`` for the long form.
INTERLEAVINGS = int(os.environ.get("PORTAL_INTERLEAVINGS", "60"))


@pytest.fixture
def world(committed: Flask) -> Flask:
    """Real commits; five accounts of the Région that may edit everything."""
    with committed.app_context(), bound_scope(Scope.system()):
        with transaction() as session:
            own = session.scalar(text("SELECT organisation_id FROM ab_user WHERE username = 'principal'"))
            for number in range(5):
                accounts.create_account(
                    first_name=f"Essai{number}", last_name="ADMIN", email=f"admin{number}@example.org", roles=(Role.REGION_ADMIN,), civility="MME",
                    identifiant=f"essai-{number}", password="Quelle-belle-journee-2026!",
                )  # fmt: skip
        one = db.session.scalar
        Editors.app = committed
        Editors.actors = list(db.session.scalars(text("SELECT id FROM ab_user WHERE username LIKE 'essai-%' ORDER BY id")))
        Editors.keys = {
            "session": one(
                text(
                    "SELECT s.id FROM training_session s JOIN component c ON c.id = s.component_id JOIN action a ON a.id = c.action_id "
                    "WHERE a.status = 'EC' AND s.cancelled_at IS NULL ORDER BY s.id LIMIT 1"
                )
            ),
            "sheet": one(text("SELECT r.id FROM registration r JOIN action a ON a.id = r.action_id WHERE a.status = 'EC' AND r.organisation_id = :own LIMIT 1"), {"own": own}),
            "account": one(text("SELECT id FROM ab_user WHERE username = 'secondaire'")),
        }
        db.session.rollback()
    return committed


@pytest.mark.slow
def test_no_acknowledged_write_is_lost(world: Flask) -> None:
    Editors.tally = tally = Tally()
    rules = settings(
        max_examples=INTERLEAVINGS, stateful_step_count=14, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False, phases=(Phase.explicit, Phase.generate),
    )  # fmt: skip
    run_state_machine_as_test(Editors, settings=rules)
    print(tally)
    assert tally.interleavings >= INTERLEAVINGS
    for name in ("saved", "merged", "asked", "resolved"):
        assert getattr(tally, name) > INTERLEAVINGS // 20, f"hardly ever {name}: {tally}"


# ---- at the same moment ------------------------------------------------------------------------------------------------

Act = Callable[[], Any]


def at_once(*acts: Act) -> list[Any]:
    """Each act in a thread of its own, at the same moment; what each was answered."""
    start = threading.Barrier(len(acts))

    def run(act: Act) -> Any:
        start.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


class Desk:
    """Somebody's browser, real commits behind it."""

    def __init__(self, app: Flask, who: str) -> None:
        self.browser = app.test_client()
        sign_in(app, self.browser, who)

    def page(self, url: str, marker: str = "row_base") -> Filled:
        return Filled(self.browser.get(url).text, marker)

    def sends(self, url: str, page: Filled, **changed: list[str]) -> Act:
        data = page.data(**changed)
        return lambda: self.browser.post(url, data=data, headers=SAME_ORIGIN)


@pytest.fixture
def look(world: Flask) -> Callable[..., Any]:
    """``look("SELECT …", name=value)``: one value, as it is committed."""

    def read(statement: str, **values: Any) -> Any:
        with world.app_context(), bound_scope(Scope.system()):
            found = db.session.scalar(text(statement), values)
            db.session.rollback()
        return found

    return read


PLACES = "SELECT places FROM training_session WHERE id = :key"


def test_a_double_click_saves_once(world: Flask, look: Callable[..., Any]) -> None:
    key = Editors.keys["session"]
    url = f"/actions-de-formation/sessions/{key}/modification"
    first, second = Desk(world, "principal"), Desk(world, "principal")
    journal = "SELECT count(*) FROM audit_entry WHERE table_name = 'training_session' AND row_id = :key"
    for places in ("21", "22", "23"):
        before, page = look(journal, key=str(key)), first.page(url)
        of_second = second.page(url)["csrf_token"]
        answers = at_once(first.sends(url, page, places=[places]), second.sends(url, page, places=[places], csrf_token=of_second))
        assert [answer.status_code for answer in answers] == [302, 302]
        assert look(PLACES, key=key) == int(places)
        assert look(journal, key=str(key)) == before + 1


def test_two_editors_at_the_same_moment(world: Flask, look: Callable[..., Any]) -> None:
    key = Editors.keys["session"]
    url = f"/actions-de-formation/sessions/{key}/modification"
    desks = Desk(world, "principal"), Desk(world, "secondaire")
    for turn in range(4):
        pages = [desk.page(url) for desk in desks]
        wanted = [str(30 + 2 * turn), str(31 + 2 * turn)]
        answers = at_once(*(desk.sends(url, page, places=[one]) for desk, page, one in zip(desks, pages, wanted, strict=True)))
        assert sorted(answer.status_code for answer in answers) == [302, 409], "one is saved, the other is asked"
        won = next(index for index, answer in enumerate(answers) if answer.status_code == 302)
        assert look(PLACES, key=key) == int(wanted[won])
        lost = answers[1 - won].text
        assert f">{wanted[won]}</label>" in lost.replace("</span>", "</span>\n") or wanted[won] in lost
        assert "choice-places" in lost
    pages = [desk.page(url) for desk in desks]
    both = at_once(desks[0].sends(url, pages[0], places=["50"]), desks[1].sends(url, pages[1], registration_terms=["Sur rendez-vous"]))
    assert [answer.status_code for answer in both] == [302, 302]
    assert look(PLACES, key=key) == 50
    assert look("SELECT registration_terms FROM training_session WHERE id = :key", key=key) == "Sur rendez-vous"


WAITING = "SELECT r.id FROM modification_request r WHERE r.state = 'pending' AND r.kind = 'dates' ORDER BY r.id LIMIT 1"


def test_two_validators_at_the_same_moment(world: Flask, look: Callable[..., Any]) -> None:
    key = look(WAITING)
    assert key is not None
    show, url = f"/demandes-de-modification/{key}", f"/demandes-de-modification/{key}/decision"
    one, other = Desk(world, "essai-0"), Desk(world, "essai-1")
    pages = one.page(show, "decision"), other.page(show, "decision")
    answers = at_once(
        one.sends(url, pages[0], decision=["refuse"], observations=["Trop tard."]),
        other.sends(url, pages[1], decision=["ask_correction"], observations=["Précisez le motif."]),
    )
    assert sorted(answer.status_code for answer in answers) == [302, 409]
    state = look("SELECT state FROM modification_request WHERE id = :key", key=key)
    assert state == ("refused" if answers[0].status_code == 302 else "to_correct")
    late = next(answer for answer in answers if answer.status_code == 409)
    assert ("Trop tard." if late is answers[0] else "Précisez le motif.") in late.text, "what the second typed is still there"


def test_a_validator_against_an_editor(world: Flask, look: Callable[..., Any]) -> None:
    """The Région changes the date on its screen while the request that changes it is validated: one wins, the other is told."""
    key = look(WAITING)
    action = look("SELECT action_id FROM modification_request WHERE id = :key", key=key)
    end = "SELECT planned_end FROM action WHERE id = :action"
    before = look(end, action=action)
    validator, editor = Desk(world, "essai-0"), Desk(world, "essai-1")
    show, decide, edit = f"/demandes-de-modification/{key}", f"/demandes-de-modification/{key}/decision", f"/referentiels/actions/edit/{action}"
    page, form = validator.page(show, "decision"), editor.page(edit)
    typed = before + timedelta(days=90)
    decided, edited = at_once(
        validator.sends(decide, page, decision=["validate"], without_letter=["y"]), editor.sends(edit, form, planned_end=[f"{typed:%d/%m/%Y}"])
    )
    state, stands = look("SELECT state FROM modification_request WHERE id = :key", key=key), look(end, action=action)
    if decided.status_code == 302:
        assert (state, edited.status_code) == ("validated", 409)
        assert stands not in (before, typed)
        assert f"{typed:%d/%m/%Y}" in edited.text
    else:
        assert (state, edited.status_code, stands) == ("pending", 302, typed)
        assert decided.status_code in (409, 422)
        assert f"{typed:%d/%m/%Y}" in decided.text
