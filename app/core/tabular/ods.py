"""ODS (ODF 1.3, part 3): the lines of the first table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from app.core.tabular import cells
from app.core.tabular.archive import Archive
from app.core.tabular.cells import Purse, Remembered
from app.core.tabular.faults import Fault, Refused
from app.core.tabular.parts import TEXT, unescaped
from app.core.tabular.sheet import Sheet, times
from app.core.tabular.table import EMPTY, Cell, CellKind, Limits

CONTENT: Final = "content.xml"
MEDIA_TYPE: Final = b"application/vnd.oasis.opendocument.spreadsheet"
_MANIFEST: Final = "META-INF/manifest.xml"
#: The most that these two may hold: a line for each entry, and one name.
_LONGEST_MANIFEST: Final = 1024 * 1024
_LONGEST_TYPE: Final = 1024
#: Styles of hidden tables: no program writes as many.
_STYLES: Final = 10_000
_CELLS: Final = ("table-cell", "covered-table-cell")
_SPANS: Final = ("number-columns-spanned", "number-rows-spanned")
#: Cells of one line that are looked at together.
_TOGETHER: Final = 1_000
_UNSEEN: Final = ("annotation", "note", "ruby-text")

_ROW: Final = re.compile(rb'<table:table-row((?: table:(?:style-name|default-cell-style-name|number-rows-repeated)="[^"<>&]*")*)>\s*')
_REPEATED: Final = re.compile(rb' table:number-(?:rows|columns)-repeated="([0-9]{1,8})"')
_ATTRIBUTE: Final = (
    rb' (?:table:(?:style-name|number-columns-repeated|content-validation-name)'
    rb'|office:(?:value-type|value|date-value|time-value|boolean-value|currency)|calcext:value-type)="[^"<>&]*"'
)  # fmt: skip
_TEXT: Final = rb"(?:<text:p>(?:" + TEXT + rb'|<text:a xlink:href="[^"<>]*" xlink:type="simple">' + TEXT + rb"</text:a>)</text:p>)?"
#: What a cell holds; or all that follows something else.
_CELL: Final = re.compile(rb"<table:table-cell((?:" + _ATTRIBUTE + rb")*(?:/>|>" + _TEXT + rb"</table:table-cell>))\s*|([\s\S]+)")
#: Most cells.
_PLAIN: Final = re.compile(
    rb'(?: table:style-name="[^"]*")? office:value-type="string"(?: calcext:value-type="string")?><text:p>([^<]*)</text:p></table:table-cell>'
)
_PAIR: Final = re.compile(rb' (?:[a-z]+):([a-z-]+)="([^"]*)"')
_WORDS: Final = re.compile(rb">([^<]*)<")
_OTHER: Final = re.compile(rb'<table:table ([^<>]*)>|(office:value-type=|calcext:value-type=)')
_STYLE: Final = re.compile(rb'table:style-name="([^"]*)"')


class _Table(Sheet):
    """The lines of the first table of a document."""

    begins, ends = b"<table:table-row", b"</table:table-row>"
    bare = False

    def __init__(self, limits: Limits, purse: Purse) -> None:
        super().__init__(limits, purse)
        self.name = ""
        self.others = 0
        self._held = Remembered(self._held_cells)
        self._plain_rows = Remembered(self._repeat_of)
        self._level = 0
        self._hidden_styles: set[str] = set()
        self._style = ""
        self._columns = 0
        self._column = 0
        self._row: list[Cell] | None = None
        self._row_repeat = 1
        self._row_hidden = False
        self._cell: dict[str, str] | None = None
        self._cell_depth = 0
        self._words: list[str] = []
        self._length = 0
        self._aside = 0
        self._paragraph = 0

    # ---- lines written in the ordinary way

    def ordinary(self, element: bytes) -> bool:
        match = _ROW.match(element)
        if match is None:
            return False
        repeat = self._plain_rows[match[1]]
        found = _CELL.findall(element, match.end(), len(element) - len(self.ends))
        if len(found) > _TOGETHER:
            return False
        if found:
            held, others = zip(*found, strict=True)
            if any(others):
                return False
            try:
                cells_of = self._held.all_of(held)
            except Refused:
                return False  # the exact parser tells where
            while cells_of and cells_of[-1][0] is EMPTY:
                cells_of.pop()
            if len(cells_of) != len(found):
                self.blank(len(found) - len(cells_of), whole=not cells_of)
            self._end_row(list(chain.from_iterable(cells_of)), repeat)
        else:
            self.line += repeat
            self.blank(0, whole=True)
        return True

    @staticmethod
    def _repeat_of(attributes: bytes) -> int:
        match = _REPEATED.search(attributes)
        return max(int(match[1]), 1) if match is not None else 1

    def _held_cells(self, held: bytes) -> tuple[Cell, ...]:
        try:
            plain = _PLAIN.fullmatch(held)
            if plain is not None:
                return (self._text(unescaped(plain[1])),)
            attributes = {key.decode(): value.decode() for key, value in _PAIR.findall(held)}
            words = _WORDS.findall(held)
            cell = self._made(attributes, "".join(unescaped(word) for word in words))
        except UnicodeDecodeError:
            raise Refused(Fault.UNREADABLE) from None
        repeat = times(attributes.get("number-columns-repeated", "1"), 1)
        return (cell,) * min(repeat, self.limits.columns + 1)

    # ---- any other

    def started(self, name: str, attributes: dict[str, str]) -> None:
        if self._cell is not None:
            self._inside(name, attributes)
        elif name in _CELLS and self._row is not None:
            self._begin_cell(name, attributes)
        elif name == "table-row" and self._level == 1:
            self.open = False
            self._row, self._column = [], 0
            self._row_repeat = times(attributes.get("number-rows-repeated", "1"), 1)
            visibility = attributes.get("visibility", "visible")
            self._row_hidden = visibility != "visible"
            self.filtered = self.filtered or visibility == "filter"
        elif name == "table":
            self._begin_table(attributes)
        elif name == "table-column" and self._level == 1:
            repeat = times(attributes.get("number-columns-repeated", "1"), 1)
            if attributes.get("visibility", "visible") != "visible":
                self.hidden_columns.update(range(self._columns, min(self._columns + repeat, self.limits.columns)))
            self._columns += repeat
        elif name == "style":
            self._style = attributes.get("name", "")
        elif name == "table-properties" and attributes.get("display") == "false":
            self._hide(self._style)

    def _hide(self, style: str) -> None:
        if len(self._hidden_styles) >= _STYLES:
            raise Refused(Fault.UNREADABLE)
        self.keep(style)
        self._hidden_styles.add(style)

    def _begin_table(self, attributes: dict[str, str]) -> None:
        self._level += 1
        if self._level > 1:
            return
        self.name = attributes.get("name", "")
        if attributes.get("style-name", "") in self._hidden_styles:
            raise Refused(Fault.HIDDEN_SHEET, value=self.name[:60])
        self.open = True

    def _begin_cell(self, name: str, attributes: dict[str, str]) -> None:
        column = self._column + 1
        if "formula" in attributes:
            raise Refused(Fault.FORMULA, line=self.line + 1, column=column)
        spanned = [attributes[one] for one in _SPANS if one in attributes]
        if name == "covered-table-cell" or any(times(one, 1) > 1 for one in spanned):
            self.merged = self.merged or Refused(Fault.MERGED_CELLS, line=self.line + 1, column=column)
        self._cell, self._cell_depth = attributes, self.depth
        self._words, self._length, self._aside, self._paragraph = [], 0, 0, 0

    def _inside(self, name: str, attributes: dict[str, str]) -> None:
        """What stands in a cell: its paragraphs are its text, comments and drawings are not."""
        if name in _UNSEEN:
            self._aside += 1
        elif self._aside:
            return
        elif name == "p" and self.depth == self._cell_depth + 1:
            if self._paragraph:
                self._add("\n")
            self._paragraph = self.depth
        elif name in ("s", "tab", "line-break"):
            self._add(" ")

    def text(self, words: str) -> None:
        if self._cell is not None and not self._aside and self._paragraph and self.depth >= self._paragraph:
            self._add(words)

    def _add(self, words: str) -> None:
        self._length += len(words)
        if self._length > cells.longest_text(self.limits):
            raise Refused(Fault.CELL_TOO_LONG, line=self.line + 1, column=self._column + 1, value=self.limits.cell)
        self._words.append(words)

    def ended(self, name: str) -> None:
        if self._cell is not None:
            if name in _UNSEEN:
                self._aside -= 1
            elif self.depth == self._cell_depth:
                self._end_cell(self._cell)
        elif name == "table-row" and self._row is not None and self._level == 1:
            line, self._row = self._row, None
            self.open = True
            self._end_row(line, self._row_repeat, hidden=self._row_hidden)
        elif name == "table":
            self._level -= 1
            if not self._level:
                self.open = False
                self.stop()

    def _end_cell(self, attributes: dict[str, str]) -> None:
        self._cell = None
        try:
            cell = self._made(attributes, "".join(self._words))
        except Refused as error:
            raise error.at(self.line + 1, self._column + 1) from None
        repeat = times(attributes.get("number-columns-repeated", "1"), 1)
        place = self._column
        self._column += repeat
        if self._row is None or cell is EMPTY:  # blanks are written before what follows them, if anything does
            return
        room = self.limits.columns + 1 - place
        if room <= 0:
            self.too_far(self.line + 1)
            raise Refused(Fault.TOO_MANY_COLUMNS, line=self.line + 1, value=self.limits.columns)
        self._row += [EMPTY] * (place - len(self._row)) + [cell] * min(repeat, room)

    def _end_row(self, line: list[Cell], repeat: int, *, hidden: bool = False) -> None:
        number = self.line + 1
        self.line += repeat
        self.give(number, line, repeat, hidden=hidden)

    # ---- cells

    def _made(self, attributes: dict[str, str], text: str) -> Cell:
        """The cell of its attributes and its paragraphs. Raises Refused, without the place."""
        kind = attributes.get("value-type", "")
        if kind == "error":  # of calcext, which stands after the one of office
            raise Refused(Fault.ERROR_CELL, value=text[:20] if text.startswith("#") else "#")
        if kind in ("float", "currency", "percentage"):
            return self._number(attributes.get("value", text), kind)
        if kind == "date":
            return self._paid(cells.iso_date(attributes.get("date-value", text)[:40]))
        if kind == "time":
            return self._paid(cells.iso_duration(attributes.get("time-value", text)[:40]))
        if kind == "boolean":
            return Cell("VRAI" if attributes.get("boolean-value", "").lower() == "true" else "FAUX", CellKind.OTHER)
        return self._text(attributes.get("string-value") or text)

    def _number(self, words: str, kind: str) -> Cell:
        try:
            value = float(words) if len(words) < 60 and "_" not in words else float("nan")
        except ValueError:
            raise Refused(Fault.UNREADABLE) from None
        shown = cells.percentage(value) if kind == "percentage" else cells.figure(value)
        return self._paid(Cell(shown, CellKind.NUMBER))

    def count_others(self, pieces: Iterator[bytes]) -> None:
        """How many of the tables after the first can be seen and hold something, as soon as that shows."""
        kept, counted = self.unread, True
        for piece in chain([b""], pieces):
            kept += piece
            end = max(kept.rfind(b"<"), 0)
            for match in _OTHER.finditer(kept, 0, end):
                if match[2] is None:
                    style = _STYLE.search(match[1])
                    counted = style is not None and style[1].decode("utf-8", "replace") in self._hidden_styles
                elif not counted:
                    self.others, counted = self.others + 1, True
            kept = kept[end:][:100_000]


def read(archive: Archive, limits: Limits, purse: Purse) -> tuple[_Table, Iterator[tuple[int, list[Cell]]]]:
    """The first table (its name and the count of the others are known once lines are read), and its lines. Raises Refused."""
    _check(archive)
    table = _Table(limits, purse)
    return table, _lines(table, archive.pieces(CONTENT))


def _lines(table: _Table, pieces: Iterator[bytes]) -> Iterator[tuple[int, list[Cell]]]:
    yield from table.lines(pieces)
    if table.over:
        table.count_others(pieces)


def _check(archive: Archive) -> None:
    """Whether the document is a spreadsheet that anybody may open. Raises Refused."""
    manifest = archive.whole(_MANIFEST, _LONGEST_MANIFEST) if _MANIFEST in archive else b""
    if b"encryption-data" in manifest or "encrypted-package" in archive:
        raise Refused(Fault.ENCRYPTED)
    if CONTENT not in archive:
        raise Refused(Fault.UNKNOWN_FORMAT)
    if "mimetype" in archive and not archive.whole("mimetype", _LONGEST_TYPE).strip().startswith(MEDIA_TYPE):
        raise Refused(Fault.UNKNOWN_FORMAT)
