"""Who acts and in which request: carried by context variables, so that jobs and logs have them as web requests do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_actor_id: ContextVar[int | None] = ContextVar("actor_id", default=None)
_on_behalf_of: ContextVar[int | None] = ContextVar("on_behalf_of", default=None)
_patience: ContextVar[str] = ContextVar("patience", default="")

_WELL_FORMED = re.compile(r"^[A-Za-z0-9-]{8,64}$")


def new_request_id() -> str:
    """A fresh reference: 32 hexadecimal digits."""
    return uuid4().hex


def accept_request_id(candidate: str | None) -> str:
    """``candidate`` when it is well formed (a proxy's own reference), else a fresh one: a header must not write into logs."""
    return candidate if candidate and _WELL_FORMED.match(candidate) else new_request_id()


def request_id() -> str | None:
    """The reference of the request or job under way; it stands in logs, in the journal and on error pages."""
    return _request_id.get()


def set_request_id(value: str | None) -> None:
    """Give the request or job under way its reference."""
    _request_id.set(value)


def actor_id() -> int | None:
    """The account on whose behalf the work is done; None for the system itself."""
    return _actor_id.get()


def set_actor_id(value: int | None) -> None:
    """Name the account that acts from here on."""
    _actor_id.set(value)


def on_behalf_of() -> int | None:
    """The account for which the actor acts ("pour le compte de"): a delegation, or support looking through its eyes."""
    return _on_behalf_of.get()


def set_on_behalf_of(value: int | None) -> None:
    """Name the account for which the actor acts; ``tenancy.act_on_behalf_of`` also tells an open database transaction."""
    _on_behalf_of.set(value)


def patience() -> str:
    """How long a statement of the work under way waits for what somebody else holds, as PostgreSQL writes it; "" for as long as it takes."""
    return _patience.get()


def set_patience(value: str) -> None:
    """Say how long the database transactions that begin from here on wait for what somebody else holds."""
    _patience.set(value)


@contextmanager
def acting(*, actor: int | None, reference: str | None = None) -> Iterator[None]:
    """Run a block as ``actor``, under ``reference`` (a fresh one if None)."""
    actor_token = _actor_id.set(actor)
    request_token = _request_id.set(reference or new_request_id())
    behalf_token = _on_behalf_of.set(None)
    try:
        yield
    finally:
        _on_behalf_of.reset(behalf_token)
        _actor_id.reset(actor_token)
        _request_id.reset(request_token)
