"""From bytes to a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from app.core.tabular import archive, ods, text, xlsx
from app.core.tabular.archive import Archive
from app.core.tabular.cells import Purse
from app.core.tabular.faults import Fault, Refused
from app.core.tabular.table import EMPTY, TOP, Cell, Limits, OpenTable, Row, Table

#: Told how many lines were read, now and then and at the end.
Progress = Callable[[int], None]

#: Beginnings of files that are no table, and that would else be read as text.
_OTHERS: Final = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"{\\rtf", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\x7fELF", b"MZ\x90", b"BZh9", b"\xfd7zXZ")
#: XML and HTML that call themselves spreadsheets: no table of text.
_MARKUP: Final = re.compile(rb"\s*<(?:\?xml|!doctype|html|head|table|meta|[a-z]+:)", re.IGNORECASE)
#: Files of the old office programs: spreadsheets, and those that a password locks.
_OLE: Final = b"\xd0\xcf\x11\xe0"
_LOCKED: Final = "EncryptedPackage".encode("utf-16-le")
_OLD_SHEETS: Final = tuple(name.encode("utf-16-le") for name in ("Workbook\0", "Book\0"))
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
#: Names that say what a file is. A text may be called as one likes.
_NAMES: Final = ("xlsx", "xlsm", "xltx", "xls", "xlsb", "ods", "ots", "csv", "tsv", "txt", "tab")
_SHEET_NAMES: Final = _NAMES[: _NAMES.index("csv")]
#: What is said of a text that is no table, and that its name calls a spreadsheet: that comes first.
_NO_TABLE: Final = (Fault.ONLY_HEADER, Fault.BAD_QUOTES, Fault.CELL_TOO_LONG, Fault.TOO_MANY_COLUMNS, Fault.NO_HEADER, Fault.UNKNOWN_HEADER)
#: How much of a text may hold its first line.
_FIRST_LINE: Final = 400_000
_STEP: Final = 1_000


def read_table(content: bytes, limits: Limits | None = None, *, name: str = "", progress: Progress | None = None) -> Table:
    """Read a file of one table, whose first line that holds something is the header. The content decides, not the name.

    What a spreadsheet shows is what is read: formulas, merged cells, hidden lines, columns and sheets are refused, since their content is computed,
    guessed or unseen. So are macros: they may change what is shown, and a file that is kept, then given back, would carry them to others.
    Raises Refused, and nothing else.
    """
    limits = limits or Limits()
    purse = Purse(limits)
    rows: list[Row] = []
    with open_table(content, limits, name=name, progress=progress, purse=purse) as table:
        for row in table.rows:
            rows.append(row)
            if purse.is_empty():
                raise Refused(Fault.TOO_MUCH_TEXT).under(table.header)
        return Table(table.header, rows, table.sheet, table.others, table.is_text, table.width)


@contextmanager
def open_table(
    content: bytes, limits: Limits | None = None, *, name: str = "", progress: Progress | None = None, purse: Purse | None = None
) -> Generator[OpenTable]:
    """The same, whose lines are given one by one: see :class:`OpenTable`. Raises Refused, from its lines too."""
    limits = limits or Limits()
    purse = purse or Purse(limits)
    with ExitStack() as stack:
        try:
            yield _opened(content, limits, stack, purse, progress)
        except Refused as error:
            raise as_named(error, name, is_text=is_text(content)) from None


def sheet_ending(name: str) -> str:
    """« .xlsx », if the name says that a file is a spreadsheet; else nothing."""
    ending = _ending(name)
    return f".{ending}" if ending in _SHEET_NAMES else ""


def header_of_text(content: bytes, limits: Limits | None = None) -> tuple[str, ...] | None:
    """The first line of a text of which only the beginning is there; None when it is no text, or cannot be read."""
    if not is_text(content):
        return None
    limits = limits or Limits()
    beginning = text.beginning(content, _FIRST_LINE)
    try:
        return next((tuple(cell.text for cell in line) for _number, line in text.lines_of(beginning, limits, Purse(limits))), None)
    except Refused as error:
        return error.header


def is_text(content: bytes) -> bool:
    """Whether a file is read as a text, whatever its name says."""
    return not (
        archive.is_archive(content) or content.startswith((_OLE, *_OTHERS)) or _MARKUP.match(content[:400]) is not None or _is_binary(content)
    )


def _opened(content: bytes, limits: Limits, stack: ExitStack, purse: Purse, progress: Progress | None) -> OpenTable:
    if len(content) > limits.size:
        raise Refused(Fault.TOO_LARGE, value=limits.size // (1024 * 1024))
    if not content.strip(b"\x00\r\n\t ;,|"):
        raise Refused(Fault.EMPTY)
    if content.startswith(_OLE):
        raise Refused(_fault_of_ole(content))
    if not archive.is_archive(content):
        if not is_text(content):
            raise Refused(Fault.UNKNOWN_FORMAT)
        return _begun(text.lines_of(content, limits, purse), limits, progress, is_text=True)
    entries = stack.enter_context(archive.opened(content, limits))
    if "xl/workbook.bin" in entries:
        raise Refused(Fault.BINARY_WORKBOOK)
    if entries.has_macros():
        raise Refused(Fault.MACROS)
    return _spreadsheet(entries, limits, purse, progress)


def _spreadsheet(entries: Archive, limits: Limits, purse: Purse, progress: Progress | None) -> OpenTable:
    if "xl/workbook.xml" in entries:
        sheet, others, lines = xlsx.read(entries, limits, purse)
        try:
            table = _begun(lines, limits, progress)
        except Refused as error:
            raise Refused(Fault.FIRST_SHEET_EMPTY, value=sheet[:60]) if error.fault is Fault.EMPTY and others else error from None
        table.sheet, table.others = sheet, others
        return table
    known, lines = ods.read(entries, limits, purse)
    try:
        table = _begun(lines, limits, progress)
    except Refused as error:
        raise Refused(Fault.FIRST_SHEET_EMPTY, value=known.name[:60]) if error.fault is Fault.EMPTY and known.others else error from None
    table.sheet = known.name

    def then_others(rows: Iterator[Row]) -> Iterator[Row]:
        yield from rows
        table.others = known.others

    table.rows = then_others(table.rows)
    return table


def _fault_of_ole(content: bytes) -> Fault:
    """What a file of the old office programs is, by the names of its streams."""
    if _LOCKED in content:
        return Fault.ENCRYPTED
    return Fault.OLD_FORMAT if any(name in content for name in _OLD_SHEETS) else Fault.UNKNOWN_FORMAT


def _is_binary(content: bytes) -> bool:
    """Whether so many bytes are no characters that it is no text, of any encoding: one or two are a fault of a text."""
    sample = content[:4096]
    if text.is_utf_16(content):
        return False
    found = len(_CONTROL.findall(sample))
    return found >= 16 and found * 10 > len(sample)


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""


def as_named(error: Refused, name: str, *, is_text: bool) -> Refused:
    """What cannot be read, and is not what its name says, is said so."""
    ending = _ending(name)
    if is_text and ending in _SHEET_NAMES and error.fault in _NO_TABLE:
        return Refused(Fault.TEXT_AS_SHEET, value=f".{ending}")
    if error.fault is Fault.UNKNOWN_FORMAT and ending in _NAMES:
        return Refused(Fault.NOT_AS_NAMED, value=f".{ending}")
    if error.fault in (Fault.UNDECODABLE, Fault.FORBIDDEN_CHARACTER) and ending in _SHEET_NAMES and error.line == 1:
        return Refused(Fault.NOT_AS_NAMED, value=f".{ending}")
    return error


def _begun(lines: Iterable[tuple[int, list[Cell]]], limits: Limits, progress: Progress | None, *, is_text: bool = False) -> OpenTable:
    """The header, and the lines that follow."""
    remaining = iter(lines)
    for number, cells in remaining:
        width = len(cells) if is_text else None
        while cells[-1] is EMPTY:
            cells.pop()
        header = _header(cells, number)
        top: list[Row] = []
        return OpenTable(header, _under(header, top, _rows(remaining, len(header), limits, progress)), is_text=is_text, width=width, top=top)
    raise Refused(Fault.EMPTY)


def _under(header: tuple[str, ...], top: list[Row], rows: Iterator[Row]) -> Iterator[Row]:
    """The lines; what is refused of them knows their headings, and the first of them."""
    try:
        for row in rows:
            if len(top) < TOP:
                top.append(row)
            yield row
    except Refused as error:
        error.top = error.top or tuple(top)
        raise error.under(header) from None


def _rows(lines: Iterator[tuple[int, list[Cell]]], width: int, limits: Limits, progress: Progress | None) -> Iterator[Row]:
    count = 0
    for number, cells in lines:
        count += 1
        if count > limits.lines:
            raise Refused(Fault.TOO_MANY_LINES, value=limits.lines)
        short = width - len(cells)
        if short > 0:
            cells.extend([EMPTY] * short)
        yield Row(number, tuple(cells))
        if progress is not None and not count % _STEP:
            progress(count)
    if not count:
        raise Refused(Fault.ONLY_HEADER)
    if progress is not None:
        progress(count)


def _header(cells: list[Cell], line: int) -> tuple[str, ...]:
    names = tuple(cell.text for cell in cells)
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if name and name.casefold() in seen:
            raise Refused(Fault.SAME_HEADER_TWICE, line=line, column=place, value=name[:60]).under(names)
        seen.add(name.casefold())
    return names
