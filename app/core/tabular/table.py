"""What a file is once read, and how much of one is accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class CellKind(StrEnum):
    """How a spreadsheet holds a cell; every cell of a CSV file is text."""

    EMPTY = "empty"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text without blanks around, and what it was. A NUMBER may have lost leading zeros: say so, never add them."""

    text: str = ""
    kind: CellKind = CellKind.EMPTY


@dataclass(frozen=True, slots=True)
class Row:
    """One line that holds something; ``number`` is the one the spreadsheet shows, the header being the first."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The header and the lines under it. Rows have as many cells as the header, at least."""

    header: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted of a file: bytes, bytes once unpacked, entries of the archive, lines under the header, columns, characters."""

    size: int = 2 * 1024 * 1024
    unpacked: int = 60 * 1024 * 1024
    ratio: int = 200
    entries: int = 60
    lines: int = 5_000
    columns: int = 60
    cell: int = 2_000


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\0")


def looks_like_formula(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula."""
    return text.startswith(_FORMULA)


def safe_cell(text: str) -> str:
    """A text for a CSV file: one that a spreadsheet may take for a formula is marked as text."""
    return f"'{text}" if looks_like_formula(text) else text
