"""The ZIP archive of a spreadsheet: what it says it is, and its parts given in pieces, measured while they are unpacked.

Only the parts that are read are unpacked; the sizes that an archive declares are not believed, and refused when they are absurd.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.core.tabular.faults import Fault, Refused
from app.core.tabular.table import Limits

_PIECE: Final = 256 * 1024
_MEGABYTE: Final = 1024 * 1024
#: A small archive is taken for one of this size when its growth is judged: one long cell makes no bomb.
_SMALL: Final = 64 * 1024
#: What a broken archive makes the library raise.
BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, KeyError, UnicodeError, MemoryError,
    OverflowError, IndexError,
)  # fmt: skip
_MACROS: Final = ("vbaproject.bin", "vbaprojectsignature.bin")
_MACRO_FOLDERS: Final = ("xl/macrosheets/", "basic/", "scripts/")


#: What an entry may take in the table of contents, and what may follow it (the end of an archive has a comment of 65,535 bytes at most).
_ENTRY: Final = 600
_LAST: Final = 70_000


class _TooMuch(Exception):
    """More than may be read at once."""


class _Content(io.BytesIO):
    """The bytes of an archive, of which no more than ``most`` are given at once while it is opened: the library reads its whole table of contents at once."""

    most: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most is not None and size is not None and size > self.most:
            raise _TooMuch
        return super().read(size)


class Archive:
    """An open archive, whose entries are known by their names in lower case, as readers of spreadsheets know them."""

    def __init__(self, archive: zipfile.ZipFile, size: int, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        self._left = min(limits.unpacked, max(size, _SMALL) * limits.ratio)
        entries = archive.infolist()
        if len(entries) > limits.entries or sum(entry.file_size for entry in entries) > self._left:
            raise self._too_large()
        self._entries = {entry.filename.lower().lstrip("/"): entry for entry in entries}
        if any(entry.flag_bits & 0x1 for entry in entries):
            raise Refused(Fault.ENCRYPTED)
        # Two entries of one name: nobody knows which one a spreadsheet shows.
        if len(self._entries) != len(entries):
            raise Refused(Fault.UNREADABLE)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._entries

    def has_macros(self) -> bool:
        """Whether some entry is a program."""
        return any(name.endswith(_MACROS) or (name.startswith(_MACRO_FOLDERS) and name.endswith((".xml", ".bin", ".xlb", ".py", ".js", ".bsh")))
                   for name in self._entries)  # fmt: skip

    def pieces(self, name: str, size: int = _PIECE) -> Iterator[bytes]:
        """The content of an entry, so many bytes at a time at most. Raises Refused."""
        entry = self._entries.get(name.lower())
        if entry is None or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(Fault.UNREADABLE)
        try:
            with self._archive.open(entry) as stream:
                while piece := stream.read(min(size, _PIECE)):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise self._too_large()
                    yield piece
        except BROKEN:
            raise Refused(Fault.UNREADABLE) from None

    def whole(self, name: str, most: int) -> bytes:
        """The content of a short entry, of ``most`` bytes. Raises Refused for a longer one, of which no more than that is unpacked."""
        content = b""
        for piece in self.pieces(name, most + 1):
            content += piece
            if len(content) > most:
                raise Refused(Fault.UNREADABLE)
        return content

    def _too_large(self) -> Refused:
        return _too_large(self._limits)


def _too_large(limits: Limits) -> Refused:
    return Refused(Fault.TOO_LARGE_UNPACKED, value=limits.unpacked // _MEGABYTE)


def is_archive(content: bytes) -> bool:
    """Whether the bytes begin as a ZIP archive, be it empty."""
    return content[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


@contextmanager
def opened(content: bytes, limits: Limits) -> Iterator[Archive]:
    """An archive, as long as it is read. Raises Refused."""
    source = _Content(content)
    source.most = limits.entries * _ENTRY + _LAST
    try:
        archive = zipfile.ZipFile(source)
    except _TooMuch:
        raise _too_large(limits) from None
    except BROKEN:
        raise Refused(Fault.UNREADABLE) from None
    source.most = None
    with archive:
        yield Archive(archive, len(content), limits)
