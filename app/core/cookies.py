"""The session's cookie, encrypted: a message waiting in it ("La fiche de … est enregistrée") may name a person.

Flask only signs it: anyone who sees the cookie (a log of a proxy, a shared machine) reads what it holds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import Flask, Request, Response, request
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature

_PURPOSE = b"portal session cookie v1"


def _key(secret: str | bytes) -> bytes:
    raw = secret.encode() if isinstance(secret, str) else secret
    return base64.urlsafe_b64encode(hmac.new(raw, _PURPOSE, hashlib.sha256).digest())


class _Sealer:
    """What Flask expects of a serializer: text from an object, and back."""

    def __init__(self, secrets: list[str | bytes]) -> None:
        self._fernet = MultiFernet([Fernet(_key(secret)) for secret in secrets])
        self._json = TaggedJSONSerializer()

    def dumps(self, value: Any) -> str:
        plain = self._json.dumps(value).encode()
        packed = zlib.compress(plain)  # browsers drop a cookie of more than 4 kB
        return self._fernet.encrypt(b"z" + packed if len(packed) < len(plain) else b"-" + plain).decode("ascii")

    def loads(self, text: str, max_age: int | None = None) -> Any:
        """Raises BadSignature for anything we did not write, or wrote longer ago than ``max_age`` seconds."""
        try:
            opened = self._fernet.decrypt(text.encode(), ttl=max_age)
            return self._json.loads((zlib.decompress(opened[1:]) if opened[:1] == b"z" else opened[1:]).decode())
        except (InvalidToken, ValueError, zlib.error):
            raise BadSignature("not a session of ours") from None


class SealedSessions(SecureCookieSessionInterface):
    """Flask's cookie session under ``SECRET_KEY`` (and ``SECRET_KEY_FALLBACKS``), encrypted as well as authenticated."""

    def get_signing_serializer(self, app: Flask) -> Any:
        """The sealer; None without a key, as Flask has it."""
        if not app.secret_key:
            return None
        return _Sealer([app.secret_key, *(app.config.get("SECRET_KEY_FALLBACKS") or [])])

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """What the cookie holds; nothing for the programming interface, which neither reads cookies nor sets any."""
        return SecureCookieSession() if is_api_path(request.path) else super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set the cookie where it changed, but never from the programming interface."""
        if not is_api_path(request.path):
            super().save_session(app, session, response)


def is_api_path(path: str) -> bool:
    """Whether an address is the programming interface's."""
    return path == "/api" or path.startswith("/api/")
