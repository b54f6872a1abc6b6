"""What a file holds outside its headings: columns that have none, and the cells that a line has too many.

Neither is passed over.  A column without heading is asked about as one whose heading nobody knows.  A line of a text with more cells than the first one was
shifted by a separator too many: it is wrong, and nothing else is said of it, for its other cells are not where they belong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from flask_babel import ngettext

from app.core.matrix import Finding
from app.core.matrix.plan import Plan
from app.core.tabular import Cell, CellKind
from app.core.tabular.labels import column_letters
from app.core.textsearch import fold
from app.core.ui.format import fr_number

from .models import ImportFile

#: The column in which the cells too many are kept together, one text a line.  The annotated file has it, and is known by it when it comes back.
SPILLED: Final = "Cellules de trop"
#: What the grid calls that cell.
NAME: Final = "cells_too_many"
_BETWEEN: Final = " | "
_MOST: Final = 2_000
_UNTITLED: Final = re.compile(r"colonne [a-z]{1,3} sans titre")


def untitled_heading(place: int) -> str:
    """What stands for the heading of a column that has none."""
    return f"(colonne {column_letters(place + 1)} sans titre)"


def is_untitled(words: str) -> bool:
    """Whether this stands for a heading that is not there: what is said of such a column says nothing of the next file."""
    return _UNTITLED.fullmatch(fold(words)) is not None


def is_spilled(words: str) -> bool:
    """Whether this is the heading of the cells too many."""
    return fold(words) == fold(SPILLED)


class Beyond:
    """Looks at the lines of a file as they are read."""

    def __init__(self, header: Sequence[str], width: int | None) -> None:
        self._header, self._width = header, width
        self._blank = {place for place, words in enumerate(header) if not words}
        self._untitled: set[int] = set()
        self._spilled = False

    def row(self, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """The line as it is kept: those of its cells that are too many are one."""
        if self._blank:
            self._untitled |= {place for place in self._blank if cells[place].text}
            self._blank -= self._untitled
        if len(cells) > len(self._header):
            end = len(cells) if self._width is None else self._width
            self._untitled.update(place for place in range(len(self._header), min(len(cells), end)) if cells[place].text)
            if len(cells) > end:
                self._spilled = True
                words = _BETWEEN.join(cell.text for cell in cells[end:] if cell.text)
                return (*cells[:end], Cell(words[:_MOST], CellKind.TEXT))
        return cells

    def heading(self) -> list[str]:
        """The headings, once all lines were seen."""
        last = max([len(self._header) - 1, *self._untitled]) + 1
        width = self._width if self._spilled and self._width is not None else last
        heading = [*self._header, *[""] * (width - len(self._header))]
        for place in self._untitled:
            heading[place] = untitled_heading(place)
        return [*heading, SPILLED] if self._spilled else heading


def spilled_places(heading: Sequence[str], columns: Sequence[str]) -> list[int]:
    """Where the cells too many are kept."""
    return [place for place, (words, column) in enumerate(zip(heading, columns, strict=False)) if not column and is_spilled(words)]


def finding(line: int, text: str, heading: Sequence[str]) -> Finding:
    """What is said of a line that has cells too many."""
    count = len(text.split(_BETWEEN))
    before = list(takewhile(lambda words: not is_spilled(words), heading))
    last = next((words for words in reversed(before) if words), "")
    return Finding(line, "", str(ngettext(
        "%(count)s cell too many after the last column (« %(heading)s »): a separator shifts this line, a « ; » in an address for instance. Put the cell that "
        "holds it between quotation marks, or remove what is too many.",
        "%(count)s cells too many after the last column (« %(heading)s »): a separator shifts this line, a « ; » in an address for instance. Put the cell that "
        "holds it between quotation marks, or remove what is too many.",
        count, count=fr_number(count), heading=last[:60],
    )))  # fmt: skip


def has_spilled(file: ImportFile) -> bool:
    """Whether some line of a file came with cells too many."""
    return bool(spilled_places(file.heading or (), file.columns or ()))


def spilled_of(file: ImportFile, row: Sequence[Any]) -> str | None:
    """The cells too many of a line as it is kept; None where the file has no such column."""
    places = spilled_places(file.heading or (), file.columns or ())
    return _at(places, row) if places else None


def _at(places: Sequence[int], row: Sequence[Any]) -> str:
    kept = (row[place] if place < len(row) else "" for place in places)
    return _BETWEEN.join(text for one in kept if (text := one if isinstance(one, str) else str(one[0])))


def findings_of(file: ImportFile, rows: Mapping[int, Sequence[Any]]) -> list[Finding]:
    """What is said of those of these lines that have cells too many."""
    places = spilled_places(file.heading or (), file.columns or ())
    return [finding(line, text, file.heading or ()) for line, row in rows.items() if (text := _at(places, row))] if places else []


def only(found: Sequence[Finding], spilled: Sequence[Finding]) -> list[Finding]:
    """What is wrong, without what follows from a shift."""
    shifted = {one.line: one for one in spilled}
    return [one for one in found if shifted.get(one.line, one) == one]


def without_consequences(plan: Plan, spilled: Sequence[Finding]) -> Plan:
    """A plan whose shifted lines say that they are, and nothing else."""
    if spilled:
        plan.findings = only(plan.findings, spilled)
    return plan


__all__ = [
    "NAME", "SPILLED", "Beyond", "finding", "findings_of", "has_spilled", "is_spilled", "is_untitled", "only", "spilled_of", "spilled_places",
    "untitled_heading", "without_consequences",
]  # fmt: skip
