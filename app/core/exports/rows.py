"""Lines of a file made of mapped rows, or completed with numbers in clear; what COPY gives already has this shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from flask_babel import gettext as _
from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.core import clock, tenancy
from app.core.copying import clean
from app.core.extensions import db
from app.core.nir.reading import reveal_for_file
from app.core.tabular.writing import ColumnKind, lines_of

from .domain import MOST_NUMBERS

if TYPE_CHECKING:
    from .registry import ListColumn

Value = str | int | float | Decimal | bool | date | Enum | None
#: How many rows are made into lines at a time.
_ROWS: Final = 500
_BREAKS: Final = str.maketrans({"\t": " ", "\n": " ", "\r": " "})


class Rows(Protocol):
    """Batches of lines (``core.tabular.writing`` says what a batch is); ``count`` says how many so far. To be closed."""

    count: int

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


def text_of(value: Value, kind: ColumnKind) -> str:
    """A cell as a batch holds it; what does not fit the kind of its column is left out of a typed one."""
    if value is None:
        return ""
    if isinstance(value, Enum):
        value = str(value.value)
    if kind is ColumnKind.NUMBER:
        if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
            return ""
        return str(value) if isinstance(value, int) else format(value, "f")
    if kind is ColumnKind.DATE:
        if isinstance(value, datetime):
            value = clock.to_local(value).date() if value.tzinfo else value.date()
        return value.isoformat() if isinstance(value, date) else ""
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    if isinstance(value, datetime):
        return f"{clock.to_local(value) if value.tzinfo else value:%d/%m/%Y %H:%M}"
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    return str(value).translate(_BREAKS)


class MadeRows:
    """Rows of a statement made into lines, some hundred at a time, on a connection of their own, in the scope of this moment."""

    def __init__(self, statement: Select[Any], prepare: Callable[[Sequence[Any]], Sequence[Any]], columns: Sequence[ListColumn]) -> None:
        self.count = 0
        self._prepare, self._columns = prepare, columns
        self._session = Session(db.engine, join_transaction_mode="create_savepoint")
        try:
            tenancy.apply_to(self._session.connection())
            self._found = self._session.scalars(statement.execution_options(yield_per=_ROWS))
        except BaseException:
            self._session.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        for rows in self._found.partitions():
            lines = self._prepare(rows)
            made = "".join("\t".join(self._cells(line)) + "\n" for line in lines)
            self.count += len(lines)
            yield _without_escapes(made)
            db.session.rollback()  # what the lines looked up beside: nothing of it stays open, nor is written

    def _cells(self, line: Any) -> list[str]:
        return [text_of(column.cell(line), column.kind) if column.cell is not None else "" for column in self._columns]

    def close(self) -> None:
        """Give the connection back."""
        self._found.close()
        self._session.close()


def _without_escapes(made: str) -> bytes:
    """As COPY would have written it and ``clean`` reads it: a backslash is a character like another."""
    return clean(made.replace("\\", "\\\\").encode("utf-8", "replace"))


class NumberedRows:
    """Lines whose last cell, the key of a person, gives way to the number in clear.

    They are read whole before the first leaves, so that each reading is journaled before, and are therefore few.
    """

    def __init__(self, rows: Rows, numbers_of: Callable[[Iterable[int]], Sequence[Any]], reason: str) -> None:
        self.count = 0
        try:
            lines = [line for batch in rows for line in lines_of(batch)]
        finally:
            rows.close()
        if len(lines) > MOST_NUMBERS:
            raise ValueError("too many numbers at once")
        keys = sorted({int(line.rpartition(b"\t")[2]) for line in lines})
        numbers = reveal_for_file(numbers_of(keys), reason=reason)
        shown = {str(key).encode(): nir.grouped.encode() for key, nir in numbers.items()}
        self._lines = []
        for line in lines:
            before, tab, key = line.rpartition(b"\t")
            self._lines.append(before + tab + shown.get(key, b"") + b"\n")

    def __iter__(self) -> Iterator[bytes]:
        self.count = len(self._lines)
        yield b"".join(self._lines)

    def close(self) -> None:
        """Nothing is held open."""


__all__ = ["MadeRows", "NumberedRows", "Rows", "Value", "text_of"]
