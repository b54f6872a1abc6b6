"""Small files that say much: what a worker keeps of them, and what a web process opens of that, stay small."""

from __future__ import annotations

import io
import json
import random
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from app.core.tabular import Fault, Limits, Refused, read_table
from app.core.tabular.table import BULK
from app.imports import packed_lines, parts, validator
from app.imports.domain import FileState
from tests.actions.helpers import make_nir
from tests.core import tabular_files as files
from tests.core.costs import apart, cost_of
from tests.core.tabular_files import ods, ods_cell, ods_row, row, sheet, xlsx
from tests.imports.helpers import send

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.models import User

LONG = 1_990 * "\N{GRINNING FACE}"
HEADINGS = [f"h{n}" for n in range(119)]


def _repeated(lines: int, words: str = LONG, *, comment: str = "") -> bytes:
    """One text in each of 119 columns of so many lines."""
    cell = ods_cell(words, ' table:number-columns-repeated="119"')
    return ods(ods_row(*HEADINGS) + f'<table:table-row table:number-rows-repeated="{lines}">{cell}</table:table-row>', head=f"{files.DECLARATION}{comment}")


def _shared(lines: int) -> bytes:
    """The same, as the only text that cells share."""
    said = "".join(
        f'<row r="{n}">' + "".join(f'<c r="{letter}{n}" t="s"><v>0</v></c>' for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ") + "</row>" for n in range(2, lines + 2)
    )
    return xlsx(sheet(row(1, *HEADINGS[:26]) + said), texts=f"<si><t>{LONG}</t></si>")


def _texts(count: int) -> bytes:
    """Distinct texts, of which one character makes each of them take four bytes."""
    chance = random.Random(1)
    texts = "".join(f"<si><t>{chance.randbytes(8).hex()}{'a' * 1_970}\N{GRINNING FACE}</t></si>" for _number in range(count))
    return xlsx(sheet(row(1, "h") + '<row r="2"><c r="A2" t="s"><v>0</v></c></row>'), texts=texts)


FILES: dict[str, tuple[Callable[[], bytes], Fault | None]] = {
    "lines that are repeated": (lambda: _repeated(1_000), None),
    "lines that are repeated, exact": (lambda: _repeated(1_000, comment="<!-- x -->"), None),
    "lines that are repeated without end": (lambda: _repeated(199_000), Fault.TOO_MUCH_TEXT),
    "short lines that are repeated": (lambda: _repeated(199_000, "a" * 100), Fault.TOO_MUCH_TEXT),
    "one shared text in every cell": (lambda: _shared(8_000), Fault.TOO_MUCH_TEXT),
}


def _read(content: bytes) -> tuple[Fault | None, list[bytes]]:
    try:
        return None, packed_lines.read_packed(content, BULK, "x", lambda _done: None).lines
    except Refused as refused:
        return refused.fault, []


def _opened(packed: list[bytes]) -> int:
    return max((len(json.loads(zlib.decompress(one))) for one in packed), default=0)


def _costs(name: str) -> Any:
    content = FILES[name][0]()
    (fault, packed), seconds, peak = cost_of(lambda: _read(content))
    _most, _seconds, to_open = cost_of(lambda: _opened(packed))
    return fault, seconds, peak, to_open


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FILES))
def test_what_is_written_of_a_file_is_bounded(name: str) -> None:
    fault, seconds, peak, to_open = apart(_costs, name)
    assert fault is FILES[name][1]
    assert seconds < 10 and peak < 300
    assert to_open < 260, "a web process opens a part at a time"


def _public(limits: Limits) -> Any:
    content = _texts(16_000)

    def read() -> Fault | None:
        try:
            read_table(content, limits)
        except Refused as refused:
            return refused.fault
        return None

    return cost_of(read)


@pytest.mark.slow
def test_the_public_page_holds_less() -> None:
    fault, seconds, peak = apart(_public, validator.LIMITS)
    assert fault is Fault.TOO_MUCH_TEXT
    assert seconds < 5 and peak < 300


def test_a_part_is_closed_by_what_it_holds() -> None:
    told: list[int] = []
    items = [[number, ["é" * 100_000]] for number in range(100)]
    packed = [json.loads(zlib.decompress(one)) for one in parts.packed(items, told.append)]
    assert [one for some in packed for one in some] == items
    assert max(len(json.dumps(some, ensure_ascii=False)) for some in packed) < 3_000_000
    assert sum(told) >= 100 * 100_000
    assert [len(json.loads(zlib.decompress(one))) for one in parts.packed([[n, ["x"]] for n in range(2_500)])] == [1_000, 1_000, 500]
    assert list(parts.packed([])) == []


def test_the_name_of_a_sheet_is_short_and_names_nobody(account: User) -> None:
    number = make_nir().number
    content = xlsx(sheet(row(1, "Nom de naissance", "Ma colonne") + row(2, "MARTIN", "x")))
    kept = send(account, _renamed(content, f"{number} {'x' * 200}"), name="x.xlsx")
    assert kept.state == FileState.TO_MAP and kept.sheet is not None
    assert number not in kept.sheet["sheet"] and len(kept.sheet["sheet"]) <= 60


def _renamed(content: bytes, name: str) -> bytes:
    """The same workbook, whose sheet is called so."""
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        return files.archive((one, source.read(one).replace(b"Feuille 1", name.encode())) for one in source.namelist())
