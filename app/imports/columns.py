"""Which column of the matrix each heading of a file stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from sqlalchemy import delete, select

from app.core.extensions import db
from app.core.matrix import Matrix
from app.core.matrix.definition import Description, Need, describe, header_of
from app.core.nir import normalise
from app.core.nir.text import holds_number
from app.core.tabular import Fault, Limits, Refused, as_named, header_of_text, is_text
from app.core.tabular.table import Row
from app.core.textsearch import fold

from .beyond import SPILLED, is_untitled
from .matrices import IMPORTERS
from .models import ImportHeading

#: The column that the annotated file adds: it is left out when the file comes back.
TO_MEND: Final = "À corriger"


#: The number of a person, right or wrong; a figure or a date.
_PERSON: Final = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6,8}")
_FIGURES: Final = re.compile(r"[0-9][0-9 .,/:-]*")


@dataclass(slots=True)
class Mapped:
    """What is known of the headings: the column of each place ("" for none), proposals for the unknown ones, and what nobody has decided."""

    columns: list[str]
    proposed: dict[int, str] = field(default_factory=dict)
    undecided: list[int] = field(default_factory=list)
    #: Places that name a column which another place names already.
    twice: list[int] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether nobody has to be asked."""
        return not self.undecided and not self.twice


def known_names(matrix: Matrix) -> dict[str, str]:
    """What each column is called: its heading, its other headings, its technical name."""
    names: dict[str, str] = {}
    for column in matrix.columns:
        for words in (header_of(column), *column.aliases, column.name):
            names.setdefault(fold(words), column.name)
    return names


def map_headings(heading: Sequence[str], matrix: Matrix, remembered: Mapping[str, str]) -> Mapped:
    """Columns by name, whatever their order and accents; then as the organisation said once; the rest is proposed by likeness.

    Headings that the matrix leaves out are no column, unless the organisation said otherwise.
    """
    names = known_names(matrix)
    remembered = {fold(str(words)): "" for words in matrix.left_out} | dict(remembered)
    mapped = Mapped([])
    for place, words in enumerate(heading):
        folded = fold(words)
        column = "" if folded in ("", fold(TO_MEND), fold(SPILLED)) else names.get(folded, remembered.get(folded))
        if column is None:
            mapped.undecided.append(place)
            column = ""
        elif column and column in mapped.columns:
            mapped.twice.append(place)
        mapped.columns.append(column)
    for place in mapped.undecided:
        free = {words: column for words, column in names.items() if column not in mapped.columns and column not in mapped.proposed.values()}
        close = get_close_matches(fold(heading[place]), free, 1, 0.75)
        if close:
            mapped.proposed[place] = free[close[0]]
    return mapped


def is_data(heading: Sequence[str], mapped: Mapped) -> bool:
    """Whether the first line is one of data, of a file without headings: it is not kept, since what is kept of headings is not sealed."""
    if any(holds_number(words) or _PERSON.fullmatch(normalise(words)) for words in heading):
        return True
    return not any(mapped.columns) and any(_FIGURES.fullmatch(words) for words in heading)


#: How many headings a line names at least, to be taken for that of the headings.
_HEADINGS: Final = 3


def header_below(heading: Sequence[str], top: Sequence[Row], matrix: Matrix, remembered: Mapping[str, str]) -> Refused | None:
    """What refuses a file whose headings stand under a title: the line where they are; those of another matrix are told as well."""
    known = max(_known_by_any(heading, matrix, remembered), 1)
    for row in top:
        if _known_by_any([cell.text for cell in row.cells], matrix, remembered) >= max(_HEADINGS, 2 * known):
            return Refused(Fault.HEADER_BELOW, line=row.number)
    return None


def _known_by_any(heading: Sequence[str], chosen: Matrix, remembered: Mapping[str, str]) -> int:
    return max(_fit(heading, one.matrix, remembered if one.matrix is chosen else {})[0] for one in IMPORTERS.values())


#: Said of a file whose headings may be right; of one whose headings are not, this is no help.
_OF_SIZE: Final = (
    Fault.TOO_LARGE, Fault.TOO_LARGE_UNPACKED, Fault.TOO_MUCH_TEXT, Fault.TOO_LONG_TO_READ, Fault.TOO_MANY_LINES, Fault.TOO_MANY_COLUMNS,
    Fault.CELL_TOO_LONG,
)  # fmt: skip


def headings_first(refused: Refused, matrix: Matrix, remembered: Mapping[str, str]) -> Refused:
    """Why a file is refused: its headings come before its size, when they stand lower, are no headings, or none that this matrix knows.

    What is left of the fault may name the heading of a column, but for a first line that is one of data.
    """
    if refused.header is None:
        return refused
    below = header_below(refused.header, refused.top, matrix, remembered)
    if below is not None:
        return below
    mapped = map_headings(refused.header, matrix, remembered)
    data = is_data(refused.header, mapped)
    if data and refused.fault in (*_OF_SIZE, Fault.SAME_HEADER_TWICE):
        return Refused(Fault.NO_HEADER)
    if refused.fault in _OF_SIZE and not any(mapped.columns) and not mapped.proposed:
        return Refused(Fault.UNKNOWN_HEADER, value=str(matrix.title))
    if data:
        refused.header = None
    return refused


def why_not_read(refused: Refused, content: bytes, name: str, matrix: Matrix, remembered: Mapping[str, str]) -> Refused:
    """The same, of a file that is there with its name: a text that its name calls a workbook is said to be none."""
    return as_named(headings_first(refused, matrix, remembered), name, is_text=is_text(content))


def only_known(heading: Sequence[str], matrix: Matrix, remembered: Mapping[str, str]) -> list[str]:
    """The headings that the matrix knows, the others blank: what is kept of a file that was refused names nobody."""
    return [words if column else "" for words, column in zip(heading, map_headings(heading, matrix, remembered).columns, strict=True)]


def too_large(content: bytes, name: str, limits: Limits, matrix: Matrix, remembered: Mapping[str, str]) -> Refused:
    """Why a file of more than ``limits.size`` is refused, of which only the beginning was received."""
    refused = Refused(Fault.TOO_LARGE, value=limits.size // (1024 * 1024))
    refused.header = header_of_text(content, limits)
    return why_not_read(refused, content, name, matrix, remembered)


def better_matrix(heading: Sequence[str], chosen: Matrix, remembered: Mapping[str, str]) -> Matrix | None:
    """The matrix that knows more of these headings and lacks no more of its keys, or as many and none of its keys; ``remembered`` of the chosen one."""
    known, lacking = _fit(heading, chosen, remembered)
    best = None
    for importer in IMPORTERS.values():
        other_known, other_lacking = _fit(heading, importer.matrix, {})
        if (other_known > known and other_lacking <= lacking) or (other_known == known and not other_lacking and lacking):
            best, known, lacking = importer.matrix, other_known, other_lacking
    return best


def _fit(heading: Sequence[str], matrix: Matrix, remembered: Mapping[str, str]) -> tuple[int, int]:
    """How many columns of a matrix these headings name, and how many of its keys they do not."""
    names = known_names(matrix)
    named = {names.get(fold(words)) or remembered.get(fold(words)) for words in heading} - {None, ""}
    return len(named), sum(column.name not in named for column in matrix.keys)


def missing(columns: Sequence[str], described: Sequence[Description]) -> tuple[list[Description], list[Description]]:
    """The key columns that the file lacks, and the others that a new line needs."""
    absent = [one for one in described if one.column.name not in columns and one.need is Need.ALWAYS]
    return [one for one in absent if one.column.key], [one for one in absent if not one.column.key]


def remembered_for(matrix: Matrix) -> dict[str, str]:
    """What the organisation said of headings of such files."""
    rows = db.session.execute(select(ImportHeading.heading, ImportHeading.column_name).where(ImportHeading.matrix == matrix.name))
    return {row.heading: row.column_name for row in rows}


def remember(matrix: Matrix, organisation_id: int, said: Mapping[str, str]) -> None:
    """Keep what was said of headings, for the next file; those that are known by name need no keeping, a column without any gets none."""
    names = known_names(matrix)
    told = {fold(words)[:200]: column for words, column in said.items() if fold(words) not in names and not is_untitled(words)}
    statement = select(ImportHeading).where(ImportHeading.matrix == matrix.name, ImportHeading.heading.in_(told))
    held = {one.heading: one for one in db.session.scalars(statement)}
    for words, column in told.items():
        if words in held:
            held[words].column_name = column
        else:
            db.session.add(ImportHeading(organisation_id=organisation_id, matrix=matrix.name, heading=words, column_name=column))


def forget(matrix: Matrix, heading: Sequence[str]) -> None:
    """Drop what was said of these headings."""
    folded = {fold(words)[:200] for words in heading}
    statement = delete(ImportHeading).where(ImportHeading.matrix == matrix.name, ImportHeading.heading.in_(folded))
    db.session.execute(statement.execution_options(synchronize_session=False))


__all__ = [
    "TO_MEND", "Mapped", "better_matrix", "describe", "forget", "header_below", "headings_first", "is_data", "known_names", "map_headings", "missing",
    "only_known", "remember", "remembered_for", "too_large", "why_not_read",
]  # fmt: skip
