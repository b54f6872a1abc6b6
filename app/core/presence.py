"""Who else has the edit page of the same object open: « Mme X modifie cette page depuis 14:02 ».

Kept in Redis for as long as the page says so, by number of account only; without Redis nothing is shown and nothing waits.  Whoever
may open the edit page of an object sees who edits it: the page carries a sealed word that names the object and the reader, so that
nobody can ask about an object, or in the name of an account, that is not theirs.

An organisation reads "La Région" for everybody who is not of it; the Région reads names, with the organisation.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from time import monotonic
from typing import Any, Final

import structlog
from flask import has_request_context, request
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.core import clock, context, people, tenancy

log = structlog.get_logger(__name__)

#: How long somebody is shown after the page was opened (it may have no script), and after the page last said it is being used.
OPENED_FOR: Final = timedelta(minutes=2)
USED_FOR: Final = timedelta(seconds=50)
#: How long a page may go on saying that it is used.
PAGE_LIFE: Final = timedelta(hours=12)
#: How long it may go on keeping what is typed into it (``core.page_drafts``): a page left open over a week-end loses nothing.
PAGE_KNOWN: Final = timedelta(days=30)
#: More names than this help nobody.
MOST_SHOWN: Final = 5
#: The ``part`` of pages where one decision is taken on an object.
DECISION: Final = "-decision"
#: The form field and parameter that name the page.
PAGE: Final = "row_page"
_AAD: Final = b'["presence"]'
_STORE: Final = "presence"
_PAUSE_SECONDS: Final = 10.0
_paused_until = 0.0

#: Account → how an edit page calls it; those the reader may not see are left out.
Naming = Callable[[set[int]], dict[int, str]]
_namings: list[Naming] = []


def register_editor_names(naming: Naming) -> None:
    """Have people named by ``naming`` from now on; as in histories if nobody says better."""
    _namings[:] = [naming]


@dataclass(frozen=True, slots=True)
class Editor:
    """Somebody else who has the page open; ``name`` is None for who is not of the reader's organisation."""

    name: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class EditPage:
    """The edit page under way: its sealed word and who else has it open."""

    token: str
    others: tuple[Editor, ...]
    #: One decision is taken there, once: the first counts, nothing is put together.
    decides: bool = False


def _page(token: str, place: tuple[str, str], found: dict[int, dict[str, Any]]) -> EditPage:
    return EditPage(token, _named(found), decides=place[0].endswith(DECISION))


def _store() -> dict[Any, Any]:
    from app.core.ui.store import request_store  # the layout shows what is told here

    return request_store()


@lru_cache(maxsize=8)
def _client(url: str, _pid: int) -> Redis:
    return Redis.from_url(url, socket_connect_timeout=0.3, socket_timeout=0.3, retry=Retry(NoBackoff(), 0), decode_responses=True)


def _redis() -> Redis:
    from app.core.jobs.connection import redis_url

    return _client(redis_url(), os.getpid())


def _key(table: str, identity: str) -> str:
    return f"presence:{table}:{identity}"


def _place_of(row: Any, part: str = "") -> tuple[str, str]:
    from sqlalchemy import inspect

    return str(row.__tablename__) + part, ":".join(str(one) for one in inspect(row).identity or ())


# ---- the sealed word ---------------------------------------------------------------------------------------------------


def _token_of(place: tuple[str, str]) -> str:
    from app.core.crypto import cipher

    sealed = cipher().encrypt(json.dumps([*place, context.actor_id(), int(clock.now().timestamp())]), _AAD)
    return base64.urlsafe_b64encode(sealed).decode()


def _read_token(token: str | None, life: timedelta = PAGE_LIFE) -> tuple[str, str] | None:
    """Table and identity, when the word is this account's and not too old."""
    from app.core.crypto import CryptoError, cipher

    try:
        table, identity, actor, at = json.loads(cipher().decrypt(base64.urlsafe_b64decode(token or ""), _AAD))
    except (CryptoError, binascii.Error, ValueError, TypeError):
        return None
    if actor is None or actor != context.actor_id() or clock.now().timestamp() - at > life.total_seconds():
        return None
    return str(table), str(identity)


# ---- what Redis holds --------------------------------------------------------------------------------------------------


def _exchange(place: tuple[str, str], lasting: timedelta | None) -> dict[int, dict[str, Any]]:
    """Say that the account under way has the page open for ``lasting`` (None: no more), and return who else has."""
    global _paused_until
    actor = context.actor_id()
    if actor is None or monotonic() < _paused_until:
        return {}
    now, key = clock.now(), _key(*place)
    try:
        client = _redis()
        held: Any = client.hgetall(key)
        found = {int(account): json.loads(text) for account, text in held.items()}
        live = {account: one for account, one in found.items() if one["until"] > now.timestamp()}
        if lasting is None:
            client.hdel(key, str(actor))
        else:
            mine = live.get(actor, {})
            until = max((now + lasting).timestamp(), mine.get("until", 0.0) if lasting >= OPENED_FOR else 0.0)
            entry = {"since": mine.get("since", now.timestamp()), "until": until, "organisation": tenancy.current_scope().organisation_id}
            with client.pipeline() as together:
                together.hset(key, str(actor), json.dumps(entry))
                together.expire(key, OPENED_FOR + USED_FOR)
                together.execute()
    except (RedisError, OSError, ValueError, KeyError, TypeError) as error:
        _paused_until = monotonic() + _PAUSE_SECONDS
        log.warning("presence_unknown", error=type(error).__name__)
        return {}
    return {account: one for account, one in live.items() if account != actor}


def _named(found: dict[int, dict[str, Any]]) -> tuple[Editor, ...]:
    if not found:
        return ()
    reader = tenancy.current_scope()
    own = {account for account, one in found.items() if reader.organisation_id in (None, one["organisation"])}  # the Région and support name everybody
    naming = _namings[0] if _namings else people.account_names
    names = naming(own) if own else {}
    told = [Editor(names.get(account), clock.to_local(datetime.fromtimestamp(one["since"], tz=clock.now().tzinfo))) for account, one in found.items()]
    # one line for all those who have no name here: since the first of them
    unnamed = sorted((one for one in told if one.name is None), key=lambda one: one.since)[:1]
    named = sorted((one for one in told if one.name is not None), key=lambda one: one.since)
    return tuple([*named, *unnamed][:MOST_SHOWN])


# ---- for pages ---------------------------------------------------------------------------------------------------------


def open_page(row: Any, part: str = "") -> str:
    """Note that the account under way opens the edit page of ``row``; returns the word that the page carries on.

    ``part`` tells apart two pages of one object that have nothing in common.
    """
    place = _place_of(row, part)
    token = _token_of(place)
    if has_request_context() and not tenancy.current_scope().observes:
        _store()[_STORE] = _page(token, place, _exchange(place, OPENED_FOR))
    return token


def edit_page() -> EditPage | None:
    """The edit page under way, also when it is shown again with its errors or with a conflict; None for other pages."""
    if not has_request_context():
        return None
    store = _store()
    if _STORE not in store:
        token = request.form.get(PAGE) if request.method == "POST" else None
        place = _read_token(token)
        store[_STORE] = _page(token, place, _exchange(place, OPENED_FOR)) if token and place is not None else None
    found: EditPage | None = store[_STORE]
    return found


def still_there(token: str | None) -> EditPage | None:
    """The page says that it is still used; None when the word is worth nothing."""
    place = _read_token(token)
    return None if place is None else _page(str(token), place, _exchange(place, USED_FOR))


def is_own(token: str | None) -> bool:
    """Whether the word is that of a page which the account under way opened."""
    return _read_token(token, PAGE_KNOWN) is not None


def left(token: str | None) -> None:
    """The page was left."""
    place = _read_token(token)
    if place is not None:
        _exchange(place, None)
