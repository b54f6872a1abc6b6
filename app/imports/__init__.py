"""Bulk files of trainees.  None is read yet: the page says so, and where the same work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the page and its menu entry."""
    from flask_babel import lazy_gettext as _l

    from app.core.ui import register_menu

    from . import views

    appbuilder.add_view_no_menu(views.ImportsView)
    register_menu(group="Imports", label=_l("Imports"), endpoint="ImportsView.index", permission=("can_read", views.VIEW), order=10)
