"""Tables sent as files (CSV, XLSX, ODS), written while they are read: the first bytes leave at once and memory stays flat.

Lines come in *batches*: UTF-8 bytes, each line ended by LF, its cells parted by TAB, no other control character in them (``core.copying``
makes them). A date is ``2026-01-05``, a number ``1234.50``, an empty cell nothing.

What a cell is depends on its column alone, never on how it looks: a code stays text (with its leading zeros), a date is a date, and a text
that begins as a formula is a text. A text after ``MARK`` is one that somebody has to look at: XLSX and ODS colour its cell, CSV has no colours and
takes no mark. XLSX and ODS type each cell; CSV has no types, so such a text is marked with an apostrophe there.
"""

from __future__ import annotations

import codecs
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from isal import isal_zlib

from app.core.tabular.table import looks_like_formula

#: The most lines of a sheet, heading included: beyond, a second sheet follows.
SHEET_LINES: Final = 1_048_576
#: Before the text of a cell that is to be seen at once.
MARK: Final = b"\x01"
#: How much is gathered before it leaves.
_PIECE: Final = 64 * 1024


class ColumnKind(StrEnum):
    """How the cells of a column are held: a code, even of digits, is text."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"


class FileFormat(StrEnum):
    """The formats a table can be sent in."""

    XLSX = "xlsx"
    ODS = "ods"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """As announced to the browser."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Final = {
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    FileFormat.ODS: "application/vnd.oasis.opendocument.spreadsheet",
    FileFormat.CSV: "text/csv; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of the file; ``width`` in characters."""

    label: str
    kind: ColumnKind = ColumnKind.TEXT
    width: int = 14


def write(kind: FileFormat, title: str, headings: Sequence[Heading], batches: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of the file, as they come."""
    if kind is FileFormat.CSV:
        return write_csv(headings, batches)
    if kind is FileFormat.XLSX:
        from app.core.tabular.writing_xlsx import write_xlsx

        return write_xlsx(title, headings, batches)
    from app.core.tabular.writing_ods import write_ods

    return write_ods(title, headings, batches)


def lines_of(batch: bytes) -> list[bytes]:
    """The lines of a batch, without their ends."""
    lines = batch.split(b"\n")
    lines.pop()  # what follows the last end
    return lines


# ---- CSV -------------------------------------------------------------------------------------------------------------


def write_csv(headings: Sequence[Heading], batches: Iterable[bytes]) -> Iterator[bytes]:
    """CSV as French spreadsheets open it: UTF-8 with a mark, semicolons, CRLF, dates jj/mm/aaaa, a decimal comma."""
    texts, dates, numbers = (
        [index for index, heading in enumerate(headings) if heading.kind is kind] for kind in (ColumnKind.TEXT, ColumnKind.DATE, ColumnKind.NUMBER)
    )
    days = _Days()
    yield codecs.BOM_UTF8 + b";".join(_quoted(safe_text(heading.label.encode())) for heading in headings) + b"\r\n"
    for batch in batches:
        out: list[bytes] = []
        for line in lines_of(batch):
            cells = line.split(b"\t")
            if not _SUSPECT.isdisjoint([cell[:1] for cell in cells]):
                for index in texts:
                    cells[index] = safe_text(cells[index])
            for index in dates:
                cells[index] = days[cells[index]]
            for index in numbers:
                cells[index] = cells[index].replace(b".", b",")
            out.append(b";".join(map(_quoted, cells) if b";" in line or b'"' in line else cells))
        out.append(b"")
        yield b"\r\n".join(out)


def _quoted(cell: bytes) -> bytes:
    return b'"' + cell.replace(b'"', b'""') + b'"' if b";" in cell or b'"' in cell else cell


class _Days(dict[bytes, bytes]):
    """``2026-01-05`` → ``05/01/2026``; few days are met, each is written once."""

    def __missing__(self, text: bytes) -> bytes:
        written = self[text] = b"%b/%b/%b" % (text[8:], text[5:7], text[:4]) if text else b""
        return written


#: First bytes of a text that may begin a formula (``table.looks_like_formula``): its signs, and the blanks and full-width signs in UTF-8.
_SUSPECT: Final = frozenset(b"%c" % byte for byte in (*b"=+-@\0", *range(0x09, 0x0E), *range(0x1C, 0x21), 0xC2, 0xE1, 0xE2, 0xE3, 0xEF))


def safe_text(text: bytes) -> bytes:
    """A text for a CSV file, marked as such when a spreadsheet may take it for a formula."""
    return b"'" + text if text[:1] in _SUSPECT and looks_like_formula(text.decode()) else text


# ---- archives --------------------------------------------------------------------------------------------------------


class Outlet(io.RawIOBase):
    """Where an archive is written: what has been written is taken away piece by piece, and nobody can go back."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # zipfile gives bytes
        self._parts.append(bytes(data))
        self._size += len(data)
        return len(data)

    def take(self, least: int = 0) -> bytes:
        """What has been written since, if there is that much."""
        if self._size < least:
            return b""
        taken = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return taken


class StreamedArchive:
    """A ZIP archive written in one go, without going back: what each call adds is taken with :meth:`take`."""

    def __init__(self) -> None:
        self._outlet = Outlet()
        # Level 1: markup is so repetitive that more costs time and saves little.
        self._archive = zipfile.ZipFile(self._outlet, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    def add(self, name: str, content: str, *, stored: bool = False) -> None:
        """A whole small entry."""
        self._archive.writestr(_entry(name, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED), content.encode())

    def entry(self, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """A long entry, piece by piece; gives what may leave meanwhile."""
        # Its size is not known before its end: it may pass 2 GiB.
        with self._archive.open(_entry(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as target:
            # The same format, four times as fast as zlib: a thread that compresses beside this one would gain less, each waits for the other.
            target._compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -zlib.MAX_WBITS)  # type: ignore[attr-defined]  # zipfile has no door for it
            for piece in pieces:
                target.write(piece)
                if ready := self._outlet.take(_PIECE):
                    yield ready

    def take(self) -> bytes:
        """What has been written and not taken yet."""
        return self._outlet.take()

    def close(self) -> bytes:
        """End the archive; gives the last bytes."""
        self._archive.close()
        return self._outlet.take()


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)  # of 1980: a file does not tell when it was made, its name does
    made.compress_type = method
    made._compresslevel = 1  # type: ignore[attr-defined]  # an entry of its own is else compressed at the default level
    return made


def escaped(batch: bytes) -> bytes:
    """A batch whose cells may stand in XML."""
    return batch.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")


def escaped_text(text: str) -> str:
    """A text that may stand in XML, also between quotes."""
    return escaped(text.encode()).decode().replace('"', "&quot;")


__all__ = [
    "MARK", "SHEET_LINES", "ColumnKind", "FileFormat", "Heading", "StreamedArchive", "escaped", "escaped_text", "lines_of", "write", "write_csv",
]  # fmt: skip
