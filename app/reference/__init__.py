"""Reference data: the lists the Région edits on screen, declared and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the screens of the lists, the look-up of towns and the contacts of the footer."""
    from flask import current_app

    from app.core.fab import add_list
    from app.core.ui.contacts import register_contacts
    from app.reference import commands, views
    from app.reference.lookup import TownLookup
    from app.reference.names import register_names

    register_names()

    for order, view in enumerate(views.LISTS, start=1):
        add_list(appbuilder, view, order=order * 10)
    appbuilder.add_view_no_menu(TownLookup)
    register_contacts(views.footer_contacts)
    commands.init_app(current_app._get_current_object())  # type: ignore[attr-defined]  # LocalProxy
