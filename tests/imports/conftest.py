"""Who sends the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.accounts.models import User
from app.core.extensions import db

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session


@pytest.fixture
def account(db_session: Session) -> User:
    """The principal account of an organisation."""
    return db.session.scalars(select(User).where(User.username == "principal")).one()


@pytest.fixture
def principal(as_user: Any) -> FlaskClient:
    """The same, in a browser."""
    browser: FlaskClient = as_user("principal")
    return browser
