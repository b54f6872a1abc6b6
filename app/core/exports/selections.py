"""Selections of columns that an account keeps under a name: its own only, some for each list."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.locks import Lock
from app.core.named import Shelf

from .domain import MOST_SELECTIONS
from .models import ExportSelection

SHELF = Shelf(ExportSelection, lock=Lock.SAVED_COLUMNS, most=MOST_SELECTIONS, part="list_name")


def save(list_name: str, name: str, columns: Sequence[str], *, replace: bool) -> ExportSelection:
    """Keep columns under a name; one of this name is changed if ``replace`` says so.  Raises what ``Shelf.keep`` does."""
    return SHELF.keep(name, part=list_name, replace=replace, columns=list(columns))


__all__ = ["SHELF", "save"]
