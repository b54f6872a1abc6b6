"""A file that leaves the portal as it is read, with a line in a journal: who took out what, and how far it came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import structlog
from flask import Response, current_app, stream_with_context
from sqlalchemy import Select

from app.core import clock, context
from app.core.copying import CopiedRows
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

from .writing import FileFormat, Heading, write

log = structlog.get_logger(__name__)


class JournaledFile:
    """A file under way: its line stands in the journal before its first byte, its bytes come by iterating, its end is written however it ends.

    ``entry`` is the line, a row with ``lines`` and ``finished_at`` that says the rest; ``statement`` is read in the scope of this moment, or
    is what begins the reading of the rows (``core.exports.rows.Rows``).
    """

    def __init__(
        self, entry: Any, statement: Select[Any] | Callable[[], Any], *, file_format: FileFormat, title: str, headings: Sequence[Heading]
    ) -> None:
        self._whole = self._closed = False
        self._actor, self._reference = context.actor_id(), context.request_id()
        self._format, self._title, self._headings = file_format, title, headings
        self._journal = type(entry)
        with bound_scope(Scope.system()), transaction() as session:
            session.add(entry)
            session.flush()
            self._entry = entry.id
        self._rows = CopiedRows(statement) if isinstance(statement, Select) else statement()

    @property
    def lines(self) -> int:
        """How many lines have been read so far."""
        return int(self._rows.count)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from write(self._format, self._title, self._headings, self._rows)
            self._whole = True
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back and write the end in the journal; done once."""
        if self._closed:
            return
        self._closed = True
        try:
            self._rows.close()
        finally:
            with context.acting(actor=self._actor, reference=self._reference):  # the request has ended meanwhile
                self._end()

    def _end(self) -> None:
        with bound_scope(Scope.system()), transaction() as session:
            entry = session.get_one(self._journal, self._entry)
            entry.lines = self._rows.count
            entry.finished_at = clock.now() if self._whole else None
        log.info("file_ended" if self._whole else "file_cut_short", journal=self._journal.__tablename__, entry=self._entry, lines=self._rows.count)

    def response(self, name: str) -> Response:
        """The answer that sends the file as it is written, under ``name`` and the day.

        What fails on the way is a download that failed, never a file that looks whole.
        """
        answer = Response(stream_with_context(kept_alive(self)), content_type=self._format.media_type)
        answer.call_on_close(self.close)  # also when the browser left before the first byte
        return as_attachment(answer, name, self._format)

    def whole_response(self, name: str) -> Response:
        """The same for a short file, made before it leaves: what makes its lines may need the request."""
        return as_attachment(Response(b"".join(self), content_type=self._format.media_type), name, self._format)


def as_attachment(answer: Response, name: str, file_format: FileFormat) -> Response:
    """An answer that browsers save, under ``name`` and the day."""
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}-{clock.today():%Y-%m-%d}.{file_format.value}"'
    return answer


def kept_alive(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A long file is not taken for a web process that hangs: each piece is a sign of life (``gunicorn.conf.py``)."""
    alive: Callable[[], object] | None = current_app.extensions.get("sign_of_life")
    for piece in pieces:
        yield piece
        if alive is not None:
            alive()


__all__ = ["JournaledFile", "as_attachment", "kept_alive"]
