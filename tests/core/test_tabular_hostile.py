"""Bad files: each is refused by a sentence that says what was found and what to do, fast and in little memory."""

from __future__ import annotations

import contextlib
import io
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import pytest
from flask_babel import force_locale

from app.core.tabular import BULK, Fault, Limits, Refused, Table, labels, open_table, read_table
from app.core.tabular.damage import Damage
from tests.core import tabular_files as files
from tests.core.costs import apart, cost_of
from tests.core.tabular_files import archive, ods, ods_cell, ods_row, row, sheet, text, xlsx

if TYPE_CHECKING:
    from flask import Flask

HEAD = row(1, "Nom", "Ville")
ODS_HEAD = ods_row("Nom", "Ville")


def refusal(content: bytes, limits: Limits | None = None, name: str = "") -> Refused:
    with pytest.raises(Refused) as caught:
        read_table(content, limits, name=name)
    return caught.value


def where(error: Refused) -> tuple[Fault, int | None, int | None]:
    return error.fault, error.line, error.column


def _ole(*streams: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + b"".join((name + "\0").encode("utf-16-le").ljust(128, b"\0") for name in ("Root Entry", *streams))


def _locked_zip() -> bytes:
    content = bytearray(xlsx(sheet(HEAD)))
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 8] |= 1
        at = content.find(b"PK\x01\x02", at + 4)
    return bytes(content)


ROW = row(2, "MARTIN", "ALBI")
ODS_WIDE = "<table:table-row>" + ods_cell("x", ' table:number-columns-spanned="2"') + "<table:covered-table-cell/></table:table-row>"
ODS_HIGH = "<table:table-row><table:table-cell/>" + ods_cell("x", ' table:number-rows-spanned="2"') + "</table:table-row>"
ODS_ERROR = "<table:table-row>" + ods_cell("#REF!", ' calcext:value-type="error"') + "</table:table-row>"
FAULTS: list[tuple[str, bytes, tuple[Fault, int | None, int | None]]] = [
    ("password", _ole("EncryptionInfo", "EncryptedPackage"), (Fault.ENCRYPTED, None, None)),
    ("old format", _ole("Workbook"), (Fault.OLD_FORMAT, None, None)),
    ("older format", _ole("Book"), (Fault.OLD_FORMAT, None, None)),
    ("document of the old kind", _ole("WordDocument"), (Fault.UNKNOWN_FORMAT, None, None)),
    ("locked entries", _locked_zip(), (Fault.ENCRYPTED, None, None)),
    ("locked ODS", archive([("mimetype", files.SPACES), ("content.xml", b"\x8f\x00"), ("META-INF/manifest.xml", "<manifest:encryption-data/>")]), (Fault.ENCRYPTED, None, None)),
    ("macros", xlsx(sheet(HEAD + ROW), more=[("xl/vbaProject.bin", b"x")]), (Fault.MACROS, None, None)),
    ("macros elsewhere", xlsx(sheet(HEAD + ROW), more=[("XL/Macros/VBAPROJECT.BIN", b"x")]), (Fault.MACROS, None, None)),
    ("macros of ODS", ods(ODS_HEAD, more=[("Basic/Standard/Module1.xml", "<a/>")]), (Fault.MACROS, None, None)),
    ("xlsb", archive([("xl/workbook.bin", b"x"), ("xl/worksheets/sheet1.bin", b"x")]), (Fault.BINARY_WORKBOOK, None, None)),
    ("document", archive([("word/document.xml", b"<a/>")]), (Fault.UNKNOWN_FORMAT, None, None)),
    ("ODT", archive([("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", "<a/>")]), (Fault.UNKNOWN_FORMAT, None, None)),
    ("HTML named xls", b"<html><table><tr><td>Nom</td></tr></table></html>", (Fault.UNKNOWN_FORMAT, None, None)),
    ("XML", b'<?xml version="1.0"?><Workbook/>', (Fault.UNKNOWN_FORMAT, None, None)),
    ("image", b"\x89PNG\r\n\x1a\n", (Fault.UNKNOWN_FORMAT, None, None)),
    ("any bytes", bytes(range(256)) * 20, (Fault.UNKNOWN_FORMAT, None, None)),
    ("empty archive", archive([]), (Fault.UNKNOWN_FORMAT, None, None)),
    ("formula", xlsx(sheet(HEAD + '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><f>1+1</f><v>2</v></c></row>')), (Fault.FORMULA, 2, 2)),
    ("shared formula", xlsx(sheet(HEAD + '<row r="2"><c r="B2"><f t="shared" si="0"/><v>2</v></c></row>')), (Fault.FORMULA, 2, 2)),
    ("formula of ODS", ods(ODS_HEAD + '<table:table-row><table:table-cell/><table:table-cell table:formula="of:=1" office:value-type="float" office:value="1"/></table:table-row>'), (Fault.FORMULA, 2, 2)),
    ("merged", xlsx(sheet(HEAD + ROW, after='<mergeCells count="1"><mergeCell ref="B2:B3"/></mergeCells>')), (Fault.MERGED_CELLS, 2, 2)),
    ("merged ODS", ods(ODS_HEAD + ODS_WIDE), (Fault.MERGED_CELLS, 2, 1)),
    ("merged lines of ODS", ods(ODS_HEAD + ODS_HIGH), (Fault.MERGED_CELLS, 2, 2)),
    ("hidden line", xlsx(sheet(HEAD + row(2, "a") + row(4, "x", attributes=' hidden="1"') + row(5, "b"))), (Fault.HIDDEN_LINE, 4, None)),
    ("flat line", xlsx(sheet(HEAD + row(2, "a") + row(4, "x", attributes=' ht="0" customHeight="1"'))), (Fault.HIDDEN_LINE, 4, None)),
    ("hidden line of ODS", ods(ODS_HEAD + ods_row("x", attributes=' table:visibility="collapse"')), (Fault.HIDDEN_LINE, 2, None)),
    ("filter", xlsx(sheet(HEAD + row(2, "a") + row(3, "x", attributes=' hidden="true"'), after='<autoFilter ref="A1:B9"><filterColumn colId="0"/></autoFilter>')), (Fault.FILTERED_LINES, 3, None)),
    ("filter of ODS", ods(ODS_HEAD + ods_row("x", attributes=' table:visibility="filter"')), (Fault.FILTERED_LINES, 2, None)),
    ("hidden column", xlsx(sheet(HEAD + ROW, before='<cols><col min="2" max="3" hidden="1"/></cols>')), (Fault.HIDDEN_COLUMN, None, 2)),
    ("flat column", xlsx(sheet(HEAD + ROW, before='<cols><col min="2" max="2" width="0" customWidth="1"/></cols>')), (Fault.HIDDEN_COLUMN, None, 2)),
    ("hidden column of ODS", ods('<table:table-column/><table:table-column table:visibility="collapse"/>' + ODS_HEAD), (Fault.HIDDEN_COLUMN, None, 2)),
    ("hidden first sheet", xlsx(sheet(HEAD + ROW), sheet(HEAD + ROW), states=["hidden"]), (Fault.HIDDEN_SHEET, None, None)),
    ("very hidden first sheet", xlsx(sheet(HEAD + ROW), states=["veryHidden"]), (Fault.HIDDEN_SHEET, None, None)),
    ("hidden first table", ods(f'<table:table table:name="A" table:style-name="t">{ODS_HEAD}</table:table>', styles='<style:style style:name="t" style:family="table"><style:table-properties table:display="false"/></style:style>'), (Fault.HIDDEN_SHEET, None, None)),
    ("empty first sheet", xlsx(sheet(""), sheet(HEAD + ROW)), (Fault.FIRST_SHEET_EMPTY, None, None)),
    ("empty first table", ods("", ODS_HEAD), (Fault.FIRST_SHEET_EMPTY, None, None)),
    ("empty", xlsx(sheet("")), (Fault.EMPTY, None, None)),
    ("only styles", xlsx(sheet('<row r="1"><c r="A1" s="1"/></row>')), (Fault.EMPTY, None, None)),
    ("only a header", xlsx(sheet(HEAD)), (Fault.ONLY_HEADER, None, None)),
    ("only a header, as a text", b"Nom;Ville\r\n\r\n", (Fault.ONLY_HEADER, None, None)),
    ("same column twice", xlsx(sheet(row(1, "Nom", "Ville", "NOM") + ROW)), (Fault.SAME_HEADER_TWICE, 1, 3)),
    ("error", xlsx(sheet(HEAD + '<row r="2"><c r="B2" t="e"><v>#N/A</v></c></row>')), (Fault.ERROR_CELL, 2, 2)),
    ("error of ODS", ods(ODS_HEAD + ODS_ERROR), (Fault.ERROR_CELL, 2, 1)),
    ("far corner", xlsx(sheet(HEAD + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')), (Fault.TOO_MANY_LINES, None, None)),
    ("far column", xlsx(sheet(HEAD + '<row r="2"><c r="XFD2"><v>1</v></c></row>')), (Fault.TOO_MANY_COLUMNS, 2, None)),
    ("far corner of ODS", ods(ODS_HEAD + f'<table:table-row table:number-rows-repeated="1048574"><table:table-cell/></table:table-row><table:table-row><table:table-cell table:number-columns-repeated="16383"/>{ods_cell("x")}</table:table-row>'), (Fault.TOO_MANY_LINES, None, None)),
    ("far column of ODS", ods(ODS_HEAD + f'<table:table-row><table:table-cell table:number-columns-repeated="16383"/>{ods_cell("x")}</table:table-row>'), (Fault.TOO_MANY_COLUMNS, 2, None)),
    ("billion cells of ODS", ods(ODS_HEAD + '<table:table-row table:number-rows-repeated="1048575"><table:table-cell office:value-type="float" office:value="1" table:number-columns-repeated="16384"/></table:table-row>'), (Fault.TOO_MANY_COLUMNS, 2, None)),
    ("1 MB cell", xlsx(sheet(HEAD + row(2, "a", "x" * 1_000_000))), (Fault.CELL_TOO_LONG, 2, 2)),
    ("1 MB shared text", xlsx(sheet(HEAD + '<row r="2"><c r="B2" t="s"><v>0</v></c></row>'), texts=f"<si><r><t>{'x' * 1_000_000}</t></r></si>"), (Fault.CELL_TOO_LONG, 2, 2)),
    ("1 MB cell of ODS", ods(ODS_HEAD + ods_row("a", "x" * 1_000_000)), (Fault.CELL_TOO_LONG, 2, 2)),
    ("1 MB cell of a text", b"Nom;Ville\na;" + b"x" * 1_000_000, (Fault.CELL_TOO_LONG, 2, None)),
    ("a quote never closed", b'Nom;Ville\na;b\n"c;d\n' + b"e;f\n" * 100_000, (Fault.BAD_QUOTES, 3, None)),
    ("NUL in a text", b"Nom;Ville\nabc\0;2", (Fault.FORBIDDEN_CHARACTER, 2, 4)),
    ("NUL in a sheet", xlsx(sheet(HEAD + row(2, "a", "b_x0000_"))), (Fault.FORBIDDEN_CHARACTER, 2, 2)),
    ("NUL in the XML", xlsx(sheet(HEAD + row(2, "a", "b\0"))), (Fault.UNREADABLE, None, None)),
    ("entity", xlsx(sheet(HEAD + ROW).replace("<worksheet", '<!DOCTYPE worksheet [<!ENTITY a "b">]><worksheet')), (Fault.UNREADABLE, None, None)),
    ("external entity", xlsx(sheet(HEAD + row(2, "&a;")).replace("<worksheet", '<!DOCTYPE worksheet [<!ENTITY a SYSTEM "file:///etc/passwd">]><worksheet')), (Fault.UNREADABLE, None, None)),
    ("unknown entity", xlsx(sheet(HEAD + row(2, "&a;"))), (Fault.UNREADABLE, None, None)),
    ("entity in texts", xlsx(sheet(HEAD + ROW), texts='<!DOCTYPE a><si><t>x</t></si>'), (Fault.UNREADABLE, None, None)),
    ("no such text", xlsx(sheet(HEAD + '<row r="2"><c r="A2" t="s"><v>7</v></c></row>')), (Fault.UNREADABLE, 2, 1)),
    ("lines out of order", xlsx(sheet(row(2, "a") + row(1, "b"))), (Fault.UNREADABLE, None, None)),
    ("cells out of order", xlsx(sheet(f'<row r="1">{text("B1", "b")}{text("A1", "a")}</row>')), (Fault.UNREADABLE, None, None)),
    ("cells of another line", xlsx(sheet(f'<row r="1">{text("A2", "b")}</row>')), (Fault.UNREADABLE, None, None)),
    ("unknown encoding", xlsx(sheet(HEAD + ROW).replace("UTF-8", "UTFr-8")), (Fault.UNREADABLE, None, None)),
    ("cut short", xlsx(sheet(HEAD + ROW)[:-20]), (Fault.UNREADABLE, None, None)),
    ("cut in the archive", xlsx(sheet(HEAD + ROW))[:-40], (Fault.UNREADABLE, None, None)),
    ("no sheet there", xlsx(sheet(HEAD + ROW)).replace(b"xl/worksheets/sheet1.xml", b"xl/worksheets/sheet9.xml"), (Fault.UNREADABLE, None, None)),
    ("not UTF-8", xlsx(sheet(HEAD + row(2, "@@")).encode().replace(b"@@", b"\xff\xfe")), (Fault.UNREADABLE, None, None)),
    ("deep", xlsx(sheet(HEAD + "<a>" * 100_000)), (Fault.UNREADABLE, None, None)),
    ("unknown packing", xlsx(sheet(HEAD + ROW), method=zipfile.ZIP_LZMA), (Fault.UNREADABLE, None, None)),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_each_fault_is_told_with_its_place(content: bytes, expected: tuple[Fault, int | None, int | None]) -> None:
    assert where(refusal(content)) == expected


def test_two_entries_of_one_name_are_refused() -> None:
    """A spreadsheet may show one, and a reader read the other."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = xlsx(sheet(HEAD + ROW), more=[("xl/worksheets/sheet1.xml", sheet(HEAD))])
    assert refusal(content).fault is Fault.UNREADABLE
    assert refusal(xlsx(sheet(HEAD + ROW), more=[("XL/worksheets/Sheet1.xml", sheet(HEAD))])).fault is Fault.UNREADABLE


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("liste.xlsx", b"%PDF-1.7", Fault.NOT_AS_NAMED), ("liste.csv", b"\x89PNG\r\n", Fault.NOT_AS_NAMED), ("liste.xls", b"<html><table>", Fault.NOT_AS_NAMED),
        ("liste.xlsx", b"Nom\x01;Ville\n1;2", Fault.NOT_AS_NAMED), ("liste.csv", b"Nom\x01;Ville\n1;2", Fault.FORBIDDEN_CHARACTER), ("liste.pdf", b"%PDF-1.7", Fault.UNKNOWN_FORMAT),
        ("liste.xls", _ole("Workbook"), Fault.OLD_FORMAT), ("sans", b"%PDF-1.7", Fault.UNKNOWN_FORMAT),
    ],
)  # fmt: skip
def test_a_name_counts_only_when_the_content_cannot_be_read(name: str, content: bytes, fault: Fault) -> None:
    assert refusal(content, name=name).fault is fault


def test_a_renamed_file_is_read() -> None:
    content = xlsx(sheet(HEAD + ROW))
    for name in ("liste.csv", "liste.xls", "liste.ods", "LISTE", "liste.pdf"):
        assert read_table(content, name=name).header == ("Nom", "Ville")
    assert read_table(b"Nom;Ville\n1;2", name="liste.xlsx").header == ("Nom", "Ville")


def test_what_is_hidden_and_empty_hides_nothing() -> None:
    content = xlsx(
        sheet(HEAD + ROW + '<row r="3" hidden="1"><c r="A3" s="1"/></row><row r="1048576" hidden="1"/>', before='<cols><col min="3" max="16384" hidden="1"/></cols>'),
        sheet(HEAD), sheet(""), sheet(HEAD), states=["visible", "visible", "visible", "hidden"],
    )  # fmt: skip
    table = read_table(content)
    assert (table.sheet, table.others, len(table.rows)) == ("Feuille 1", 1, 1)
    hidden = '<table:table-column table:number-columns-repeated="2"/><table:table-column table:visibility="collapse" table:number-columns-repeated="16382"/>'
    style = '<style:style style:name="t"><style:table-properties table:display="false"/></style:style>'
    content = ods(
        hidden + ODS_HEAD + ods_row("MARTIN", "ALBI") + '<table:table-row table:visibility="collapse" table:number-rows-repeated="9"><table:table-cell/></table:table-row>',
        ods_row("autre"), "<table:table-row><table:table-cell/></table:table-row>", f'<table:table table:name="x" table:style-name="t">{ods_row("liste")}</table:table>', styles=style,
    )  # fmt: skip
    table = read_table(content)
    assert (table.sheet, table.others, len(table.rows)) == ("Feuille 1", 1, 1)


# ---- time and memory ---------------------------------------------------------------------------------------------------


def _bomb(head: str, one: str, tail: str, megabytes: int, name: str = "xl/worksheets/sheet1.xml", *, declared: int | None = None) -> bytes:
    """A workbook whose part ``name`` has so many megabytes of one element. They are packed once, and repeated packed."""
    root = "worksheet" if "sheet1" in name else "sst"
    begins = f'{files.DECLARATION}<{root} xmlns="{files.MAIN}">{head}'.encode()
    piece = one.encode() * (1024 * 1024 // len(one))
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(begins) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += again * megabytes + packer.compress(tail.encode()) + packer.flush()
    crc = zlib.crc32(begins)
    for _ in range(megabytes):
        crc = zlib.crc32(piece, crc)
    crc = zlib.crc32(tail.encode(), crc)
    size = len(begins) + len(piece) * megabytes + len(tail.encode())
    entries = [(name, packed, zipfile.ZIP_DEFLATED, crc, declared or size)]
    with zipfile.ZipFile(io.BytesIO(xlsx(sheet(HEAD + ROW)))) as source:
        for other in source.namelist():
            if other != name:
                content = source.read(other)
                entries.append((other, content, zipfile.ZIP_STORED, zlib.crc32(content), len(content)))
    body, directory = b"", b""
    for where, content, method, checksum, length in entries:
        told = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 33, checksum, len(content), length, len(where), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + told + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + where.encode()
        body += b"PK\x03\x04" + told + where.encode() + content
    return body + directory + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)


def _nested() -> bytes:
    inner = archive([("a", b"\0" * 50_000_000)])
    for _ in range(3):
        inner = archive([(f"{n}.zip", inner) for n in range(16)])
    return xlsx(sheet(HEAD + ROW), more=[("media/inner.zip", inner)])


def _workbook(name: str, head: str, one: Callable[[int], str], count: int, tail: str) -> bytes:
    """A workbook whose part ``name`` has so many of one element, each with its number."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx(sheet(HEAD + ROW)))) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for other in source.namelist():
            if other != name:
                made.writestr(other, source.read(other))
        with made.open(name, "w") as part:
            part.write((files.DECLARATION + head).encode())
            for start in range(0, count, 1_000):
                part.write("".join(map(one, range(start, min(start + 1_000, count)))).encode())
            part.write(tail.encode())
    return target.getvalue()


def _document(one: Callable[[int], str], count: int) -> bytes:
    """A document of so many lines under its headings."""
    with zipfile.ZipFile(io.BytesIO(ods(ODS_HEAD + "@@"))) as source:
        head, _at, tail = source.read("content.xml").decode().partition("@@")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made, made.open("content.xml", "w") as part:
        part.write(head.encode())
        for number in range(count):
            part.write(one(number).encode())
        part.write(tail.encode())
    return target.getvalue()


def _blank_cells(line: int) -> str:
    """A line of a workbook that was given borders."""
    return f'<row r="{line}">{"".join(f"""<c r="{letter}{line}" s="1"/>""" for letter in ascii_uppercase)}</row>'


def _directory() -> bytes:
    """An archive whose table of contents fills it."""
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    listed = b"".join(entry + b"%07d" % number for number in range(1_000_000))
    begins = b"PK\x03\x04" + bytes(40)
    return begins + listed + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65_535, 65_535, len(listed), len(begins), 0)


_BLANKS = '<table:table-cell table:number-columns-repeated="120"/>'
_WIDE = '<table:table-row table:number-rows-repeated="{}">' + ods_cell("a", ' table:number-columns-repeated="120"') + "</table:table-row>"
_PLAIN_PARTS = {
    "xl/workbook.xml": ('<workbook xmlns:r="r"><sheets><sheet name="a" r:id="r1"/></sheets>', "</workbook>"),
    "xl/_rels/workbook.xml.rels": ('<Relationships><Relationship Id="r1" Type="a/worksheet" Target="s.xml"/>', "</Relationships>"),
    "xl/s.xml": ("<worksheet>", "</worksheet>"),
}

#: What a sheet may hold when what it declares is believable: each piece is met.
LAX = replace(BULK, ratio=100_000)
BOMBS: dict[str, tuple[Callable[[], bytes], Limits | None, set[Fault | None]]] = {
    "sparse": (lambda: _bomb("<sheetData>" + HEAD, " " * 64, "</sheetData></worksheet>", 2047), BULK, {Fault.TOO_LARGE_UNPACKED}),
    "sparse, small limits": (lambda: _bomb("<sheetData>", " " * 64, "</sheetData></worksheet>", 400), None, {Fault.TOO_LARGE_UNPACKED}),
    "sparse and within the limits": (lambda: _bomb("<sheetData>" + HEAD + ROW, " " * 64, "</sheetData></worksheet>", 500), LAX, {None}),
    "it lies about its size": (lambda: _bomb("<sheetData>" + HEAD, " ", "</sheetData></worksheet>", 300, declared=1000), LAX, {Fault.UNREADABLE}),
    "one endless tag": (lambda: _bomb('<sheetData><row r="1"><c r="', "A" * 64, '"/></row></sheetData></worksheet>', 100), LAX, {Fault.UNREADABLE}),
    "one endless value": (lambda: _bomb('<sheetData><row r="1"><c r="A1"><v>', "1" * 64, "</v></c></row></sheetData></worksheet>", 100), LAX, {Fault.CELL_TOO_LONG}),
    "elements without end": (lambda: _bomb("<sheetData>", "<x></x>" * 8, "</sheetData></worksheet>", 30), replace(LAX, lines=50_000), {Fault.TOO_LONG_TO_READ}),
    "one endless comment": (lambda: _bomb("<!--", "x" * 64, "--></worksheet>", 100), LAX, {Fault.UNREADABLE}),
    "millions of texts": (lambda: _bomb("", "<si><t>x</t></si>", "</sst>", 60, "xl/sharedStrings.xml"), LAX, {Fault.TOO_MUCH_TEXT}),
    "many entries": (lambda: archive([("xl/workbook.xml", b"<a/>"), *((f"e{n}", b"x") for n in range(60_000))]), BULK, {Fault.TOO_LARGE_UNPACKED}),
    "nested": (_nested, BULK, {None}),
    "a table of contents without end": (_directory, BULK, {Fault.TOO_LARGE_UNPACKED}),
    "texts of four bytes a character": (lambda: _workbook("xl/sharedStrings.xml", "<sst>", lambda n: f"<si><t>{n}{'a' * 1_980}\N{GRINNING FACE}</t></si>", 105_000, "</sst>"), LAX, {Fault.TOO_MUCH_TEXT}),
    "texts that no cell may hold": (lambda: _workbook("xl/sharedStrings.xml", "<sst>", lambda n: f"<si><t>_x0000_{n}</t></si>", 1_500_000, "</sst>"), LAX, {Fault.FORBIDDEN_CHARACTER}),
    "names without end": (lambda: _workbook("xl/worksheets/sheet1.xml", "<worksheet><sheetData>", lambda n: f"<a{n}/>", 3_000_000, "</sheetData></worksheet>"), LAX, {Fault.UNREADABLE}),
    "names of attributes without end": (lambda: _workbook("xl/worksheets/sheet1.xml", "<worksheet><sheetData>", lambda n: f'<a b{n}=""/>', 3_000_000, "</sheetData></worksheet>"), LAX, {Fault.UNREADABLE}),
    "formats without end": (lambda: _workbook("xl/styles.xml", "<styleSheet><numFmts>", lambda n: f'<numFmt numFmtId="{n}" formatCode="d"/>', 500_000, "</numFmts></styleSheet>"), LAX, {Fault.UNREADABLE}),
    "sheets without end": (lambda: _workbook("xl/workbook.xml", '<workbook xmlns:r="r"><sheets>', lambda n: f'<sheet name="{n}" r:id="rId1"/>', 500_000, "</sheets></workbook>"), LAX, {Fault.UNREADABLE}),
    "relations without end": (lambda: _workbook("xl/_rels/workbook.xml.rels", "<Relationships>", lambda n: f'<Relationship Id="r{n}" Type="a" Target="{n}"/>', 500_000, "</Relationships>"), LAX, {Fault.UNREADABLE}),
    "elements in every part": (lambda: archive([(name, head + "<x/>" * 500_000 + tail) for name, (head, tail) in _PLAIN_PARTS.items()]), replace(LAX, lines=50_000), {Fault.TOO_LONG_TO_READ}),
    "blanks in every cell": (lambda: _workbook("xl/worksheets/sheet1.xml", f"<worksheet><sheetData>{HEAD}", lambda n: row(n + 2, " " * 900_000 + str(n)), 300, "</sheetData></worksheet>"), LAX, {Fault.CELL_TOO_LONG}),
    "lines repeated": (lambda: ods(ODS_HEAD + _WIDE.format(199_000) * 4, head=f"{files.DECLARATION}<!-- x -->"), BULK, {Fault.TOO_MANY_LINES}),
    "lines repeated, ordinary": (lambda: ods(ODS_HEAD + _WIDE.format(199_000) * 4), BULK, {Fault.TOO_MANY_LINES}),
    "blanks repeated": (lambda: _document(lambda n: f"<table:table-row>{_BLANKS * 120}</table:table-row>", 20_000), LAX, {Fault.ONLY_HEADER}),
    "cells written in no ordinary way": (lambda: _workbook("xl/worksheets/sheet1.xml", f"<worksheet><sheetData>{HEAD}", lambda n: f'<row r="{n + 2}">{"<c ><v>1</v></c>" * 30}</row>', 40_000, "</sheetData></worksheet>"), LAX, {Fault.TOO_LONG_TO_READ}),
    "blank cells": (lambda: _workbook("xl/worksheets/sheet1.xml", f"<worksheet><sheetData>{HEAD}", lambda n: _blank_cells(n + 2), 200_000, "</sheetData></worksheet>"), LAX, {Fault.TOO_LONG_TO_READ}),
    "blank cells in lines of a document": (lambda: _document(lambda n: f"<table:table-row>{ods_cell(str(n))}{'<table:table-cell/>' * 300}</table:table-row>", 20_000), LAX, {Fault.TOO_LONG_TO_READ}),
    "blank cells in one line": (lambda: _document(lambda n: f"<table:table-row>{'<table:table-cell/>' * 20_000}</table:table-row>", 120), LAX, {Fault.TOO_LONG_TO_READ}),
    "blank lines": (lambda: _document(lambda n: "<table:table-row></table:table-row>", 1_800_000), LAX, {Fault.TOO_LONG_TO_READ}),
    "blanks of one cell": (lambda: ods(f"{ODS_HEAD}<table:table-row><table:table-cell office:value-type='string'><text:p>{'<text:s/>' * 4_000_000}</text:p></table:table-cell></table:table-row>"), LAX, {Fault.CELL_TOO_LONG}),
    "hidden styles": (lambda: ods(ODS_HEAD, styles="".join(f'<style:style style:name="{n}"><style:table-properties table:display="false"/></style:style>' for n in range(200_000))), LAX, {Fault.UNREADABLE}),
    "a manifest without end": (lambda: archive([("META-INF/manifest.xml", b"a" * 300_000_000), ("content.xml", b"<a/>")]), LAX, {Fault.UNREADABLE}),
    "separators without end": (lambda: b"Nom;Ville\na" + b";" * 60_000_000, BULK, {Fault.TOO_MANY_COLUMNS}),
    "quotes that hold lines together": (lambda: b"Nom;Ville\na" + b';"a\n"' * 8_000_000, BULK, {Fault.BAD_QUOTES}),
    "one line of four bytes a character": (lambda: b"Nom;Ville\n" + b"a" * 60_000_000 + "\N{GRINNING FACE}".encode(), BULK, {Fault.CELL_TOO_LONG}),
    "cells of four bytes a character": (lambda: b"Nom;Ville\n" + b"".join(b"%07d%s\xf0\x9f\x98\x80;x\n" % (n, b"a" * 1_980) for n in range(32_000)), BULK, {None}),
}


def _outcome(name: str) -> tuple[Fault | None, float, int]:
    make, limits, _faults = BOMBS[name]
    content = make()
    return cost_of(lambda: _fault_of(content, limits or Limits(size=BULK.size)))


def _fault_of(content: bytes, limits: Limits) -> Fault | None:
    """Read as an import reads it: no line is kept."""
    try:
        with open_table(content, limits) as table:
            for _row in table.rows:
                pass
    except Refused as error:
        return error.fault
    return None


def test_a_table_with_borders_far_beyond_its_end_is_read() -> None:
    """65,536 lines of which three hold something."""
    lines = [HEAD + row(2, "MARTIN", "ALBI") + row(3, "DURAND", "ALBI"), *map(_blank_cells, range(4, 65_537))]
    assert len(read_table(xlsx(sheet("".join(lines))), BULK).rows) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BOMBS))
def test_a_bomb_costs_little(name: str) -> None:
    found, seconds, megabytes = apart(_outcome, name)
    assert found in BOMBS[name][2]
    assert seconds < 10
    assert megabytes < 512


def test_a_line_that_is_repeated_is_each_of_its_lines() -> None:
    repeated = ods_row("MARTIN", "ALBI", attributes=' table:number-rows-repeated="3"')
    for head in ('<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0" encoding="UTF-8"?><!-- x -->'):
        table = read_table(ods(ODS_HEAD + repeated + '<table:table-row table:number-rows-repeated="2"/>' + ods_row("DURAND"), head=head))
        assert [(one.number, *(cell.text for cell in one.cells)) for one in table.rows] == [
            (2, "MARTIN", "ALBI"), (3, "MARTIN", "ALBI"), (4, "MARTIN", "ALBI"), (7, "DURAND", ""),
        ]  # fmt: skip


def test_cells_that_are_repeated_stand_where_the_sheet_shows_them() -> None:
    blanks = '<table:table-cell table:number-columns-repeated="{}"/>'
    cells = [blanks.format(2), ods_cell("x", ' table:number-columns-repeated="2"'), blanks.format(3), ods_cell("y"), blanks.format(16_000)]
    line = f"<table:table-row>{''.join(cells)}</table:table-row>"
    for head in ('<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0" encoding="UTF-8"?><!-- x -->'):
        table = read_table(ods(ODS_HEAD + line, head=head))
        assert [cell.text for cell in table.rows[0].cells] == ["", "", "x", "x", "", "", "", "y"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Nom;Ville\na" + b";" * 3_000_000, (Fault.TOO_MANY_COLUMNS, 2)), (b"Nom;Ville\na" + b';"b\n"' * 1_000_000, (Fault.BAD_QUOTES, 2)),
        (b"Nom;Ville\na;b\n" + (b"c" * 100_000 + b";") * 30, (Fault.CELL_TOO_LONG, 3)), (b"c" * 3_000_000, (Fault.CELL_TOO_LONG, 1)),
        (b"Nom;Ville\n" + b"a" + b" " * 10_000 + b"b;c", (Fault.CELL_TOO_LONG, 2)),
    ],
    ids=["separators", "quotes", "cells", "first line", "blanks"],
)  # fmt: skip
def test_a_line_without_end_is_told_for_what_it_is(content: bytes, expected: tuple[Fault, int]) -> None:
    error = refusal(content, Limits(size=BULK.size))
    assert (error.fault, error.line) == expected


def test_what_stands_beside_the_table_is_never_read_whole() -> None:
    for name in ("META-INF/manifest.xml", "mimetype"):
        content = archive([("mimetype", files.SPACES) if name != "mimetype" else ("x", b""), (name, b" " * 2_000_000), ("content.xml", b"<a/>")])
        assert refusal(content).fault is Fault.UNREADABLE


def test_a_text_costs_what_it_takes_in_memory() -> None:
    """One character of four bytes makes each of the text four."""
    words = "a" * 1_990
    for reader in (lambda text: f"Nom;Ville\n{text};x".encode(), lambda text: xlsx(sheet(HEAD + row(2, text, "x"))), lambda text: ods(ODS_HEAD + ods_row(text, "x"))):
        limits = Limits(held=5_000)
        assert len(read_table(reader(words), limits).rows) == 1
        assert refusal(reader(words[1:] + "\N{GRINNING FACE}"), limits).fault is Fault.TOO_MUCH_TEXT


@pytest.mark.parametrize("inside", [" " * 900_000, "<c" * 400_000, '<c r="A2">' * 90_000, '<c r="A2"><v>' + "&amp;" * 150_000, "&" * 900_000, '<c r="A2" t="inlineStr"><is><t>' + "&amp;" * 150_000])
def test_no_line_takes_long(inside: str) -> None:
    """Neither a pattern that tries again at each byte, nor a list of each byte that no pattern knows."""
    started = time.process_time()
    for content in (
        xlsx(sheet(HEAD + f'<row r="2">{inside}</row>')), xlsx(sheet(HEAD + ROW), texts=f"<si>{inside}</si>"), xlsx(sheet(HEAD + ROW + f"<row {inside}/>")),
        ods(ODS_HEAD + f"<table:table-row>{inside}</table:table-row>"), ods(ODS_HEAD + f"<table:table-row><table:table-cell {inside}/></table:table-row>"),
        f"Nom;Ville\n{inside};2".encode(), f"{inside};Ville\n1;2".encode(), f"sep={inside}\n1;2".encode(),
    ):  # fmt: skip
        with contextlib.suppress(Refused):
            read_table(content)
    assert time.process_time() - started < 4


# ---- words -------------------------------------------------------------------------------------------------------------


def test_each_fault_has_its_sentence(app: Flask) -> None:
    with app.test_request_context(), force_locale("fr"):
        sentences = {fault: labels.refused(Refused(fault, value="X")) for fault in Fault}
        assert len(set(sentences.values())) == len(Fault)
        assert all(len(words) > 30 and words.rstrip(".") != words for words in sentences.values()), sentences
        known = {case[0]: case[1] for case in FAULTS}
        damages = {labels.damaged(damage, "7,5E+04", 13, 15) for damage in Damage}
        assert len(damages) == len(Damage) and all("7,5E+04" in words and "Texte" in words for words in damages)
        assert labels.refused(refusal(known["formula"])).startswith("Ligne 2, colonne B")
        assert labels.refused(refusal(known["hidden column"])).startswith("Colonne B")
        assert labels.refused(refusal(b"Nom;Ville\nabc\0;2")).startswith("Ligne 2, caractère 4")
    assert [labels.column_letters(number) for number in (1, 26, 27, 52, 703, 16384)] == ["A", "Z", "AA", "AZ", "AAA", "XFD"]


def test_lines_given_one_by_one_are_refused_at_their_end() -> None:
    content = xlsx(sheet(HEAD + ROW + row(3, "x"), after='<mergeCells><mergeCell ref="A1:B1"/></mergeCells>'))
    seen = []
    with pytest.raises(Refused) as caught, open_table(content) as table:
        seen = [row.number for row in table.rows]
    assert caught.value.fault is Fault.MERGED_CELLS and seen == []


def _table(content: bytes, **more: Any) -> Table:
    return read_table(content, **more)


def test_progress_is_told() -> None:
    told: list[int] = []
    _table(b"Nom\n" + b"x\n" * 2500, progress=told.append)
    assert told == [1000, 2000, 2500]


def test_the_files_of_this_test_are_good_but_for_their_fault() -> None:
    assert len(read_table(xlsx(sheet(HEAD + ROW))).rows) == 1
    assert len(read_table(ods(ODS_HEAD + ods_row("a"))).rows) == 1
