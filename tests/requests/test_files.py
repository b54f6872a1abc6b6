"""What a file may be: known by its content, whatever it claims; names made safe."""

from __future__ import annotations

import io
import re
import struct
import tracemalloc
import zipfile

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.core.documents.files import EXTENSIONS, FileFault, FileRefused, MediaType, identify, safe_name
from app.core.documents.intake import Incoming, check

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(17) + b"\x00\x00\x00\x00IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + bytes(40) + b"\xff\xd9"


def archive(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return target.getvalue()


ODT_MEMBERS = {"mimetype": MediaType.ODT.encode(), "content.xml": b"<a/>", "META-INF/manifest.xml": b"<m/>"}
DOCX_MEMBERS = {"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<d/>"}
ODT, DOCX = archive(ODT_MEMBERS), archive(DOCX_MEMBERS)


# ---- by content, never by name ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind"), [(PDF, MediaType.PDF), (PNG, MediaType.PNG), (JPEG, MediaType.JPEG), (ODT, MediaType.ODT), (DOCX, MediaType.DOCX)], ids=lambda one: str(one)[:12]
)
def test_what_is_accepted(content: bytes, kind: MediaType) -> None:
    assert identify(content) is kind


def _encrypted() -> bytes:
    made = bytearray(DOCX)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := made.find(mark, start)) >= 0:
            made[start + offset] |= 1
            start += 4
    return bytes(made)


def _few(content: bytes) -> bytes:
    """The end says that there are three members."""
    made = bytearray(content)
    end = made.rindex(b"PK\x05\x06")
    struct.pack_into("<HH", made, end + 8, 3, 3)
    return bytes(made)


def _with_extra(content: bytes, extra: bytes, offset: int) -> bytes:
    """``extra`` at the first member of the table of contents, which says that it starts at ``offset``."""
    made = bytearray(content)
    first, end = made.index(b"PK\x01\x02"), made.rindex(b"PK\x05\x06")
    (name,) = struct.unpack_from("<H", made, first + 28)
    (size,) = struct.unpack_from("<L", made, end + 12)
    struct.pack_into("<H", made, first + 30, len(extra))
    struct.pack_into("<L", made, first + 42, offset)
    struct.pack_into("<L", made, end + 12, size + len(extra))
    made[first + 46 + name : first + 46 + name] = extra
    return bytes(made)


def _far(content: bytes) -> bytes:
    return _with_extra(content, struct.pack("<HHQ", 1, 8, 2**64 - 1), 0xFFFFFFFF)


def _short_extra(content: bytes) -> bytes:
    return _with_extra(content, struct.pack("<HH", 1, 4) + b"1234", 0xFFFFFFFF)


HOSTILE = {
    "empty": (b"", FileFault.EMPTY),
    "a page of the web": (b"<html><script>alert(1)</script>%PDF-1.4 %%EOF", FileFault.UNKNOWN_TYPE),
    "an image that is a script": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', FileFault.UNKNOWN_TYPE),
    "a program": (b"MZ" + bytes(200), FileFault.UNKNOWN_TYPE),
    "an archive of anything": (archive({"virus.exe": b"MZ"}), FileFault.UNKNOWN_TYPE),
    "a spreadsheet": (archive(ODT_MEMBERS | {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}), FileFault.UNKNOWN_TYPE),
    "half a document": (DOCX[:40], FileFault.DAMAGED),
    "half a page": (PDF[:20], FileFault.DAMAGED),
    "half a picture": (PNG[:30], FileFault.DAMAGED),
    "half a photograph": (JPEG[:20], FileFault.DAMAGED),
    "macros of Word": (archive(DOCX_MEMBERS | {"word/vbaProject.bin": b"x"}), FileFault.MACROS),
    "macros told by the types": (archive(DOCX_MEMBERS | {"[Content_Types].xml": b"document.macroEnabled.main+xml"}), FileFault.MACROS),
    "macros of Writer": (archive(ODT_MEMBERS | {"Basic/Standard/Module1.xml": b"x"}), FileFault.MACROS),
    "a bomb": (archive(DOCX_MEMBERS | {f"word/{n}": bytes(60_000_000) for n in range(6)}), FileFault.DAMAGED),
    "too many members": (archive(DOCX_MEMBERS | {f"word/{n}": b"" for n in range(5_001)}), FileFault.DAMAGED),
    "more of them than its end says": (_few(archive(DOCX_MEMBERS | {f"word/{n}": b"" for n in range(5_001)})), FileFault.DAMAGED),
    "types too long to be looked at": (archive(DOCX_MEMBERS | {"[Content_Types].xml": bytes(1_000_001) + b"macroEnabled"}), FileFault.DAMAGED),
    "a place beyond all numbers": (_far(DOCX), FileFault.DAMAGED),
    "an extra field cut short": (_short_extra(DOCX), FileFault.DAMAGED),
    "a password": (_encrypted(), FileFault.PROTECTED),
    "a password of Writer": (archive(ODT_MEMBERS | {"META-INF/manifest.xml": b"<manifest:encryption-data/>"}), FileFault.PROTECTED),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_refused(name: str) -> None:
    content, fault = HOSTILE[name]
    with pytest.raises(FileRefused) as refused:
        identify(content)
    assert refused.value.fault is fault


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_member_unpacks_more_than_is_read(method: int) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("word/document.xml", b"<d/>")
        made.writestr("[Content_Types].xml", bytes(60_000_000), compress_type=method)
    content = bytearray(target.getvalue())
    member = content.rindex(b"PK\x01\x02")
    struct.pack_into("<L", content, member + 24, 100)  # it claims a hundred bytes
    tracemalloc.start()
    try:
        with pytest.raises(FileRefused) as refused:
            identify(bytes(content))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.fault is FileFault.DAMAGED
    assert peak < 5_000_000


def test_a_table_of_contents_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(zipfile, "ZipFile", lambda *some: made.append(some))
    content = HOSTILE["more of them than its end says"][0]
    with pytest.raises(FileRefused):
        identify(content)
    assert made == []


#: What the fields of an archive may hold to mislead: nothing, everything, marks of ZIP64, signs of other methods.
_WORDS = st.sampled_from([bytes(1), b"\xff", b"\xff\xff", b"\xff" * 4, b"\xff" * 8, b"\x00" * 4, b"\x0c\x00", b"\x0e\x00", b"\x01\x00\x08\x00", b"\x63\x00"]) | st.binary(min_size=1, max_size=8)


@st.composite
def tampered(draw: st.DrawFn) -> bytes:
    """A document of which some bytes, above all those of its table of contents, say something else."""
    whole = draw(st.sampled_from([DOCX, ODT, _far(DOCX), _short_extra(ODT), _with_extra(ODT, struct.pack("<HHQQQ", 1, 24, 1, 1, 1), 0xFFFFFFFF)]))
    content = bytearray(whole)
    table = content.index(b"PK\x01\x02")
    for _time in range(draw(st.integers(1, 6))):
        place = draw(st.integers(table, len(content) - 1) | st.integers(4, len(content) - 1))
        word = draw(_WORDS)
        content[place : place + len(word)] = word
    return bytes(content)


@given(tampered())
def test_no_tampered_document_breaks_the_check(content: bytes) -> None:
    try:
        assert identify(content) in MediaType
    except FileRefused as refused:
        assert refused.fault in FileFault


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda some: DOCX[:150] + some) | st.binary(max_size=60).map(lambda some: ODT[:-60] + some))
def test_no_file_breaks_the_check(content: bytes) -> None:
    try:
        assert identify(content) in MediaType
    except FileRefused as refused:
        assert refused.fault in FileFault


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Devis été 2026.pdf", "Devis été 2026.pdf"),
        ("..\\..\\windows\\system.ini", "system.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("photo.exe", "photo.pdf"),
        ("annexe\u202egnp.exe", "annexegnp.pdf"),
        ('a"b\r\nSet-Cookie: x.pdf', "a-b Set-Cookie- x.pdf"),
        ("", "document.pdf"),
        (".pdf", "document.pdf"),
        ("é" * 300, "é" * 120 + ".pdf"),
    ],
)
def test_names_are_kept_and_made_safe(typed: str, kept: str) -> None:
    assert safe_name(typed, MediaType.PDF) == kept


@given(st.text(max_size=300), st.sampled_from(MediaType))
def test_no_name_is_dangerous(typed: str, kind: MediaType) -> None:
    name = safe_name(typed, kind)
    assert name.endswith(EXTENSIONS[kind]) and 4 < len(name) <= 160
    assert not re.search(r'[/\\<>:"|?*\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]', name) and not name.startswith((".", " "))


@pytest.mark.parametrize(
    "name", ["attestation1850675116001.pdf", "NIR 1 85 06 75 116 001 59.pdf", "1_85_06_75_116_001_59.pdf", "CNI_1850675116001_59.pdf", "né-185062A116001.pdf"]
)
def test_no_number_of_a_person_stays_in_a_name(app: Flask, name: str) -> None:
    with app.app_context():
        assert not any(figure in check(Incoming(name, PDF)).name for figure in ("5067", "75", "116", "001", "59"))
        assert check(Incoming("SIRET 20005379100014.pdf", PDF)).name == "SIRET 20005379100014.pdf"
