"""XLSX and ODS: the archive and its XML are measured and checked before any library builds a table from them.

A spreadsheet may claim a cell at the far corner of a sheet and so ask for a table of a billion cells: rows and columns are
counted here first, by a streaming parser that accepts neither document types nor entities.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, Final
from xml.parsers import expat

from app.core.tabular.faults import Fault, Refused
from app.core.tabular.table import Cell, CellKind, Limits

_CHUNK: Final = 64 * 1024
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})\Z")
_SHEETS: Final = re.compile(r"xl/worksheets/[^/]+\.xml\Z")


def is_archive(content: bytes) -> bool:
    """Whether the bytes begin as a ZIP archive."""
    return content[:4] == b"PK\x03\x04"


def check_archive(content: bytes, limits: Limits) -> None:
    """Measure the archive and its sheets. Raises Refused."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > limits.entries:
                raise Refused(Fault.TOO_LARGE_UNPACKED, value=limits.entries)
            if any(entry.flag_bits & 0x1 for entry in entries):
                raise Refused(Fault.ENCRYPTED)
            names = {entry.filename for entry in entries}
            if not names & {"xl/workbook.xml", "content.xml"} or "xl/workbook.bin" in {name.lower() for name in names}:
                raise Refused(Fault.UNKNOWN_FORMAT)
            budget = min(limits.unpacked, max(len(content), 4096) * limits.ratio)
            for entry in entries:
                budget -= _check_entry(archive, entry, budget, limits)
    except Refused:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, KeyError, UnicodeError, MemoryError):
        raise Refused(Fault.UNREADABLE) from None


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: int, limits: Limits) -> int:
    """Unpack one entry without keeping it; the size it declares is not believed. Gives how large it was."""
    scanner = _scanner_of(entry.filename, limits)
    size = 0
    with archive.open(entry) as stream:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > budget:
                raise Refused(Fault.TOO_LARGE_UNPACKED, value=limits.unpacked // (1024 * 1024))
            if scanner is not None:
                scanner.feed(chunk)
    if scanner is not None:
        scanner.close()
    return size


class _Scanner:
    """A streaming parser over one XML entry that refuses document types and hands elements to ``element``."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.parser = expat.ParserCreate(namespace_separator="|")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse

    @staticmethod
    def _refuse(*_parts: Any) -> None:
        raise Refused(Fault.UNREADABLE)

    def feed(self, chunk: bytes) -> None:
        try:
            self.parser.Parse(chunk, False)
        except (expat.ExpatError, ValueError):
            raise Refused(Fault.UNREADABLE) from None

    def close(self) -> None:
        try:
            self.parser.Parse(b"", True)
        except (expat.ExpatError, ValueError):
            raise Refused(Fault.UNREADABLE) from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.element(name.rpartition("|")[2], {key.rpartition("|")[2]: value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self.ended(name.rpartition("|")[2])

    def element(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def ended(self, name: str) -> None:
        """An element ends."""

    def place(self, row: int, column: int) -> None:
        """Refuse a cell outside the limits (the header is a line more)."""
        if row > self.limits.lines + 1:
            raise Refused(Fault.TOO_MANY_LINES, value=self.limits.lines)
        if column > self.limits.columns:
            raise Refused(Fault.TOO_MANY_COLUMNS, line=row, value=self.limits.columns)


class _Xlsx(_Scanner):
    """A sheet of XLSX: every cell says where it is, and none is computed."""

    at: tuple[int, int] = (0, 0)

    def element(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row" and "r" in attributes:
            self._row(attributes["r"])
        elif name == "c":
            match = _REFERENCE.match(attributes.get("r", ""))
            if match is None:
                raise Refused(Fault.UNREADABLE)
            column = 0
            for letter in match[1]:
                column = column * 26 + ord(letter) - 64
            self.at = (int(match[2]), column)
            self.place(*self.at)
        elif name == "f":
            raise Refused(Fault.FORMULA, line=self.at[0], column=self.at[1])

    def _row(self, text: str) -> None:
        if not (text.isascii() and text.isdecimal()) or len(text) > 7:
            raise Refused(Fault.UNREADABLE)


class _Ods(_Scanner):
    """The sheets of ODS: rows and cells may be repeated; only those that hold something count."""

    row = column = 0
    repeat = 1
    filled = False

    def element(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table":
            self.row = 0
        elif name == "table-row":
            self.repeat = self._times(attributes.get("number-rows-repeated", "1"))
            self.column, self.filled = 0, False
        elif name in ("table-cell", "covered-table-cell"):
            self.column += self._times(attributes.get("number-columns-repeated", "1"))
            if "formula" in attributes:
                raise Refused(Fault.FORMULA, line=self.row + 1, column=self.column)
            if "value-type" in attributes:
                self._holds()
        elif name == "p":
            self._holds()

    def _holds(self) -> None:
        self.filled = True
        self.place(self.row + 1, self.column)

    def ended(self, name: str) -> None:
        if name == "table-row":
            self.row += self.repeat
            if self.filled:
                self.place(self.row, self.column if self.column <= self.limits.columns else 1)

    @staticmethod
    def _times(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or len(text) > 8:
            raise Refused(Fault.UNREADABLE)
        return max(int(text), 1)


class _Elsewhere(_Scanner):
    """Any other part: the cells of a sheet are counted where sheets stand, and must not hide anywhere else."""

    def element(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheetData":
            raise Refused(Fault.UNREADABLE)


class _Relations(_Elsewhere):
    """Where the workbook says that its sheets are: the reader opens any of these as a sheet, whatever its type and name."""

    def element(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External" and not attributes.get("Target", "").lower().endswith(".xml"):
            raise Refused(Fault.UNREADABLE)


def _scanner_of(name: str, limits: Limits) -> _Scanner | None:
    name = name.lower()  # the reader compares the names of entries without case
    if name == "xl/_rels/workbook.xml.rels":
        return _Relations(limits)
    if name == "content.xml":
        return _Ods(limits)
    if _SHEETS.match(name):
        return _Xlsx(limits)
    return _Elsewhere(limits) if name.endswith((".xml", ".rels")) else None


def lines_of(content: bytes, limits: Limits) -> Iterator[tuple[int, list[Cell]]]:
    """The lines of the first sheet, once :func:`check_archive` has accepted the file. Raises Refused."""
    from python_calamine import CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = workbook.sheet_names
        if not names:
            raise Refused(Fault.EMPTY)
        sheet = workbook.get_sheet_by_name(names[0])
        rows: list[list[Any]] = sheet.to_python(skip_empty_area=False)
    except Refused:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise Refused(Fault.UNREADABLE) from None
    for number, values in enumerate(rows, start=1):
        yield number, [_cell(value) for value in values[: limits.columns]]


def _cell(value: Any) -> Cell:
    if value is None or value == "":
        return Cell()
    if isinstance(value, str):
        return Cell(value, CellKind.TEXT)
    if isinstance(value, bool):
        return Cell("VRAI" if value else "FAUX", CellKind.OTHER)
    if isinstance(value, int | float):
        return Cell(_figure(value), CellKind.NUMBER)
    if isinstance(value, datetime):
        return Cell(value.strftime("%d/%m/%Y") if value.time() == time() else value.strftime("%d/%m/%Y %H:%M"), CellKind.DATE)
    if isinstance(value, date):
        return Cell(value.strftime("%d/%m/%Y"), CellKind.DATE)
    return Cell(str(value), CellKind.OTHER)


def _figure(value: float) -> str:
    """A number as a spreadsheet shows it at full length: every number of a sheet is a float."""
    if not math.isfinite(value):
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e16 else repr(float(value)).replace(".", ",")
