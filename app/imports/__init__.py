"""Bulk files of trainees: sent, tried dry, mended, applied as a whole, undone (guide 000, menu Imports)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the pages, the periodic job and the menu."""
    from flask_babel import lazy_gettext as _l

    from app.core.exports.registry import register_list
    from app.core.jobs import register_periodic
    from app.core.metrics import register_gauge
    from app.core.requests import allow_body
    from app.core.rotation import register_encrypted_column
    from app.core.ui import register_menu

    from . import api, exports, gate, names, queries, views
    from .document_views import FileCheckView, ImportDocumentsView, is_free_of_brake
    from .models import ImportPart
    from .parts import part_aad
    from .permissions import PROGRAM, READ
    from .program_views import ImportsByProgramView
    from .services import LIMITS

    names.register_names()
    for view in (*views.VIEWS, ImportsByProgramView):
        added = appbuilder.add_view_no_menu(view)
        if not appbuilder.sm.is_auth_limited:
            continue
        if view is FileCheckView:  # anybody may ask for its work: each file counts, right or wrong
            appbuilder.sm.limiter.limit(gate.rate, methods=["POST"], deduct_when=gate.counts)(added.blueprint)
        elif view is ImportDocumentsView:
            appbuilder.sm.limiter.limit(appbuilder.sm.auth_rate_limit, exempt_when=is_free_of_brake)(added.blueprint)
    allow_body("ImportsView.send", LIMITS.size + 64 * 1024)  # the file, and what goes with it in the form
    allow_body(f"api_v1.{api.send_import.__name__}", LIMITS.size + 64 * 1024)
    register_encrypted_column(ImportPart, "content", lambda row: part_aad(row["seal_uid"]))
    register_list(exports.LIST)
    register_periodic(name="sweep-imports", func="app.imports.jobs:sweep", every=60, label=_l("Imported files to work on"))
    register_gauge("portal_imports_failed", "Imports that a defect ended, and that nobody took up again", queries.count_failed)
    register_menu(group="Imports", label=_l("Imports"), endpoint="ImportsView.index", permission=READ, order=10)
    register_menu(group="Imports", label=_l("Imports by your software"), endpoint="ImportsByProgramView.guide", permission=PROGRAM, order=20)
