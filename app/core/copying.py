"""Many rows read by COPY: PostgreSQL writes them as it finds them, nothing is kept, and no object is made for any of them.

The two walls stand before it as before any other read: the statement gets the criteria of the scope (``core.tenancy``), the transaction
has the scope's role.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.core import tenancy
from app.core.extensions import db

#: How many lines are handed over at once.
_LINES: Final = 200
#: Control characters that stand as they are in what COPY writes; a cell has none of them.
_BLANKED: Final = bytes(32 if (code < 32 and code not in (9, 10)) or code == 127 else code for code in range(256))
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
#: What XML has no word for.
_NO_CHARACTER: Final = re.compile(b"\xef\xbf[\xbe\xbf]")


class CopiedRows:
    """The rows of a statement as batches of lines (``core.tabular.writing`` says what a batch is); ``count`` says how many so far.

    The query is begun when this is made, so that what is wrong with it is known before anything has been sent; in the scope of that moment,
    on a connection of its own, because an answer is still being sent when its request and the request's session have ended. To be closed.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self.count = 0
        self._read_whole = False
        self._closed = False
        self._session = Session(db.engine, join_transaction_mode="create_savepoint")
        try:
            self._begin(statement)
        except BaseException:
            self._session.close()
            raise

    def _begin(self, statement: Select[Any]) -> None:
        connection = self._session.connection()
        tenancy.apply_to(connection)
        compiled = statement.options(*tenancy.criteria()).compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        driver: Any = connection.connection.driver_connection
        self._cursor = driver.cursor()
        self._cursor.execute("SET LOCAL datestyle TO ISO, YMD")
        self._opened = self._cursor.copy(f"COPY ({compiled}) TO STDOUT (FORMAT text, NULL '')", compiled.params)
        self._copy = self._opened.__enter__()

    def __iter__(self) -> Iterator[bytes]:
        lines: list[bytes] = []
        for line in self._copy:
            lines.append(bytes(line))
            if len(lines) == _LINES:
                self.count += _LINES
                yield clean(b"".join(lines))
                lines.clear()
        self.count += len(lines)
        self._read_whole = True
        if lines:
            yield clean(b"".join(lines))

    def close(self) -> None:
        """Have done with it; a query that is still running is given up, and its transaction with it."""
        if self._closed:
            return
        self._closed = True
        given_up = None if self._read_whole else _GivenUpError()
        try:
            self._opened.__exit__(type(given_up) if given_up else None, given_up, None)
        finally:
            self._cursor.close()
            self._session.close()


class _GivenUpError(Exception):
    """Tells the driver that the rest is not wanted."""


def clean(batch: bytes) -> bytes:
    """What COPY wrote, without its escapes: a line break, a tab or another control character in a cell becomes a blank."""
    batch = batch.translate(_BLANKED)
    if b"\\" in batch:
        batch = _ESCAPE.sub(lambda found: b"\\" if found[1] == b"\\" else b" ", batch)
    if b"\xef\xbf" in batch:
        batch = _NO_CHARACTER.sub(b"", batch)
    return batch


__all__ = ["CopiedRows", "clean"]
