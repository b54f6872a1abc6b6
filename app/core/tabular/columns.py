"""The columns of a file that people complete: where each stands, which are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from app.core.textsearch import fold

C = TypeVar("C", bound=str)


class MissingColumns(Exception):
    """The file lacks required columns."""

    def __init__(self, columns: Sequence[Any]) -> None:
        super().__init__(", ".join(columns))
        self.columns = columns


def columns_of(header: Sequence[str], names: Mapping[str, C], required: Sequence[C]) -> tuple[dict[C, int], list[C]]:
    """Where each column is, by the ``names`` it goes under, and the required ones that are missing.

    Accents, case and unknown columns do not matter; a column named twice is the first.
    """
    known = {fold(words): column for words, column in names.items()}
    found: dict[C, int] = {}
    for place, words in enumerate(header):
        column = known.get(fold(words))
        if column is not None:
            found.setdefault(column, place)
    return found, [column for column in required if column not in found]
