"""Taking documents in: read, looked at, weighed against what the installation allows.

Nothing looks for viruses: an installation that wants it puts a scanner in ``check``, which every document goes through (decision 0033).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import func, select
from werkzeug.datastructures import FileStorage

from app.core.extensions import db
from app.core.logs import MASK, NUMBER_IN_NAME, mask_text
from app.core.tenancy import Scope, bound_scope

from .files import FileFault, FileRefused, MediaType, identify, safe_name


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file as it came."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be taken in, as it will be kept."""

    name: str
    kind: MediaType
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a document may weigh, how many a request may have, and how much all those of an organisation may weigh."""

    most_bytes: int
    most: int
    quota: int


class FilesRefused(ValueError):
    """Some of the files sent together are not taken in: none is."""

    def __init__(self, faults: Sequence[tuple[str, FileFault]]) -> None:
        super().__init__(", ".join(fault for _name, fault in faults))
        self.faults = list(faults)


def limits() -> Limits:
    """As the installation sets them (``DOCUMENT_MAX_MB``, ``DOCUMENT_MAX_COUNT``, ``DOCUMENT_QUOTA_MB``)."""
    config = current_app.config
    return Limits(config["DOCUMENT_MAX_MB"] * 1024 * 1024, config["DOCUMENT_MAX_COUNT"], config["DOCUMENT_QUOTA_MB"] * 1024 * 1024)


def incoming(sent: FileStorage | None) -> Incoming | None:
    """A file of the request, read up to one byte more than allowed; None when none was chosen."""
    if sent is None or not sent.filename:
        return None
    try:
        return Incoming(sent.filename, sent.stream.read(limits().most_bytes + 1))
    finally:
        sent.close()


def all_incoming(sent: Iterable[FileStorage]) -> list[Incoming]:
    """The files chosen in a field that takes several."""
    return [file for one in sent if (file := incoming(one)) is not None]


def check(file: Incoming) -> Checked:
    """Look at a file, which takes time: before anything is locked.  Raises FileRefused for one that could not be taken in."""
    if len(file.content) > limits().most_bytes:
        raise FileRefused(FileFault.TOO_LARGE)
    kind = identify(file.content)
    name = mask_text(NUMBER_IN_NAME.sub(MASK, safe_name(file.name, kind)))
    return Checked(name, kind, file.content, hashlib.sha256(file.content).hexdigest())


def check_all(files: Sequence[Incoming]) -> list[Checked]:
    """Look at files sent together.  Raises FilesRefused, which names all those at fault."""
    checked: list[Checked] = []
    faults: list[tuple[str, FileFault]] = []
    for file in files:
        try:
            checked.append(check(file))
        except FileRefused as refused:
            faults.append((file.name, refused.fault))
    if faults:
        raise FilesRefused(faults)
    return checked


def room_fault(file: Checked, present: Sequence[str], weight: int) -> FileFault | None:
    """Why there is no room for a file beside those that are there, known by their SHA-256; None when there is.

    ``weight`` is that of all the documents of the organisation (``weight_of``).
    """
    if file.sha256 in present:
        return FileFault.TWICE
    if len(present) >= limits().most:
        return FileFault.TOO_MANY
    return FileFault.FULL if weight + len(file.content) > limits().quota else None


# ---- the room of an organisation --------------------------------------------------------------------------------------

#: The tables of documents, by name: each has ``organisation_id`` and ``size``.
_kept: dict[str, Any] = {}


def register_documents(model: type[Any]) -> None:
    """The documents of this table fill the room of their organisation.  Again replaces it."""
    _kept[model.__tablename__] = model


def weight_of(organisation_id: int) -> int:
    """Bytes of all the documents of an organisation, drafts included, whoever asks: a limited account fills the same room."""
    with bound_scope(Scope.system()):
        sums = [
            select(func.coalesce(func.sum(model.size), 0)).where(model.organisation_id == organisation_id).scalar_subquery() for model in _kept.values()
        ]
        return sum(int(one) for one in db.session.execute(select(*sums)).one()) if sums else 0
