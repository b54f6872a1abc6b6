"""Tokens and the identification vector."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from app.partners.agora.sandbox.rules import Refused

_SIRET = re.compile(r"[0-9]{14}")
_CLOCK_TOLERANCE = 26 * 3600  # the two clocks may be wrong, also by a time zone


@dataclass(slots=True)
class Security:
    """Who may call. Without a secret, any is taken; without a key, signatures are not checked (told at start-up)."""

    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    jwt_key: bytes | None = field(default=None, repr=False)
    token_life: int = 300
    _tokens: dict[str, float] = field(default_factory=dict, repr=False)

    def issue(self, form: dict[str, str]) -> dict[str, Any]:
        """A token for client credentials. Raises Refused."""
        identifier, secret = form.get("client_id", ""), form.get("client_secret", "")
        good = bool(identifier and secret)
        if self.client_id is not None:
            good &= hmac.compare_digest(identifier.encode(), self.client_id.encode())
        if self.client_secret is not None:
            good &= hmac.compare_digest(secret.encode(), self.client_secret.encode())
        if form.get("grant_type") != "client_credentials" or not good:
            raise Refused(401, "CLIENT_INCONNU", "L’identification du partenaire est refusée.")
        now = time.monotonic()
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = now + self.token_life
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.token_life}

    def check_token(self, authorization: str) -> str:
        """The token of a request. Raises Refused (401) when it is unknown or has expired."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or self._tokens.get(token, 0.0) <= time.monotonic():
            raise Refused(401, "JETON_EXPIRE", "Le jeton est inconnu ou a expiré.", headers={"www-authenticate": "Bearer"})
        return token

    def revoke(self, token: str) -> None:
        """Make a token expire before its time."""
        self._tokens.pop(token, None)

    def revoke_all(self) -> None:
        self._tokens.clear()

    def check_vector(self, vector: str) -> dict[str, Any]:
        """The claims of an identification vector. Raises Refused when it is not ours to believe."""
        claims = self._claims(vector)
        if claims is None:
            raise Refused(403, "VECTEUR_INVALIDE", "Le vecteur d’identification n’est pas valable.")
        return claims

    def _claims(self, vector: str) -> dict[str, Any] | None:
        try:
            head, body, signature = vector.split(".")
            if _decode(head).get("alg") != "HS256":
                return None
            if self.jwt_key is not None:
                expected = hmac.digest(self.jwt_key, f"{head}.{body}".encode(), hashlib.sha256)
                if not hmac.compare_digest(expected, _bytes(signature)):
                    return None
            claims = _decode(body)
        except (ValueError, AttributeError, RecursionError):
            return None
        issued = claims.get("iat")
        good = (
            all(isinstance(claims.get(name), str) and claims[name] for name in ("sub", "siret", "but", "jti"))
            and _SIRET.fullmatch(claims["siret"]) is not None
            and isinstance(issued, int)
            and abs(time.time() - issued) < _CLOCK_TOLERANCE
        )
        return claims if good else None


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _decode(text: str) -> dict[str, Any]:
    value = json.loads(_bytes(text))
    if not isinstance(value, dict):
        raise ValueError("not claims")
    return value
