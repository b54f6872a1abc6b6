"""Spreadsheets made by hand, so that each byte of them is chosen."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path

OFFICE = shutil.which("soffice") or shutil.which("libreoffice")

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
SPACES = (
    f'xmlns:office="{_ODF}:office:1.0" xmlns:table="{_ODF}:table:1.0" xmlns:text="{_ODF}:text:1.0" xmlns:style="{_ODF}:style:1.0"'
    f' xmlns:draw="{_ODF}:drawing:1.0" xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    ' xmlns:xlink="http://www.w3.org/1999/xlink"'
)
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def archive(entries: Iterable[tuple[str, bytes | str]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, content in entries:
            made.writestr(name, content)
    return target.getvalue()


def sheet(rows: str, *, before: str = "", after: str = "", attributes: str = "") -> str:
    return f'{DECLARATION}<worksheet xmlns="{MAIN}"{attributes}>{before}<sheetData>{rows}</sheetData>{after}</worksheet>'


def xlsx(
    *sheets: bytes | str, states: Iterable[str] = (), texts: str = "", formats: Iterable[str] = (), properties: str = "", more: Iterable[tuple[str, bytes | str]] = (),
    place: str = "worksheets/sheet{}.xml", method: int = zipfile.ZIP_DEFLATED,
) -> bytes:  # fmt: skip
    """A workbook; style n + 1 has the nth of ``formats``."""
    told = list(states) + ["visible"] * len(sheets)
    listed = "".join(f'<sheet name="Feuille {n}" sheetId="{n}" state="{told[n - 1]}" r:id="rId{n}"/>' for n in range(1, len(sheets) + 1))
    relations = "".join(f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="{place.format(n)}"/>' for n in range(1, len(sheets) + 1))
    relations += f'<Relationship Id="rIdT" Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
    relations += f'<Relationship Id="rIdS" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    codes = list(formats)
    numbered = "".join(f'<numFmt numFmtId="{164 + n}" formatCode="{code}"/>' for n, code in enumerate(codes))
    cells = '<xf numFmtId="0"/>' + "".join(f'<xf numFmtId="{164 + n}"/>' for n in range(len(codes)))
    return archive(
        [
            ("xl/workbook.xml", f'{DECLARATION}<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><workbookPr{properties}/><sheets>{listed}</sheets></workbook>'),
            ("xl/_rels/workbook.xml.rels", f'{DECLARATION}<Relationships xmlns="{_RELATIONS}">{relations}</Relationships>'),
            ("xl/sharedStrings.xml", f'{DECLARATION}<sst xmlns="{MAIN}">{texts}</sst>'),
            ("xl/styles.xml", f'{DECLARATION}<styleSheet xmlns="{MAIN}"><numFmts>{numbered}</numFmts><cellXfs>{cells}</cellXfs></styleSheet>'),
            *((f"xl/{place.format(n)}", content) for n, content in enumerate(sheets, start=1)),
            *more,
        ],
        method,
    )


def convert(source: Path, folder: Path, kind: str, *options: str) -> None:
    """A file as LibreOffice writes it."""
    command = [str(OFFICE), f"-env:UserInstallation=file://{folder}/profile", "--headless", "--norestore", *options, "--convert-to", kind, "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, timeout=180, env=os.environ | {"HOME": str(folder)}, capture_output=True)


def text(reference: str, words: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{words}</t></is></c>'


def row(number: int, *words: str, attributes: str = "") -> str:
    return f'<row r="{number}"{attributes}>' + "".join(text(f"{chr(65 + n)}{number}", one) for n, one in enumerate(words)) + "</row>"


def ods(*tables: str, styles: str = "", head: str = '<?xml version="1.0" encoding="UTF-8"?>', more: Iterable[tuple[str, bytes | str]] = (), encoding: str = "utf-8") -> bytes:
    """A document of tables, each the inside of one."""
    inside = "".join(one if one.startswith("<table:table ") else f'<table:table table:name="Feuille {n}">{one}</table:table>' for n, one in enumerate(tables, start=1))
    content = f"{head}<office:document-content {SPACES}><office:automatic-styles>{styles}</office:automatic-styles><office:body><office:spreadsheet>{inside}"
    content += "</office:spreadsheet></office:body></office:document-content>"
    return archive(
        [
            ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
            ("content.xml", content.encode(encoding)),
            ("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"/>'),
            *more,
        ]
    )


def ods_cell(words: str, attributes: str = "") -> str:
    return f'<table:table-cell office:value-type="string"{attributes}><text:p>{words}</text:p></table:table-cell>'


def ods_row(*words: str, attributes: str = "") -> str:
    return f"<table:table-row{attributes}>" + "".join(ods_cell(one) for one in words) + "</table:table-row>"
