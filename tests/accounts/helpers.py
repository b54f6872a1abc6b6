"""What the tests of accounts share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

PASSWORD = "Portail-demo-2026"
WRONG = "Portail-faux-2026"


def token(browser: FlaskClient) -> str:
    """A fresh form token of this browser's session."""
    return str(browser.get("/jeton").json["token"])


def post(browser: FlaskClient, url: str, data: dict[str, Any] | None = None, **options: Any) -> TestResponse:
    """A form sent with its token."""
    return browser.post(url, data={**(data or {}), "csrf_token": token(browser)}, **options)


def narrow(browser: FlaskClient, page: str, data: dict[str, Any]) -> TestResponse:
    """What is typed into the filter of a list, sent as its form sends it."""
    return post(browser, "/filtrer", {"_page": page, **data})


def sign_in(browser: FlaskClient, identifiant: str, password: str = PASSWORD, *, address: str = "192.0.2.1", **data: str) -> TestResponse:
    """Through the form, as people do."""
    return post(browser, "/connexion", {"username": identifiant, "password": password, **data}, environ_overrides={"REMOTE_ADDR": address})


def signed_in(browser: FlaskClient) -> bool:
    """Whether the browser's cookie still opens "Mon compte"."""
    return browser.get("/mon-compte/").status_code == 200


def anonymised(page: str) -> str:
    """A page without what differs from one answer to the next whoever asks: token, nonce, hour, reference."""
    page = re.sub(r'(name="csrf_token" value|name="csrf-token" content|nonce)="[^"]*"', r'\1="…"', page)
    return re.sub(r"<time .*?</time>", "<time/>", page, flags=re.DOTALL)
