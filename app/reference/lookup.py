"""Postal code → towns, for forms: options for htmx, JSON for scripts."""

from __future__ import annotations

from typing import Any

from flask import jsonify, request
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from app.reference.queries import towns_for_postal_code


class TownLookup(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """``/reference/communes?code_postal=31000``; open to every signed-in account.

    The postal code may also come under the name of the form's own field (``?postal_code=…``), so that a form needs only
    ``hx-get`` and ``hx-include``. An option's value is the INSEE code, its text the town.
    """

    route_base = "/reference"
    class_permission_name = "TownLookup"
    permission_label = _l("Towns of a postal code")

    @expose("/communes")
    @has_access
    @permission_name("lookup")
    def communes(self) -> Any:
        """The towns of a postal code."""
        asked = request.args.get("code_postal") or request.args.get("postal_code") or ""
        towns = towns_for_postal_code(asked)
        if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
            return jsonify([{"postal_code": one.postal_code, "insee_code": one.insee_code, "name": one.name} for one in towns])
        if not towns:
            said = _("No town for this postal code") if asked.strip() else _("Enter the postal code first")
            return Markup('<option value="">{}</option>').format(said)
        options = [Markup('<option value="{}" data-name="{}">{}</option>').format(one.insee_code, one.routing_name, one.name) for one in towns]
        if len(towns) > 1:
            options.insert(0, Markup('<option value="">{}</option>').format(_("Choose the town")))
        return Markup("").join(options)
