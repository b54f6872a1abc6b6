"""Exports of lists: declared once by each feature, chosen, taken out and prepared in one way (decision 0041).

A feature writes an ``SqlList`` or a ``RowList`` (:mod:`.registry`), declares it with ``register_list`` in its ``register``, and puts the link
of ``export_url`` on the page of the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the pages, the periodic jobs and the notice."""
    from flask_babel import lazy_gettext as _l
    from flask_babel import ngettext

    from app.core.fab.names import name_table
    from app.core.jobs import register_periodic
    from app.core.rotation import register_encrypted_column
    from app.core.ui.banner import register_banner
    from app.core.ui.layout import register_account_item

    from . import model_lists, views
    from .models import ExportChunk, ExportFile
    from .permissions import USE
    from .registry import register_resolver
    from .selection_views import ExportSelectionsView
    from .services import asked_aad, chunk_aad

    appbuilder.add_view_no_menu(views.ExportsView)
    appbuilder.add_view_no_menu(ExportSelectionsView)
    register_resolver(model_lists.of_view)
    register_banner("exports", views.banner)
    register_account_item(label=_l("My exports"), endpoint="ExportsView.index", permission=USE, order=30)
    register_encrypted_column(ExportFile, "asked", lambda row: asked_aad(row["seal_uid"]))
    register_encrypted_column(ExportChunk, "content", chunk_aad, needs=("seal_uid", "attempt", "number"))
    register_periodic(name="sweep-exports", func="app.core.exports.jobs:sweep", every=60, label=_l("Files of exports to prepare"))
    register_periodic(name="purge-exports", func="app.core.exports.jobs:purge", every=900, label=_l("Deletion of the files of exports out of date"))
    name_table("list_export", _l("Exports of lists"), lambda count: ngettext("%(num)s export of a list", "%(num)s exports of lists", count))
    name_table("export_choice", _l("Columns chosen for exports"))
    name_table("export_selection", _l("Selections of columns for exports"))
    name_table("export_chunk", _l("Pieces of the files of exports"))
    name_table("export_file", _l("Files of exports"), lambda count: ngettext("%(num)s file of an export", "%(num)s files of exports", count))
