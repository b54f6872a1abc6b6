"""Sealing the journal and verifying the seals.

Writers are never slowed down: they only insert, and a periodic job seals afterwards.  Entries get their number before their
transaction commits, so numbers appear out of order; a watermark on numbers alone would skip the late ones for ever.  What is
sealed is therefore *every visible entry without a seal*.  To keep that search short, each seal carries a floor below which
nothing can appear any more:

* a seal notes a probe: the last number drawn so far (``probe_id``), then its own transaction number (``probe_xid``), which is
  greater than that of any transaction that drew one of those numbers;
* once all transactions up to ``probe_xid`` are over, all those entries are visible or will never be, and the floor may rise to
  ``probe_id``.

Transaction numbers start again after a restore into a new cluster: then the floor rises later than it could, and nothing is
lost, because the floor is never what decides whether an entry gets sealed.

The chain proves that nothing was altered, removed or slipped in without ``AUDIT_KEY``.  It cannot by itself show that its last
links were cut off together with their entries: each seal is therefore also written to the logs (``audit_sealed``), and
``flask audit verify --anchor`` compares one with the chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import Connection, insert, select, text

from app.core import clock
from app.core.audit.digests import ENTRY_COLUMNS, ENTRY_WIDTH, GENESIS, EntriesDigest, entry_digest, pack_ids, seal_digest, unpack_ids
from app.core.audit.models import AuditEntry, AuditSeal, AuditSealed
from app.core.extensions import db
from app.core.locks import Lock
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

log = structlog.get_logger(__name__)

BATCH = 5_000
_AT = 1  # position of the time in ENTRY_COLUMNS
_TABLE, _ROW = 7, 8
_COMPLETE = -1


class AuditKeyError(RuntimeError):
    """``AUDIT_KEY`` is missing or too short; the message is one sentence for the operator."""


def _key() -> bytes:
    value = current_app.config.get("AUDIT_KEY") or ""
    key = value.encode() if isinstance(value, str) else bytes(value)
    if len(key) < 32:
        raise AuditKeyError("AUDIT_KEY must be at least 32 characters long")
    return key


def _instant(at_text: str) -> datetime:
    return datetime.fromisoformat(at_text).replace(tzinfo=UTC)


# -- sealing ----------------------------------------------------------------------------------------------------------


def seal_entries(*, batch: int = BATCH, limit: int = 200) -> int:
    """Seal the entries that wait, ``batch`` at a time, and return how many were sealed.

    One sealer works at a time (advisory lock); a second one returns at once.  ``limit`` bounds the batches of one call, so
    that a job stays within its time; the next run goes on.
    """
    key = _key()
    total = 0
    with bound_scope(Scope.system()):
        for _ in range(limit):
            with transaction():
                sealed = _seal_batch(db.session.connection(), key, batch)
            total += sealed
            if sealed < batch:
                break
    return total


def _seal_batch(connection: Connection, key: bytes, batch: int) -> int:
    fresh, drawn = connection.execute(
        text(
            "SELECT pg_current_xact_id_if_assigned() IS NULL,"
            " COALESCE(pg_sequence_last_value(pg_get_serial_sequence('audit_entry', 'id')::regclass), 0)"
        )
    ).one()
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": int(Lock.SEAL_JOURNAL)}):
        return 0
    last = connection.execute(select(AuditSeal.__table__).order_by(AuditSeal.id.desc()).limit(1)).one_or_none()
    floor, probe_id, probe_xid = (last.floor_id, last.probe_id, last.probe_xid) if last else (0, 0, 0)
    settled = connection.scalar(
        text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > :xid"), {"xid": probe_xid}
    )
    rows = connection.execute(
        text(
            f"SELECT {ENTRY_COLUMNS} FROM audit_entry e WHERE e.id > :floor"  # noqa: S608 - a constant of this package
            " AND NOT EXISTS (SELECT FROM audit_sealed s WHERE s.entry_id = e.id AND s.entry_id > :floor)"
            " ORDER BY e.id LIMIT :batch"
        ),
        {"floor": floor, "batch": batch},
    ).all()
    if not rows:
        return 0
    seal_id = last.id + 1 if last else 1
    running, sealed = EntriesDigest(), []
    for row in rows:
        digest = entry_digest(key, row)
        running.add(row[0], row[_AT], row[_TABLE], row[_ROW], digest)
        sealed.append(
            {"entry_id": row[0], "seal_id": seal_id, "at": _instant(row[_AT]), "table_name": row[_TABLE], "row_id": row[_ROW], "digest": digest}
        )
    if settled:
        floor = max(floor, probe_id if len(rows) < batch else min(probe_id, rows[-1][0]))
    if fresh:  # our own number was drawn after the probe was read, hence is above those of all who drew before
        probe_id, probe_xid = drawn, connection.scalar(text("SELECT pg_current_xact_id()::text::bigint"))
    seal = AuditSeal(
        id=seal_id,
        at=clock.now(),
        entry_count=len(rows),
        entry_ids=pack_ids(row[0] for row in rows),
        floor_id=floor,
        probe_id=probe_id,
        probe_xid=probe_xid,
        entries_digest=running.digest(),
        previous_digest=last.digest if last else GENESIS,
    )
    seal.digest = seal_digest(key, seal)
    connection.execute(insert(AuditSealed.__table__), sealed)
    connection.execute(
        insert(AuditSeal.__table__), {column.name: getattr(seal, column.name) for column in AuditSeal.__table__.columns}
    )
    log.info("audit_sealed", seal=seal_id, entries=len(rows), digest=seal.digest.hex())
    return len(rows)


# -- verification -----------------------------------------------------------------------------------------------------


class Tampering(StrEnum):
    """What verification can find.  ``UNSEALED``: the entry exists, its seal row does not; the entry may be forged."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    UNSEALED = "seal row removed"
    SEAL_ALTERED = "seal altered"
    SEAL_REMOVED = "seal removed"
    ANCHOR = "anchor not found"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, located as precisely as what is left allows."""

    kind: Tampering
    entry_id: int | None = None
    seal_id: int | None = None
    table_name: str | None = None
    row_id: str | None = None
    at: datetime | None = None

    def __str__(self) -> str:
        parts = [self.kind.value]
        if self.entry_id is not None:
            parts.append(f"entry {self.entry_id}")
        if self.table_name is not None:
            parts.append(f"table {self.table_name}")
        if self.row_id is not None:
            parts.append(f"row {self.row_id}")
        if self.at is not None:
            parts.append(f"at {self.at.isoformat()}")
        if self.seal_id is not None:
            parts.append(f"seal {self.seal_id}")
        return ", ".join(parts)


@dataclass(slots=True)
class Verification:
    """Totals of a verification; filled while the findings are being read."""

    sealed: int = 0
    pending: int = 0
    seals: int = 0
    head: str | None = None


def verify(totals: Verification | None = None, *, anchor: tuple[int, str] | None = None) -> Iterator[Finding]:
    """Recompute every digest and yield what does not hold, in one consistent snapshot and in constant memory per entry.

    ``anchor`` is a seal noted outside the database: its number and its digest in hexadecimal.
    """
    key = _key()
    totals = totals if totals is not None else Verification()
    with (
        bound_scope(Scope.system()),
        db.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
    ):
        seals = _Seals(connection, key)
        yield from seals.chain(anchor)
        totals.seals, totals.head = len(seals.expected), seals.head
        yield from _entries(connection, key, seals, totals)
        yield from seals.incomplete(connection)
        connection.rollback()


class _Seals:
    """The links of the chain, and the digest of each batch as it is recomputed."""

    def __init__(self, connection: Connection, key: bytes) -> None:
        self.connection, self.key = connection, key
        self.expected: dict[int, tuple[int, bytes]] = {}
        self.running: dict[int, EntriesDigest] = {}
        self.named: set[int] = set()
        self.loose: dict[int, Finding] = {}
        self.bad: set[int] = set()
        self.missing: set[int] = set()
        self.floor = 0
        self.head: str | None = None

    def chain(self, anchor: tuple[int, str] | None) -> Iterator[Finding]:
        previous, number, anchored = GENESIS, 0, anchor is None
        statement = select(AuditSeal.__table__).order_by(AuditSeal.id)
        with self.connection.execute(statement, execution_options={"yield_per": 1_000}) as seals:
            for seal in seals:
                while number + 1 < seal.id:
                    number += 1
                    self.missing.add(number)
                    yield Finding(Tampering.SEAL_REMOVED, seal_id=number)
                    previous = seal.previous_digest
                number = seal.id
                if seal_digest(self.key, seal) != seal.digest or seal.previous_digest != previous:
                    self.bad.add(seal.id)
                    yield Finding(Tampering.SEAL_ALTERED, seal_id=seal.id, at=seal.at)
                previous = seal.digest
                self.expected[seal.id] = (seal.entry_count, seal.entries_digest)
                self.floor = max(self.floor, seal.floor_id)
                self.head = f"{seal.id}:{seal.digest.hex()}"
                if anchor is not None and anchor == (seal.id, seal.digest.hex()):
                    anchored = True
        if not anchored and anchor is not None:
            yield Finding(Tampering.ANCHOR, seal_id=anchor[0])

    def take(self, seal_id: int, *values: Any) -> None:
        expected = self.expected.get(seal_id)
        if expected is None:
            return
        self.running.setdefault(seal_id, EntriesDigest()).add(*values)
        running = self.running[seal_id]
        if running.count == expected[0] and running.digest() == expected[1]:
            # complete and right: forget all but the number
            del self.running[seal_id]
            self.expected[seal_id] = (_COMPLETE, b"")

    def incomplete(self, connection: Connection) -> Iterator[Finding]:
        """For each batch that does not add up, name what is missing from it; then what belongs to no batch."""
        for seal_id, (count, _digest) in self.expected.items():
            if count == _COMPLETE:
                continue
            listed = connection.scalar(select(AuditSeal.entry_ids).where(AuditSeal.id == seal_id)) or ""
            ids = set(unpack_ids(listed))
            present = set(connection.scalars(select(AuditSealed.entry_id).where(AuditSealed.seal_id == seal_id)))
            for entry_id in sorted(ids - present):
                # above the floor it looked like one that waits for its seal
                loose = self.loose.pop(entry_id, None) or _locate(connection, entry_id)
                if loose is None:
                    yield Finding(Tampering.REMOVED, entry_id=entry_id, seal_id=seal_id)
                else:
                    yield replace(loose, kind=Tampering.UNSEALED, seal_id=seal_id)
            if ids <= present and seal_id not in self.bad and not ids & self.named:
                yield Finding(Tampering.SEAL_ALTERED, seal_id=seal_id)
        yield from self.loose.values()


def _locate(connection: Connection, entry_id: int) -> Finding | None:
    entry = connection.execute(select(AuditEntry.table_name, AuditEntry.row_id, AuditEntry.at).where(AuditEntry.id == entry_id)).one_or_none()
    if entry is None:
        return None
    return Finding(Tampering.INSERTED, entry_id=entry_id, table_name=entry.table_name, row_id=entry.row_id, at=entry.at)


def _entries(connection: Connection, key: bytes, seals: _Seals, totals: Verification) -> Iterator[Finding]:
    query = text(
        f"SELECT {ENTRY_COLUMNS}, s.entry_id, s.seal_id, s.digest, s.table_name, s.row_id,"  # noqa: S608 - constants
        " to_char(s.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
        " FROM audit_entry e FULL JOIN audit_sealed s ON s.entry_id = e.id ORDER BY COALESCE(e.id, s.entry_id)"
    )
    with connection.execute(query, execution_options={"yield_per": 2_000}) as rows:
        for row in rows:
            entry, (entry_id, seal_id, digest, table_name, row_id, at_text) = row[:ENTRY_WIDTH], row[ENTRY_WIDTH:]
            if entry_id is None:
                if entry[0] > seals.floor:
                    totals.pending += 1
                else:
                    seals.loose[entry[0]] = Finding(
                        Tampering.INSERTED, entry_id=entry[0], table_name=entry[_TABLE], row_id=entry[_ROW], at=_instant(entry[_AT])
                    )
                continue
            totals.sealed += 1
            seals.take(seal_id, entry_id, at_text, table_name, row_id, digest)
            if entry[0] is None:
                kind = Tampering.REMOVED
            elif entry_digest(key, entry) != digest or (entry[_AT], entry[_TABLE], entry[_ROW]) != (at_text, table_name, row_id):
                kind = Tampering.ALTERED
            elif seal_id not in seals.expected and seal_id not in seals.missing:
                # The keyed digest holds, so the entry is genuine: its link was cut off the end of the chain.
                seals.missing.add(seal_id)
                yield Finding(Tampering.SEAL_REMOVED, seal_id=seal_id)
                continue
            else:
                continue
            seals.named.add(entry_id)
            yield Finding(kind, entry_id=entry_id, seal_id=seal_id, table_name=table_name, row_id=row_id, at=_instant(at_text))
