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

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of an entry. Raises Refused."""
        entry = self._entries.get(name.lower())
        if entry is None or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(Fault.UNREADABLE)
        try:
            with self._archive.open(entry) as stream:
                while piece := stream.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise self._too_large()
                    yield piece
        except BROKEN:
            raise Refused(Fault.UNREADABLE) from None

    def _too_large(self) -> Refused:
        return Refused(Fault.TOO_LARGE_UNPACKED, value=self._limits.unpacked // _MEGABYTE)


def is_archive(content: bytes) -> bool:
    """Whether the bytes begin as a ZIP archive, be it empty."""
    return content[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


@contextmanager
def opened(content: bytes, limits: Limits) -> Iterator[Archive]:
    """An archive, as long as it is read. Raises Refused."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except BROKEN:
        raise Refused(Fault.UNREADABLE) from None
    with archive:
        yield Archive(archive, len(content), limits)
