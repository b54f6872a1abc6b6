"""Use cases: taking a file out at once, having one prepared, giving it, forgetting it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Response, stream_with_context
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto
from app.core.extensions import db
from app.core.jobs import enqueue
from app.core.tabular.journaled import JournaledFile, as_attachment, kept_alive
from app.core.tabular.writing import FileFormat, Heading
from app.core.tenancy import Scope, bound_scope, current_scope
from app.core.transaction import after_commit, transaction

from .account import scope_mark
from .domain import KEPT, MOST_FILES, FileState, Way
from .models import ExportChoice, ExportChunk, ExportFile, ListExport
from .registry import NUMBER, Asked, ExportableList, ListColumn, RowList

log = structlog.get_logger(__name__)
BUILD = "app.core.exports.jobs:build"


class TooManyFiles(ValueError):
    """The account has as many files as it may."""


class FileNotFound(LookupError):
    """No such file of this account, or not any more."""


class RightsChanged(PermissionError):
    """The account no longer sees what the file was made from."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file: which list, narrowed to what, which columns, in which format; with ``reason``, the numbers of the people too."""

    list: ExportableList
    asked: Asked
    columns: Sequence[ListColumn]
    file_format: FileFormat
    reason: str | None = None


# ---- columns chosen ----------------------------------------------------------------------------------------------------


def last_choice(list_name: str) -> ExportChoice | None:
    """What the account at work chose last for a list."""
    statement = select(ExportChoice).where(ExportChoice.user_id == context.actor_id(), ExportChoice.list_name == list_name)
    return db.session.scalars(statement).one_or_none()


def remember(wanted: Wanted) -> None:
    """Keep the columns and the format for the next time."""
    table: Any = ExportChoice.__table__
    values = {
        "organisation_id": current_scope().organisation_id, "user_id": context.actor_id(), "list_name": wanted.list.key,
        "file_format": wanted.file_format.value, "columns": [column.key for column in wanted.columns], "chosen_at": clock.now(),
    }  # fmt: skip
    changed = {name: values[name] for name in ("organisation_id", "file_format", "columns", "chosen_at")}
    with transaction() as session:
        session.execute(insert(table).values(values).on_conflict_do_update(constraint="uq_export_choice_list", set_=changed))


# ---- at once -------------------------------------------------------------------------------------------------------------


def take_out(wanted: Wanted, *, way: Way = Way.DIRECT, file_id: int | None = None) -> JournaledFile:
    """The file, begun: what is asked is read under the tenancy of this moment, as it is sent."""
    headings = [Heading(str(column.label), column.kind, column.width) for column in wanted.columns]
    if wanted.reason is not None:
        headings.append(Heading("NIR", width=24))
    return JournaledFile(
        entry_of(wanted, way, file_id),
        lambda: wanted.list.rows(wanted.asked, wanted.columns, reason=wanted.reason),
        file_format=wanted.file_format,
        title=wanted.list.sheet_title(wanted.asked),
        headings=headings,
    )


def entry_of(wanted: Wanted, way: Way, file_id: int | None = None) -> ListExport:
    """The line of the journal."""
    keys = [column.key for column in wanted.columns]
    return ListExport(
        actor_id=context.actor_id(), on_behalf_of_id=context.on_behalf_of(), organisation_id=current_scope().organisation_id,
        request_id=context.request_id(), list_name=wanted.list.key, way=way.value, file_id=file_id, file_format=wanted.file_format.value,
        columns=[*keys, NUMBER] if wanted.reason is not None else keys, query=wanted.list.journaled_query(wanted.asked),
        personal=wanted.list.personal, numbers=wanted.reason is not None,
    )  # fmt: skip


def answer(wanted: Wanted) -> Response:
    """The file as an answer: streamed by COPY, or made before it leaves when its lines need the request."""
    made = take_out(wanted)
    name = wanted.list.file_name(wanted.asked)
    return made.whole_response(name) if isinstance(wanted.list, RowList) else made.response(name)


# ---- in the background -----------------------------------------------------------------------------------------------


def asked_aad(seal_uid: Any) -> bytes:
    """The place of the search of a file."""
    return crypto.column_aad("export_file", "asked", seal_uid)


def chunk_aad(row: Any) -> bytes:
    """The place of a piece: its file, the attempt that wrote it, and its number, so that none is moved, left out or taken from a former one."""
    return crypto.column_aad("export_chunk", f"content.{row['attempt']}.{row['number']}", row["seal_uid"])


def query_of(file: ExportFile) -> str:
    """The search a file was asked with."""
    query: str = json.loads(crypto.cipher().decrypt_text(file.asked, asked_aad(file.seal_uid)))
    return query


def prepare(wanted: Wanted) -> ExportFile:
    """Have the file prepared. Raises TooManyFiles; numbers in clear are never prepared, for they are never kept."""
    if wanted.reason is not None:
        raise ValueError("numbers are taken out at once")
    seal_uid = uuid.uuid4()
    with transaction() as session:
        mine = ExportFile.user_id == context.actor_id()
        held = session.scalar(select(func.count()).select_from(ExportFile).where(mine, ExportFile.expires_at > clock.now())) or 0
        if held >= MOST_FILES:
            raise TooManyFiles
        file = ExportFile(
            seal_uid=seal_uid, organisation_id=current_scope().organisation_id, user_id=context.actor_id(), list_name=wanted.list.key,
            file_format=wanted.file_format.value, columns=[column.key for column in wanted.columns],
            asked=crypto.cipher().encrypt(json.dumps(wanted.asked.query), asked_aad(seal_uid)), scope=scope_mark(),
            expires_at=clock.now() + KEPT,
        )  # fmt: skip
        session.add(file)
        session.flush()
        number = file.id
        after_commit(lambda: enqueue(BUILD, number))
    return file


def own_files() -> list[ExportFile]:
    """The files of the account at work, the latest first."""
    statement = select(ExportFile).where(ExportFile.user_id == context.actor_id(), ExportFile.expires_at > clock.now())
    return list(db.session.scalars(statement.order_by(ExportFile.id.desc()).limit(50).execution_options(populate_existing=True)))


def own_file(file_id: int) -> ExportFile:
    """One of them. Raises FileNotFound."""
    statement = select(ExportFile).where(ExportFile.id == file_id, ExportFile.user_id == context.actor_id(), ExportFile.expires_at > clock.now())
    found = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise FileNotFound
    return found


def see_files(file_id: int | None = None) -> None:
    """The account has looked at its files, or at one of them: the notice of those that are over goes."""
    with transaction() as session:
        which = () if file_id is None else (ExportFile.id == file_id,)
        unseen = (ExportFile.state.in_((FileState.READY.value, FileState.FAILED.value)), ExportFile.seen_at.is_(None))
        statement = update(ExportFile).where(ExportFile.user_id == context.actor_id(), *unseen, *which).values(seen_at=clock.now())
        session.execute(statement.execution_options(synchronize_session=False))


def forget(file_id: int) -> None:
    """Delete a file before its time; one that is being prepared is given up. Raises FileNotFound."""
    with transaction() as session:
        session.execute(delete(ExportFile).where(ExportFile.id == own_file(file_id).id).execution_options(synchronize_session=False))


def fetch(file_id: int, wanted: Wanted) -> Response:
    """Give a file that is ready; ``wanted`` is what it holds. The download is a line of the journal.

    Raises FileNotFound, and RightsChanged when the account sees something else by now.
    """
    file = own_file(file_id)
    if file.state != FileState.READY:
        raise FileNotFound
    if file.scope != scope_mark():
        raise RightsChanged
    see_files(file.id)
    entry = entry_of(wanted, Way.FETCHED, file.id)
    pieces = _StoredFile(entry, file)
    made = Response(stream_with_context(kept_alive(pieces)), content_type=wanted.file_format.media_type)
    made.call_on_close(pieces.close)
    made.headers["Content-Length"] = str(file.size)
    return as_attachment(made, wanted.list.file_name(wanted.asked), wanted.file_format)


class _StoredFile:
    """The bytes of a prepared file, piece by piece; the journal is told of the beginning before the first, and of the end."""

    def __init__(self, entry: ListExport, file: ExportFile) -> None:
        self._file, self._attempt, self._chunks, self._lines = file.id, file.attempt, file.chunks, file.lines
        self._whole = self._closed = False
        self._actor, self._reference = context.actor_id(), context.request_id()
        with bound_scope(Scope.system()), transaction() as session:
            session.add(entry)
            session.flush()
            self._entry = entry.id

    def __iter__(self) -> Iterator[bytes]:
        try:
            for number in range(self._chunks):
                yield self._piece(number)
            self._whole = True
        finally:
            self.close()

    def _piece(self, number: int) -> bytes:
        """Read and given back at once: a slow download holds no transaction open."""
        table: Any = ExportChunk.__table__
        place = (table.c.file_id == self._file, table.c.attempt == self._attempt, table.c.number == number)
        with bound_scope(Scope.system()), transaction() as session:
            row = session.execute(select(table.c.seal_uid, table.c.attempt, table.c.number, table.c.content).where(*place)).mappings().one()
        return crypto.cipher().decrypt(row["content"], chunk_aad(row))

    def close(self) -> None:
        """Write the end in the journal; done once."""
        if self._closed:
            return
        self._closed = True
        with context.acting(actor=self._actor, reference=self._reference), bound_scope(Scope.system()), transaction() as session:
            entry = session.get_one(ListExport, self._entry)
            entry.lines = self._lines if self._whole else 0
            entry.finished_at = clock.now() if self._whole else None


__all__ = [
    "FileNotFound", "RightsChanged", "TooManyFiles", "Wanted", "answer", "asked_aad", "chunk_aad", "entry_of", "fetch", "forget", "last_choice",
    "own_file", "own_files", "prepare", "query_of", "remember", "see_files", "take_out",
]  # fmt: skip
