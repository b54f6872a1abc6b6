"""Nobody reads or makes the session's cookie but the portal."""

from __future__ import annotations

import base64
import contextlib
import zlib

import pytest
from flask import Flask, flash, get_flashed_messages

from app.core.cookies import SealedSessions


@pytest.fixture
def small() -> Flask:
    app = Flask("small")
    app.secret_key = "a key for tests, long enough to sign"
    app.session_interface = SealedSessions()
    app.add_url_rule("/say", "say", lambda: flash("La fiche de SION Anne est enregistrée.") or "ok")
    app.add_url_rule("/read", "read", lambda: "".join(get_flashed_messages()))
    return app


def _cookie(small: Flask) -> str:
    found = small.test_client().get("/say").headers["Set-Cookie"]
    return str(found.partition("=")[2].partition(";")[0])


def test_a_waiting_message_is_read_by_the_portal_alone(small: Flask) -> None:
    value = _cookie(small)
    seen = value.encode()
    for part in value.split("."):
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        seen += raw
        with contextlib.suppress(zlib.error):
            seen += zlib.decompress(raw)
    assert b"SION" not in seen
    client = small.test_client()
    client.set_cookie("session", value)
    assert "SION Anne" in client.get("/read").text


@pytest.mark.parametrize("change", [lambda value: value[:-5] + "AAAA=", lambda value: "", lambda value: "é\x7f", lambda value: "eyJhIjoxfQ.x.y"])
def test_a_cookie_that_is_not_ours_is_an_empty_session(small: Flask, change) -> None:  # type: ignore[no-untyped-def]
    client = small.test_client()
    client.set_cookie("session", change(_cookie(small)))
    assert client.get("/read").text == ""


def test_a_former_key_still_opens_what_it_sealed(small: Flask) -> None:
    value = _cookie(small)
    small.config["SECRET_KEY_FALLBACKS"] = [small.secret_key]
    small.secret_key = "another key for tests, long enough to sign"
    client = small.test_client()
    client.set_cookie("session", value)
    assert "SION Anne" in client.get("/read").text
    small.config["SECRET_KEY_FALLBACKS"] = None
    client.set_cookie("session", value)
    assert client.get("/read").text == ""
