"""Who calls: the header is read here, what it is worth is said by the feature that keeps accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import current_app, has_request_context, request
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, RateLimiter
from redis import RedisError

from app.core import clock
from app.core.api.problems import ApiProblem
from app.core.cookies import is_api_path
from app.core.ui.store import request_store

PREFIX: Final = "/api/v1"
_KEY: Final = "api.identity"

#: Calls of one token, and refused tokens of one address; the counters are shared by all web processes through Redis.
RATE: Final = "120 per minute"
REFUSALS_RATE: Final = "30 per minute"


@dataclass(frozen=True, slots=True)
class Identity:
    """A token that was accepted, and the account it stands for."""

    user: Any
    token_id: int
    token_name: str
    scopes: frozenset[str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Authenticator:
    """What the feature that keeps accounts gives.

    ``accept`` is given a token as it was sent and the caller's address; it binds the tenant and names the actor as a session
    does, or raises ApiProblem. ``address_key`` is the address as it is counted.
    """

    accept: Callable[[str, str | None], Identity]
    address_key: Callable[[str | None], str]


_authenticator: Authenticator | None = None


def register_authenticator(accept: Callable[[str, str | None], Identity], address_key: Callable[[str | None], str]) -> None:
    """Set who says what a token is worth."""
    global _authenticator
    _authenticator = Authenticator(accept, address_key)


def is_api_request() -> bool:
    """Whether the request under way is one of the programming interface, where no cookie counts."""
    return has_request_context() and is_api_path(request.path)


def public_address() -> str:
    """The address of the interface as programs outside reach it."""
    base = str(current_app.config.get("PUBLIC_URL") or request.host_url)
    return base.rstrip("/") + PREFIX


def identity() -> Identity:
    """The token of the request under way; a request without any never gets here."""
    found: Identity = request_store()[_KEY]
    return found


def account_of_request() -> Any:
    """The account of the token of the request under way, None elsewhere: what Flask-Login calls the current user."""
    found = request_store().get(_KEY)
    return found.user if isinstance(found, Identity) else None


def authenticate() -> None:
    """Accept the token of the request and count the call. Raises ApiProblem: 401, 403 or 429."""
    if _authenticator is None:
        raise RuntimeError("no feature says what a token is worth")
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiProblem("token_missing")
    address = _authenticator.address_key(request.remote_addr)
    _brake("refused", address, REFUSALS_RATE, count=False)
    try:
        found = _authenticator.accept(token.strip(), request.remote_addr)
    except ApiProblem as problem:
        if problem.problem == "token_invalid":
            _brake("refused", address, REFUSALS_RATE)
        raise
    _brake("token", str(found.token_id), RATE)
    request_store()[_KEY] = found


def brake(name: str, rate: str) -> None:
    """Count a call of a resource that a token may not make as often as others. Raises ApiProblem (429)."""
    _brake(f"token:{name}", str(identity().token_id), rate)


# ---- rate ------------------------------------------------------------------------------------------------------------

#: When Redis is away, each process counts for itself.
_alone = FixedWindowRateLimiter(MemoryStorage())


def _brake(kind: str, key: str, rate: str, *, count: bool = True) -> None:
    """Raise ApiProblem (429) when ``key`` is over its rate; ``count`` adds this call."""
    limiter = current_app.appbuilder.sm.limiter  # type: ignore[attr-defined]  # set by Flask-AppBuilder
    if not limiter.enabled:
        return
    item = parse(rate)
    try:
        passed, counter = _ask(limiter.limiter, item, kind, key, count=count), limiter.limiter
    except (RedisError, StorageError, OSError):
        passed, counter = _ask(_alone, item, kind, key, count=count), _alone
    if not passed:
        raise ApiProblem("too_many_requests", headers={"Retry-After": str(_wait(counter, item, kind, key))})


def _ask(limiter: RateLimiter, item: RateLimitItem, kind: str, key: str, *, count: bool) -> bool:
    return limiter.hit(item, "api", kind, key) if count else limiter.test(item, "api", kind, key)


def _wait(limiter: RateLimiter, item: RateLimitItem, kind: str, key: str) -> int:
    """Seconds until the window of the counter ends."""
    reset = limiter.get_window_stats(item, "api", kind, key).reset_time
    return max(1, min(item.get_expiry(), int(reset - clock.now().timestamp()) + 1))
