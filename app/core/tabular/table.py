"""What a file is once read, and how much of one is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

#: How many lines under the first one may be the headings, below a title.
TOP: Final = 10


class CellKind(StrEnum):
    """How a spreadsheet holds a cell; every cell of a CSV file is text."""

    EMPTY = "empty"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    OTHER = "other"


class Cell(NamedTuple):
    """One cell: its text without blanks around, and what it was. A NUMBER may have lost leading zeros: say so, never add them."""

    text: str = ""
    kind: CellKind = CellKind.EMPTY


#: The only cell that holds nothing, in whatever is read.
EMPTY: Final = Cell()


@dataclass(frozen=True, slots=True)
class Row:
    """One line that holds something; ``number`` is the one the spreadsheet shows, the header being the first."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The header and the lines under it. Rows have as many cells as the header, at least.

    ``sheet`` is the name of the sheet they come from (none for a CSV file, which ``is_text``), ``others`` how many other sheets that can be
    seen hold something: they are not read, and a page tells it. ``width``: how many cells the first line of a text has, blank ones included; a line
    with more of them has a separator too many. None of a sheet, where every cell stands under a column.
    """

    header: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    sheet: str = ""
    others: int = 0
    is_text: bool = False
    width: int | None = None


@dataclass(slots=True)
class OpenTable:
    """A table whose lines are given one by one, so that none has to be kept.

    Lines may still raise Refused, the last one included (merged cells and hidden lines are only known at the end of a sheet): nothing of
    them counts before their end. ``others`` is known there too.
    """

    header: tuple[str, ...]
    rows: Iterator[Row]
    sheet: str = ""
    others: int = 0
    is_text: bool = False
    width: int | None = None
    #: The first lines under the header, once they were read: a header may stand among them, under a title.
    top: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted of a file: bytes, bytes once unpacked, entries of the archive, lines under the header, columns, characters.

    ``held`` bounds, in bytes, what the texts of a file may take once read: a small archive may hold millions of texts. ``written`` bounds the characters
    of all its lines together, as whoever writes them down counts them: a few bytes may give one long text to each cell of 200,000 lines.
    """

    size: int = 2 * 1024 * 1024
    unpacked: int = 60 * 1024 * 1024
    ratio: int = 200
    entries: int = 60
    lines: int = 5_000
    columns: int = 60
    cell: int = 2_000
    held: int = 128 * 1024 * 1024
    written: int = 50_000_000

    @property
    def elements(self) -> int:
        """How many elements of XML the exact parser accepts in all, which takes three microseconds for each: ordinary lines are not given to it."""
        return max(1_000_000, 8 * self.lines)


#: For imports in bulk: 600 MB of memory in all, for the process that reads.
BULK: Final = Limits(
    size=64 * 1024 * 1024, unpacked=1024 * 1024 * 1024, entries=200, lines=200_000, columns=120, held=224 * 1024 * 1024, written=300_000_000
)  # fmt: skip

#: Begins what a spreadsheet may run: the ASCII signs, and their full-width forms, which some take for the same.
_FORMULA: Final = tuple("=+-@\uff1d\uff0b\uff0d\uff20\0")
#: Hide nothing at the beginning of a text: blanks of every width (``str.isspace``) and these, which have none.
_NO_WIDTH: Final = "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"


def looks_like_formula(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula: some drop what stands blank before it, and a tab or a line end parts cells."""
    if text[:1] in ("\t", "\r", "\n"):
        return True
    at = 0
    while at < len(text) and (text[at].isspace() or text[at] in _NO_WIDTH):
        at += 1
    return text.startswith(_FORMULA, at)


def safe_cell(text: str) -> str:
    """A text for a CSV file: one that a spreadsheet may take for a formula is marked as text."""
    return f"'{text}" if looks_like_formula(text) else text
