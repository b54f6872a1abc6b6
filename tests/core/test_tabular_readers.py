"""What the readers give: the same by the pattern and by the exact parser, as calamine and as LibreOffice; what a spreadsheet makes of a value."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from app.core.tabular import BULK, CellKind, Refused, Table, open_table, read_table
from app.core.tabular.cells import Purse, kind_of_format
from app.core.tabular.damage import Damage, damage_of
from app.core.tabular.writing import ColumnKind, FileFormat, Heading, write
from tests.core.tabular_files import OFFICE, convert, ods, ods_row, row, sheet, text, xlsx


def outcome(content: bytes) -> Any:
    try:
        table = read_table(content)
    except Refused as error:
        return error.fault, error.line, error.column
    return table.header, [(one.number, [(cell.text, cell.kind) for cell in one.cells]) for one in table.rows], table.others


def texts(table: Table) -> list[list[str]]:
    return [list(table.header), *([cell.text for cell in one.cells] for one in table.rows)]


# ---- one reading -------------------------------------------------------------------------------------------------------

_WORDS = st.sampled_from(["", "a", "L'UNION", "&amp;", "&apos;&lt;", "é € 𝄞", " x  y ", "12", "_x0041_", "_x000D_", "&#10;", "0", "x" * 2001, "\u00a0", "&eacute;", "]]&gt;"])
_ATTRIBUTES = st.sampled_from(["", ' s="1"', ' s="2" t="n"', ' t="s"', ' t="str"', ' t="b"', ' t="e"', ' t="d"', ' t="inlineStr"', ' t="z"', ' t="n" s="3"', ' s="9"', " s='1'", ' cm="1"'])
_VALUES = st.one_of(
    st.sampled_from(["0", "1", "2", "3", "9", "1.5", "-1", "1e400", "NaN", "44000", "44000.75", "60", "0.25", "1E5", "2022-05-03", "2022-05-03T10:00:00", "abc", "", " 1 ", "#N/A"]), _WORDS
)


_SOUND_WORDS = st.sampled_from(["", "a", "L'UNION", "&amp;", "&apos;&lt;", "é € 𝄞", " x  y ", "12", "_x0041_", "&#10;", "0", "\u00a0", "]]&gt;"])
_SOUND = st.one_of(
    st.sampled_from([
        ("", "<v>12</v>"), (' s="1"', "<v>44000</v>"), (' t="s"', "<v>0</v>"), (' s="9" t="s"', "<v>1</v>"), (' t="s" s="1"', "<v>2</v>"), (' t="s"', "<v>3</v>"), (' t="b"', "<v>1</v>"),
        (' s="2"', "<v>0.25</v>"), ("", None), (' s="1"', None), (' t="d"', "<v>2022-05-03</v>"), (" s='1'", "<v>44000.75</v>"), (' cm="1"', "<v>1</v>"), (' t="n"', "<v/>"), (' t="n" s="3"', "<v>1.5</v>"),
        ("", "<v>1E5</v>"), ("", "<v>1e400</v>"), (' s="1"', "<v>60</v>"), ("", ""),
    ]),
    _SOUND_WORDS.map(lambda words: (' t="inlineStr"', f"<is><t>{words}</t></is>")), _SOUND_WORDS.map(lambda words: (' t="str"', f"<v>{words}</v>")),
    _SOUND_WORDS.map(lambda words: (' s="1" t="inlineStr"', f'<is><t xml:space="preserve">{words}</t></is>')),
    _SOUND_WORDS.map(lambda words: (' t="inlineStr"', f"<is><r><t>{words}</t></r><rPh><t>no</t></rPh></is>")),
)  # fmt: skip
_ODD = st.tuples(_ATTRIBUTES, st.one_of(
    _VALUES.map("<v>{}</v>".format), _WORDS.map("<is><t>{}</t></is>".format), st.just("<f>1</f><v>1</v>"), st.just(None), _VALUES.map("<v>{}</v><is><t>z</t></is>".format),
))  # fmt: skip


@st.composite
def _cells(draw: st.DrawFn, number: int, odd: bool, placed: bool) -> str:
    made = ""
    columns = draw(st.lists(st.integers(0, 4), max_size=4, unique=True))
    for column in columns if odd and draw(st.booleans()) else sorted(columns):
        reference = f' r="{chr(65 + column)}{number}"' * placed if not odd else draw(st.sampled_from([f' r="{chr(65 + column)}{number}"'] * 8 + ["", f' r="{chr(65 + column)}9"']))
        attributes, inside = draw(st.one_of(_SOUND, _SOUND, _ODD) if odd else _SOUND)
        made += f"<c{reference}{attributes}/>" if inside is None else f"<c{reference}{attributes}>{inside}</c>"
        made += draw(st.sampled_from(["", "", "\n  "]))
    return made


@st.composite
def _sheets(draw: st.DrawFn) -> str:
    made = row(1, "A", "B", "C")
    number = before = 1
    odd_line = draw(st.integers(0, 8))
    for line in range(draw(st.integers(1, 6))):
        odd = line == odd_line
        number += draw(st.sampled_from([1, 1, 2, 0, 30_000] if odd else [1, 1, 2]))
        attributes = draw(st.sampled_from([' hidden="1"', " x='1'", ' ht="0"'] if odd else ["", "", ' spans="1:3"', ' ht="12.8" hidden="false"', " x='1'"]))
        told, placed = draw(st.sampled_from([(True, True)] * 3 + [(False, False), (True, False), (False, True)]))
        if not told and not odd:
            number = before + 1
        before = number
        cells, where = draw(_cells(number, odd, placed)), f' r="{number}"' * told
        whole = f'<row{where}{attributes}>{cells}</row>'
        made += draw(st.sampled_from([whole, f'<row r="{number}"{attributes}/>', f"<row>{cells}</row>", "<row/>"])) if odd else whole
        made += draw(st.sampled_from(["<!-- -->", "<x/>", '<row r="9'] if odd else ["", "", "\r\n"]))
    return made


_TEXTS = "".join(f"<si><t>{words}</t></si>" for words in ("zéro", "L&apos;un", " deux ")) + "<si><r><t>tr</t></r><r><t>ois</t></r><rPh><t>no</t></rPh></si>"
_FORMATS = ("dd/mm/yyyy", "0%", "[h]:mm", "h:mm")


@settings(max_examples=400, deadline=None)
@given(_sheets())
def test_the_pattern_reads_what_the_exact_parser_reads(rows: str) -> None:
    ordinary = outcome(xlsx(sheet(rows), texts=_TEXTS, formats=_FORMATS))
    exact = outcome(xlsx(sheet(rows, before="<!-- exact -->"), texts=_TEXTS, formats=_FORMATS))
    assert ordinary == exact
    prefixed = sheet(rows).replace("</", "</x:").replace("<", "<x:").replace("<x:/x:", "</x:").replace("<x:?", "<?").replace("<x:!", "<!").replace("xmlns=", "xmlns:x=")
    assert outcome(xlsx(prefixed, texts=_TEXTS, formats=_FORMATS)) == ordinary
    if "é" not in rows and "𝄞" not in rows:
        wide = sheet(rows).replace("UTF-8", "UTF-16").encode("utf-16")
        assert outcome(xlsx(wide, texts=_TEXTS, formats=_FORMATS)) == ordinary


_ODS_ATTRIBUTES = st.sampled_from([
    "", ' office:value-type="string"', ' office:value-type="float" office:value="12.5"', ' office:value-type="percentage" office:value="0.125"', ' office:value-type="date" office:date-value="1850-02-01"',
    ' office:value-type="date" office:date-value="2022-02-01T08:30:00"', ' office:value-type="time" office:time-value="PT08H30M00S"', ' office:value-type="boolean" office:boolean-value="true"',
    ' table:number-columns-repeated="3"', ' table:number-columns-repeated="3" office:value-type="string"', ' office:value-type="string" calcext:value-type="error"', ' table:formula="of:=1"',
    ' office:value-type="float" office:value="x"', " office:value-type='string'", ' table:number-columns-spanned="2"', ' office:value-type="string" office:string-value="dit"',
])  # fmt: skip


_ODS_SOUND = st.sampled_from([
    "", ' office:value-type="string"', ' office:value-type="string" calcext:value-type="string"', ' table:style-name="ce1" office:value-type="string"', ' office:value-type="float" office:value="12.5"',
    ' office:value-type="percentage" office:value="0.125"', ' office:value-type="date" office:date-value="1850-02-01"', ' office:value-type="date" office:date-value="2022-02-01T08:30:00"',
    ' office:value-type="time" office:time-value="PT08H30M00S"', ' office:value-type="boolean" office:boolean-value="true"', ' table:number-columns-repeated="3"',
    ' table:number-columns-repeated="3" office:value-type="string"', " office:value-type='string'", ' office:value-type="string" office:string-value="dit"',
])  # fmt: skip


@st.composite
def _tables(draw: st.DrawFn) -> str:
    made = ods_row("A", "B", "C")
    odd_line = draw(st.integers(0, 8))
    for line in range(draw(st.integers(1, 6))):
        odd = line == odd_line
        cells = ""
        for _ in range(draw(st.integers(0, 4))):
            words, attributes = draw(_WORDS if odd else _SOUND_WORDS), draw(_ODS_ATTRIBUTES if odd else _ODS_SOUND)
            inside = draw(st.sampled_from([
                f"<text:p>{words}</text:p>", f"<text:p>{words}</text:p>", f"<text:p>{words}</text:p><text:p>fin</text:p>", "", f"<text:p>a<text:s text:c='3'/>{words}</text:p>", "<text:p/>",
                f'<text:p><text:a xlink:href="mailto:a@b.fr" xlink:type="simple">{words}</text:a></text:p>', f"<office:annotation><text:p>non</text:p></office:annotation><text:p>{words}</text:p>",
                f"<draw:frame><draw:text-box><text:p>non</text:p></draw:text-box></draw:frame><text:p>{words}</text:p>",
            ]))  # fmt: skip
            cells += f"<table:table-cell{attributes}>{inside}</table:table-cell>" if inside else f"<table:table-cell{attributes}/>"
        attributes = draw(st.sampled_from(["", ' table:style-name="ro1"', ' table:number-rows-repeated="3"', " table:number-rows-repeated='2'", *([' table:visibility="collapse"'] if odd else [])]))
        made += draw(st.sampled_from([f"<table:table-row{attributes}>{cells}</table:table-row>"] * 5 + [f"<table:table-row{attributes}/>"]))
        made += draw(st.sampled_from(["", "", "\n", "<!-- -->"]))
    return made


@settings(max_examples=400, deadline=None)
@given(_tables(), st.booleans())
def test_the_pattern_reads_what_the_exact_parser_reads_of_ods(rows: str, second: bool) -> None:
    tables = (rows, ods_row("autre")) if second else (rows,)
    ordinary = outcome(ods(*tables))
    assert outcome(ods(*tables, head='<?xml version="1.0" encoding="UTF-8"?><!-- exact -->')) == ordinary
    if "é" not in rows and "𝄞" not in rows:
        wide = outcome(ods(*tables, head='<?xml version="1.0" encoding="UTF-16"?>', encoding="utf-16"))
        assert wide[:2] == ordinary[:2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.one_of(st.text(max_size=8), st.integers(-(10**12), 10**12), st.floats(-1e6, 1e6).map(lambda one: round(one, 3))), min_size=1, max_size=6), min_size=1, max_size=6), st.booleans())
def test_a_sheet_is_what_calamine_reads(rows: list[list[Any]], shared: bool) -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": shared, "constant_memory": not shared, "strings_to_numbers": False}) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, [f"Colonne {number}" for number in range(6)])
        for number, values in enumerate(rows, start=1):
            for column, value in enumerate(values):
                page.write_string(number, column, value) if isinstance(value, str) else page.write_number(number, column, value)
    found = outcome(target.getvalue())
    try:
        expected = CalamineWorkbook.from_filelike(io.BytesIO(target.getvalue())).get_sheet_by_index(0).to_python(skip_empty_area=False)[1:]
    except Exception:
        return  # a character that XML does not hold
    if isinstance(found[0], tuple):
        read = {number: [cell for cell, _kind in cells] for number, cells in found[1]}
        for number, values in enumerate(expected, start=2):
            words = [" ".join(value.split()) if isinstance(value, str) else float(value) for value in values] + [""] * (6 - len(values))
            mine = [cell if isinstance(word, str) else float(cell.replace(",", ".")) for cell, word in zip(read.get(number, [""] * 6), words, strict=True)]
            assert mine == words


# ---- values ------------------------------------------------------------------------------------------------------------


def _read(cells: str, *, properties: str = "", formats: tuple[str, ...] = _FORMATS) -> list[tuple[str, CellKind]]:
    content = xlsx(sheet(row(1, "A", "B", "C", "D", "E", "F") + f'<row r="2">{cells}</row>'), formats=formats, properties=properties)
    return [(cell.text, cell.kind) for cell in read_table(content).rows[0].cells]


@pytest.mark.parametrize(
    ("value", "style", "properties", "shown", "kind"),
    [
        ("44000", 1, "", "18/06/2020", CellKind.DATE), ("44000.75", 1, "", "18/06/2020 18:00", CellKind.DATE), ("1", 1, "", "01/01/1900", CellKind.DATE),
        ("59", 1, "", "28/02/1900", CellKind.DATE), ("61", 1, "", "01/03/1900", CellKind.DATE), ("60", 1, "", "60", CellKind.NUMBER), ("-5", 1, "", "-5", CellKind.NUMBER),
        ("2958466", 1, "", "2958466", CellKind.NUMBER), ("0", 1, ' date1904="1"', "01/01/1904", CellKind.DATE), ("42538", 1, ' date1904="1"', "18/06/2020", CellKind.DATE),
        ("0.125", 2, "", "12,5 %", CellKind.NUMBER), ("1", 2, "", "100 %", CellKind.NUMBER), ("1.25", 3, "", "30:00", CellKind.OTHER), ("0.3541666667", 4, "", "08:30", CellKind.OTHER),
        ("0.30000000000000004", 0, "", "0,3", CellKind.NUMBER), ("2345678913000", 0, "", "2345678913000", CellKind.NUMBER), ("1.62071315508982E14", 0, "", "162071315508982", CellKind.NUMBER),
    ],
)  # fmt: skip
def test_what_a_number_shows(value: str, style: int, properties: str, shown: str, kind: CellKind) -> None:
    assert _read(f'<c r="A2" s="{style}"><v>{value}</v></c>', properties=properties)[0] == (shown, kind)


def test_booleans_iso_dates_and_escapes() -> None:
    cells = '<c r="A2" t="b"><v>1</v></c><c r="B2" t="b"><v>0</v></c><c r="C2" t="d"><v>2020-06-18T18:00:00Z</v></c>' + text("D2", "a_x0041__x000A_b")
    assert _read(cells)[:4] == [("VRAI", CellKind.OTHER), ("FAUX", CellKind.OTHER), ("18/06/2020 18:00", CellKind.DATE), ("aA b", CellKind.TEXT)]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("General", ""), ("@", ""), ("0.00", ""), ("#,##0.00 [$€-40C]", ""), ("0.00E+00", ""), ('0" jours"', ""), ("[Red]0", ""), ("dd/mm/yyyy", "date"), ("[$-40C]d mmm yyyy;@", "date"),
        ("mmm-yy", "date"), ("[$-F800]dddd, mmmm dd, yyyy", "date"), ("yyyy\\-mm\\-dd hh:mm", "date"), ("h:mm", "time"), ("mm:ss.0", "time"), ("[h]:mm:ss", "elapsed"), ("0.0%", "percent"), ('"%"0', ""),
        ("[>100]0;[Red]0", ""), ("", ""),
    ],
)  # fmt: skip
def test_formats(code: str, kind: str) -> None:
    assert kind_of_format(code) == kind


def test_dates_before_1900_are_dates_in_ods() -> None:
    cells = '<table:table-cell office:value-type="date" office:date-value="1850-02-01"/><table:table-cell office:value-type="time" office:time-value="PT26H30M00S"/>'
    line = read_table(ods(ods_row("A", "B") + f"<table:table-row>{cells}</table:table-row>")).rows[0]
    assert [(cell.text, cell.kind) for cell in line.cells] == [("01/02/1850", CellKind.DATE), ("26:30", CellKind.OTHER)]


def test_a_sheet_is_found_wherever_it_stands_and_lines_need_no_number() -> None:
    cells = "<row><c><v>1</v></c><c/><c><v>2</v></c></row>"
    table = read_table(xlsx(sheet(row(1, "A", "B", "C") + cells), place="ailleurs/{}.dat"))
    assert texts(table) == [["A", "B", "C"], ["1", "", "2"]]


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_a_text_that_tells_its_separator(separator: str) -> None:
    content = f"sep={separator}\r\nNom;x{separator}Ville,y\r\n{separator.join(['a', 'b'])}\r\n"
    if separator in ";,":
        content = content.replace("Nom;x", "Nom").replace("Ville,y", "Ville")
    table = read_table(content.encode())
    assert [cell.text for cell in table.rows[0].cells] == ["a", "b"]
    assert table.rows[0].number == 3


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.text("ab;,|\t\"\n\ré€ ", max_size=6), min_size=2, max_size=4), min_size=1, max_size=6), st.sampled_from([";", ",", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]), st.sampled_from(["\n", "\r\n", "\r"]),
)  # fmt: skip
def test_a_text_is_what_was_written(rows: list[list[str]], separator: str, encoding: str, end: str) -> None:
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["A", "B", "C", "D"], *rows])
    found = outcome(target.getvalue().encode(encoding))
    expected = [[" ".join(cell.split()) for cell in cells] + [""] * (4 - len(cells)) for cells in rows]
    expected = [cells for cells in expected if any(cells)]
    if expected:
        assert [[cell for cell, _kind in cells] for _number, cells in found[1]] == expected


@pytest.mark.parametrize("place", [1024 * 1024 - 1, 1024 * 1024, 3 * 1024 * 1024 - 2])
@pytest.mark.parametrize(("end", "bad"), [("\r\n", "\x01"), ("\n", "\x00"), ("\r", "\x01")])
def test_the_place_of_a_character_far_in_a_text(place: int, end: str, bad: str) -> None:
    line = "x" * 97 + end
    head = "é" * 3 + end + line * (place // len(line))
    content = (head + "x" * 5 + bad).encode()
    with pytest.raises(Refused) as caught:
        read_table(content, BULK)
    lines = head.replace("\r\n", "\n").replace("\r", "\n").count("\n")
    assert (caught.value.line, caught.value.column) == (lines + 1, 6)


# ---- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "kind", "lengths", "more", "damage"),
    [
        ("1000", CellKind.NUMBER, (5,), {}, Damage.LOST_ZERO), ("1000", CellKind.TEXT, (5,), {}, Damage.LOST_ZERO), ("31000", CellKind.NUMBER, (5,), {}, None), ("310", CellKind.TEXT, (5,), {}, None),
        ("7,5E+04", CellKind.TEXT, (5,), {}, Damage.SCIENTIFIC), ("31000,0", CellKind.TEXT, (5,), {}, Damage.DECIMAL), ("01/03/1950", CellKind.DATE, (5,), {}, Damage.DATE),
        ("1,62071E+12", CellKind.TEXT, (13, 15), {"zeros": False, "figures": False}, Damage.SCIENTIFIC), ("162071315508982", CellKind.NUMBER, (13, 15), {"zeros": False, "figures": False}, Damage.FIGURE),
        ("1620713155089", CellKind.TEXT, (13, 15), {"zeros": False}, None), ("162071315508", CellKind.TEXT, (13, 15), {"zeros": False}, None), ("5", CellKind.TEXT, (2,), {}, Damage.LOST_ZERO),
        ("2345678913000", CellKind.NUMBER, (14,), {}, Damage.LOST_ZERO), ("2345678913000", CellKind.TEXT, (14,), {}, None), ("12345678913000", CellKind.NUMBER, (14,), {}, None),
        ("123456789130001", CellKind.NUMBER, (14,), {}, Damage.FIGURE), ("12345678901234567", CellKind.NUMBER, (17,), {}, Damage.FIGURE), ("", CellKind.EMPTY, (5,), {}, None),
        ("184073000000000", CellKind.NUMBER, (13, 15), {}, Damage.SCIENTIFIC), ("184073000000000", CellKind.TEXT, (13, 15), {}, None), ("184073100000312", CellKind.NUMBER, (13, 15), {}, None), ("2A004", CellKind.TEXT, (5,), {}, None),
    ],
)  # fmt: skip
def test_damage_is_named(words: str, kind: CellKind, lengths: tuple[int, ...], more: dict[str, bool], damage: Damage | None) -> None:
    assert damage_of(words, kind, *lengths, **more) is damage


@given(st.text(max_size=30), st.sampled_from(list(CellKind)))
def test_any_text_has_a_damage_or_none(words: str, kind: CellKind) -> None:
    assert damage_of(words, kind, 13, 15) in {None, *Damage}


# ---- LibreOffice -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed")
def test_files_made_by_libreoffice_are_read_the_same(tmp_path: Path) -> None:
    rows = [["Nom", "Code", "Né le", "Taux", "Note", "Courriel"], ["L'UNION \"Nord\" & Cie", "01000", "18/06/1985", "12,5", "un\ndeux", "a@exemple.fr"], ["", "", "", "", "", ""],
            ["ÉVRARD", "00042", "01/02/2001", "3", "  bords  ", ""]]  # fmt: skip
    source = tmp_path / "table.csv"
    with source.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target, delimiter=";").writerows(rows)
    for kind in ("xlsx", "ods"):
        convert(source, tmp_path, kind, "--infilter=CSV:59,34,76,1,1/2/2/2/3/4/5/2/6/2,1036,false,true")
    made = tmp_path / "made"
    made.mkdir()
    all_text = "/".join(f"{number}/2" for number in range(1, 7))
    convert(source, made, "csv:Text - txt - csv (StarCalc):59,34,76,1,,0,false,true,false", f"--infilter=CSV:59,34,76,1,{all_text},1036,false,true")
    expected = [[" ".join(cell.split()) for cell in cells] for cells in rows if any(cells)]
    tables = {kind: read_table((made if kind == "csv" else tmp_path).joinpath(f"table.{kind}").read_bytes()) for kind in ("xlsx", "ods", "csv")}
    for kind, table in tables.items():
        assert texts(table) == expected, kind
        assert [one.number for one in table.rows] == [2, 4] if kind != "csv" else len(table.rows) == 2
    for kind in ("xlsx", "ods"):
        assert tables[kind].rows[0].cells[1].kind is CellKind.TEXT
        assert tables[kind].rows[0].cells[2].kind is CellKind.DATE
        assert tables[kind].rows[0].cells[3].kind is CellKind.NUMBER


@pytest.mark.parametrize("kind", [FileFormat.XLSX, FileFormat.ODS])
def test_the_files_of_the_portal_are_read_by_the_pattern(kind: FileFormat) -> None:
    """What is downloaded is mended and sent back: the exact parser, ten times as slow, is given but what stands around the lines."""
    headings = [Heading(f"Titre {number}", one) for number, one in enumerate([*ColumnKind] * 4)]
    line = "\t".join({ColumnKind.TEXT: "nom", ColumnKind.DATE: "2026-01-05"}.get(one.kind, "12.5") for one in headings)
    content = b"".join(write(kind, "Export", headings, [(f"{line}\n" * 500).encode()]))
    purse = Purse(BULK)
    with open_table(content, BULK, purse=purse) as table:
        assert sum(1 for _row in table.rows) == 500
    assert BULK.elements - purse.elements < 300
