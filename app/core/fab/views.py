"""``PortalModelView``: a list and its screens from a few declarations, with the traps of stock FAB closed.

How to write one: ``docs/how-to-add-a-reference-list.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from flask import abort, jsonify, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.actions import ActionItem
from flask_appbuilder.security.decorators import has_access, permission_name
from sqlalchemy import types as sa_types
from sqlalchemy.orm import Query

from app.core.fab.access import roles_holding
from app.core.fab.acting import ActionRoutes
from app.core.fab.declarations import Titles, build_filters, check_class, declared_columns, sortable_columns
from app.core.fab.fields import Lookup
from app.core.fab.filters import Filter
from app.core.fab.forms import build_form
from app.core.fab.history import NEXT, safe_target
from app.core.fab.listing import Line, ListPage
from app.core.fab.values import Cell, Choices, cell, read
from app.core.fab.writing import WriteRoutes

_WRITE_ROUTES = {"add", "edit", "delete"}


class PortalModelView(WriteRoutes, ActionRoutes):
    """Base of every FAB screen of the portal.

    The search, the order and the page live in the address and in objects made per request: nothing a person asks is kept on the
    view, which all threads share. Rows are always read through ``visible_rows`` (tenancy walls, ``base_filters``), also by
    actions, so that what is outside the scope is a 404. What differs is shown field by field when two people edit one row.
    """

    # ---- to declare (FAB's names keep FAB's meaning) ----------------------------------------------------------------
    #: ``SafeInterface(Model)``.
    datamodel: ClassVar[Any] = None
    titles: ClassVar[Titles | None] = None
    #: Menu group and breadcrumb parent, a key of ``core.ui.menu.GROUPS``.
    group: ClassVar[str] = "Référentiels"
    #: Rows cannot be added, changed or deleted on screen.
    read_only: ClassVar[bool] = False
    label_columns: ClassVar[Any] = None
    description_columns: ClassVar[Any] = None
    validators_columns: ClassVar[Any] = None
    list_columns: ClassVar[Any] = None
    show_columns: ClassVar[Any] = None
    add_columns: ClassVar[Any] = None
    edit_columns: ClassVar[Any] = None
    search_columns: ClassVar[Any] = None
    order_columns: ClassVar[Any] = None
    base_filters: ClassVar[Any] = None
    related_views: ClassVar[Any] = None
    #: Column → (stored value, label) pairs.
    choices: ClassVar[Mapping[str, Choices]] = {}
    #: Relation → function that narrows the query of the rows offered.
    choice_scope: ClassVar[Mapping[str, Callable[[Query[Any]], Query[Any]]]] = {}
    #: Relation to a big table → how a row is found by typing.
    lookups: ClassVar[Mapping[str, Lookup]] = {}
    #: Column → "email", "tel", "url" or "textarea".
    text_kinds: ClassVar[Mapping[str, str]] = {}
    #: The column of the list whose cell leads to the row (default: the first that the quick search looks through).
    link_column: ClassVar[str | None] = None
    #: Columns shown in monospace.
    code_columns: ClassVar[Sequence[str]] = ()
    #: Text columns that the single search box looks through (default: code, label, name when they exist).
    quick_search: ClassVar[Sequence[str] | None] = None
    #: Search column → own filter.
    search_filters: ClassVar[Mapping[str, Filter]] = {}
    #: Relations to load with the list besides those its columns name.
    eager: ClassVar[Sequence[str]] = ()
    #: Column → function from the row to what is shown.
    cells: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    #: Columns of the export (default: those of the list).
    export_columns: ClassVar[Sequence[str] | None] = None

    add_form: Any = None
    edit_form: Any = None
    _related_views: Any = None

    #: FAB's route serves any file of the upload folder to whoever may open any view: it does not exist here.
    download = None
    #: FAB keeps the search under way here, on an object all threads share: nothing may.
    _filters = None

    list_template = "appbuilder/general/model/list.html"
    show_template = "appbuilder/general/model/show.html"
    add_template = "appbuilder/general/model/add.html"
    edit_template = "appbuilder/general/model/edit.html"
    delete_template = "appbuilder/general/model/delete.html"
    conflict_template = "concurrency/conflict.html"
    confirm_template = "appbuilder/general/confirm.html"

    # ---- construction ------------------------------------------------------------------------------------------------

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.datamodel is not None:
            excluded = set(cls.exclude_route_methods)
            if cls.read_only:
                excluded |= _WRITE_ROUTES
            if not any(hasattr(getattr(cls, name, None), "_action") for name in dir(cls)):
                excluded |= {"action", "action_post"}
            if not cls.lookups:
                excluded.add("lookup")
            cls.exclude_route_methods = excluded
        check_class(cls)

    @classmethod
    def has_route(cls, name: str) -> bool:
        """Whether the route method ``name`` is exposed."""
        if cls.include_route_methods is not None and name not in cls.include_route_methods:
            return False
        return name not in cls.exclude_route_methods

    def _init_properties(self) -> None:
        """Replaces FAB's, which fills every list left empty with all the columns of the model."""
        model = self.datamodel
        for name in ("label_columns", "description_columns", "validators_columns", "formatters_columns"):
            setattr(self, name, dict(getattr(self, name) or {}))
        for name in ("add_form_extra_fields", "edit_form_extra_fields"):
            setattr(self, name, dict(getattr(self, name) or {}))
        for name in ("list_columns", "show_columns", "add_columns", "edit_columns", "search_columns"):
            setattr(self, name, declared_columns(type(self), name) or [])
        for name in ("base_filters", "related_views"):
            setattr(self, name, [*(getattr(self, name) or ())])
        self._base_filters = model.get_filters().add_filter_list(self.base_filters) if self.base_filters else None
        self._related_views = []
        for name in {*self.list_columns, *self.show_columns, *self.add_columns, *self.edit_columns, *self.search_columns}:
            if name not in self.label_columns:
                raise TypeError(f"{type(self).__name__}: label_columns lacks {name}")
        self.sortable = sortable_columns(self, self.list_columns)
        self.filters = build_filters(self, self.search_columns)
        quick = self.quick_search
        if quick is None:
            quick = [name for name in ("code", "label", "name") if name in model.list_columns]
        self.quick_columns = [getattr(model.obj, name) for name in quick]
        self.linked = self.link_column or next((name for name in self.list_columns if name in quick), self.list_columns[0])

    @property
    def _titles(self) -> Titles:
        if self.titles is None:
            raise TypeError(f"{type(self).__name__} declares no titles")
        return self.titles

    @property
    def endpoint_name(self) -> str:
        """The name of its blueprint."""
        return self.endpoint or type(self).__name__

    def _init_forms(self) -> None:
        self.add_form = self.add_form or build_form(self, self.add_columns, self.add_form_extra_fields, adding=True)
        self.edit_form = self.edit_form or build_form(self, self.edit_columns, self.edit_form_extra_fields, adding=False)

    def _init_titles(self) -> None:
        self.list_title = self.title = self._titles.plural
        self.add_title = self._titles.add

    # ---- reading -----------------------------------------------------------------------------------------------------

    @property
    def primary_key(self) -> Any:
        """The key column of the model."""
        return self.datamodel.obj.__mapper__.primary_key[0]

    def visible_rows(self) -> Query[Any]:
        """The rows this view may show to this person. Override to narrow, never to widen."""
        rows: Query[Any] = self.datamodel.rows()
        return self._base_filters.apply_all(rows) if self._base_filters is not None else rows

    def find(self, key: str) -> Any:
        """The row ``key`` among the visible ones; 404 otherwise, whether it does not exist or lies outside the scope."""
        column = self.primary_key
        if isinstance(column.type, sa_types.Integer):
            limit = 2**63 if isinstance(column.type, sa_types.BigInteger) else 2**31
            if not (key.isascii() and key.isdigit() and len(key) < 20 and int(key) < limit):  # fmt: skip
                abort(404)
            value: Any = int(key)
        elif isinstance(column.type, sa_types.Uuid):
            try:
                value = UUID(key)
            except ValueError:
                abort(404)
        else:
            value = key.replace("\x00", "")
        row = self.visible_rows().filter(column == value).one_or_none()
        if row is None:
            abort(404)
        return row

    def key_of(self, item: Any) -> str:
        return str(item.__mapper__.primary_key_from_instance(item)[0])

    def is_number(self, name: str) -> bool:
        """Whether the column is set right, as a number."""
        column = self.datamodel.list_columns.get(name)
        if column is None or name in self.code_columns or name in self.choices or column.foreign_keys:
            return False
        return isinstance(column.type, sa_types.Integer | sa_types.Numeric)

    def prepare(self, items: Sequence[Any]) -> None:
        """Override to read what the cells of these rows need, in one statement for all of them."""

    def cell(self, item: Any, name: str) -> Cell:
        """What column ``name`` shows for ``item``."""
        value = self.cells[name](item) if name in self.cells else read(item, name)
        if name in self.formatters_columns:
            value = self.formatters_columns[name](value)
        return cell(value, choices=self.choices.get(name), code=name in self.code_columns)

    def may(self, route: str) -> bool:
        """Whether the route exists and this person may use it."""
        if not self.has_route(route) or not hasattr(getattr(self, route, None), "_permission_name"):
            return False
        permission = "can_" + self.get_method_permission(route)
        return permission in self.base_permissions and self.appbuilder.sm.has_access(permission, self.class_permission_name)

    def may_act(self, action: ActionItem) -> bool:
        return bool(self.appbuilder.sm.has_access(self.get_action_permission_name(action.name), self.class_permission_name))

    def can_change(self, item: Any) -> bool:
        """Whether this row may be changed at all. Override for rows that are locked by their state."""
        return True

    def can_remove(self, item: Any) -> bool:
        """Whether this row may be deleted at all."""
        return True

    def can_act(self, name: str, item: Any) -> bool:
        """Whether action ``name`` makes sense for this row, so that it is offered. The action itself checks again."""
        return True

    def selectable(self, item: Any, actions: Sequence[ActionItem]) -> bool:
        """Whether one of these actions makes sense for the row."""
        return any(self.can_act(action.name, item) for action in actions)

    def url(self, route: str, **values: Any) -> str:
        return url_for(f"{self.endpoint_name}.{route}", **values)

    def line(self, item: Any, back: str | None = None) -> Line:
        """A row of the list with its addresses; ``back`` is where its forms return to."""
        key, more = self.key_of(item), {NEXT: back} if back else {}
        edit = self.url("edit", pk=key, **more) if self.may("edit") and self.can_change(item) else None
        delete = self.url("delete", pk=key, **more) if self.may("delete") and self.can_remove(item) else None
        show = self.url("show", pk=key, **more) if self.may("show") else None
        return Line(key, self.name_of(item), item, [self.cell(item, name) for name in self.list_columns], show or edit, show, edit, delete)

    def name_of(self, item: Any) -> str:
        """How the row is called in titles and messages."""
        return str(item)

    def title_for(self, title: Any, item: Any) -> str:
        return str(title) % {"name": self.name_of(item)}

    def breadcrumb(self, *more: tuple[Any, str | None]) -> list[tuple[Any, str | None]]:
        """The path: group, list, then ``more``."""
        from app.core.ui.menu import GROUPS

        path: list[tuple[Any, str | None]] = [(GROUPS.get(self.group, self.group), None)]
        return [*path, (self.list_title, self.url("list") if more else None), *more]

    def actions_for(self, kind: str) -> list[ActionItem]:
        """The actions of a row (``single``) or of several (``multiple``) that this person may run."""
        return [action for action in self.actions.values() if getattr(action, kind) and self.may_act(action)]

    # ---- list and export ---------------------------------------------------------------------------------------------

    def listing(self) -> ListPage:
        """The list as this request asks for it."""
        return ListPage(self, request.path, request.args)

    @expose("/list/")
    @has_access
    def list(self) -> Any:
        """The list: search, order, pages."""
        return self.render_template(
            self.list_template,
            title=self.list_title,
            view=self,
            page=self.listing(),
            bulk_actions=self.actions_for("multiple"),
            breadcrumb=self.breadcrumb(),
            editors=self._editors(),
        )

    def _editors(self) -> Sequence[str]:
        """For those who may only read: the roles whose accounts may change these rows."""
        if not self.has_route("edit") or self.may("edit") or self.may("add"):
            return []
        return roles_holding("can_" + self.get_method_permission("edit"), str(self.class_permission_name))

    @expose("/export/<string:kind>", methods=["GET", "POST"])
    @has_access
    def export(self, kind: str) -> Any:
        """The filtered list as a file, in the order of the screen: what to put into it, then the file (``core.exports``)."""
        from app.core.exports.model_lists import ModelList
        from app.core.exports.views import choose
        from app.core.tabular.writing import FileFormat

        if kind not in set(FileFormat):
            abort(404)
        return choose(self, ModelList(self), request.args, file_format=FileFormat(kind))

    @expose("/lookup/<string:column>")
    @has_access
    @permission_name("list")
    def lookup(self, column: str) -> Any:
        """Suggestions for a relation to a big table (``?q=``), for the search-as-you-type field."""
        lookup = self.lookups.get(column)
        if lookup is None:
            abort(404)
        text = request.args.get("q", "").replace("\x00", "").strip()[:100]
        found = lookup.matching(text) if len(text) >= 2 else []
        return jsonify([{"value": lookup.write(row), "label": lookup.write(row)} for row in found])

    # ---- show --------------------------------------------------------------------------------------------------------

    @expose("/show/<pk>", methods=["GET"])
    @has_access
    def show(self, pk: str) -> Any:
        """One row, read only, with its actions and the rows linked to it."""
        item = self.find(pk)
        self.prepare([item])
        return self.render_template(
            self.show_template,
            title=self.name_of(item),
            view=self,
            item=item,
            key=self.key_of(item),
            groups=self._shown(item),
            line=self.line(item, safe_target(request.args.get(NEXT))),
            row_actions=[one for one in self.actions_for("single") if self.can_act(one.name, item)],
            related=self._related(item),
            back=safe_target(request.args.get(NEXT)) or self.url("list"),
            breadcrumb=self.breadcrumb((self.name_of(item), None)),
        )

    def _shown(self, item: Any) -> Sequence[tuple[Any, Sequence[tuple[Any, Cell]]]]:
        """(title, (label, cell) pairs) of each group of the page."""
        groups = self.show_fieldsets or [(None, {"fields": self.show_columns})]
        return [(title, [(self.label_columns[name], self.cell(item, name)) for name in options["fields"]]) for title, options in groups]

    def _related(self, item: Any) -> Sequence[tuple[Any, ListPage]]:
        """The first rows of each related view this person may list."""
        shown = []
        for view in self._related_views:
            relation = view.datamodel.get_related_fk(self.datamodel.obj)
            if relation is None or not view.may("list"):
                continue
            parameter = next((one.parameter for one in view.filters if one.name == relation), None)
            key = self.key_of(item)
            page = ListPage(view, view.url("list"), {parameter: key} if parameter else {})
            page.query = view.visible_rows().filter(view.datamodel.get_relation_fk(relation) == item.__mapper__.primary_key_from_instance(item)[0])
            shown.append((view, page))
        return shown
