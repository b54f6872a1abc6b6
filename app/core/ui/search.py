"""Quick search: each feature says what it finds; one page groups the answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app

from app.core.ui.permissions import current_permissions

log = logging.getLogger(__name__)
SHOWN_PER_GROUP = 10
MIN_LENGTH = 2


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One thing found: its name, its page, and what tells it apart (number, status, town…)."""

    title: str
    href: str
    detail: str | None = None
    badge: str | None = None
    tone: str = "neutral"


@dataclass(frozen=True, slots=True)
class SearchProvider:
    """How one feature searches. ``find(text, limit)`` sees only what the tenant scope lets it see."""

    name: str
    label: Any
    find: Callable[[str, int], Sequence[SearchHit]]
    permission: tuple[str, str] | None = None
    order: int = 100
    all_url: Callable[[str], str | None] | None = None


@dataclass(frozen=True, slots=True)
class SearchGroup:
    """The answers of one provider."""

    label: str
    hits: tuple[SearchHit, ...]
    more: bool
    all_href: str | None
    failed: bool = False


_providers: dict[str, SearchProvider] = {}


#: Features that recognise a text which must stand in no address, and say where its answer is.
_private: dict[str, Callable[[str], str | None]] = {}


def register_private_search(name: str, answer: Callable[[str], str | None]) -> None:
    """Declare (or replace) ``answer(text)``: the address that shows what was found for a text that is personal by itself, such as the number
    of a person, without holding it; None for any other text."""
    _private[name] = answer


def private_answer(text: str) -> str | None:
    """Where the answer to a text that must stand in no address is; None when nobody claims it."""
    return next((address for answer in _private.values() if (address := answer(text)) is not None), None)


def register_search(provider: SearchProvider) -> None:
    """Declare (or replace) what a feature finds for the quick search."""
    _providers[provider.name] = provider


def _recover() -> None:
    """Leave the others a sound transaction; without a database there is nothing to mend."""
    from app.core.extensions import db

    if "sqlalchemy" in current_app.extensions:
        db.session.rollback()


def quick_search(text: str) -> list[SearchGroup]:
    """Ask every provider the account may use. One that fails is named, the others still answer."""
    text = " ".join(text.split())
    if len(text) < MIN_LENGTH:
        return []
    granted = current_permissions()
    groups: list[SearchGroup] = []
    for provider in sorted(_providers.values(), key=lambda item: (item.order, item.name)):
        if provider.permission is not None and provider.permission not in granted:
            continue
        try:
            hits = tuple(provider.find(text, SHOWN_PER_GROUP + 1))
        except Exception:
            log.exception("quick search failed in %s", provider.name)
            _recover()
            groups.append(SearchGroup(str(provider.label), (), False, None, failed=True))
            continue
        if hits:
            groups.append(
                SearchGroup(
                    str(provider.label),
                    hits[:SHOWN_PER_GROUP],
                    len(hits) > SHOWN_PER_GROUP,
                    provider.all_url(text) if provider.all_url else None,
                )
            )
    return groups
