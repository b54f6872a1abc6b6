"""What a document may be: PDF, ODT, DOCX, JPEG or PNG, known by its content and never by its name.

A file is looked at, not opened: of an archive, two small members are read, bounded by what comes out and not by what it claims to hold.
"""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from enum import StrEnum
from typing import Final


class MediaType(StrEnum):
    """The types accepted, as browsers name them."""

    PDF = "application/pdf"
    ODT = "application/vnd.oasis.opendocument.text"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    JPEG = "image/jpeg"
    PNG = "image/png"


EXTENSIONS: Final = {MediaType.PDF: ".pdf", MediaType.ODT: ".odt", MediaType.DOCX: ".docx", MediaType.JPEG: ".jpg", MediaType.PNG: ".png"}


class FileFault(StrEnum):
    """Why a file is refused."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    UNKNOWN_TYPE = "unknown_type"
    DAMAGED = "damaged"
    MACROS = "macros"
    PROTECTED = "protected"
    TWICE = "twice"
    #: The organisation has as many bytes of documents as the installation allows.
    FULL = "full"


class FileRefused(ValueError):
    """A file that is not taken in."""

    def __init__(self, fault: FileFault, present: str = "") -> None:
        super().__init__(fault)
        self.fault = fault
        #: The name of the document that has the same content, for ``FileFault.TWICE``.
        self.present = present


_MOST_MEMBERS: Final = 5_000
_MOST_UNPACKED: Final = 300 * 1024 * 1024
_MOST_READ: Final = 1_000_000
_PNG: Final = b"\x89PNG\r\n\x1a\n"
#: What starts each line of the table of contents of an archive.
_MEMBER: Final = b"PK\x01\x02"
#: The others unpack as much as they like at each step, whatever one asks for.
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_NAME_LENGTH: Final = 120


def identify(content: bytes) -> MediaType:
    """The type of a file.  Raises FileRefused."""
    if not content:
        raise FileRefused(FileFault.EMPTY)
    if content.startswith(b"%PDF-"):
        return _whole(MediaType.PDF, b"%%EOF" in content[-2048:])
    if content.startswith(_PNG):
        return _whole(MediaType.PNG, content[12:16] == b"IHDR" and b"IEND" in content[-64:])
    if content.startswith(b"\xff\xd8\xff"):
        return _whole(MediaType.JPEG, b"\xff\xd9" in content[-65_536:])
    if content.startswith(b"PK\x03\x04"):
        return _of_archive(content)
    raise FileRefused(FileFault.UNKNOWN_TYPE)


def _whole(kind: MediaType, complete: bool) -> MediaType:
    if not complete:
        raise FileRefused(FileFault.DAMAGED)
    return kind


def _of_archive(content: bytes) -> MediaType:
    # Counted here: the library makes an object of each line before one can ask how many there are, and believes what the archive says.
    if content.count(_MEMBER) > _MOST_MEMBERS:
        raise FileRefused(FileFault.DAMAGED)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _of_members(archive)
    except FileRefused:
        raise
    except Exception:  # the library lets through whatever its parts raise on lies: struct.error, OverflowError, zlib.error…
        raise FileRefused(FileFault.DAMAGED) from None


def _of_members(archive: zipfile.ZipFile) -> MediaType:
    members = archive.infolist()
    names = {one.filename for one in members}
    if sum(one.file_size for one in members) > _MOST_UNPACKED:
        raise FileRefused(FileFault.DAMAGED)
    if any(one.flag_bits & 1 for one in members):
        raise FileRefused(FileFault.PROTECTED)
    if any(one.compress_type not in _METHODS for one in members):
        raise FileRefused(FileFault.DAMAGED)
    if "mimetype" in names and "content.xml" in names:
        if _read(archive, "mimetype", 200).strip() != MediaType.ODT.encode():
            raise FileRefused(FileFault.UNKNOWN_TYPE)
        if b"manifest:encryption-data" in _read(archive, "META-INF/manifest.xml", _MOST_READ):
            raise FileRefused(FileFault.PROTECTED)
        return _without_macros(MediaType.ODT, any(name.startswith(("Basic/", "Scripts/")) for name in names))
    if "[Content_Types].xml" in names and "word/document.xml" in names:
        types = _read(archive, "[Content_Types].xml", _MOST_READ)
        return _without_macros(MediaType.DOCX, b"macroEnabled" in types or any(name.lower().endswith("vbaproject.bin") for name in names))
    raise FileRefused(FileFault.UNKNOWN_TYPE)


def _read(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A member, whole: what lies beyond ``most`` would not have been looked at."""
    with archive.open(name) as member:
        content = member.read(most + 1)
    if len(content) > most:
        raise FileRefused(FileFault.DAMAGED)
    return content


def _without_macros(kind: MediaType, macros: bool) -> MediaType:
    if macros:
        raise FileRefused(FileFault.MACROS)
    return kind


def safe_name(typed: str, kind: MediaType) -> str:
    """The name of a document: what it was called, without folders nor marks that mislead, with the ending of what it really is."""
    name = unicodedata.normalize("NFC", typed.replace("\\", "/").rpartition("/")[2])
    # Controls, and marks that turn the text round, so that "gnp.exe" would read "exe.png".
    name = "".join(" " if character.isspace() else character for character in name if character.isspace() or unicodedata.category(character)[0] != "C")
    name = re.sub(r'[<>:"|?*%;]+', "-", name)
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", " ".join(name.split()))
    stem = stem.strip(" .")[:_NAME_LENGTH].strip(" .")
    return (stem or "document") + EXTENSIONS[kind]
