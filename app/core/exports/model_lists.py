"""The lists of Flask-AppBuilder's screens: one export for all of them, from the columns they declare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from flask import current_app
from flask_babel import lazy_gettext as _l
from sqlalchemy import Date, DateTime, Select
from werkzeug.datastructures import MultiDict
from wtforms import StringField

from app.core.fab.listing import PAGE, SIZE, ListPage, eager_options
from app.core.fab.values import Cell
from app.core.fab.views import PortalModelView
from app.core.tabular.writing import ColumnKind

from .registry import Asked, ListColumn, RowList, of_row
from .rows import Value

#: Screens that list what people did or were sent.
_PERSONAL: Final = frozenset({"AuditEntryView", "NirReadingView", "MailMessageView", "OutboxInterventionView"})


class ModelList(RowList):
    """The list of one screen."""

    lead = _l("One line for each line of the list.")

    def __init__(self, view: PortalModelView) -> None:
        self.view = view
        self.key = view.endpoint_name  # type: ignore[misc]  # one for each screen
        self.title = view.list_title  # type: ignore[misc]
        self.permission = ("can_" + view.get_method_permission("export"), str(view.class_permission_name))  # type: ignore[misc]
        self.personal = self.key in _PERSONAL  # type: ignore[misc]
        self.menu = f"{self.key}.list"  # type: ignore[misc]

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The search of the list, as the list itself reads it."""
        page = ListPage(self.view, self.view.url("list"), args)
        if self.personal:  # whatever words can be typed into may name somebody
            self.private_words = frozenset(one.name for one in page.form if isinstance(one, StringField))  # type: ignore[misc]  # one for each screen
        address = page.url(**{PAGE: None, SIZE: None})
        return Asked(page, address.partition("?")[2], list(page.words.values()), address)

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """Group and list."""
        from app.core.ui.menu import GROUPS

        return [(GROUPS.get(self.view.group, self.view.group), None), (self.title, asked.back)]

    def file_name(self, asked: Asked) -> str:
        """As the address of the list says."""
        return str(self.view.route_base).strip("/").replace("/", "-") or self.key.lower()

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the list, typed by what they hold."""
        names = list(self.view.export_columns or self.view.list_columns)
        return [of_row(name, self.view.label_columns[name], self._cell(name), self._kind(name), 16) for name in names]

    def _kind(self, name: str) -> ColumnKind:
        column = self.view.datamodel.obj.__mapper__.columns.get(name)
        plain = name not in self.view.cells and name not in self.view.choices and name not in self.view.formatters_columns
        if plain and column is not None and isinstance(column.type, Date) and not isinstance(column.type, DateTime):
            return ColumnKind.DATE
        return ColumnKind.NUMBER if plain and self.view.is_number(name) and name not in self.view.code_columns else ColumnKind.TEXT

    def _cell(self, name: str) -> Callable[[Any], Value]:
        kind = self._kind(name)

        def made(item: Any) -> Value:
            return _value(self.view.cell(item, name), kind)

        return made

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """Read through the view, in the order of the screen."""
        query = asked.narrowed.ordered().options(*eager_options(self.view, list(self.view.export_columns or self.view.list_columns)))
        statement: Select[Any] = query.statement
        return statement

    def count(self, asked: Asked, most: int) -> int:
        """Without what is loaded beside the rows."""
        from .registry import counted

        return counted(asked.narrowed.query.with_entities(self.view.primary_key).statement, most)

    def prepared(self, rows: Sequence[Any], asked: Asked) -> Sequence[Any]:
        """What the list reads once for many rows."""
        self.view.prepare(list(rows))
        return rows


def _value(cell: Cell, kind: ColumnKind) -> Value:
    """A cell of the screen as a file holds it: an empty one is empty, a number has no grouping."""
    if cell.kind == "empty":
        return None
    if kind is not ColumnKind.TEXT:
        value: Value = cell.value
        return value
    if isinstance(cell.value, Decimal | int) and not isinstance(cell.value, bool) and cell.kind in ("number", "code"):
        return str(cell.value)
    return str(getattr(cell.text, "striptags", lambda: cell.text)())


def of_view(key: str) -> ModelList | None:
    """The list of the screen of this name, if it may be exported at all."""
    builder: Any = current_app.appbuilder  # type: ignore[attr-defined]  # set by Flask-AppBuilder
    view = next((one for one in builder.baseviews if isinstance(one, PortalModelView) and one.endpoint_name == key), None)
    return ModelList(view) if view is not None and view.has_route("export") else None


__all__ = ["ModelList", "of_view"]
