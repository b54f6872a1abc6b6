"""What the sheets of « Format d'import » say, whatever the format of the file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Final

from flask_babel import gettext as _

from app.core.matrix import FieldKind, Need
from app.core.tabular.writing import ColumnKind, Heading

from .specification import Line, Specification, files_accepted, how_to_fill, what_is_damaged

#: How the cells of a column are held.
_HELD: Final = {FieldKind.DATE: ColumnKind.DATE, FieldKind.NUMBER: ColumnKind.NUMBER}
#: Ground and ink of a heading; its note says the same in words.
COLOURS: Final = {Need.ALWAYS: ("#1F4E8C", "#FFFFFF"), Need.SOMETIMES: ("#FFE3A3", "#1A1A1A"), Need.NEVER: ("#E6E6E6", "#1A1A1A")}
#: What spreadsheets keep of a note.
_NOTE: Final = 900


def held(line: Line) -> ColumnKind:
    """How the cells of a column are held."""
    return _HELD.get(line.kind, ColumnKind.TEXT)


def width(line: Line) -> int:
    """Of a column, in characters."""
    longest = max([len(line.example), *(len(one.written) for one in line.allowed)])
    return max(12, min(len(line.header) + 2, 24), min(longest + 2, 30))


def headings(spec: Specification) -> list[Heading]:
    """The first line."""
    return [Heading(line.header, held(line), width(line)) for line in spec.lines]


def sheet_names(spec: Specification) -> list[str]:
    """To fill in, lists, example, explanations: in this order."""
    taken: set[str] = set()
    return [free_name(name, taken) for name in (spec.matrix.sheet_name, str(_("Lists")), str(_("Example")), str(_("Read me")))]


def free_name(name: str, taken: set[str]) -> str:
    """A name that no sheet has yet (spreadsheets compare them without case), without the characters that they keep for themselves."""
    name = "".join(" " if character in "[]:*?/\\'" else character for character in name).strip()
    free, number = name[:31].strip(), 2
    while free.casefold() in taken:
        free, number = f"{name[:27]} ({number})", number + 1
    taken.add(free.casefold())
    return free


def note(line: Line) -> str:
    """What is said beside a heading."""
    said = [line.needed, f"{line.holds}.", *line.rules]
    if line.allowed:
        said.append(str(_("Values: see the sheet “%(sheet)s”.", sheet=_("Lists"))))
    if line.example:
        said.append(str(_("Example: %(example)s", example=line.example)))
    return "\n".join(said)[:_NOTE]


def list_columns(spec: Specification) -> Iterator[tuple[Line, str, list[str]]]:
    """The columns of the sheet of the lists: whose values, heading, cells; those of each list, and its codes in the next one."""
    for line in spec.lists:
        yield line, line.header, [one.written for one in line.allowed]
        if any(one.code for one in line.allowed):
            yield line, str(_("Code: %(heading)s", heading=line.header)), [one.code for one in line.allowed]


def example_lines(spec: Specification) -> Iterator[list[date | int | Decimal | str]]:
    """The lines of the example, each cell typed as its column is held."""
    for example, read in zip(spec.examples, spec.read, strict=True):
        yield [_typed(line, example[line.name], read[line.name]) for line in spec.lines]


def _typed(line: Line, words: str, value: Any) -> date | int | Decimal | str:
    if line.kind is FieldKind.DATE and isinstance(value, date):
        return value
    return value if line.kind is FieldKind.NUMBER and isinstance(value, int | Decimal) else words


def read_me(spec: Specification) -> list[tuple[str | None, list[str]]]:
    """The explanations, by section."""
    return [
        (None, [str(spec.matrix.purpose), str(_("Fill in the first sheet only; a filled line is shown on the sheet “%(sheet)s”.", sheet=_("Example")))]),
        (str(_("Files accepted")), files_accepted(spec.matrix)),
        (str(_("How to fill in the file")), how_to_fill()),
        (str(_("Rules of this matrix")), list(spec.remarks)),
        (str(_("What a spreadsheet damages")), what_is_damaged()),
    ]


__all__ = ["COLOURS", "example_lines", "free_name", "headings", "held", "list_columns", "note", "read_me", "sheet_names", "width"]
