""" "Export des actions" and "Export des composantes": what to put in the file, then the file."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, SelectMultipleField

from app.core.tabular.writing import FileFormat
from app.core.ui.kept_text import KeptTextForm

from . import exports
from .domain import ExportKind
from .search_form import Search
from .views import VIEW, crumbs, list_url, read_search

_FORMAT_LABELS: dict[FileFormat, Any] = {
    FileFormat.XLSX: _l("XLSX (Excel)"),
    FileFormat.ODS: _l("ODS (LibreOffice)"),
    FileFormat.CSV: _l("CSV (text, semicolons)"),
}


class _ExportForm(KeptTextForm):

    file_format = RadioField(_l("Format of the file"), name="format", default=FileFormat.XLSX.value, validate_choice=False)
    columns = SelectMultipleField(_l("Columns of the file"), name="colonnes", validate_choice=False)

    def validate(self, extra_validators: Any = None) -> bool:
        """A format and a column at least, all of them offered."""
        valid = bool(super().validate(extra_validators))
        if self.file_format.data not in set(FileFormat):
            self.file_format.errors = [_("Choose one of these formats.")]
            valid = False
        offered = {key for key, _label in self.columns.choices}
        if not self.columns.data or not set(self.columns.data) <= offered:
            self.columns.errors = [_("Choose one column at least.") if not self.columns.data else _("One of these columns does not exist: choose again.")]
            valid = False
        return valid


class ActionExportsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Whoever sees the list may export it, narrowed as it is."""

    route_base = "/actions-de-formation/export"
    class_permission_name = VIEW
    permission_label = _l("Training actions")
    default_view = "choose"

    @expose("/<string:export_kind>", methods=("GET", "POST"))
    @has_access
    @permission_name("read")
    def choose(self, export_kind: str) -> ResponseReturnValue:
        """Format and columns; posting gives the file."""
        if export_kind not in set(ExportKind):
            abort(404)
        wanted = ExportKind(export_kind)
        search = read_search(request.args)
        if not search.valid:
            flash(_("A value of the search is not understood: mend it before exporting, so that the file holds what you expect."), "danger")
            return redirect(list_url(search, as_typed=True), 303)
        offered = exports.COLUMNS[wanted]
        posted = request.method == "POST"
        form = _ExportForm(formdata=request.form if posted else None, columns=[column.key for column in offered])
        form.file_format.choices = [(file_format.value, label) for file_format, label in _FORMAT_LABELS.items()]
        form.columns.choices = [(column.key, column.label) for column in offered]
        if not posted or not form.validate():
            return self._page(wanted, form, search)
        chosen = [column for column in offered if column.key in set(form.columns.data)]
        export = exports.export(wanted, FileFormat(form.file_format.data), chosen, search.filter, search.order, query=search.query)
        return export.response(wanted.value)

    def _page(self, kind: ExportKind, form: _ExportForm, search: Search) -> ResponseReturnValue:
        title = str(exports.TITLES[kind])
        page: str = self.render_template(
            "actions/export.html",
            breadcrumb=crumbs(None, (title, None)),
            menu_current="ActionsView.index",
            heading=title,
            kind=kind,
            form=form,
            said=[(label, value) for _name, label, value in search.said()],
            back=list_url(search),
        )
        return page, 422 if form.errors else 200

