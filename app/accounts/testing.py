"""For the tests of all features: a browser already signed in, without the cost of a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from app.accounts import domain, sessions
from app.accounts.models import User
from app.core import tenancy
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient


def sign_in(app: Flask, browser: FlaskClient, identifiant: str) -> int:
    """Open a session for the account and put its secret into the browser's cookie; gives the account's id."""
    with app.app_context(), bound_scope(Scope.system()), transaction() as session:
        user = session.scalars(select(User).where(func.lower(User.username) == domain.normalise_identifiant(identifiant))).one()
        token = sessions.open_session(session, user_id=user.id, epoch=user.session_epoch, ip="127.0.0.1", user_agent="tests")
        user_id: int = user.id
    scope = tenancy.current_scope()
    with browser.session_transaction() as cookie:
        cookie[sessions.COOKIE_KEY] = token
    tenancy.bind(scope)  # the made-up request behind session_transaction has closed it
    return user_id
