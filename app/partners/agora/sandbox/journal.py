"""An append-only file of JSON lines: what was accepted is on disk before it is answered.

Lines that arrive during one turn of the event loop are written together. The last line may be torn by a crash: it was never answered, so it is cut
off. Any other damaged line means that the file is not ours to guess at: start-up is refused.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


class JournalError(Exception):
    """The journal cannot be read or written; the text is one sentence."""


class Journal:
    """The file, open for writing. ``fsync`` also survives a loss of power, at the price of speed."""

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self.path = path
        self.lines = 0
        self._fsync = fsync
        self._pending: list[bytes] = []
        self._flushed: asyncio.Future[None] | None = None
        self._descriptor = -1
        self._size = 0

    def read(self) -> Iterator[dict[str, Any]]:
        """Every record, oldest first; cuts a torn last line off. To be exhausted before anything is written."""
        self.path.touch()
        self.lines = good = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn
                try:
                    record = json.loads(line)
                except ValueError:
                    raise JournalError(f"Le journal {self.path} est abîmé à la ligne {self.lines + 1}.") from None
                self.lines += 1
                good += len(line)
                yield record
        if good != self.path.stat().st_size:
            os.truncate(self.path, good)
        self._open()

    def _open(self) -> None:
        self.close()
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self._size = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def append(self, record: dict[str, Any]) -> None:
        """Queue one record for this turn's write; ``flushed`` tells when it is on disk."""
        self._pending.append(encode(record))
        if self._flushed is None:
            loop = asyncio.get_running_loop()
            self._flushed = loop.create_future()
            loop.call_soon(self._flush)

    async def flushed(self) -> None:
        """Everything queued so far is on disk. Raises JournalError when it could not be written."""
        if self._flushed is not None:
            await asyncio.shield(self._flushed)

    def _flush(self) -> None:
        waiting, self._flushed = self._flushed, None
        data, count = b"".join(self._pending), len(self._pending)
        self._pending.clear()
        if waiting is None:
            return
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
            if self._fsync:
                os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, self._size)
            waiting.set_exception(JournalError(f"Le journal {self.path} ne peut être écrit : {error.strerror}."))
            waiting.exception()  # seen, even when nobody waits any more
            return
        self._size += len(data)
        self.lines += count
        waiting.set_result(None)

    def rewrite(self, records: Iterable[dict[str, Any]]) -> None:
        """Replace the whole file at once (compaction, reset): the old one stays until the new one is complete."""
        fresh = self.path.with_suffix(".new")
        lines = 0
        with fresh.open("wb") as file:
            for record in records:
                file.write(encode(record))
                lines += 1
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self.lines = lines
        self._open()


def encode(record: dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
