"""Tables people send: the same rows whatever the form, and a typed refusal for everything else."""

from __future__ import annotations

import io
import time
import zipfile
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.tabular import CellKind, Fault, Limits, Refused, Table, looks_like_formula, read_table, safe_cell
from tests.core import tabular_files

ROWS = [["SIRET", "Nom", "Note"], ["01234567890123", "Élise Noël", "un\ndeux"], ["", "", ""], ["732", "O'Brien; \"fils\"", "x,y"]]


def _csv(separator: str, end: str) -> str:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in (separator, '"', "\n")) else cell

    return end.join(separator.join(quoted(cell) for cell in row) for row in ROWS)


def _xlsx(rows: list[list[Any]], formula: bool = False) -> bytes:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True})
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            sheet.write_string(number, column, value) if isinstance(value, str) else sheet.write(number, column, value)
    if formula:
        sheet.write_formula(5, 1, "=1+1")
    book.close()
    return target.getvalue()


_NS = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'


def _ods(body: str) -> bytes:
    content = f'<?xml version="1.0"?><office:document-content {_NS} office:version="1.2"><office:body><office:spreadsheet><table:table table:name="A">{body}</table:table></office:spreadsheet></office:body></office:document-content>'
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>')
    return target.getvalue()


def _ods_row(*cells: str, more: str = "") -> str:
    return "<table:table-row>" + "".join(f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>' for cell in cells) + more + "</table:table-row>"


def texts(table: Table) -> list[list[str]]:
    return [list(table.header), *([cell.text for cell in row.cells] for row in table.rows)]


EXPECTED = [["SIRET", "Nom", "Note"], ["01234567890123", "Élise Noël", "un deux"], ["732", "O'Brien; \"fils\"", "x,y"]]


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_one_file_in_every_writing(separator: str, end: str, encoding: str) -> None:
    assert texts(read_table(_csv(separator, end).encode(encoding))) == EXPECTED


def test_the_same_file_as_a_spreadsheet() -> None:
    table = read_table(_xlsx(ROWS))
    assert texts(table) == EXPECTED
    assert [row.number for row in table.rows] == [2, 4]
    assert texts(read_table(_ods("".join(_ods_row(*[cell.replace("\n", " ") for cell in row]) for row in ROWS)))) == EXPECTED


def test_a_number_says_that_it_is_one() -> None:
    row = read_table(_xlsx([["SIRET", "Prix"], [1234567890123.0, 12.5]])).rows[0]
    assert [(cell.text, cell.kind) for cell in row.cells] == [("1234567890123", CellKind.NUMBER), ("12,5", CellKind.NUMBER)]


def test_the_empty_end_of_an_ods_is_no_line() -> None:
    tail = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    wide = '<table:table-cell table:number-columns-repeated="16382"/>'
    assert texts(read_table(_ods(_ods_row("A", "B", more=wide) + _ods_row("1", "2") + tail))) == [["A", "B"], ["1", "2"]]


def refusal(content: bytes, limits: Limits | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        read_table(content, limits)
    return caught.value


def _archive(**entries: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/"), content)
    return target.getvalue()


_SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", Fault.EMPTY),
        (b"\xef\xbb\xbf", Fault.EMPTY),
        (b" ;;\r\n", Fault.EMPTY),
        (b"x" * 3_000_000, Fault.TOO_LARGE),
        (b"A;B\n1\x00;2", Fault.FORBIDDEN_CHARACTER),
        (b"A;B\n\x81;2", Fault.UNDECODABLE),
        (b'A;B\n"1;2', Fault.BAD_QUOTES),
        (b'A;B\n"1"x;2', Fault.BAD_QUOTES),
        (b"A;a\n1;2", Fault.SAME_HEADER_TWICE),
        (b"A\n" + b"x\n" * 5001, Fault.TOO_MANY_LINES),
        (b";".join([b"A"] * 3 + [b"B"] * 100), Fault.TOO_MANY_COLUMNS),
        (b"A\n" + b"x" * 2001, Fault.CELL_TOO_LONG),
        (b"%PDF-1.7", Fault.UNKNOWN_FORMAT),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), Fault.ENCRYPTED),
        (b"PK\x03\x04broken", Fault.UNREADABLE),
        (_archive(a=b"x"), Fault.UNKNOWN_FORMAT),
        (_xlsx([["A"], ["1"]], formula=True), Fault.FORMULA),
        (_xlsx([["A"]] + [["x"]] * 5001), Fault.TOO_MANY_LINES),
        (_xlsx([["A"] * 61]), Fault.TOO_MANY_COLUMNS),
        (tabular_files.xlsx(_SHEET.format('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')), Fault.TOO_MANY_LINES),
        (tabular_files.xlsx(_SHEET.format('<row r="1"><c r="1A"/></row>')), Fault.UNREADABLE),
        (_archive(**{"xl__workbook.xml": b'<!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>'}), Fault.UNREADABLE),
        (_archive(**{"xl__workbook.xml": b" " * 30_000_000 + b"<a/>"}), Fault.TOO_LARGE_UNPACKED),
        (_archive(**{f"e{n}": b"x" for n in range(80)}, **{"content.xml": b"<a/>"}), Fault.TOO_LARGE_UNPACKED),
        (_ods(_ods_row("A") + '<table:table-row table:number-rows-repeated="900000"><table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell></table:table-row>'), Fault.TOO_MANY_LINES),
        (_ods('<table:table-row><table:table-cell table:formula="of:=1+1" office:value-type="float"/></table:table-row>'), Fault.FORMULA),
    ],
)  # fmt: skip
def test_refusals(content: bytes, fault: Fault) -> None:
    assert refusal(content).fault is fault


@pytest.mark.parametrize("place", ["feuilles/sheet1.xml", "worksheets/SHEET1.XML", "feuille.dat", "worksheets/plus/sheet1.xml", "worksheets/sheet1.rels"])
def test_a_sheet_cannot_hide_elsewhere_in_the_archive(place: str) -> None:
    """The library opens whatever the workbook points to, and compares names without case: a table of a billion cells must not pass."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_xlsx([["A"], ["1"]]))) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "xl/worksheets/sheet1.xml":
                content = _SHEET.format('<row r="1048576"><c r="XFD1048576" t="n"><v>1</v></c></row>').encode()
                archive.writestr(f"xl/{place}", content)
            else:
                archive.writestr(entry.filename, content.replace(b"worksheets/sheet1.xml", place.encode()))
    assert refusal(target.getvalue()).fault in {Fault.UNREADABLE, Fault.TOO_MANY_LINES}


def test_a_refusal_names_the_place() -> None:
    where = refusal("A;B\nx;é\n1;".encode("cp1252") + b"\x81")
    assert (where.line, where.column) == (3, 3)
    assert refusal(b'A;B\n1;2\n"3;4').line == 3
    formula = refusal(_xlsx([["A"], ["1"]], formula=True))
    assert (formula.line, formula.column) == (6, 2)


def test_formulas_are_marked_in_what_we_write() -> None:
    for text in ("=1", "+33", "-1", "@x", "\tx"):
        assert looks_like_formula(text) and safe_cell(text) == "'" + text
    assert safe_cell("O'Brien") == "O'Brien"


def _never_another(content: bytes) -> None:
    try:
        table = read_table(content, Limits(lines=50, columns=10, cell=200))
    except Refused:
        return
    assert table.header
    assert all(len(row.cells) >= len(table.header) for row in table.rows)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    _never_another(content)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='AB;,\t"\r\n\x00é\ufeff= ', max_size=80), st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
def test_any_text(text: str, encoding: str) -> None:
    _never_another(text.encode(encoding))


_GOOD = _xlsx(ROWS)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_spreadsheet_damaged_anywhere(data: st.DataObject) -> None:
    damaged = bytearray(_GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    _never_another(bytes(damaged[: data.draw(st.integers(10, len(damaged)))]))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>/ rct=\"'A1x&;!-[]", max_size=60))
def test_any_sheet(inside: str) -> None:
    _never_another(tabular_files.xlsx(_SHEET.format(inside)))


@pytest.mark.parametrize("line", [b"\n", b" \r\n", b";" * 59 + b"\n"])
def test_empty_lines_cost_nothing(line: bytes) -> None:
    content = b"a;b\n" + line * ((2 * 1024 * 1024 - 20) // len(line)) + b"1;2\n"
    started = time.process_time()
    with pytest.raises(Refused) as error:
        read_table(content)
    assert error.value.fault is Fault.TOO_MANY_LINES
    assert time.process_time() - started < 2


def test_some_empty_lines_are_skipped() -> None:
    table = read_table(b"\n;;\na;b\n" + b";;\n\n" * 20 + b"1;2\n", Limits(lines=20))
    assert [(row.number, [cell.text for cell in row.cells]) for row in table.rows] == [(44, ["1", "2"])]
