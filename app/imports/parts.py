"""The sealed parts of a file: written and opened in pieces, so that none is large."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import delete, func, select
from sqlalchemy.orm import undefer

from app.core import crypto
from app.core.extensions import db
from app.core.matrix.rows import to_json

from .domain import PartKind
from .models import ImportFile, ImportPart

#: Lines, steps or acts in a part, and the characters of their JSON from which a part is closed with less: who looks at one line opens a whole part.
LINES: Final = 1_000
_CHARACTERS: Final = 2_000_000
#: Items that become JSON together, between two looks at how long it is.
_TOGETHER: Final = 8
#: Bytes of a file in a part.
_BYTES: Final = 1 << 20


def part_aad(seal_uid: Any) -> bytes:
    """The place of the content of a part."""
    return crypto.column_aad(ImportPart.__tablename__, "content", seal_uid)


def keep(file: ImportFile, kind: PartKind, items: Iterable[Any]) -> None:
    """Replace what is kept of this kind by these items (plain values)."""
    _replace(file, kind, packed(items))


def packed(items: Iterable[Any], weigh: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Items as parts keep them, each part small enough to be held until all are written.  ``weigh`` is told, as they come, how many characters they take."""
    remaining = iter(items)
    told: list[str] = []
    count = characters = 0
    while some := list(islice(remaining, min(_TOGETHER, LINES - count))):
        told.append(to_json(some)[1:-1])
        count += len(some)
        characters += len(told[-1])
        if weigh is not None:
            weigh(len(told[-1]))
        if count >= LINES or characters >= _CHARACTERS:
            yield _closed(told)
            told, count, characters = [], 0, 0
    if told:
        yield _closed(told)


def _closed(told: Sequence[str]) -> bytes:
    return zlib.compress(f"[{','.join(told)}]".encode(), 1)


def keep_packed(file: ImportFile, kind: PartKind, contents: Iterable[bytes]) -> None:
    """Replace what is kept of this kind by what ``packed`` gave."""
    _replace(file, kind, contents)


def copy(source_id: int, file: ImportFile, kind: PartKind) -> None:
    """Keep what another file holds of this kind, sealed anew, without opening it further."""
    _replace(file, kind, (_unsealed(part) for part in _parts(source_id, kind)))


def keep_file(file: ImportFile, content: bytes) -> None:
    """Keep the bytes as they came."""
    _replace(file, PartKind.FILE, (zlib.compress(content[start : start + _BYTES], 1) for start in range(0, len(content), _BYTES)))


def _replace(file: ImportFile, kind: PartKind, contents: Iterable[bytes]) -> None:
    drop(file.id, kind)
    for number, content in enumerate(contents):
        part = _sealed(file, kind, number, content)
        db.session.add(part)
        db.session.flush()
        db.session.expunge(part)  # written: no reason to hold its content


def _sealed(file: ImportFile, kind: PartKind, number: int, content: bytes) -> ImportPart:
    seal_uid = uuid4()
    sealed = crypto.cipher().encrypt(content, part_aad(seal_uid))
    return ImportPart(organisation_id=file.organisation_id, file_id=file.id, kind=kind.value, number=number, seal_uid=seal_uid, content=sealed)


def _opened(part: ImportPart) -> bytes:
    return zlib.decompress(_unsealed(part))


def _unsealed(part: ImportPart) -> bytes:
    return crypto.cipher().decrypt(part.content, part_aad(part.seal_uid))


def _parts(file_id: int, kind: PartKind, first: int = 0) -> Iterator[ImportPart]:
    statement = select(ImportPart).where(ImportPart.file_id == file_id, ImportPart.kind == kind.value).order_by(ImportPart.number)
    if first:
        statement = statement.where(ImportPart.number >= first)
    with db.session.scalars(statement.options(undefer(ImportPart.content)).execution_options(yield_per=8)) as found:  # closed also when it is left early
        for part in found:
            yield part
            db.session.expunge(part)


def pieces_of(file_id: int, kind: PartKind, *, first: int = 0) -> Iterator[list[Any]]:
    """What ``keep`` kept, in order, from the part ``first`` on: what each part holds."""
    for part in _parts(file_id, kind, first):
        yield json.loads(_opened(part))


def items_of(file_id: int, kind: PartKind, *, first: int = 0) -> Iterator[Any]:
    """The same, one by one."""
    for items in pieces_of(file_id, kind, first=first):
        yield from items


def file_of(file_id: int) -> bytes:
    """What ``keep_file`` kept; nothing when it was dropped."""
    return b"".join(_opened(part) for part in _parts(file_id, PartKind.FILE))


def piece(file_id: int, kind: PartKind, number: int) -> list[Any]:
    """What one part holds; nothing when there is no such part."""
    statement = select(ImportPart).where(ImportPart.file_id == file_id, ImportPart.kind == kind.value, ImportPart.number == number)
    part = db.session.scalar(statement.options(undefer(ImportPart.content)))
    return json.loads(_opened(part)) if part is not None else []


def count_of(file_id: int, kind: PartKind) -> int:
    """How many parts there are of a kind."""
    return db.session.scalar(select(func.count()).where(ImportPart.file_id == file_id, ImportPart.kind == kind.value)) or 0


def part_at(file_id: int, kind: PartKind, number: int) -> tuple[ImportPart, list[Any]] | None:
    """One part, to be changed with ``rewrite``."""
    statement = select(ImportPart).where(ImportPart.file_id == file_id, ImportPart.kind == kind.value, ImportPart.number == number)
    part = db.session.scalar(statement.options(undefer(ImportPart.content)).with_for_update())
    return (part, json.loads(_opened(part))) if part is not None else None


def rewrite(part: ImportPart, items: Sequence[Any]) -> None:
    """Put other items in the place of those of a part."""
    part.content = crypto.cipher().encrypt(_closed([to_json(items)[1:-1]]), part_aad(part.seal_uid))
    db.session.flush()


def drop(file_id: int, *kinds: PartKind) -> None:
    """Drop what is kept of these kinds; of all when none is named."""
    statement = delete(ImportPart).where(ImportPart.file_id == file_id)
    if kinds:
        statement = statement.where(ImportPart.kind.in_([kind.value for kind in kinds]))
    db.session.execute(statement.execution_options(synchronize_session=False))


__all__ = [
    "LINES", "copy", "count_of", "drop", "file_of", "items_of", "keep", "keep_file", "keep_packed", "packed", "part_aad", "part_at", "piece", "pieces_of",
    "rewrite",
]  # fmt: skip
