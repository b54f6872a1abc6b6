"""Addresses that may not exist yet: a missing page must never break the layout around it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import current_app, url_for
from werkzeug.routing import BuildError


def safe_url(endpoint: str | None, **values: Any) -> str | None:
    """The address of ``endpoint``, or None when no such page exists."""
    if not endpoint:
        return None
    try:
        return url_for(endpoint, **values)
    except BuildError:
        return None


def first_url(*endpoints: str) -> str | None:
    """The address of the first of these pages that exists."""
    for endpoint in endpoints:
        address = safe_url(endpoint)
        if address:
            return address
    return None


def login_url() -> str | None:
    """Where one signs in: ``LOGIN_ENDPOINT`` if set, else the sign-in view of Flask-AppBuilder."""
    configured = current_app.config.get("LOGIN_ENDPOINT")
    if configured:
        return safe_url(configured)
    return first_url("AuthDBView.login", *_endpoints_ending_with(".login"))


def sign_in_and_resume_url() -> str | None:
    """Where one signs in from a new tab because the session ended: what follows says to come back to the first tab."""
    address = login_url()
    return f"{address}?{urlencode({'next': url_for('ui.resume')})}" if address else None


def _endpoints_ending_with(suffix: str) -> list[str]:
    return sorted(endpoint for endpoint in current_app.view_functions if endpoint.endswith(suffix))


def logout_url() -> str | None:
    """Where the sign-out form posts: ``LOGOUT_ENDPOINT`` if set, else the view of Flask-AppBuilder."""
    configured = current_app.config.get("LOGOUT_ENDPOINT")
    if configured:
        return safe_url(configured)
    return first_url("AuthDBView.logout", *_endpoints_ending_with(".logout"))


def account_url() -> str | None:
    """The "Mon compte" page, when there is one (``ACCOUNT_ENDPOINT``)."""
    configured = current_app.config.get("ACCOUNT_ENDPOINT")
    return safe_url(configured) if configured else first_url("MyAccountView.show", "MyAccountView.index", "MyAccountView.account")
