"""The rows of a list as a file: CSV or XLSX, in constant memory, with nothing a spreadsheet could take for a formula."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import xlsxwriter
from flask import Response

from app.core import clock
from app.core.fab.values import Cell

#: A cell that starts with one of these is run as a formula by spreadsheets.
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00")
FORMATS = ("csv", "xlsx")
_MEMORY = 1_000_000
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
#: Control characters XML cannot hold.
_UNWRITABLE = dict.fromkeys((*range(9), 11, 12, *range(14, 32)))


def neutralise(text: str) -> str:
    """``text`` preceded by an apostrophe when a spreadsheet would run it; unchanged otherwise."""
    return "'" + text.replace("\x00", "") if text.startswith(DANGEROUS) else text.replace("\x00", "")


def plain(cell: Cell) -> str:
    """A cell of the screen as the text of a CSV file: an empty value is empty, a number has no grouping."""
    if cell.kind == "empty":
        return ""
    if cell.kind in ("number", "code") and isinstance(cell.value, int | float | Decimal) and not isinstance(cell.value, bool):
        return format(cell.value, "f").replace(".", ",") if isinstance(cell.value, Decimal | float) else str(cell.value)
    text = str(getattr(cell.text, "striptags", lambda: cell.text)())
    return neutralise(text)


def write_csv(target: IO[bytes], headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """CSV as French spreadsheets open it: UTF-8 with a mark, semicolons, CRLF."""
    text = io.TextIOWrapper(target, encoding="utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow([neutralise(header) for header in headers])
    for row in rows:
        writer.writerow([plain(cell) for cell in row])
    text.flush()
    text.detach()


def write_xlsx(target: IO[bytes], title: str, headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """XLSX written row by row; texts are typed as text, numbers and dates as such."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(target, options) as book:
        book.set_properties({"title": title})
        sheet = book.add_worksheet("Export")
        bold = book.add_format({"bold": True, "bottom": 1})
        day, instant = book.add_format({"num_format": "dd/mm/yyyy"}), book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        text = book.add_format({"num_format": "@"})
        for index, header in enumerate(headers):
            sheet.write_string(0, index, header, bold)
            sheet.set_column(index, index, min(50, max(12, len(header) + 2)))
        sheet.freeze_panes(1, 0)
        for number, row in enumerate(rows, start=1):
            for index, cell in enumerate(row):
                value = cell.value
                if cell.kind == "empty":
                    continue
                if isinstance(value, datetime):
                    local = clock.to_local(value) if value.tzinfo else value
                    sheet.write_datetime(number, index, local.replace(tzinfo=None), instant)
                elif isinstance(value, date):
                    sheet.write_datetime(number, index, value, day)
                elif isinstance(value, int | float | Decimal) and not isinstance(value, bool) and cell.kind == "number":
                    sheet.write_number(number, index, float(value))
                else:
                    shown = str(getattr(cell.text, "striptags", lambda cell=cell: cell.text)())
                    sheet.write_string(number, index, shown.translate(_UNWRITABLE)[:32_767], text)


def answer(kind: str, *, name: str, title: str, headers: Sequence[str], rows: Iterator[Sequence[Cell]]) -> Response:
    """The file as an attachment. It is written whole before the first byte leaves, so that an error is never a truncated file."""
    target: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115 - closed by the response
    try:
        if kind == "csv":
            write_csv(target, headers, rows)
        else:
            write_xlsx(target, title, headers, rows)
        length = target.seek(0, io.SEEK_END)
        target.seek(0)
    except BaseException:
        target.close()
        raise
    day = clock.today()
    headers_of_file = {
        "Content-Disposition": f'attachment; filename="{name}-{day:%Y-%m-%d}.{kind}"',
        "Content-Length": str(length),
        "Cache-Control": "no-store",
    }
    return Response(_chunks(target), mimetype=_TYPES[kind], headers=headers_of_file)


def _chunks(target: IO[bytes]) -> Iterator[bytes]:
    with target:
        while chunk := target.read(65_536):
            yield chunk


def cells(rows: Iterable[Any], columns: Sequence[Any]) -> Iterator[Sequence[Cell]]:
    """Rows of cells, made one at a time; each column is a function from the row to its cell."""
    for row in rows:
        yield [column(row) for column in columns]
