"""The home page (guide 003)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the home page to the menu; Flask-AppBuilder registers the view itself (``FAB_INDEX_VIEW``)."""
    from flask_babel import lazy_gettext as _l

    from app.core.ui import register_menu

    register_menu(group="Accueil", label=_l("Home"), endpoint="HomeView.index", order=1)
