"""``flask crypto``: change the encryption keys and the look-up key while the portal is running.

New encryption key: put it first in ``NIR_KEYS`` and keep the former ones behind it, restart, run ``flask crypto rotate``, then
remove the former ones (``flask crypto status`` says when none of their ciphertexts is left).

New look-up key: see :class:`app.core.crypto.BlindIndex`, then ``flask crypto reindex``.

Work goes by batches, each in its own transaction and written by one statement; what is done is recognised by the stored value
itself, so that an interrupted run is simply started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import ColumnElement, LargeBinary, Table, and_, bindparam, column, func, literal, select, update, values

from app.core import crypto as keys
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

BATCH = 500

RowValues = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """One column under the care of these commands."""

    table: Table
    column: str
    aad_fn: Callable[[RowValues], bytes]
    needs: tuple[str, ...]
    index_column: str | None = None
    index_fn: Callable[[str], bytes] | None = None

    @property
    def label(self) -> str:
        """``table.column``."""
        return f"{self.table.name}.{self.column}"


_columns: dict[str, EncryptedColumn] = {}


def register_encrypted_column(
    model: type[Any],
    column_name: str,
    aad_fn: Callable[[RowValues], bytes],
    *,
    needs: tuple[str, ...] = ("seal_uid",),
    index_column: str | None = None,
    index_fn: Callable[[str], bytes] | None = None,
) -> None:
    """Declare an encrypted column.  ``aad_fn`` receives the columns named in ``needs`` and returns the place of the value.

    ``index_column`` and ``index_fn`` (plaintext to index) also put a look-up hash under ``reindex``.  Declaring the same
    column again replaces the entry: several applications may be built in one process.
    """
    table: Table = model.__table__
    if len(table.primary_key.columns) != 1:
        raise ValueError(f"{table.name}: a single primary key is needed")
    entry = EncryptedColumn(table, column_name, aad_fn, needs, index_column, index_fn)
    _columns[entry.label] = entry


def registered_columns() -> list[EncryptedColumn]:
    """All declared columns, in a stable order."""
    return [_columns[label] for label in sorted(_columns)]


def _outdated(entry: EncryptedColumn, header: bytes) -> ColumnElement[bool]:
    stored = entry.table.c[entry.column]
    return and_(stored.is_not(None), func.substring(stored, 1, len(header)) != literal(header, LargeBinary))


def _key(entry: EncryptedColumn) -> Any:
    return next(iter(entry.table.primary_key.columns))


def _write(entry: EncryptedColumn, target: str, rows: list[tuple[Any, bytes]]) -> None:
    """Write one batch in one statement; the version of the rows does not move, for nothing changes for their readers."""
    key = _key(entry)
    renewed = values(column("key", key.type), column("value", LargeBinary), name="renewed").data(rows)
    db.session.execute(
        update(entry.table).where(key == renewed.c.key).values({target: renewed.c.value}),
        execution_options={"synchronize_session": False},
    )


def _batches(
    entry: EncryptedColumn, condition: ColumnElement[bool] | None, target: str, renew: Callable[[RowValues], bytes | None], batch: int
) -> Iterator[int]:
    """Renew the rows that meet ``condition``, in the order of their key; yield the size of each batch.

    Rows somebody is writing are waited for: skipping them would leave them behind.
    """
    key, last = _key(entry), None
    chosen = [key, entry.table.c[entry.column], *(entry.table.c[name] for name in entry.needs if name != key.name)]
    if entry.index_column:
        chosen.append(entry.table.c[entry.index_column])
    while True:
        with transaction():
            statement = select(*chosen).where(entry.table.c[entry.column].is_not(None)).order_by(key)
            if condition is not None:
                statement = statement.where(condition)
            if last is not None:
                statement = statement.where(key > bindparam("last", last, type_=key.type))
            rows = db.session.execute(statement.limit(batch).with_for_update()).mappings().all()
            renewed = [(row[key.name], value) for row in rows if (value := renew(dict(row))) is not None]
            if renewed:
                _write(entry, target, renewed)
            if rows:
                last = rows[-1][key.name]
        yield len(renewed)
        if len(rows) < batch:
            return


def rotate(*, batch: int = BATCH) -> Iterator[tuple[str, int]]:
    """Re-encrypt under the active key everything that is not yet; yield (column, rows) after each batch.

    Raises :class:`app.core.crypto.UnknownKey` when a key still in use was removed from the configuration.
    """
    cipher = keys.cipher()
    with bound_scope(Scope.system()):
        for entry in registered_columns():

            def renew(row: RowValues, entry: EncryptedColumn = entry) -> bytes:
                return cipher.reencrypt(bytes(row[entry.column]), entry.aad_fn(row))

            for count in _batches(entry, _outdated(entry, cipher.active_header), entry.column, renew, batch):
                yield entry.label, count


def reindex(*, batch: int = BATCH) -> Iterator[tuple[str, int]]:
    """Compute the look-up hashes again under the present key; yield (column, rows changed) after each batch."""
    with bound_scope(Scope.system()):
        for entry in registered_columns():
            if entry.index_column is None or entry.index_fn is None:
                continue
            renew = _index_of(entry, entry.index_column, entry.index_fn)
            for count in _batches(entry, None, entry.index_column, renew, batch):
                yield entry.label, count


def _index_of(entry: EncryptedColumn, target: str, index_fn: Callable[[str], bytes]) -> Callable[[RowValues], bytes | None]:
    def renew(row: RowValues) -> bytes | None:
        index = index_fn(keys.cipher().decrypt_text(bytes(row[entry.column]), entry.aad_fn(row)))
        return None if bytes(row[target] or b"") == index else index

    return renew


def status() -> dict[str, dict[str, int]]:
    """Return how many values each key holds, by column."""
    found: dict[str, dict[str, int]] = {}
    with bound_scope(Scope.system()), transaction():
        for entry in registered_columns():
            stored = entry.table.c[entry.column]
            # version byte, length byte, then the key id: cut in SQL so that no ciphertext leaves the database
            length = func.get_byte(stored, 1)
            name = func.convert_from(func.substring(stored, 3, length), "SQL_ASCII")
            rows = db.session.execute(select(name, func.count()).where(stored.is_not(None)).group_by(name))
            found[entry.label] = {str(key_id): int(count) for key_id, count in rows}
    return found


crypto = AppGroup("crypto", help="Encryption keys: status, rotation, look-up index.")


def _run(batches: Iterator[tuple[str, int]]) -> None:
    totals: dict[str, int] = dict.fromkeys(_columns, 0)
    try:
        for label, count in batches:
            totals[label] += count
    except keys.CryptoError as error:
        raise click.ClickException(f"{error}. What was done stays done: mend the configuration and run it again.") from None
    for label, total in totals.items():
        click.echo(f"{label}: {total} rows renewed")


@crypto.command("rotate")
@click.option("--batch", default=BATCH, show_default=True, type=click.IntRange(1, 10_000))
def rotate_command(batch: int) -> None:
    """Re-encrypt everything under the first key of NIR_KEYS. May be interrupted and run again."""
    _run(rotate(batch=batch))


@crypto.command("reindex")
@click.option("--batch", default=BATCH, show_default=True, type=click.IntRange(1, 10_000))
def reindex_command(batch: int) -> None:
    """Compute the look-up hashes again after a change of NIR_HASH_KEY. May be interrupted and run again."""
    _run(reindex(batch=batch))


@crypto.command("status")
def status_command() -> None:
    """Say how many values each key still holds."""
    for label, counts in status().items():
        listed = ", ".join(f"{key_id} {count}" for key_id, count in sorted(counts.items())) or "nothing"
        click.echo(f"{label}: {listed}")
