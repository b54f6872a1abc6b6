""" "Export des actions" and "Export des composantes": the exports of the list of the actions, at the addresses of guide 001's menu."""

from __future__ import annotations

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import lazy_gettext as _l

from app.core.exports.views import choose

from . import exports
from .domain import ExportKind
from .views import VIEW


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
        return choose(self, exports.LISTS[ExportKind(export_kind)], request.args)
