"""What the sheets of the two formats have in common: lines given in order, none of them hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.core.tabular.cells import Purse, clean
from app.core.tabular.faults import Fault, Refused
from app.core.tabular.parts import Part
from app.core.tabular.table import EMPTY, TOP, Cell, CellKind, Limits, Row

#: How many blank cells may follow those that hold something, in all the lines together: a table that was given borders far beyond its end has some millions.
_BLANKS: Final = 5_000_000
#: What looking at a blank line costs, in blank cells.
_BLANK_LINE: Final = 3
#: How far down a line may stand, blank ones included, for each line that is accepted.
LINES_READ: Final = 4


def times(text: str, least: int) -> int:
    """A whole number of the XML, ``least`` at least. Raises Refused."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 8:
        raise Refused(Fault.UNREADABLE)
    return max(int(text), least)


class Sheet(Part):
    """The lines of a sheet, as (number, cells up to the last that holds something). What is hidden and holds something is refused."""

    def __init__(self, limits: Limits, purse: Purse) -> None:
        super().__init__(limits, purse)
        #: The first line that holds something, once it was met.
        self.first: tuple[str, ...] | None = None
        #: The lines that follow it, some of them: a header may stand there, under a title.
        self.top: list[Row] = []
        #: Why the file is refused for its merged cells, said once these lines are known: most titles are merged.
        self.merged: Refused | None = None
        #: The last line that was begun.
        self.line = 0
        self.hidden_columns: set[int] = set()
        self.filtered = False
        self._blanks = _BLANKS
        self._hidden_line: int | None = None

    def give(self, number: int, line: list[Cell], repeat: int = 1, *, hidden: bool = False) -> None:
        """One line, or one that comes so many times. Raises Refused."""
        width = len(line)
        while line and line[-1] is EMPTY:
            line.pop()
        if len(line) != width:
            self.blank(width - len(line), whole=not line)
        if not line:
            return
        self.too_far(number)
        if self.first is None:
            self.first = tuple(cell.text for cell in line[: self.limits.columns])
        elif len(self.top) < TOP:
            self.top.append(Row(number, tuple(line)))
        if len(line) > self.limits.columns:
            raise Refused(Fault.TOO_MANY_COLUMNS, line=number, value=self.limits.columns)
        if hidden:
            # whether a filter hides it is told after the lines
            self._hidden_line = self._hidden_line or number
        if self.hidden_columns:
            unseen = [column for column, cell in enumerate(line) if cell is not EMPTY and column in self.hidden_columns]
            if unseen:
                raise Refused(Fault.HIDDEN_COLUMN, column=unseen[0] + 1)
        if self.merged is not None and len(self.top) == TOP:
            raise self.merged
        self.found.append((number, line, repeat))

    def blank(self, count: int, *, whole: bool) -> None:
        """So many cells at the end of a line hold nothing, the ``whole`` of it maybe. Raises Refused."""
        self._blanks -= count + _BLANK_LINE * whole
        if self._blanks < 0:
            raise Refused(Fault.TOO_LONG_TO_READ)

    def too_far(self, number: int) -> None:
        """Refuse a line that stands too far down. Raises Refused."""
        if number > (self.limits.lines + 1) * LINES_READ:
            raise Refused(Fault.TOO_MANY_LINES, value=self.limits.lines)

    def lines(self, pieces: Iterator[bytes]) -> Iterator[tuple[int, list[Cell]]]:
        """The lines. Raises Refused."""
        try:
            for number, line, repeat in self.read(pieces):
                yield number, line
                if repeat > 1:  # spread as they are asked for: no more than one is held
                    for more in range(number + 1, number + repeat):
                        self.too_far(more)
                        yield more, list(line)
            if self.merged is not None:
                raise self.merged
            if self._hidden_line is not None:
                raise Refused(Fault.FILTERED_LINES if self.filtered else Fault.HIDDEN_LINE, line=self._hidden_line)
        except Refused as error:
            if self.first is not None:
                error.under(self.first).top = tuple(self.top)
            raise

    def _text(self, text: str) -> Cell:
        return self._paid(clean(text, CellKind.TEXT, self.limits))

    def _paid(self, cell: Cell) -> Cell:
        if not cell.text:
            return EMPTY
        self.purse.pay(cell.text)
        return cell
