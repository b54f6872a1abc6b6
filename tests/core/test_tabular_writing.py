"""Files of tables: what is written is what is read back, as what it is; nothing in a cell runs; nothing is kept."""

from __future__ import annotations

import csv
import io
import random
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import date
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from app.core.copying import clean
from app.core.tabular import CellKind, read_table, safe_cell, writing
from app.core.tabular.writing import ColumnKind, FileFormat, Heading, write
from app.core.tabular.writing_ods import write_ods
from app.core.tabular.writing_xlsx import write_xlsx

HEADINGS = [Heading("Code"), Heading("Intitulé"), Heading("Début", ColumnKind.DATE), Heading("Heures", ColumnKind.NUMBER)]
ROWS = [
    ("00123", "Préparation & sélections <niveau 3>", "2026-01-05", "1234.50"),
    ("2A004", "", "", ""),
    ("", "  deux  espaces", "1999-12-31", "0"),
    ("1E5", '"guillemets"; point-virgule', "2100-02-28", "-7.25"),
]
INJECTIONS = [
    "=1+1", "+33", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1+1", "\u00a0=1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")',
    "\uff1dHYPERLINK(1)", "\uff0b33", "\uff0d2", "\uff20SUM(A1)", "\u2003=1", "\u3000+1", "\ufeff=1", "\u200b \u2060@SUM(A1)", "\u1680=1", "\x1f=1", "\x85=1",
]  # fmt: skip


def batch(rows: list[tuple[str, ...]]) -> bytes:
    """Lines as they come from the database."""
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def written(kind: FileFormat, *batches: bytes, headings: list[Heading] = HEADINGS) -> bytes:
    return b"".join(write(kind, "Export des actions", headings, batches))


def sheet(content: bytes) -> list[list[Any]]:
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python(skip_empty_area=False)


@pytest.mark.parametrize("kind", [FileFormat.XLSX, FileFormat.ODS])
def test_spreadsheets_hold_what_was_given_as_what_it_is(kind: FileFormat) -> None:
    lines = sheet(written(kind, batch(ROWS[:2]), b"", batch(ROWS[2:])))
    assert lines[0] == ["Code", "Intitulé", "Début", "Heures"]
    assert lines[1] == ["00123", "Préparation & sélections <niveau 3>", date(2026, 1, 5), 1234.5]
    assert lines[2] == ["2A004", "", "", ""]
    assert lines[3][1].split() == ["deux", "espaces"] and lines[3][2:] == [date(1999, 12, 31), 0]
    assert lines[4] == ["1E5", '"guillemets"; point-virgule', date(2100, 2, 28), -7.25]


@pytest.mark.parametrize("kind", [FileFormat.XLSX, FileFormat.ODS, FileFormat.CSV])
def test_the_portal_reads_what_it_writes(kind: FileFormat) -> None:
    table = read_table(written(kind, batch(ROWS)))
    assert table.header == ("Code", "Intitulé", "Début", "Heures")
    assert [row.cells[0].text for row in table.rows] == ["00123", "2A004", "", "1E5"]
    assert table.rows[0].cells[2].text == "05/01/2026"
    if kind is not FileFormat.CSV:
        assert [cell.kind for cell in table.rows[0].cells] == [CellKind.TEXT, CellKind.TEXT, CellKind.DATE, CellKind.NUMBER]


def test_csv_as_french_spreadsheets_open_it() -> None:
    content = written(FileFormat.CSV, batch(ROWS))
    assert content.startswith(b"\xef\xbb\xbfCode;")
    assert content.count(b"\r\n") == content.count(b"\n") == 5
    lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert lines[1] == ["00123", "Préparation & sélections <niveau 3>", "05/01/2026", "1234,50"]
    assert lines[4] == ["1E5", '"guillemets"; point-virgule', "28/02/2100", "-7,25"]


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_text_runs(text: str) -> None:
    line = clean((text.replace("\\", r"\\").replace("\t", r"\t").replace("\r", r"\r") + "\tx\t\t1\n").encode())
    cells = next(csv.reader(io.StringIO(written(FileFormat.CSV, line).decode("utf-8-sig").split("\r\n")[1]), delimiter=";"))
    assert cells[0].startswith("'") and safe_cell(text) == f"'{text}" and not safe_cell(f"x{text}").startswith("'")
    for kind, part in ((FileFormat.XLSX, "xl/worksheets/sheet1.xml"), (FileFormat.ODS, "content.xml")):
        content = written(kind, line)
        xml = zipfile.ZipFile(io.BytesIO(content)).read(part).decode()
        assert "<f" not in xml and "formula" not in xml
        assert isinstance(sheet(content)[1][0], str)
        read_table(content)  # refuses a formula
    assert not read_table(written(FileFormat.CSV, line, line)).rows[0].cells[0].text.startswith("'")  # the mark of CSV comes off again


def test_negative_numbers_stay_numbers_in_csv() -> None:
    assert written(FileFormat.CSV, batch([("a", "=b", "", "-5.50")])).decode("utf-8-sig").split("\r\n")[1] == "a;'=b;;-5,50"


_CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=20))
def test_whatever_people_typed_gives_files_that_open(rows: list[tuple[str, str]]) -> None:
    """As COPY writes it: control characters, markup, noncharacters, anything."""

    def copied(text: str) -> str:
        found = text.replace("\x00", "").replace("\\", "\\\\")
        for character, escape in (("\b", "b"), ("\t", "t"), ("\n", "n"), ("\v", "v"), ("\f", "f"), ("\r", "r")):
            found = found.replace(character, f"\\{escape}")
        return found

    content = clean("".join("\t".join(map(copied, row)) + "\n" for row in rows).encode())
    headings = [Heading("A"), Heading("B")]
    expected = [tuple(" ".join(cell.split(" ")) for cell in line.split("\t")) for line in content.decode().split("\n")[:-1]]
    assert len(expected) == len(rows)
    for kind in (FileFormat.XLSX, FileFormat.ODS):
        data = b"".join(write(kind, "x", headings, [content]))
        for name in (archive := zipfile.ZipFile(io.BytesIO(data))).namelist():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(archive.read(name))
    texts = list(csv.reader(io.StringIO(b"".join(write(FileFormat.CSV, "x", headings, [content])).decode("utf-8-sig"), newline=""), delimiter=";"))
    read = [
        tuple(cell if before.startswith("'") else cell.removeprefix("'") for cell, before in zip(line, row, strict=True))
        for line, row in zip(texts[1:], expected, strict=True)
    ]
    assert read == expected


@pytest.mark.parametrize("writer", [write_xlsx, write_ods])
def test_more_lines_than_a_sheet_holds_go_on_in_another(writer: Any) -> None:
    lines = [(str(number), "x", "", "") for number in range(25)]
    content = b"".join(writer("Export", HEADINGS, [batch(lines[:7]), batch(lines[7:])], sheet_lines=11))
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert book.sheet_names == ["Export", "Export 2", "Export 3"]
    sheets = [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]
    assert all(one[0][0] == "Code" for one in sheets)
    assert [row[0] for one in sheets for row in one[1:]] == [line[0] for line in lines]


@pytest.mark.parametrize("kind", list(FileFormat))
def test_a_table_without_lines_has_its_heading(kind: FileFormat) -> None:
    content = written(kind)
    lines = sheet(content) if kind is not FileFormat.CSV else [content.decode("utf-8-sig").strip().split(";")]
    assert lines == [["Code", "Intitulé", "Début", "Heures"]]


def test_ods_says_what_it_is_first() -> None:
    content = written(FileFormat.ODS, batch(ROWS))
    assert content[30:38] == b"mimetype" and content[38:].startswith(FileFormat.ODS.media_type.encode())


@pytest.mark.parametrize("kind", list(FileFormat))
def test_the_first_bytes_leave_before_the_last_lines_are_read(kind: FileFormat) -> None:
    read = 0

    def lines() -> Iterator[bytes]:
        nonlocal read
        for number in range(2_000):
            read += 1
            chance = random.Random(number)  # lines that are all alike are nothing once compressed
            yield batch(
                [(f"{chance.getrandbits(64):x}", f"Formation {chance.getrandbits(32):x}", "2026-01-05", f"{chance.randrange(9000)}") for _line in range(200)]
            )

    pieces = write(kind, "x", HEADINGS, lines())
    sizes = [len(next(pieces))]
    while sum(sizes) < 1_000:
        sizes.append(len(next(pieces)))
    assert read < 100


@pytest.mark.parametrize("kind", list(FileFormat))
def test_memory_is_flat(kind: FileFormat) -> None:
    peaks = []
    for count in (20, 400):
        tracemalloc.start()
        for _piece in write(kind, "x", HEADINGS, (batch(ROWS * 50) for _number in range(count))):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3 + 200_000, peaks


@pytest.mark.parametrize("kind", [FileFormat.XLSX, FileFormat.ODS])
def test_archives_are_compressed_by_the_fast_compressor(kind: FileFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put where zipfile keeps its own, which says nothing if that place moves."""
    taken = 0

    real = writing.isal_zlib.compressobj

    class Counting:
        def __init__(self, *given: Any) -> None:
            self._real = real(*given)

        def compress(self, piece: bytes) -> bytes:
            nonlocal taken
            taken += len(piece)
            return bytes(self._real.compress(piece))

        def flush(self) -> bytes:
            return bytes(self._real.flush())

    monkeypatch.setattr(writing.isal_zlib, "compressobj", Counting)
    content = written(kind, *[batch(ROWS * 200)] * 5)
    monkeypatch.undo()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unpacked = sum(one.file_size for one in archive.infolist() if one.compress_type == zipfile.ZIP_DEFLATED)
    assert taken >= 0.9 * unpacked > 0
