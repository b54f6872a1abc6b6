"""Searches an account keeps under a name: its own only, twenty at most."""

from __future__ import annotations

from app.core.locks import Lock
from app.core.named import Shelf

from .domain import MAX_SAVED_SEARCHES
from .models import SavedSearch

SHELF = Shelf(SavedSearch, lock=Lock.SAVED_SEARCHES, most=MAX_SAVED_SEARCHES)


class NothingToSave(ValueError):
    """The search narrows nothing."""


def save(name: str, query: str) -> SavedSearch:
    """Keep a search under a name.  Raises NothingToSave, and what ``Shelf.keep`` does."""
    if not query:
        raise NothingToSave
    return SHELF.keep(name, query=query)


__all__ = ["SHELF", "NothingToSave", "save"]
