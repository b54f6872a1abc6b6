"""The keyed digests of the journal: pure functions, shared by sealing and verification."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

GENESIS = bytes(32)
_LAYOUT = 1

#: Columns of an entry that the digest covers, as SQL.  Times and documents are read as text that PostgreSQL makes the same
#: way each time, so that no conversion can change a digest.
ENTRY_COLUMNS = (
    "e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), e.transaction_id, e.actor_id, e.acting_role, "
    "e.request_id, e.organisation_id, e.table_name, e.row_id, e.operation, e.before::text, e.after::text, e.on_behalf_of_id"
)
#: How many columns that is.
ENTRY_WIDTH = 13


class SealLike(Protocol):
    """What the digest of a link covers."""

    id: int
    at: Any
    entry_count: int
    entry_ids: str
    floor_id: int
    probe_id: int
    probe_xid: int
    entries_digest: bytes
    previous_digest: bytes


def _mac(key: bytes, parts: Sequence[Any]) -> bytes:
    return hmac.new(key, json.dumps(parts, separators=(",", ":"), ensure_ascii=True).encode(), hashlib.sha256).digest()


def entry_digest(key: bytes, values: Sequence[Any]) -> bytes:
    """Digest of one entry, given :data:`ENTRY_COLUMNS` in order.

    ``on_behalf_of_id``, the last, came after the first entries were sealed: one without it is digested as those were.
    """
    if len(values) == ENTRY_WIDTH and values[-1] is None:
        values = values[:-1]
    return _mac(key, ["audit-entry", _LAYOUT, *values])


def seal_digest(key: bytes, seal: SealLike) -> bytes:
    """Digest of one link of the chain."""
    return _mac(
        key,
        [
            "audit-seal",
            _LAYOUT,
            seal.id,
            int(seal.at.timestamp() * 1_000_000),
            seal.entry_count,
            seal.entry_ids,
            seal.floor_id,
            seal.probe_id,
            seal.probe_xid,
            seal.entries_digest.hex(),
            seal.previous_digest.hex(),
        ],
    )


class EntriesDigest:
    """Running digest over the seal rows of one batch, in the order of their entries."""

    __slots__ = ("_hash", "count")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.count = 0

    def add(self, entry_id: int, at_text: str, table_name: str, row_id: str | None, digest: bytes) -> None:
        """Take in the next seal row."""
        self._hash.update(json.dumps([entry_id, at_text, table_name, row_id, digest.hex()], separators=(",", ":")).encode())
        self.count += 1

    def digest(self) -> bytes:
        """Return the digest of what was taken in so far."""
        return self._hash.digest()


def pack_ids(ids: Iterable[int]) -> str:
    """Write ascending ids as ranges: ``1-3,7``."""
    ranges: list[list[int]] = []
    for number in ids:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def unpack_ids(text: str) -> Iterator[int]:
    """The inverse of :func:`pack_ids`."""
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        yield from range(int(low), int(high or low) + 1)
