"""What a view must declare, checked when the application starts rather than when somebody opens the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import types as sa_types

from app.core.fab import filters
from app.core.fab.forms import related_rows

if TYPE_CHECKING:
    from app.core.fab.views import PortalModelView

#: Columns that no list may search nor export, whatever a view declares.
SECRET = re.compile(r"(password|secret|token|(^|_)nir$|_hash$|_ciphertext$)")


@dataclass(frozen=True)
class Titles:
    """The titles of the screens of a list, as whole sentences (French genders cannot be put together from parts).

    ``%(name)s`` stands for the row. ``empty`` is said when the list holds nothing at all.
    """

    plural: Any
    add: Any
    edit: Any
    delete: Any
    empty: Any = None


class DeclarationError(TypeError):
    """A view that declares too little or too much: a defect, found at start."""


def declared_columns(view_class: type[Any], name: str) -> list[str] | None:
    """``add_columns`` of the class, or those of its ``add_fieldsets``; None when neither is declared."""
    fieldsets = getattr(view_class, name.replace("_columns", "_fieldsets"), None)
    if fieldsets:
        return [column for _title, options in fieldsets for column in options["fields"]]
    columns = getattr(view_class, name, None)
    return list(columns) if columns is not None else None


def check_class(view_class: type[PortalModelView]) -> None:
    """Refuse a view class that leaves a choice to FAB. Stock FAB shows, edits and searches every column of the model then."""
    if view_class.datamodel is None:
        return
    required = ["list_columns", "search_columns"]
    for route, columns in (("show", "show_columns"), ("add", "add_columns"), ("edit", "edit_columns")):
        if view_class.has_route(route):
            required.append(columns)
    for name in required:
        if declared_columns(view_class, name) is None:
            raise DeclarationError(f"{view_class.__name__} must declare {name}: by default FAB exposes every column")
    if view_class.titles is None:
        raise DeclarationError(f"{view_class.__name__} must declare titles = Titles(…)")
    mapper = view_class.datamodel.obj.__mapper__
    if view_class.has_route("edit") and mapper.version_id_col is None:
        raise DeclarationError(f"{view_class.__name__}: {mapper.class_.__name__} needs a version column (VersionedMixin) to be edited")
    if len(mapper.primary_key) != 1:
        raise DeclarationError(f"{view_class.__name__}: composite keys are not supported")
    for name in ("search_columns", "list_columns", "show_columns", "add_columns", "edit_columns"):
        for column in declared_columns(view_class, name) or ():
            if SECRET.search(column):
                raise DeclarationError(f"{view_class.__name__}.{name}: {column} may not appear on a FAB screen")


_FILTER_OF_TYPE: tuple[tuple[type[Any], type[filters.Filter]], ...] = (
    (sa_types.Boolean, filters.BooleanFilter),
    (sa_types.DateTime, filters.InstantRangeFilter),
    (sa_types.Date, filters.DateRangeFilter),
    (sa_types.Integer, filters.NumberFilter),
    (sa_types.Numeric, filters.DecimalFilter),
    (sa_types.String, filters.TextFilter),
)


def build_filters(view: PortalModelView, names: Iterable[str]) -> list[filters.Filter]:
    """One filter per searched column, by the column's type."""
    made = []
    for name in names:
        one = view.search_filters.get(name) or _filter_for(view, name)
        one.name = name
        made.append(one)
    return made


def _filter_for(view: PortalModelView, name: str) -> filters.Filter:
    model, label = view.datamodel, view.label_columns[name]
    attribute = getattr(model.obj, name, None)
    if name in view.lookups:
        return filters.LookupFilter(label, column=attribute, lookup=view.lookups[name])
    if model.is_relation_many_to_one(name):
        return filters.RelationFilter(label, column=model.get_relation_fk(name), rows=lambda: related_rows(view, name))
    if name not in model.list_columns:
        raise DeclarationError(f"{type(view).__name__}: no filter for {name}; give one in search_filters")
    if name in view.choices:
        return filters.ChoiceFilter(label, column=attribute, choices=lambda: view.choices[name])
    kind = model.list_columns[name].type
    for column_type, filter_class in _FILTER_OF_TYPE:
        if isinstance(kind, column_type):
            return filter_class(label, column=attribute)
    raise DeclarationError(f"{type(view).__name__}: no filter for {name} ({kind!r}); give one in search_filters")


def sortable_columns(view: PortalModelView, names: Sequence[str]) -> dict[str, Any]:
    """Column → what the database orders by: the columns of the list that are columns of the model, or those declared."""
    declared = view.order_columns
    if isinstance(declared, dict):
        return dict(declared)
    wanted = declared if declared is not None else [name for name in names if name in view.datamodel.list_columns]
    return {name: name for name in wanted}
