"""The lines of a file: packed as they are read, and opened again column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from app.core.matrix import Finding
from app.core.tabular import Cell, CellKind, Fault, Limits, OpenTable, Refused, open_table
from app.core.tabular.cells import Purse
from app.core.tabular.table import EMPTY

from . import beyond, parts
from .beyond import Beyond
from .domain import PartKind
from .models import ImportFile
from .services import LIMITS

#: Distinct cells of a column that are looked up: in one that has more, most are there once.
_MOST_CELLS: Final = 5_000


class Packed(NamedTuple):
    """A file that was read."""

    #: At its end.
    table: OpenTable
    #: Its headings, those of the columns that have none and of the cells too many among them (``beyond``).
    heading: list[str]
    total: int
    #: Its lines, as parts keep them.
    lines: list[bytes]


def read_packed(content: bytes, limits: Limits, name: str, progress: Callable[[int], None]) -> Packed:
    """A file, whose lines are never all held as they are.  Raises Refused."""
    purse, lines = Purse(limits), 0

    def rows() -> Iterator[list[Any]]:
        nonlocal lines
        for row in table.rows:
            if purse.is_empty():  # the columns that are known will be held, and every line is written
                raise Refused(Fault.TOO_MUCH_TEXT).under(table.header)
            lines += 1
            yield [row.number, _row(outside.row(row.cells))]

    with open_table(content, limits, name=name, progress=progress, purse=purse) as table:
        outside = Beyond(table.header, table.width)
        made = list(parts.packed(rows(), purse.write))
    return Packed(table, outside.heading(), lines, made)


def _row(cells: Sequence[Cell]) -> list[Any]:
    """Cells as they are kept: most are texts."""
    return [text if kind is CellKind.TEXT or kind is CellKind.EMPTY else [text, kind.value] for text, kind in cells]


def cell_of(kept: Any) -> Cell:
    """The cell that ``_row`` kept."""
    if isinstance(kept, str):
        return Cell(kept, CellKind.TEXT) if kept else EMPTY
    return Cell(kept[0], CellKind(kept[1]))


class _Cells(dict[Any, Cell]):
    """One object for each distinct cell, as long as there are few; what is made is paid for."""

    def __init__(self, purse: Purse) -> None:
        super().__init__({"": EMPTY})
        self._purse = purse

    def __missing__(self, kept: Any) -> Cell:
        made = cell_of(kept)
        self._purse.pay(made.text)
        if len(self) < _MOST_CELLS:
            self[kept] = made
        return made

    def column(self, kept: Sequence[Any]) -> list[Cell]:
        """The cells of a column that ``_row`` kept."""
        try:
            return list(map(self.__getitem__, kept))
        except TypeError:  # one that is no text
            return [self[tuple(one) if isinstance(one, list) else one] for one in kept]


def lines_of(file: ImportFile) -> tuple[list[int], dict[str, list[Cell]], list[Finding]]:
    """The lines of a file that were not left out, the cells of each column that the matrix knows, and what is said of lines with cells too many.

    Raises Refused when these take too much memory.
    """
    spilled: list[Finding] = []
    places = {place: name for place, name in enumerate(file.columns or ()) if name}
    cells: dict[str, list[Cell]] = {name: [] for name in places.values()}
    width = max(places, default=-1) + 1
    numbers: list[int] = []
    purse = Purse(LIMITS)
    known = {name: _Cells(purse) for name in cells}
    left_out = set(file.left_out)
    for items in parts.pieces_of(file.id, PartKind.ROWS):
        if left_out:
            items = [item for item in items if item[0] not in left_out]  # noqa: PLW2901 - what is left out is as if it were not there
        numbers += [number for number, _row in items]
        spilled += beyond.findings_of(file, dict(items))
        rows = [row if len(row) >= width else [*row, *[""] * (width - len(row))] for _number, row in items]
        for place, kept in enumerate(zip(*rows, strict=False)):  # a row may be longer than what is known of it
            if place in places:
                cells[places[place]] += known[places[place]].column(kept)
        if purse.is_empty():
            raise Refused(Fault.TOO_MUCH_TEXT)
    return numbers, cells, spilled


__all__ = ["Packed", "cell_of", "lines_of", "read_packed"]
