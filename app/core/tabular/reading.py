"""From bytes to a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from app.core.tabular import sheets, text
from app.core.tabular.faults import Fault, Refused
from app.core.tabular.table import Cell, CellKind, Limits, Row, Table

#: Beginnings of files that are no table, and that would else be read as text.
_OTHERS = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"{\\rtf", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")
#: The old binary format of spreadsheets, and files locked by a password.
_OLE = b"\xd0\xcf\x11\xe0"
#: How many lines of a text are read, empty ones included, for each line that is accepted.
_LINES_READ: Final = 4


def read_table(content: bytes, limits: Limits | None = None) -> Table:
    """Read a file of one table, whose first line that holds something is the header. The content decides, not the name.

    Raises Refused, and nothing else.
    """
    limits = limits or Limits()
    if len(content) > limits.size:
        raise Refused(Fault.TOO_LARGE, value=limits.size // (1024 * 1024))
    if not content.strip(b"\x00\r\n\t ;,"):
        raise Refused(Fault.EMPTY)
    if content.startswith(_OLE):
        raise Refused(Fault.ENCRYPTED)
    if content.startswith(_OTHERS):
        raise Refused(Fault.UNKNOWN_FORMAT)
    if sheets.is_archive(content):
        sheets.check_archive(content, limits)
        return _table(sheets.lines_of(content, limits), limits)
    return _table(_filled(text.lines_of(content, limits), limits), limits)


def _filled(lines: Iterable[tuple[int, list[str]]], limits: Limits) -> Iterator[tuple[int, list[Cell]]]:
    """The lines of a text that hold something. A text costs one byte an empty line: too many of them are refused as well."""
    for count, (number, cells) in enumerate(lines, start=1):
        if count > limits.lines * _LINES_READ:
            raise Refused(Fault.TOO_MANY_LINES, value=limits.lines)
        if any(cell and not cell.isspace() for cell in cells):
            yield number, [Cell(cell, CellKind.TEXT) for cell in cells]


def _clean(cell: Cell, line: int, column: int, limits: Limits) -> Cell:
    words = " ".join(cell.text.replace("\u00a0", " ").replace("\u202f", " ").split()) if cell.text else ""
    if any(character < " " or character in "\x7f\ufffe\uffff" or "\ud800" <= character <= "\udfff" for character in words):
        raise Refused(Fault.FORBIDDEN_CHARACTER, line=line, column=column)
    if len(words) > limits.cell:
        raise Refused(Fault.CELL_TOO_LONG, line=line, column=column, value=limits.cell)
    return Cell(words, cell.kind) if words else Cell()


def _table(lines: Iterable[tuple[int, list[Cell]]], limits: Limits) -> Table:
    header: tuple[str, ...] | None = None
    rows: list[Row] = []
    for number, raw in lines:
        if not any(cell.text and not cell.text.isspace() for cell in raw):
            continue
        cells = [_clean(cell, number, place, limits) for place, cell in enumerate(raw, start=1)]
        while cells and not cells[-1].text:
            cells.pop()
        if not cells:
            continue
        if header is None:
            header = _header(cells, number)
            continue
        if len(rows) >= limits.lines:
            raise Refused(Fault.TOO_MANY_LINES, value=limits.lines)
        cells += [Cell()] * (len(header) - len(cells))
        rows.append(Row(number, tuple(cells)))
    if header is None:
        raise Refused(Fault.EMPTY)
    return Table(header, rows)


def _header(cells: list[Cell], line: int) -> tuple[str, ...]:
    names = tuple(cell.text for cell in cells)
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if name and name.casefold() in seen:
            raise Refused(Fault.SAME_HEADER_TWICE, line=line, column=place, value=name[:60])
        seen.add(name.casefold())
    return names
