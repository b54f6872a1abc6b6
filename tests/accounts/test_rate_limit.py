"""The brake on refusals by address, shared by all web processes through Redis (F5), and what is never braked."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.accounts.helpers import WRONG, post, sign_in


@pytest.fixture(autouse=True)
def few(limited: Flask) -> None:
    """Fewer tries than in production: the test takes less time."""
    limited.config["AUTH_RATE_LIMIT"] = "20 per minute"


def test_refusals_are_braked_by_address_and_successes_never(limited: Flask) -> None:
    for _ in range(22):
        browser = limited.test_client()
        assert sign_in(browser, "principal", address="203.0.113.5").status_code == 303
        assert post(browser, "/deconnexion", environ_overrides={"REMOTE_ADDR": "203.0.113.5"}).status_code == 303
    statuses = [sign_in(limited.test_client(), f"personne-{number}", WRONG, address="203.0.113.5").status_code for number in range(21)]
    assert statuses == [422] * 20 + [429]
    assert sign_in(limited.test_client(), "principal", address="203.0.113.5").status_code == 429
    assert sign_in(limited.test_client(), "principal", address="203.0.113.6").status_code == 303


def test_guessing_identifiants_behind_a_link_is_braked(limited: Flask) -> None:
    """ "Already taken" tells that an identifiant exists: not to somebody who asks it all day."""
    from flask_appbuilder.security.sqla.models import User
    from sqlalchemy import select

    from app.accounts.models import LinkPurpose
    from app.accounts.services.links import issue_link
    from app.core.tenancy import Scope, bound_scope
    from app.core.transaction import transaction

    with limited.app_context(), bound_scope(Scope.system()), transaction() as session:
        secret = issue_link(session, session.scalars(select(User).where(User.username == "secondaire")).one(), LinkPurpose.RECOVERY)
    browser, options = limited.test_client(), {"environ_overrides": {"REMOTE_ADDR": "203.0.113.7"}}
    browser.get(f"/acces/{secret}")
    data = {"username": "principal", "password": "Vélo-rouge-42-neige", "confirmation": "Vélo-rouge-42-neige"}
    statuses = [post(browser, "/acces/identifiants", data, **options).status_code for _ in range(21)]
    assert statuses == [422] * 20 + [429]
