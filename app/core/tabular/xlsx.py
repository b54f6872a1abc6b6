"""XLSX (ECMA-376): the workbook, its texts and formats, and the lines of its first sheet."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from app.core.tabular import cells
from app.core.tabular.archive import Archive
from app.core.tabular.cells import Purse, Remembered
from app.core.tabular.faults import Fault, Refused
from app.core.tabular.parts import TEXT, Part, unescaped
from app.core.tabular.sheet import Sheet, times
from app.core.tabular.table import EMPTY, Cell, CellKind, Limits

#: Sheets of a workbook (more would each be looked into), relations and formats of cells: no program writes as many.
_SHEETS: Final = 2_000
_RELATED: Final = 20_000
_FORMATS: Final = 100_000
#: Texts that no cell may hold and that no cell may need: a file with as many is not waited for.
_WRONG_TEXTS: Final = 10_000
_WORKBOOK: Final = "xl/workbook.xml"
_REFERENCE: Final = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})\Z", re.ASCII)
_YES: Final = ("1", "true", "on")
#: Formats that a workbook does not write out (ECMA-376 part 1, 18.8.30).
_BUILT_IN: Final = (
    dict.fromkeys((*range(14, 18), *range(27, 32), 34, 35, 36, *range(50, 59)), "date")
    | {22: "date", 9: "percent", 10: "percent", 46: "elapsed"} | dict.fromkeys((18, 19, 20, 21, 32, 33, 45, 47), "time")
)  # fmt: skip
#: A character that XML cannot hold, as spreadsheets write it (ECMA-376 part 1, 22.9.2.19).
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_HOLDS: Final = re.compile(rb"<(?:[A-Za-z0-9]+:)?(?:v|is)[ >]")

_END: Final = len(b"</row>")
_SI: Final = re.compile(rb'<si>\s*<t(?: xml:space="preserve")?>(' + TEXT + rb")</t>\s*</si>")
_ROW: Final = re.compile(rb'(?:<row [^<>]*/>\s*)*<row r="([1-9][0-9]{0,6})"((?: [A-Za-z0-9:]+="[^"<>&]*")*)>\s*')
#: A line that does not say which one it is: the next.
_NEXT_ROW: Final = re.compile(rb'<row((?: [A-Za-z0-9:]+="[^"<>&]*")*)>\s*')
_LAST_ROW: Final = 1_048_576
_ODD_ROW: Final = re.compile(rb' hidden="(?!0"|false")| ht="0(?:\.0*)?"| r="')
_VALUE: Final = rb'(?:/>|>(?:<v>[^<&]*</v>|<is><t(?: xml:space="preserve")?>' + TEXT + rb"</t></is>)?</c>)"
_CONTENT: Final = rb'((?: s="[0-9]{1,6}")?(?: t="[A-Za-z]{1,9}")?(?: s="[0-9]{1,6}")?' + _VALUE + rb")\s*|([\s\S]+)"
#: Column, line, what the cell holds; or all that follows something else.
_CELL: Final = re.compile(rb'<c r="([A-Z]{1,3})([0-9]+)"' + _CONTENT)
#: A cell that does not say where it stands: after the one before.
_NEXT_CELL: Final = re.compile(b"<c" + _CONTENT)
_HELD: Final = re.compile(
    rb'(?: s="([0-9]+)")?(?: t="([A-Za-z]+)")?(?: s="([0-9]+)")?(?:/>|>(?:<v>([^<&]*)</v>|<is><t(?: xml:space="preserve")?>([^<]*)</t></is>)?</c>)'
)


def column_of(letters: str) -> int:
    """The place of a column, from 0."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _place_of(reference: str) -> tuple[int, int]:
    """Line and column (from 0) of « B2 ». Raises Refused."""
    match = _REFERENCE.match(reference)
    if match is None:
        raise Refused(Fault.UNREADABLE)
    return int(match[2]), column_of(match[1])


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _id_of(attributes: dict[str, str]) -> str:
    """The relation of an element: the attribute has the prefix that the document chose."""
    return next((value for key, value in attributes.items() if key.endswith(":id")), "")


class _Workbook(Part):
    """Which sheets there are, and when its calendar begins."""

    def __init__(self, limits: Limits, purse: Purse) -> None:
        super().__init__(limits, purse)
        self.sheets: list[tuple[str, str, bool]] = []
        self.from_1904 = False

    def started(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet":
            if len(self.sheets) >= _SHEETS:
                raise Refused(Fault.UNREADABLE)
            sheet = attributes.get("name", ""), _id_of(attributes)
            self.keep(*sheet)
            self.sheets.append((*sheet, attributes.get("state", "visible") == "visible"))
        elif name == "workbookPr":
            self.from_1904 = attributes.get("date1904", "") in _YES


class _Relations(Part):
    """Where the parts of a workbook stand: the kind and the target of each."""

    def __init__(self, limits: Limits, purse: Purse) -> None:
        super().__init__(limits, purse)
        self.targets: dict[str, tuple[str, str]] = {}

    def started(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", ""))).lstrip("/")
            kind = attributes.get("Type", "").rpartition("/")[2].lower()
            self.keep(attributes.get("Id", ""), kind, target)
            if len(self.targets) >= _RELATED:
                raise Refused(Fault.UNREADABLE)
            self.targets[attributes.get("Id", "")] = (kind, target)


class _Styles(Part):
    """What each style of cell makes of a number."""

    def __init__(self, limits: Limits, purse: Purse) -> None:
        super().__init__(limits, purse)
        self._codes: dict[int, str] = {}
        self._cells = False
        self._formats: list[int] = []

    def started(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            if len(self._codes) >= _FORMATS:
                raise Refused(Fault.UNREADABLE)
            self._codes[times(attributes.get("numFmtId", "0"), 0)] = cells.kind_of_format(attributes.get("formatCode", "")[:500])
        elif name == "cellXfs":
            self._cells = True
        elif name == "xf" and self._cells:
            if len(self._formats) >= _FORMATS:
                raise Refused(Fault.UNREADABLE)
            self._formats.append(times(attributes.get("numFmtId", "0"), 0))

    def ended(self, name: str) -> None:
        if name == "cellXfs":
            self._cells = False

    def shown(self) -> list[str]:
        """By style, in order."""
        return [self._codes.get(one, _BUILT_IN.get(one, "")) for one in self._formats]


class _Texts(Part):
    """The texts that cells share, each cleaned once; one that no cell may hold waits until a cell does."""

    begins, ends = b"<si>", b"</si>"

    def __init__(self, limits: Limits, purse: Purse) -> None:
        super().__init__(limits, purse)
        self.all: list[Cell | Fault] = []
        self._wrong = 0
        self._words: list[str] | None = None
        self._length = 0
        self._aside = 0

    def _keep(self, text: str) -> None:
        try:
            kept: Cell | Fault = cells.clean(_unescaped(text), CellKind.TEXT, self.limits)
        except Refused as error:
            self._wrong += 1
            if self._wrong > _WRONG_TEXTS:
                raise
            kept = error.fault
        self.keep(kept.text if isinstance(kept, Cell) else "")
        self.all.append(kept)

    def ordinary(self, element: bytes) -> bool:
        match = _SI.fullmatch(element)
        if match is None:
            return False
        try:
            text = unescaped(match[1])
        except UnicodeDecodeError:
            return False
        self._keep(text)
        return True

    def started(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sst":
            self.open = True
        elif name == "si":
            self.open, self._words, self._length, self._aside = False, [], 0, 0
        elif name == "rPh":
            self._aside += 1

    def ended(self, name: str) -> None:
        if name == "si" and self._words is not None:
            if self._length > cells.longest_text(self.limits):
                self.keep("")
                self.all.append(Fault.CELL_TOO_LONG)
            else:
                self._keep("".join(self._words))
            self.open, self._words = True, None
        elif name == "rPh":
            self._aside -= 1

    def text(self, words: str) -> None:
        if self._words is not None and not self._aside:
            self._length += len(words)
            if self._length <= cells.longest_text(self.limits):
                self._words.append(words)


class _Sheet(Sheet):
    """The lines of a sheet."""

    begins, ends = b"<row", b"</row>"

    def __init__(self, limits: Limits, purse: Purse, texts: list[Cell | Fault], shown: list[str], *, from_1904: bool) -> None:
        super().__init__(limits, purse)
        self._texts, self._shown, self._from_1904 = texts, shown, from_1904
        self._held = Remembered(self._held_cell)
        self._plain_rows: Remembered[bytes, bool] = Remembered(lambda attributes: _ODD_ROW.search(attributes) is None)
        self._columns = Remembered(self._columns_of)
        self._cell: tuple[str, str] | None = None
        self._in_row = False
        self._column = -1
        self._row_hidden = False
        self._line_cells: dict[int, Cell] = {}
        self._value: list[str] = []
        self._length = 0
        self._reading = ""
        self._filter = False

    # ---- lines written in the ordinary way

    def ordinary(self, element: bytes) -> bool:
        match = _ROW.match(element)
        if match is None:
            return self._next(element)
        if not self._plain_rows[match[2]]:
            return False
        number = int(match[1])
        if number <= self.line:
            return False
        found = _CELL.findall(element, match.end(), len(element) - _END)
        if not found:
            self.line = number
            self.blank(0, whole=True)
            return True
        letters, numbers, held, others = zip(*found, strict=True)
        if any(others) or numbers.count(match[1]) != len(numbers):
            return False
        columns = self._columns[letters]
        if columns is None:
            return False
        try:
            line = self._held.all_of(held)
        except Refused:
            return False  # the exact parser tells where
        if columns[-1] != len(columns) - 1:
            spread = [EMPTY] * (columns[-1] + 1)
            for column, cell in zip(columns, line, strict=True):
                spread[column] = cell
            line = spread
        self.line = number
        self.give(number, line)
        return True

    def _next(self, element: bytes) -> bool:
        """Read a line of which neither the number nor the places of the cells are written."""
        match = _NEXT_ROW.match(element)
        if match is None or not self._plain_rows[match[1]] or self.line >= _LAST_ROW:
            return False
        found = _NEXT_CELL.findall(element, match.end(), len(element) - _END)
        if len(found) > self.limits.columns:
            return False
        line: list[Cell] = []
        if found:
            held, others = zip(*found, strict=True)
            if any(others):
                return False
            try:
                line = self._held.all_of(held)
            except Refused:
                return False
        else:
            self.blank(0, whole=True)
        self.line += 1
        self.give(self.line, line)
        return True

    def _columns_of(self, letters: tuple[bytes, ...]) -> list[int] | None:
        """Where cells stand; none when they are not in order, or beyond the last column."""
        columns = [column_of(one.decode()) for one in letters]
        in_order = all(one < two for one, two in pairwise(columns))
        return columns if in_order and columns[-1] < self.limits.columns else None

    def _held_cell(self, held: bytes) -> Cell:
        match = _HELD.fullmatch(held)
        if match is None:
            raise Refused(Fault.UNREADABLE)
        try:
            kind = (match[2] or b"n").decode()
            if match[5] is not None:
                return self._made(kind, "0", unescaped(match[5]))
            value = b"" if match[4] is None or kind == "inlineStr" else match[4]
            return self._made(kind, (match[1] or match[3] or b"0").decode(), value.decode())
        except UnicodeDecodeError:
            raise Refused(Fault.UNREADABLE) from None

    # ---- any other

    def started(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c" and self._in_row:
            self._begin_cell(attributes)
        elif self._cell is not None:
            if name == "f":
                raise Refused(Fault.FORMULA, line=self.line, column=self._column + 1)
            is_text = name == "t" or (name == "v" and self._cell[0] != "inlineStr")
            if name == "rPh" or (is_text and self._reading != "rPh"):
                self._reading = name
        elif name == "row":
            self._begin_row(attributes)
        elif name == "sheetData":
            self.open = True
        else:
            self._besides(name, attributes)

    def _begin_row(self, attributes: dict[str, str]) -> None:
        number = times(attributes.get("r", str(self.line + 1)), 1)
        if number <= self.line or number > _LAST_ROW:
            raise Refused(Fault.UNREADABLE)
        self.line, self._column, self._line_cells = number, -1, {}
        self._row_hidden = attributes.get("hidden", "0") in _YES or bool(re.fullmatch(r"0(\.0*)?", attributes.get("ht", "")))
        self._in_row, self.open = True, False

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        if "r" in attributes:
            line, column = _place_of(attributes["r"])
            if line != self.line or column <= self._column:
                raise Refused(Fault.UNREADABLE)
            self._column = column
        else:
            self._column += 1
        self._cell = attributes.get("t", "n"), attributes.get("s", "0")
        self._value, self._length, self._reading = [], 0, ""

    def _besides(self, name: str, attributes: dict[str, str]) -> None:
        """What stands before and after the lines."""
        if name == "col" and (attributes.get("hidden", "0") in _YES or re.fullmatch(r"0(\.0*)?", attributes.get("width", ""))):
            first, last = times(attributes.get("min", "1"), 1), times(attributes.get("max", "1"), 1)
            self.hidden_columns.update(range(first - 1, min(last, self.limits.columns)))
        elif name == "mergeCell":
            line, column = _place_of(attributes.get("ref", "").partition(":")[0])
            raise Refused(Fault.MERGED_CELLS, line=line, column=column + 1)
        elif name == "autoFilter":
            self._filter = True
        elif name == "filterColumn" and self._filter:
            self.filtered = True

    def text(self, words: str) -> None:
        if self._reading in ("v", "t"):
            self._length += len(words)
            if self._length > cells.longest_text(self.limits):
                raise Refused(Fault.CELL_TOO_LONG, line=self.line, column=self._column + 1, value=self.limits.cell)
            self._value.append(words)

    def ended(self, name: str) -> None:
        if self._cell is not None:
            if name == "c":
                self._end_cell(*self._cell)
            elif name in ("v", "rPh") or (name == "t" and self._reading == "t"):
                self._reading = ""
        elif name == "row" and self._in_row:
            self._in_row, self.open = False, True
            line = [EMPTY] * (max(self._line_cells, default=-1) + 1)
            for column, cell in self._line_cells.items():
                line[column] = cell
            self.give(self.line, line, hidden=self._row_hidden)
        elif name == "sheetData":
            self.open = False

    def _end_cell(self, kind: str, style: str) -> None:
        self._cell = None
        try:
            cell = self._made(kind, style, "".join(self._value))
        except Refused as error:
            raise error.at(self.line, self._column + 1) from None
        if cell is EMPTY:
            return
        if self._column >= self.limits.columns:
            self.too_far(self.line)
            raise Refused(Fault.TOO_MANY_COLUMNS, line=self.line, value=self.limits.columns)
        self._line_cells[self._column] = cell

    # ---- cells

    def _made(self, kind: str, style: str, text: str) -> Cell:
        """The cell of a type, a style and a content. Raises Refused, without the place."""
        if kind == "s":
            return self._shared(text)
        if kind in ("str", "inlineStr"):
            return self._text(_unescaped(text))
        words = text.strip()
        if not words:
            return EMPTY
        if kind == "b":
            return Cell("VRAI" if words not in ("0", "false") else "FAUX", CellKind.OTHER)
        if kind == "e":
            raise Refused(Fault.ERROR_CELL, value=words[:20] if words.startswith("#") else "#")
        if kind == "d":
            return self._paid(cells.iso_date(words[:40]))
        if kind != "n":
            raise Refused(Fault.UNREADABLE)
        return self._number(words, style)

    def _shared(self, text: str) -> Cell:
        words = text.strip()
        if not words:
            return EMPTY
        if not (words.isascii() and words.isdecimal()) or len(words) > 9 or int(words) >= len(self._texts):
            raise Refused(Fault.UNREADABLE)
        cell = self._texts[int(words)]
        if not isinstance(cell, Cell):
            raise Refused(cell, value=self.limits.cell if cell is Fault.CELL_TOO_LONG else None)
        return cell

    def _number(self, words: str, style: str) -> Cell:
        try:
            value = float(words) if len(words) < 60 and "_" not in words else float("nan")
        except ValueError:
            raise Refused(Fault.UNREADABLE) from None
        place = int(style) if style.isascii() and style.isdecimal() and len(style) < 7 else 0
        shown = self._shown[place] if place < len(self._shown) else ""
        if shown == "percent":
            return self._paid(Cell(cells.percentage(value), CellKind.NUMBER))
        if shown:
            return self._paid(cells.dated(value, shown, from_1904=self._from_1904))
        figure = cells.figure(value)
        return self._paid(Cell(figure, CellKind.NUMBER)) if figure else EMPTY


def read(archive: Archive, limits: Limits, purse: Purse) -> tuple[str, int, Iterator[tuple[int, list[Cell]]]]:
    """The name of the first sheet, how many others hold something, and its lines. Raises Refused, also while lines are read."""
    workbook = _Workbook(limits, purse)
    _whole(archive, _WORKBOOK, workbook)
    relations = _Relations(limits, purse)
    _whole(archive, "xl/_rels/workbook.xml.rels", relations)
    sheets = [(name, *relations.targets.get(place, ("", "")), seen) for name, place, seen in workbook.sheets]
    if any(kind in ("xlmacrosheet", "xlintlmacrosheet") for _name, kind, _target, _seen in sheets):
        raise Refused(Fault.MACROS)
    sheets = [sheet for sheet in sheets if sheet[1] not in ("chartsheet", "dialogsheet")]
    if not sheets:
        raise Refused(Fault.EMPTY if workbook.sheets else Fault.UNREADABLE)
    name, _kind, target, seen = sheets[0]
    if target not in archive:
        raise Refused(Fault.UNREADABLE)
    others = sum(1 for _name, _kind, other, shown in sheets[1:] if shown and other in archive and _holds_something(archive, other))
    if not seen:
        raise Refused(Fault.HIDDEN_SHEET, value=name[:60])
    styles, texts = _Styles(limits, purse), _Texts(limits, purse)
    for kind, part in (("styles", styles), ("sharedstrings", texts)):
        where = next((target for one, target in relations.targets.values() if one == kind), "")
        if where and where in archive:
            _whole(archive, where, part)
    sheet = _Sheet(limits, purse, texts.all, styles.shown(), from_1904=workbook.from_1904)
    return name, others, sheet.lines(archive.pieces(target))


def _whole(archive: Archive, name: str, part: Part) -> None:
    for _nothing in part.read(archive.pieces(name)):
        pass


def _holds_something(archive: Archive, name: str) -> bool:
    end = b""
    for piece in archive.pieces(name):
        if _HOLDS.search(end + piece) is not None:
            return True
        end = piece[-80:]
    return False
