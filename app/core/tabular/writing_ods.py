"""ODS written while it is read: each cell typed by its column, as many tables as the lines need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from app.core.tabular.writing import MARK, SHEET_LINES, ColumnKind, FileFormat, Heading, StreamedArchive, escaped, escaped_text, lines_of
from app.core.tabular.writing_xlsx import sheet_name

_NS: Final = "urn:oasis:names:tc:opendocument:xmlns"
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MANIFEST: Final = (
    f'{_DECLARATION}<manifest:manifest xmlns:manifest="{_NS}:manifest:1.0" manifest:version="1.3">'
    f'<manifest:file-entry manifest:full-path="/" manifest:version="1.3" manifest:media-type="{FileFormat.ODS.media_type}"/>'
    '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
)
_STYLES: Final = (
    '<number:date-style style:name="N1"><number:day number:style="long"/><number:text>/</number:text><number:month number:style="long"/>'
    '<number:text>/</number:text><number:year number:style="long"/></number:date-style>'
    '<number:text-style style:name="N2"><number:text-content/></number:text-style>'
    '<style:style style:name="head" style:family="table-cell" style:data-style-name="N2"><style:text-properties fo:font-weight="bold"/></style:style>'
    '<style:style style:name="day" style:family="table-cell" style:data-style-name="N1"/>'
    '<style:style style:name="text" style:family="table-cell" style:data-style-name="N2"/>'
    '<style:style style:name="look" style:family="table-cell" style:data-style-name="N2"><style:table-cell-properties fo:background-color="#ffc7ce"/>'
    "</style:style>"
)
#: Given once by the column, not again by each of its cells.
STYLE_OF: Final = {ColumnKind.TEXT: "text", ColumnKind.DATE: "day", ColumnKind.NUMBER: "Default"}
_EMPTY: Final = b"<table:table-cell/>"


def write_ods(title: str, headings: Sequence[Heading], batches: Iterable[bytes], *, sheet_lines: int = SHEET_LINES) -> Iterator[bytes]:
    """The bytes of the document, as they come. Its kind is told first, uncompressed, as the format asks."""
    return document(_content(title, headings, batches, sheet_lines))


def document(content: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a document of this content, as they come."""
    archive = StreamedArchive()
    archive.add("mimetype", FileFormat.ODS.media_type, stored=True)
    archive.add("META-INF/manifest.xml", _MANIFEST)
    yield archive.take()
    yield from archive.entry("content.xml", content)
    yield archive.close()


def beginning(styles: str = "") -> str:
    """A content up to its first table, with these styles besides those of every document (``STYLE_OF``)."""
    return (
        f'{_DECLARATION}<office:document-content xmlns:office="{_NS}:office:1.0" xmlns:style="{_NS}:style:1.0" xmlns:text="{_NS}:text:1.0"'
        f' xmlns:table="{_NS}:table:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:of="{_NS}:of:1.2"'
        f' xmlns:number="{_NS}:datastyle:1.0" xmlns:fo="{_NS}:xsl-fo-compatible:1.0" office:version="1.3">'
        f"<office:automatic-styles>{_STYLES}{styles}</office:automatic-styles><office:body><office:spreadsheet>"
    )


def column_style(name: str, width: int) -> str:
    """The style of a column so many characters wide."""
    return (
        f'<style:style style:name="{name}" style:family="table-column">'
        f'<style:table-column-properties style:column-width="{width * 0.21:.2f}cm"/></style:style>'
    )


#: After the last table.
END: Final = "</office:spreadsheet></office:body></office:document-content>"


def _content(title: str, headings: Sequence[Heading], batches: Iterable[bytes], sheet_lines: int) -> Iterator[bytes]:
    yield beginning("".join(column_style(f"c{n}", heading.width) for n, heading in enumerate(headings))).encode()
    columns = "".join(
        f'<table:table-column table:style-name="c{n}" table:default-cell-style-name="{STYLE_OF[heading.kind]}"/>' for n, heading in enumerate(headings)
    )
    head = "".join(
        f'<table:table-cell table:style-name="head" office:value-type="string"><text:p>{escaped_text(heading.label)}</text:p></table:table-cell>'
        for heading in headings
    )
    forms = _Forms(headings)
    count, number = 1, sheet_lines
    for batch in batches:
        lines = lines_of(escaped(batch))
        while lines:
            if number >= sheet_lines:
                yield _open(title, count, columns, head)
                count, number = count + 1, 1
            room = sheet_lines - number
            taken, lines = lines[:room], lines[room:]
            yield _rows(taken, forms)
            number += len(taken)
    if count == 1:
        yield _open(title, count, columns, head)
    yield f"</table:table>{END}".encode()


def _open(title: str, count: int, columns: str, head: str) -> bytes:
    """The beginning of a table, after the end of the one before."""
    before = "" if count == 1 else "</table:table>"
    name = sheet_name(title, count)
    lines = f"<table:table-header-rows><table:table-row>{head}</table:table-row></table:table-header-rows>"
    return f'{before}<table:table table:name="{name}">{columns}{lines}'.encode()


class _Forms(dict[tuple[bool, ...], bytes]):
    """Which cells of a line hold something → the line, with a place for each value."""

    def __init__(self, headings: Sequence[Heading]) -> None:
        super().__init__()
        self._cells = [_CELLS[heading.kind] for heading in headings]
        self.full = self[(True,) * len(headings)]

    def __missing__(self, filled: tuple[bool, ...]) -> bytes:
        cells = b"".join(cell if present else _EMPTY for cell, present in zip(self._cells, filled, strict=True))
        form = self[filled] = b"<table:table-row>" + cells + b"</table:table-row>"
        return form

    def marked(self, values: Sequence[bytes]) -> bytes:
        """A line that has cells to be looked at."""
        cells = (
            _MARKED % value[1:] if value.startswith(MARK) else cell % value if value else _EMPTY for cell, value in zip(self._cells, values, strict=True)
        )
        return b"<table:table-row>" + b"".join(cells) + b"</table:table-row>"


def _rows(lines: list[bytes], forms: _Forms) -> bytes:
    out: list[bytes] = []
    full = forms.full
    for line in lines:
        values = (line if b"  " not in line else _spaced(line)).split(b"\t")
        if MARK in line:
            out.append(forms.marked(values))
        elif b"" in values:
            out.append(forms[tuple(map(bool, values))] % tuple(filter(None, values)))
        else:
            out.append(full % tuple(values))
    return b"".join(out)


def _spaced(value: bytes) -> bytes:
    """Several spaces in a row would be read as one."""
    while b"  " in value:
        value = value.replace(b"  ", b" <text:s/>", 1)
    return value


#: Date and number cells show what their style makes of the value.
_CELLS: Final[dict[ColumnKind, bytes]] = {
    ColumnKind.TEXT: b'<table:table-cell office:value-type="string"><text:p>%b</text:p></table:table-cell>',
    ColumnKind.DATE: b'<table:table-cell office:value-type="date" office:date-value="%b"/>',
    ColumnKind.NUMBER: b'<table:table-cell office:value-type="float" office:value="%b"/>',
}
_MARKED: Final = b'<table:table-cell table:style-name="look" office:value-type="string"><text:p>%b</text:p></table:table-cell>'
