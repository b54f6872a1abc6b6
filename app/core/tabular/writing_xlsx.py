"""XLSX written while it is read: each cell typed by its column, texts inline, as many sheets as the lines need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from app.core.tabular.writing import MARK, SHEET_LINES, ColumnKind, Heading, StreamedArchive, escaped, escaped_text, lines_of

_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
#: A spreadsheet counts days from here.
_DAY_ZERO: Final = date(1899, 12, 30).toordinal()
#: Styles by their place in ``cellXfs``: 1 heading, 2 text, 3 date, 4 text to be looked at.
_STYLES: Final = (
    f'{_DECLARATION}<styleSheet xmlns="{_MAIN}"><numFmts count="1"><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '<fill><patternFill patternType="solid"><fgColor rgb="FFFFC7CE"/><bgColor indexed="64"/></patternFill></fill></fills>'
    "<borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>"
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="5">'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" applyFill="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_STYLE_OF: Final = {ColumnKind.TEXT: 2, ColumnKind.DATE: 3, ColumnKind.NUMBER: 0}


class _Days(dict[bytes, bytes]):
    """``2026-01-05`` → the number a spreadsheet holds for that day; few days are met, each is computed once."""

    def __missing__(self, text: bytes) -> bytes:
        number = b"%d" % (date.fromisoformat(text.decode()).toordinal() - _DAY_ZERO)
        self[text] = number
        return number


def write_xlsx(title: str, headings: Sequence[Heading], batches: Iterable[bytes], *, sheet_lines: int = SHEET_LINES) -> Iterator[bytes]:
    """The bytes of the workbook, as they come."""
    archive = StreamedArchive()
    sheets = _Sheets(headings, batches, sheet_lines)
    while sheets.more:
        yield from archive.entry(f"xl/worksheets/sheet{sheets.count + 1}.xml", sheets.next())
    for name, content in _parts(title, sheets.count):
        archive.add(name, content)
    yield archive.close()


class _Sheets:
    """The lines cut into sheets."""

    def __init__(self, headings: Sequence[Heading], batches: Iterable[bytes], sheet_lines: int) -> None:
        self.count = 0
        self.more = True
        self._headings = headings
        self._lines = sheet_lines
        self._batches = iter(batches)
        self._left: list[bytes] = []
        self._forms = _Forms(headings)
        self._dates = [index for index, heading in enumerate(headings) if heading.kind is ColumnKind.DATE]
        self._days = _Days()

    def next(self) -> Iterator[bytes]:
        """The XML of the next sheet."""
        self.count += 1
        yield self._head().encode()
        number = 1
        while True:
            lines = self._left or self._following()
            room = self._lines - number
            self._left = lines[room:]
            taken = lines[:room]
            if taken:
                yield self._rows(taken)
                number += len(taken)
            if self._left:
                break
            if not lines:
                self.more = False
                break
        yield b"</sheetData></worksheet>"

    def _following(self) -> list[bytes]:
        for batch in self._batches:
            if batch:
                return lines_of(escaped(batch))
        return []

    def _rows(self, lines: list[bytes]) -> bytes:
        # Lines and cells follow each other without their addresses, which the format lets out: half as much to write and to read.
        forms, dates, days = self._forms, self._dates, self._days
        full = forms[(True,) * len(self._headings)]
        out: list[bytes] = []
        for line in lines:
            values = line.split(b"\t")
            for index in dates:
                if values[index]:
                    values[index] = days[values[index]]
            if MARK in line:
                out.append(b"<row>" + b"".join(map(self._marked, values, self._headings)) + b"</row>")
            elif b"" in values:
                out.append(forms[tuple(map(bool, values))] % tuple(filter(None, values)))
            else:
                out.append(full % tuple(values))
        return b"".join(out)

    @staticmethod
    def _marked(value: bytes, heading: Heading) -> bytes:
        """A cell of a line that has some to be looked at."""
        if value.startswith(MARK):
            return _MARKED % value[1:]
        return _CELLS[heading.kind] % value if value else b"<c/>"

    def _head(self) -> str:
        # The style is the column's too: a code typed into an empty cell stays text, with its zeros.
        widths = "".join(
            f'<col min="{n}" max="{n}" width="{heading.width}" style="{_STYLE_OF[heading.kind]}" customWidth="1"/>'
            for n, heading in enumerate(self._headings, 1)
        )
        cells = "".join(
            f'<c s="1" t="inlineStr"><is><t>{escaped_text(heading.label)}</t></is></c>' for heading in self._headings
        )
        return (
            f'{_DECLARATION}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
            f'<cols>{widths}</cols><sheetData><row>{cells}</row>'
        )


class _Forms(dict[tuple[bool, ...], bytes]):
    """Which cells of a line hold something → the line, with a place for each value."""

    def __init__(self, headings: Sequence[Heading]) -> None:
        super().__init__()
        self._cells = [_CELLS[heading.kind] for heading in headings]

    def __missing__(self, filled: tuple[bool, ...]) -> bytes:
        cells = b"".join(cell if present else b"<c/>" for cell, present in zip(self._cells, filled, strict=True))
        form = self[filled] = b"<row>" + cells + b"</row>"
        return form


_CELLS: Final[dict[ColumnKind, bytes]] = {
    ColumnKind.TEXT: b'<c s="2" t="inlineStr"><is><t>%b</t></is></c>',
    ColumnKind.DATE: b'<c s="3"><v>%b</v></c>',
    ColumnKind.NUMBER: b"<c><v>%b</v></c>",
}
_MARKED: Final = b'<c s="4" t="inlineStr"><is><t>%b</t></is></c>'


def _parts(title: str, sheets: int) -> Iterator[tuple[str, str]]:
    numbers = range(1, sheets + 1)
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        for n in numbers
    )
    content = (
        f'{_DECLARATION}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>'
        f"{types}</Types>"
    )
    yield "[Content_Types].xml", content
    book = f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
    yield "_rels/.rels", f'{_DECLARATION}<Relationships xmlns="{_PACKAGE}/relationships">{book}</Relationships>'
    names = "".join(f'<sheet name="{sheet_name(title, n)}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    yield "xl/workbook.xml", f'{_DECLARATION}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{names}</sheets></workbook>'
    links = "".join(f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers)
    links += f'<Relationship Id="rId{sheets + 1}" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
    yield "xl/_rels/workbook.xml.rels", f'{_DECLARATION}<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'
    yield "xl/styles.xml", _STYLES


def sheet_name(title: str, number: int) -> str:
    """The name of a sheet as spreadsheets accept it: short, without the characters they keep for themselves."""
    plain = "".join(" " if character in "[]:*?/\\'" else character for character in title)[:27].strip()
    return escaped_text(plain if number == 1 else f"{plain} {number}")
