"""Reads of the journal for history pages; row-level security limits them to the reader's organisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select

from app.core.audit.models import AuditEntry
from app.core.extensions import db
from app.core.people import account_names

#: What stands in the journal for a value that is not shown.
HIDDEN = "•"


@dataclass(frozen=True, slots=True)
class Change:
    """One column, before and after; :data:`HIDDEN` for a value that is not kept."""

    column: str
    before: Any
    after: Any

    @property
    def hidden(self) -> bool:
        """Whether only the fact of the change is known."""
        return HIDDEN in (self.before, self.after)


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One entry, ready for a timeline."""

    entry_id: int
    at: datetime
    operation: str
    table_name: str
    row_id: str | None
    actor_id: int | None
    actor_name: str | None
    on_behalf_of_name: str | None
    acting_role: str | None
    request_id: str | None
    transaction_id: int
    changes: tuple[Change, ...]


def changes_of(entry: AuditEntry) -> tuple[Change, ...]:
    """Return the columns of an entry that carry something, by name."""
    before, after = entry.before or {}, entry.after or {}
    names = sorted(before.keys() | after.keys())
    return tuple(Change(name, before.get(name), after.get(name)) for name in names if (before.get(name), after.get(name)) != (None, None))


def history(
    table: str, row_id: int | str, *, also: Iterable[tuple[str, Sequence[int | str]]] = (), before_id: int | None = None, limit: int = 50
) -> list[HistoryLine]:
    """Return the last changes of one row, newest first, with those of related rows given in ``also`` (table, ids).

    Load the object itself first: its absence is the 404.  ``before_id`` is the last ``entry_id`` of the page before.
    Accounts that the reader may not see have no name.
    """
    wanted = [and_(AuditEntry.table_name == table, AuditEntry.row_id == str(row_id))]
    wanted += [and_(AuditEntry.table_name == name, AuditEntry.row_id.in_([str(one) for one in ids])) for name, ids in also if ids]
    statement = select(AuditEntry).where(or_(*wanted)).order_by(AuditEntry.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(AuditEntry.id < before_id)
    entries = list(db.session.scalars(statement))
    names = account_names(number for entry in entries for number in (entry.actor_id, entry.on_behalf_of_id))
    return [
        HistoryLine(
            entry_id=entry.id,
            at=entry.at,
            operation=entry.operation,
            table_name=entry.table_name,
            row_id=entry.row_id,
            actor_id=entry.actor_id,
            actor_name=names.get(entry.actor_id) if entry.actor_id is not None else None,
            on_behalf_of_name=names.get(entry.on_behalf_of_id) if entry.on_behalf_of_id is not None else None,
            acting_role=entry.acting_role,
            request_id=entry.request_id,
            transaction_id=entry.transaction_id,
            changes=changes_of(entry),
        )
        for entry in entries
    ]
