"""Files of the three formats, real ones, damaged at random: each is read or refused, whatever the bytes, within ten seconds.

A case is known by its seed and its number: the same two make the same bytes.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import random
import signal
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import xlsxwriter

from app.core.tabular import Limits, Refused, read_table
from app.core.tabular.writing import ColumnKind, Heading
from app.core.tabular.writing_ods import write_ods
from tests.core.tabular_files import OFFICE, convert

HANG = 10
LIMITS = Limits(lines=500, columns=30, cell=500)
_ROWS = [["Nom", "Code postal", "Né le", "Taux", "Courriel", "Note"]] + [
    [f"L'ÉTÉ & {n}", f"0{n % 10}000", f"{n % 27 + 1:02d}/06/1985", str(n / 4).replace(".", ","), f"a{n}@exemple.fr", "un\ndeux" if n % 3 else ""] for n in range(12)
]
#: What is put in the place of something else.
_TOKENS = [
    b"<", b">", b"/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<!DOCTYPE a>", b"&", b"&amp;", b"&#0;", b"&#x10FFFF;", b"&x;", b'"', b"'", b"\0", b"\xff", b"\xef\xbb\xbf", b"=", b"r", b"t=", b' t="e"', b' s="99999"',
    b'<row r="1048576">', b"</row>", b'<c r="XFD9"/>', b"<c>", b"</c>", b"<v>1e999</v>", b"<f>1</f>", b"<is>", b"<si>", b"</si>", b"</sheetData>", b"<sheetData>", b"<mergeCell ref='A1:B2'/>", b' hidden="1"',
    b'table:number-rows-repeated="99999999"', b'table:number-columns-repeated="16384"', b"<table:table-row>", b"</table:table-row>", b"<table:table-cell/>", b"<text:p>", b"</text:p>", b"<text:s/>", b"</table:table>",
    b"<table:covered-table-cell/>", b"_x0000_", b"_xD800_", b"-1", b"99999999999999999999", b"NaN", b"1904", b"\xe9", b"\r", b"\n", b";", b",", b"\t", b"|", b'""', b"sep=;\r\n", b"UTF-16", b"\xd8\x00", b"PK\x03\x04",
]  # fmt: skip


def _ours() -> list[bytes]:
    target, inline, texts = io.BytesIO(), io.BytesIO(), io.StringIO()
    for where, options in ((target, {"in_memory": True}), (inline, {"constant_memory": True})):
        with xlsxwriter.Workbook(where, options) as book:
            sheet, dated = book.add_worksheet(), book.add_format({"num_format": "dd/mm/yyyy"})
            for number, row in enumerate(_ROWS):
                for column, value in enumerate(row):
                    sheet.write_string(number, column, value) if column != 3 or not number else sheet.write_number(number, column, 44_000 + number, dated)
            book.add_worksheet().write_string(0, 0, "autre")
    csv.writer(texts, delimiter=";").writerows(_ROWS)
    batch = "".join("\t".join(value.replace("\n", " ") or "\\N" for value in row) + "\n" for row in _ROWS[1:]).encode()
    document = b"".join(write_ods("Feuille", [Heading(words, ColumnKind.TEXT, 12) for words in _ROWS[0]], [batch]))
    words = texts.getvalue()
    return [target.getvalue(), inline.getvalue(), document, *(words.encode(encoding) for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"))]


def _office() -> list[bytes]:
    """The same as LibreOffice writes it."""
    if OFFICE is None:
        return []
    made = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "table.csv"
        source.write_bytes(_ours()[3])
        for kind in ("xlsx", "ods"):
            convert(source, folder, kind, "--infilter=CSV:59,34,76,1,2/2,1036,false,true")
            made.append((folder / f"table.{kind}").read_bytes())
        (folder / "again").mkdir()
        convert(folder / "table.ods", folder / "again", "csv:Text - txt - csv (StarCalc):59,34,76,1,,0,false,true,false")
        made.append((folder / "again" / "table.csv").read_bytes())
    return made


def _damaged(chance: random.Random, content: bytes) -> bytes:
    """A few changes anywhere."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        at = chance.randrange(len(changed) + 1)
        length = chance.choice((0, 1, 1, 4, 30))
        what = chance.randrange(5)
        if what == 0:
            changed[at : at + length] = chance.choice(_TOKENS)
        elif what == 1:
            changed[at:at] = chance.choice(_TOKENS)
        elif what == 2:
            changed[at : at + length] = chance.randbytes(length)
        elif what == 3:
            start = chance.randrange(len(changed) + 1)
            changed[at:at] = changed[start : start + chance.choice((5, 50, 500))] * chance.choice((1, 1, 3))
        else:
            del changed[at : at + chance.choice((1, 5, 50, 500))]
        if chance.random() < 0.02:
            del changed[at:]
    return bytes(changed)


def _entries(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(entry.filename, archive.read(entry)) for entry in archive.infolist()]


def _packed(entries: list[tuple[str, bytes]]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


def case_of(seed: int, number: int, seeds: list[Any]) -> bytes:
    """The bytes of a case."""
    chance = random.Random(f"{seed}/{number}")
    if chance.random() < 0.05:
        return chance.choice((b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\xff\xfe", b"A;B\n")) + chance.randbytes(chance.randrange(400))
    kept = chance.choice(seeds)
    if isinstance(kept, bytes) or chance.random() < 0.15:
        return _damaged(chance, kept if isinstance(kept, bytes) else _packed(kept))
    parts = list(kept)
    wanted = [place for place, (name, _content) in enumerate(parts) if name.endswith((".xml", ".rels")) and ("sheet" in name.lower() or "workbook" in name or "content" in name or "styles" in name or "manifest" in name)]
    for _ in range(chance.choice((1, 1, 2))):
        place = chance.choice(wanted)
        parts[place] = (parts[place][0], _damaged(chance, parts[place][1]))
    return _packed(parts)


def seeds_of() -> list[Any]:
    """Texts as they are, archives as their entries."""
    return [_entries(content) if content.startswith(b"PK") else content for content in [*_ours(), *_office()]]


class Hangs(BaseException):
    """More than ten seconds: no reader may take it for a fault of the file."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Hangs


def run(*, cases: int, seconds: float, seed: int) -> int:
    """Read the cases; gives 1 if one breaks or hangs."""
    seeds, found, broken = seeds_of(), Counter[str](), 0
    signal.signal(signal.SIGALRM, _stop)
    started = time.monotonic()
    slowest = 0.0
    number = 0
    for number in range(1, cases + 1):
        if time.monotonic() - started > seconds:
            break
        content = case_of(seed, number, seeds)
        begun = time.monotonic()
        signal.alarm(HANG)
        try:
            table = read_table(content, LIMITS)
            assert table.header and all(len(row.cells) >= len(table.header) for row in table.rows), "a line shorter than the header"
            found["read"] += 1
        except Refused as error:
            found[error.fault.value] += 1
        except (Exception, Hangs) as error:
            broken += 1
            kind = "hang" if isinstance(error, Hangs) else "crash"
            print(json.dumps({kind: repr(error), "seed": seed, "case": number, "content": base64.b64encode(content).decode(), "trace": traceback.format_exc()[-1500:]}), flush=True)
        finally:
            signal.alarm(0)
        slowest = max(slowest, time.monotonic() - begun)
        if not number % 10_000:
            print(json.dumps({"cases": number, "seconds": round(time.monotonic() - started), "slowest": round(slowest, 2)}), flush=True)
    print(json.dumps({"done": number, "broken": broken, "seed": seed, "seconds": round(time.monotonic() - started), "slowest": round(slowest, 2), "outcomes": dict(found.most_common())}), flush=True)
    return 1 if broken else 0
