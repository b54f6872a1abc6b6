"""Many rows written in few statements, under the walls of the scope (COPY may not write where row-level security is on)."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, TextClause, any_, bindparam, text

from app.core.extensions import db

#: Rows of one statement.
PIECE: Final = 2_000

#: From so many rows on, the connection makes its plans anew: that of the check of a foreign key, kept since a table was nearly empty, may go through
#: all the rows of an organisation for each new one.
_MANY: Final = 500


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(type(value).__name__)


_JSON: Final = json.JSONEncoder(default=_plain, ensure_ascii=False, separators=(",", ":"), check_circular=False)


def plain(value: Any) -> Any:
    """A value of a column as JSON gives it back."""
    return value if value is None or isinstance(value, bool | int | str) else _plain(value)


def to_json(value: Any) -> str:
    """JSON in which PostgreSQL reads every type of a column."""
    return _JSON.encode(value)


def pieces(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The rows, a statement's worth at a time."""
    return (rows[start : start + PIECE] for start in range(0, len(rows), PIECE))


def among(column: Any, values: Collection[Any]) -> ColumnElement[bool]:
    """Rows whose ``column`` is one of many values: one parameter, where ``in_`` makes one of each."""
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))  # type: ignore[no-any-return]


def insert_rows(model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name the same columns; what they don't name takes the database's default."""
    if not rows:
        return
    if len(rows) >= _MANY:
        db.session.execute(text("DISCARD PLANS"))
    statement = _insertion(model, rows[0])
    for some in pieces(rows):
        db.session.execute(statement, {"rows": to_json(list(some))})


def insert_made(model: Any, made: Iterable[Sequence[Mapping[str, Any]]], progress: Callable[[int], None]) -> None:
    """The same, a piece after the other: the next one is made while the database takes the one before.

    Making a piece asks nothing of the session, whose connection is at work.  ``progress`` is told how many rows are in, between two pieces.
    """
    db.session.flush()
    connection = db.session.connection()
    connection.execute(text("DISCARD PLANS"))
    with ThreadPoolExecutor(max_workers=1) as pool:
        under_way: Future[Any] | None = None
        count = sent = 0
        try:
            for rows in made:
                parameters = {"rows": to_json(list(rows))}
                if under_way is not None:
                    under_way.result()
                    count += sent
                    progress(count)
                under_way, sent = pool.submit(connection.execute, _insertion(model, rows[0]), parameters), len(rows)
            if under_way is not None:
                under_way.result()
                progress(count + sent)
        except BaseException:
            if under_way is not None and not under_way.done():  # the time of the job is over, say: nobody waits for what may wait for others
                connection.connection.driver_connection.cancel()  # type: ignore[union-attr]  # psycopg's
            raise


def _insertion(model: Any, row: Mapping[str, Any]) -> TextClause:
    table = model.__table__
    names = ", ".join(table.c[name].name for name in row)
    return text(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table.name}, CAST(:rows AS json))")  # noqa: S608 - names of the model


def update_rows(model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write these columns of the rows named by ``id``; their version grows, as when people edit them."""
    if not rows:
        return
    table = model.__table__
    names = [table.c[name].name for name in rows[0] if name != "id"]
    sets = ", ".join(f"{name} = n.{name}" for name in names)
    statement = text(
        f"UPDATE {table.name} r SET {sets}, version = r.version + 1 FROM json_populate_recordset(NULL::{table.name}, CAST(:rows AS json)) n "  # noqa: S608 - names of the model
        "WHERE r.id = n.id"
    )
    for some in pieces(rows):
        db.session.execute(statement, {"rows": to_json(list(some))})


def new_ids(model: Any, count: int) -> list[int]:
    """That many ids of new rows."""
    statement = text(f"SELECT nextval(pg_get_serial_sequence('{model.__table__.name}', 'id')) FROM generate_series(1, :count)")  # noqa: S608 - name of the model
    return list(db.session.scalars(statement, {"count": count}))


__all__ = ["PIECE", "among", "insert_made", "insert_rows", "new_ids", "pieces", "plain", "to_json", "update_rows"]
