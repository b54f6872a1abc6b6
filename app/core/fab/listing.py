"""One page of a list: what was asked in the address, the rows, and the links to ask otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from sqlalchemy.orm import Query, aliased, joinedload, selectinload
from werkzeug.datastructures import MultiDict
from wtforms import Form, SearchField

from app.core.fab import filters
from app.core.fab.fields import clean_text
from app.core.fab.values import Cell
from app.core.ui.components import Column, Page

if TYPE_CHECKING:
    from app.core.fab.views import PortalModelView

PAGE_SIZES = (25, 50, 100)
#: Counting stops here ("plus de 10 000"): beyond it nobody reads, and counting all would cost more than the page.
COUNT_CAP = 10_000

SORT, ORDER, PAGE, SIZE = "sort", "order", "page", "size"


@dataclass(frozen=True)
class Chip:
    """A criterion in force, and the address of the list without it."""

    label: str
    value: str
    remove_url: str


@dataclass(frozen=True)
class Line:
    """A row as shown."""

    key: str
    name: str
    item: Any
    cells: Sequence[Cell]
    url: str | None
    show_url: str | None
    edit_url: str | None
    delete_url: str | None


class ListPage:
    """What a list shows for one request. Nothing of it is kept afterwards."""

    def __init__(self, view: PortalModelView, path: str, arguments: Mapping[str, str]) -> None:
        self.view = view
        self.path = path
        self.arguments = {name: value for name, value in arguments.items() if value != ""}
        self.size = self._integer(SIZE, view.page_size if view.page_size in PAGE_SIZES else PAGE_SIZES[0], allowed=PAGE_SIZES)
        self.number = max(1, self._integer(PAGE, 1))
        self.sort_column, self.descending = self._sort()

    # -- what was asked ------------------------------------------------------------------------------------------------

    def _integer(self, name: str, default: int, *, allowed: Sequence[int] | None = None) -> int:
        text = self.arguments.get(name, "")
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else default
        return value if allowed is None or value in allowed else default

    def _sort(self) -> tuple[str, bool]:
        asked = self.arguments.get(SORT, "")
        if asked in self.view.sortable:
            return asked, self.arguments.get(ORDER) == "desc"
        column, direction = self.view.base_order or ("", "asc")
        return column, direction == "desc"

    @cached_property
    def form(self) -> Form:
        """The search form, filled from the address."""
        fields: dict[str, Any] = {}
        if self.view.quick_columns:
            fields[filters.QUICK] = SearchField(_l("Search"), filters=[clean_text])
        for one in self.view.filters:
            fields.update(one.fields())
        form: Form = type("SearchForm", (Form,), fields)(MultiDict(self.arguments))
        form.validate()
        return form

    @cached_property
    def criteria_fields(self) -> list[Any]:
        """The labelled controls beside the quick search."""
        return [self.form[name] for one in self.view.filters for name in one.parameters]

    @property
    def first_criteria(self) -> list[Any]:
        """Those that are always shown; the others unfold. The two ends of a period stay together."""
        if len(self.criteria_fields) <= 4:
            return self.criteria_fields
        shown: list[Any] = []
        for one in self.view.filters:
            if len(shown) + len(one.parameters) > 3:
                break
            shown.extend(self.form[name] for name in one.parameters)
        return shown

    @property
    def more_criteria(self) -> list[Any]:
        return self.criteria_fields[len(self.first_criteria) :]

    @cached_property
    def words(self) -> dict[str, tuple[str, str]]:
        """Parameter → (label, value) of each criterion in force."""
        said: dict[str, tuple[str, str]] = {}
        if self.view.quick_columns and self.form[filters.QUICK].data:
            said[filters.QUICK] = (_("Search words"), self.form[filters.QUICK].data)
        for one in self.view.filters:
            said.update(one.words(self.form))
        return said

    @property
    def chips(self) -> list[Chip]:
        return [Chip(label, value, self.url(**{name: None, PAGE: None})) for name, (label, value) in self.words.items()]

    @property
    def chip_rows(self) -> list[tuple[str, str, str]]:
        """For the ``chips`` macro."""
        return [(chip.label, chip.value, chip.remove_url) for chip in self.chips]

    def export_url(self, kind: str) -> str:
        """The export of what is listed, in the same order."""
        kept = {name: value for name, value in self.arguments.items() if name in self._known and name not in (PAGE, SIZE)}
        return self.view.url("export", kind=kind, **kept)

    @property
    def cap(self) -> int:
        return COUNT_CAP

    @property
    def advanced_in_use(self) -> bool:
        return any(field.name in self.words or field.errors for field in self.more_criteria)

    # -- addresses -----------------------------------------------------------------------------------------------------

    def url(self, **changes: Any) -> str:
        """This list with some arguments changed (None removes one)."""
        arguments = {**self.arguments, **changes}
        kept = {name: value for name, value in arguments.items() if value not in (None, "") and name in self._known}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    @cached_property
    def _known(self) -> set[str]:
        names = {SORT, ORDER, PAGE, SIZE, filters.QUICK}
        for one in self.view.filters:
            names.update(one.parameters)
        return names

    @property
    def here(self) -> str:
        return self.url()

    @property
    def reset_url(self) -> str:
        return self.url(**dict.fromkeys(self.words), **{PAGE: None})

    @property
    def kept_arguments(self) -> dict[str, str]:
        """What the search form carries along hidden: the order and the page size, not the page."""
        return {name: self.arguments[name] for name in (SORT, ORDER, SIZE) if name in self.arguments}

    # -- rows ----------------------------------------------------------------------------------------------------------

    @cached_property
    def query(self) -> Query[Any]:
        """The rows asked for, neither ordered nor cut."""
        conditions = [one.condition(self.form) for one in self.view.filters]
        if self.view.quick_columns:
            conditions.append(filters.quick_condition(self.view.quick_columns, self.form[filters.QUICK].data))
        return filters.apply(self.view.visible_rows(), conditions)

    @cached_property
    def count(self) -> int:
        """How many rows match, up to one more than ``COUNT_CAP``."""
        primary_key = self.view.primary_key
        inner = self.query.with_entities(primary_key).limit(COUNT_CAP + 1).subquery()
        return int(self.view.datamodel.session.scalar(select(func.count()).select_from(inner)) or 0)

    @property
    def is_capped(self) -> bool:
        return self.count > COUNT_CAP

    @property
    def pages(self) -> int:
        return max(1, -(-min(self.count, COUNT_CAP) // self.size))

    @property
    def page(self) -> int:
        """The page shown: the asked one, or the last."""
        return min(self.number, self.pages)

    @property
    def first(self) -> int:
        return (self.page - 1) * self.size + 1 if self.count else 0

    @property
    def last(self) -> int:
        return min(self.page * self.size, self.count)

    def ordered(self) -> Query[Any]:
        """The rows asked for, in the asked order; ties broken by the key, so that pages never overlap."""
        query, primary_key = self.query, self.view.primary_key
        if self.sort_column:
            query, column = _sort_expression(self.view, query, self.sort_column)
            order = column.desc().nulls_last() if self.descending else column.asc().nulls_last()
            query = query.order_by(order)
        return query.order_by(primary_key.desc() if self.descending else primary_key.asc())

    @cached_property
    def items(self) -> list[Any]:
        """The rows of this page with what the columns need, in a number of statements that does not grow with them."""
        query = self.ordered().options(*eager_options(self.view, self.view.list_columns))
        rows = query.offset((self.page - 1) * self.size).limit(self.size).all()
        self.view.prepare(rows)
        return rows

    @cached_property
    def lines(self) -> list[Line]:
        return [self.view.line(item, self.here if self.arguments else None) for item in self.items]

    @cached_property
    def columns(self) -> list[Column]:
        """The headings, for the ``data_table`` macro."""
        return [
            Column(
                str(self.view.label_columns[name]),
                sort=name if name in self.view.sortable else None,
                align="num" if self.view.is_number(name) else "text",
            )
            for name in self.view.list_columns
        ]

    @property
    def plain_columns(self) -> list[Column]:
        """The headings without sorting, for a list inside another page."""
        return [Column(column.label, align=column.align) for column in self.columns]

    @property
    def order(self) -> str:
        return "desc" if self.descending else "asc"

    @property
    def pager(self) -> Page:
        """For the ``pagination`` macro."""
        return Page(self.page, self.size, min(self.count, COUNT_CAP), capped=self.is_capped)


def _sort_expression(view: PortalModelView, query: Query[Any], name: str) -> tuple[Query[Any], Any]:
    target = view.sortable.get(name, name)
    if not isinstance(target, str):
        return query, target
    if "." not in target:
        return query, getattr(view.datamodel.obj, target)
    relation, column = target.split(".", 1)
    other = aliased(view.datamodel.get_related_model(relation))
    return query.outerjoin(getattr(view.datamodel.obj, relation).of_type(other)), getattr(other, column)


def eager_options(view: PortalModelView, columns: Sequence[str]) -> list[Any]:
    """Loader options for every relation the columns go through."""
    options = []
    for path in dict.fromkeys([*(name for name in columns), *view.eager]):
        model, option = view.datamodel.obj, None
        for name in path.split("."):
            relation = model.__mapper__.relationships.get(name)
            if relation is None:
                break
            attribute = getattr(model, name)
            if relation.uselist:
                option = option.selectinload(attribute) if option is not None else selectinload(attribute)
            else:
                option = option.joinedload(attribute) if option is not None else joinedload(attribute)
            model = relation.mapper.class_
        if option is not None:
            options.append(option)
    return options


__all__ = ["COUNT_CAP", "PAGE_SIZES", "Chip", "Line", "ListPage", "eager_options"]
