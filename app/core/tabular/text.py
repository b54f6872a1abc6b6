"""CSV: which characters, which separator, which cells."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from app.core.tabular import cells
from app.core.tabular.cells import Purse, Remembered
from app.core.tabular.faults import Fault, Refused
from app.core.tabular.sheet import LINES_READ
from app.core.tabular.table import EMPTY, Cell, CellKind, Limits, looks_like_formula

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_SEPARATORS: Final = (";", "\t", ",", "|")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
#: What some spreadsheets write before the first line, to tell the separator.
_TOLD: Final = re.compile(r'\s*"?sep=([;,|\t])"?[ \t]*[;,|\t]*(?:\r\n|\r|\n)', re.IGNORECASE)
#: Under a first line with one separator at most, how many lines may be its table's, and how many separators one of them has at least.
_TITLE_LINES: Final = 10
_MANY: Final = 5
_PIECE: Final = 1024 * 1024
#: The most characters of one line, whose cells are told apart all at once: many times what the longest columns of the largest table hold.
_LINE: Final = 2_000_000


def is_utf_16(content: bytes) -> str:
    """UTF-16 that no mark announces: NUL bytes every other place. Its name, or nothing."""
    sample = content[:400]
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16-le" if content.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    if len(sample) >= 4:
        low, high = sample[0::2].count(0), sample[1::2].count(0)
        if high > len(sample) // 3 and not low:
            return "utf-16-le"
        if low > len(sample) // 3 and not high:
            return "utf-16-be"
    return ""


def beginning(content: bytes, size: int) -> bytes:
    """So many bytes of a text (an even number), or those before a character that would be cut."""
    begun = content[:size]
    if len(begun) < len(content) and not _is_utf_8(begun):
        return next((begun[:-cut] for cut in (1, 2, 3) if _is_utf_8(begun[:-cut])), begun)
    return begun


def encoding_of(content: bytes) -> tuple[str, int]:
    """UTF-8, UTF-16 (by their mark, or by NUL bytes every other place) or Windows-1252, and how long its mark is.

    Raises Refused with the line and column of the first byte that none of them reads, or of the first character that no text holds.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            _check(content, encoding, len(mark))
            return encoding, len(mark)
    encoding = is_utf_16(content)
    if not encoding:
        encoding = "utf-8" if _is_utf_8(content) else "cp1252"
    _check(content, encoding, 0)
    return encoding, 0


def _is_utf_8(content: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), _PIECE):
            decoder.decode(content[start : start + _PIECE])
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _check(content: bytes, encoding: str, start: int) -> None:
    """Whether each character can be read and may stand in a text, a piece at a time."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, column = 1, 0
    returned = False
    for place in range(start, len(content) + 1, _PIECE):
        piece = content[place : place + _PIECE]
        fault = None
        try:
            words = decoder.decode(piece, place + _PIECE >= len(content))
        except UnicodeDecodeError as error:
            words, fault = error.object[: error.start].decode(encoding, "replace"), Fault.UNDECODABLE
        bad = _FORBIDDEN.search(words)
        if bad is not None:
            words, fault = words[: bad.start()], Fault.FORBIDDEN_CHARACTER
        if returned and words.startswith("\n"):
            words = words[1:]
        ends = words.count("\n") + words.count("\r") - words.count("\r\n")
        line += ends
        column = len(words) - max(words.rfind("\n"), words.rfind("\r")) - 1 if ends else column + len(words)
        if fault is not None:
            raise Refused(fault, line=line, column=column + 1, in_text=True)
        returned = words.endswith("\r") if words else returned


def separator_of(text: str) -> str:
    """The separator of the first line that holds something: the one found most often outside quotes; of a title, that of the table below."""
    lines = _counted(text)
    first = next(lines)
    found = max(_SEPARATORS, key=first.__getitem__)
    if first[found] <= 1:
        for below in islice(lines, _TITLE_LINES):
            other = max(_SEPARATORS, key=below.__getitem__)
            if below[other] >= _MANY and not (first[found] and below[found]):
                return other
    return found


def _counted(text: str) -> Iterator[dict[str, int]]:
    """How often each separator stands outside quotes, in each line that holds something; of one at least."""
    counts = dict.fromkeys(_SEPARATORS, 0)
    quoted = seen = False
    for character in text[:20_000]:
        if character == '"':
            quoted = not quoted
        elif not quoted and character in counts:
            counts[character] += 1
        elif not quoted and character in "\r\n":
            if seen:
                yield counts
            counts = dict.fromkeys(_SEPARATORS, 0)
            seen = False
        seen = seen or not character.isspace()
    yield counts


def lines_of(content: bytes, limits: Limits, purse: Purse) -> Iterator[tuple[int, list[Cell]]]:
    """The lines of a CSV file that hold something, with the number each begins at; quoted cells may hold line ends. Raises Refused.

    Blank cells at the end of a line are left out, but for those of the first one: they tell how many separators a line has.
    """
    encoding, mark = encoding_of(content)

    def cell_of(words: str) -> Cell:
        if words.startswith("'") and looks_like_formula(words[1:]):  # the mark of the portal's own exports (``writing.safe_text``)
            words = words[1:]
        cell = cells.clean(words, CellKind.TEXT, limits)
        purse.pay(cell.text)
        return cell

    remembered = Remembered(cell_of)
    remembered[""] = EMPTY
    begun = False
    for count, (number, found) in enumerate(_split(content, encoding, mark, limits), start=1):
        # A text costs one byte an empty line: too many of them are refused as well.
        if count > limits.lines * LINES_READ:
            raise Refused(Fault.TOO_MANY_LINES, value=limits.lines)
        try:
            if len(found) > limits.columns and any(cell.strip() for cell in found[limits.columns :]):
                raise Refused(Fault.TOO_MANY_COLUMNS, line=number, value=limits.columns)
            line = cells.placed(remembered, found[: limits.columns], number)
        except Refused as error:
            if not begun:
                error.under(" ".join(cell.split())[: limits.cell] for cell in found[: limits.columns])
            raise
        whole = len(line)
        while line and line[-1] is EMPTY:
            line.pop()
        if line:
            yield number, line if begun else [*line, *[EMPTY] * (whole - len(line))]
            begun = True


class _Lines:
    """The lines of a text as the reader of CSV takes them: as many as it needs for one line of the table, of ``_LINE`` characters in all."""

    def __init__(self, source: io.TextIOWrapper) -> None:
        self._source = source
        self._left = 0
        #: How many lines were taken for this one, and the last of them when they are too long.
        self.taken = 0
        self.too_long: str | None = None

    def begin(self) -> None:
        """A line of the table begins."""
        self._left, self.taken = _LINE, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._source.readline(self._left + 1)
        if not line:
            raise StopIteration
        self.taken += 1
        self._left -= len(line)
        if self._left < 0:
            self.too_long = line
            raise StopIteration
        return line


def _split(content: bytes, encoding: str, mark: int, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """Cells as they are typed; a line or a cell (of 131,072 characters) that takes too much to be told apart is refused."""
    head = content[mark : mark + 80_000].decode(encoding, "ignore")
    told = _TOLD.match(head)
    source = io.BytesIO(content)
    source.seek(mark)
    # One line end, so that neither a lone CR nor the machine changes what is read.
    lines = _Lines(io.TextIOWrapper(source, encoding, newline=None))
    separator = told[1] if told else separator_of(head)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    before = 0
    while True:
        begins = before + 1
        lines.begin()
        try:
            found = next(reader)
        except StopIteration:
            if lines.too_long is None:
                return
            raise _too_long(lines, separator, begins, limits) from None
        except csv.Error as error:
            if lines.too_long is not None:  # within quotation marks
                raise _too_long(lines, separator, begins, limits) from None
            if "field limit" in str(error) and reader.line_num <= begins:
                raise _long_cell(begins, limits, is_first=not before) from None
            raise Refused(Fault.BAD_QUOTES, line=begins) from None
        before = reader.line_num
        if told and begins <= head[: told.end()].count("\n") + head[: told.end()].count("\r"):
            told = None
            continue
        yield begins, found


def _too_long(lines: _Lines, separator: str, begins: int, limits: Limits) -> Refused:
    """Why a line has too many characters."""
    if lines.taken > 1:  # a quotation mark that was not meant holds the lines together
        return Refused(Fault.BAD_QUOTES, line=begins)
    if (lines.too_long or "").count(separator) >= limits.columns:
        return Refused(Fault.TOO_MANY_COLUMNS, line=begins, value=limits.columns)
    return _long_cell(begins, limits, is_first=begins == 1)


def _long_cell(begins: int, limits: Limits, *, is_first: bool) -> Refused:
    refused = Refused(Fault.CELL_TOO_LONG, line=begins, value=limits.cell)
    return refused.under(()) if is_first else refused  # no heading is so long
