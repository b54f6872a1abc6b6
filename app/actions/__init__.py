"""Contracts, actions and components: from the opening to the closing (guide 003)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the pages, the opening wizard, the Région's screens, the menu and the quick search."""
    from flask_babel import lazy_gettext as _l

    from app.accounts.domain import Act
    from app.accounts.hooks import register_account_link
    from app.core.exports.registry import register_list
    from app.core.fab import add_list
    from app.core.ui import SearchProvider, register_menu, register_search

    from . import access_views, closing_views, export_views, exports, names, opening, reference_views, search, search_views, session_views, views
    from .tabs import register_action_tab

    names.register_names()

    appbuilder.add_view_no_menu(views.ActionsView)
    appbuilder.add_view_no_menu(closing_views.ClosingView)
    appbuilder.add_view_no_menu(session_views.SessionsView)
    appbuilder.add_view_no_menu(search_views.SavedSearchesView)
    appbuilder.add_view_no_menu(export_views.ActionExportsView)
    for one in exports.LISTS.values():
        register_list(one)
    appbuilder.add_view_no_menu(opening.OpeningView)
    read = ("can_read", views.VIEW)
    register_action_tab(_l("Overview"), "ActionsView.show", read, 10)
    register_action_tab(_l("Components and sessions"), "ActionsView.components", read, 20)
    register_action_tab(_l("Declarations"), "ActionsView.declarations", read, 44)
    register_action_tab(_l("Invoices"), "ActionsView.invoices", read, 47)
    register_action_tab(_l("History"), "ActionsView.history", read, 90)
    appbuilder.add_view_no_menu(access_views.AccountRightsView)
    register_account_link(_l("Rights"), "AccountRightsView.edit", ("can_change", access_views.VIEW), act=Act.CHANGE_RIGHTS)
    for order, view in zip((4, 3, 2, 1), reference_views.VIEWS, strict=True):
        add_list(appbuilder, view, order=order)
    register_menu(
        group="Actions de formation",
        label=_l("List of the actions"),
        endpoint="ActionsView.index",
        permission=("can_read", views.VIEW),
        order=10,
    )
    register_search(SearchProvider("actions", _l("Training actions"), search.find, permission=("can_read", views.VIEW), order=10, all_url=search.all_url))
