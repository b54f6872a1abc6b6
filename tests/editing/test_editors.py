"""Editors over the same objects: no acknowledged write is lost, whatever the order; and what two threads do at the same moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from app.accounts import services as accounts
from app.core.extensions import db
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.editing.machine import Editors, Tally

#: ``PORTAL_INTERLEAVINGS=10000`` for the long form.
INTERLEAVINGS = int(os.environ.get("PORTAL_INTERLEAVINGS", "60"))


@pytest.fixture
def world(committed: Flask) -> Iterator[Flask]:
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
    yield committed


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
