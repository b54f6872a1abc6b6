"""Lists that can be exported: each says what narrows it, what its columns hold, and how its rows are read.

An :class:`SqlList` is one statement read by COPY: no object is made for any of its lines. A :class:`RowList` has its rows made into cells in
Python, with the words of the screen; for lists whose columns SQL cannot say. Both are read in the scope of the moment, under both walls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from flask_babel import lazy_gettext as _l
from sqlalchemy import Date, Select, case, cast, func, literal, select
from werkzeug.datastructures import MultiDict

from app.core import clock
from app.core.copying import CopiedRows
from app.core.extensions import db
from app.core.tabular.writing import ColumnKind
from app.core.tenancy import Scope, bound_scope

from .rows import MadeRows, NumberedRows, Rows, Value

#: The column of the numbers in clear: offered to those entitled alone, beside the others.
NUMBER: Final = "nir"


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column that can be chosen: ``source`` is what it holds in SQL, given the day; ``cell`` what it holds, given the row."""

    key: str
    label: Any
    source: Callable[[date], Any] | None = None
    kind: ColumnKind = ColumnKind.TEXT
    width: int = 14
    cell: Callable[[Any], Value] | None = None


def of_source(key: str, label: Any, source: Any, kind: ColumnKind = ColumnKind.TEXT, width: int = 14) -> ListColumn:
    """A column of an SQL list that does not depend on the day."""
    return ListColumn(key, label, lambda _day: source, kind, width)


def of_row(key: str, label: Any, cell: Callable[[Any], Value], kind: ColumnKind = ColumnKind.TEXT, width: int = 14) -> ListColumn:
    """A column of a list of rows."""
    return ListColumn(key, label, None, kind, width, cell)


def in_words(column: Any, words: Mapping[Any, Any]) -> Callable[[date], Any]:
    """A code as the screen says it; one that is not known stays as it is."""
    return lambda _day: case(*((column == str(getattr(code, "value", code)), literal(str(label))) for code, label in words.items()), else_=column)


def yes_no(column: Any) -> Callable[[date], Any]:
    """Yes or no, in words."""
    return lambda _day: case((column.is_(True), literal(str(_l("Yes")))), (column.is_(False), literal(str(_l("No")))), else_="")


def local_day(column: Any) -> Any:
    """The day of an instant on the Région's clock."""
    return cast(func.timezone(str(clock.LOCAL_ZONE), column), Date)


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a list is asked for: ``query`` is the same as the words of an address, from which it can be read again."""

    narrowed: Any = None
    query: str = ""
    #: (label, value) of everything that narrows the list, in words.
    said: Sequence[tuple[Any, Any]] = ()
    back: str = "/"
    #: What else the list is about (an action), for its path and its title.
    subject: Any = None


class NotUnderstood(Exception):
    """A word of the search is not understood: the file would hold more than was meant. ``back`` is the list, which says what is wrong."""

    def __init__(self, back: str) -> None:
        super().__init__("a value of the search is not understood")
        self.back = back


def words(**values: Any) -> str:
    """What narrows a list, as the words of an address; what is empty is left out."""
    return urlencode({name: str(value) for name, value in values.items() if value not in (None, "", ())})


class ExportableList(ABC):
    """One list. Subclasses are declared once, without state."""

    #: Stands in addresses, in the journal and in the names of files.
    key: ClassVar[str]
    title: ClassVar[Any]
    permission: ClassVar[tuple[str, str]]
    #: Whether its lines speak of people.
    personal: ClassVar[bool] = False
    #: Permission to take numbers (NIR) out of it, if it has any.
    numbers: ClassVar[tuple[str, str] | None] = None
    #: Words of the address whose values are personal: the journal tells that they were used, not what was typed.
    private_words: ClassVar[frozenset[str]] = frozenset()
    lead: ClassVar[Any] = _l("One line for each line of the list.")
    menu: ClassVar[str | None] = None

    @abstractmethod
    def read(self, args: MultiDict[str, str]) -> Asked:
        """What an address asks for. Raises NotUnderstood, or answers 404 for what does not exist."""

    @abstractmethod
    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """The columns this reader may have."""

    @abstractmethod
    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """The breadcrumb down to the list."""

    @abstractmethod
    def rows(self, asked: Asked, columns: Sequence[ListColumn], *, reason: str | None = None) -> Rows:
        """The rows, begun in the scope of this moment; with a ``reason``, their numbers in clear in a last column, journaled before."""

    @abstractmethod
    def count(self, asked: Asked, most: int) -> int:
        """How many lines the file would have, counted up to ``most``."""

    def title_of(self, asked: Asked) -> str:
        """The title of the page."""
        return str(self.title)

    def lead_of(self, asked: Asked) -> str:
        """One sentence under it."""
        return str(self.lead)

    def file_name(self, asked: Asked) -> str:
        """The beginning of the file's name."""
        return self.key

    def sheet_title(self, asked: Asked) -> str:
        """The name of the sheet."""
        return self.title_of(asked)

    def journaled_query(self, asked: Asked) -> str:
        """What narrowed the list, without personal values."""
        if not self.private_words:
            return asked.query
        return "&".join(f"{name}=•" if name in self.private_words else urlencode({name: value}) for name, value in parse_qsl(asked.query))


def counted(statement: Select[Any], most: int) -> int:
    """How many rows a statement has, counted up to ``most``."""
    inner = statement.order_by(None).limit(most).subquery()
    return int(db.session.scalar(select(func.count()).select_from(inner)) or 0)


class SqlList(ExportableList):
    """A list whose columns are SQL."""

    @abstractmethod
    def statement(self, asked: Asked, sources: Sequence[Any], today: date) -> Select[Any]:
        """The whole file in one statement, in the order of the list."""

    def sources(self, columns: Sequence[ListColumn], today: date) -> list[Any]:
        """What the columns hold: text is never NULL."""
        made = []
        for column in columns:
            if column.source is None:
                raise TypeError(f"{self.key}: the column {column.key} holds no SQL")
            source = column.source(today)
            made.append(func.coalesce(source, "") if column.kind is ColumnKind.TEXT else source)
        return made

    def rows(self, asked: Asked, columns: Sequence[ListColumn], *, reason: str | None = None) -> Rows:
        """By COPY."""
        if reason is not None:
            raise TypeError(f"{self.key}: no numbers are taken out of this list")
        today = clock.today()
        return CopiedRows(self.statement(asked, self.sources(columns, today), today))

    def count(self, asked: Asked, most: int) -> int:
        """By the statement of the file itself, without its columns."""
        return counted(self.statement(asked, [literal(1)], clock.today()), most)


class NumberedList(SqlList):
    """A list of people, whose numbers (NIR) may be taken out of it."""

    numbers: ClassVar[tuple[str, str]]

    @abstractmethod
    def number_source(self) -> Any:
        """The key of whose number a line holds."""

    @abstractmethod
    def numbers_of(self, keys: Iterable[int]) -> Sequence[Any]:
        """The rows (``core.nir.storage.NirRow``) of these keys, in scope."""

    def rows(self, asked: Asked, columns: Sequence[ListColumn], *, reason: str | None = None) -> Rows:
        """By COPY; the numbers in clear are read for some lines at a time, each journaled."""
        if reason is None:
            return super().rows(asked, columns)
        today = clock.today()
        numbered = [*self.sources(columns, today), self.number_source()]
        return NumberedRows(CopiedRows(self.statement(asked, numbered, today)), self.numbers_of, reason)


class RowList(ExportableList):
    """A list whose rows are mapped objects, made into lines as the screen makes them."""

    @abstractmethod
    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """The rows in the order of the list."""

    def loads(self) -> Sequence[Any]:
        """What the columns need, loaded beside them; no collection by a join."""
        return ()

    def prepared(self, rows: Sequence[Any], asked: Asked) -> Sequence[Any]:
        """What the cells are made of, for some rows at a time: the rows themselves, or lines of the screen."""
        return rows

    def rows(self, asked: Asked, columns: Sequence[ListColumn], *, reason: str | None = None) -> Rows:
        """Some hundred rows at a time."""
        return MadeRows(self.entities(asked, clock.today()).options(*self.loads()), lambda rows: self.prepared(rows, asked), columns)

    def count(self, asked: Asked, most: int) -> int:
        """By the statement of the rows."""
        return counted(self.entities(asked, clock.today()), most)


class SystemList(RowList):
    """A list that is read in the system's scope, as its page reads it: what ``read`` narrows it to is its wall."""

    def told(self, rows: Sequence[Any]) -> Sequence[Any]:
        """What the cells are made of, read in the same scope."""
        return rows

    def prepared(self, rows: Sequence[Any], asked: Asked) -> Sequence[Any]:
        """In the same scope."""
        with bound_scope(Scope.system()):
            return self.told(rows)

    def rows(self, asked: Asked, columns: Sequence[ListColumn], *, reason: str | None = None) -> Rows:
        """Begun in that scope."""
        with bound_scope(Scope.system()):
            return super().rows(asked, columns, reason=reason)

    def count(self, asked: Asked, most: int) -> int:
        """In the same scope."""
        with bound_scope(Scope.system()):
            return super().count(asked, most)


_lists: dict[str, ExportableList] = {}
_resolvers: list[Callable[[str], ExportableList | None]] = []


def register_list(one: ExportableList) -> None:
    """Declare a list; declaring a key again replaces it."""
    _lists[one.key] = one


def register_resolver(resolver: Callable[[str], ExportableList | None]) -> None:
    """Declare where lists that have no declaration of their own are found."""
    if resolver not in _resolvers:
        _resolvers.append(resolver)


def registered_lists() -> Sequence[ExportableList]:
    """Those declared, in a stable order."""
    return [_lists[key] for key in sorted(_lists)]


def find_list(key: str) -> ExportableList | None:
    """The list of this key."""
    return _lists.get(key) or next((found for resolver in _resolvers if (found := resolver(key)) is not None), None)


def args_of(query: str) -> MultiDict[str, str]:
    """The words of a search that was kept."""
    return MultiDict(parse_qsl(query))


__all__ = [
    "NUMBER", "Asked", "ExportableList", "ListColumn", "NotUnderstood", "NumberedList", "RowList", "SqlList", "SystemList", "args_of", "counted", "find_list",
    "in_words", "local_day", "of_row", "of_source", "register_list", "register_resolver", "registered_lists", "words", "yes_no",
]  # fmt: skip
