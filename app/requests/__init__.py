"""Modification requests: the organisation asks, the Région decides (guide 003 §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the pages, the wizards, the tab of the action page and the menu of the Région."""
    from flask_babel import lazy_gettext as _l

    from app.accounts.observations import hide_from_observers
    from app.actions.ports import register_request_side
    from app.actions.tabs import register_action_tab
    from app.core.documents.intake import register_documents
    from app.core.exports.registry import register_list
    from app.core.jobs import register_periodic
    from app.core.tenancy import current_scope
    from app.core.ui import register_menu

    from . import batch_views, document_views, exports, market_views, names, permissions, side, views, wizard
    from .document_models import RequestDocument

    names.register_names()
    register_documents(RequestDocument)
    for one in exports.LISTS:
        register_list(one)
    register_request_side(side.Requests())
    hide_from_observers(permissions.VIEW, trainees=True)  # what is asked for may speak of trainees
    appbuilder.add_view_no_menu(views.RequestsView)
    appbuilder.add_view_no_menu(batch_views.BatchView)
    for rules in (market_views.MarketRulesView, market_views.MarketRuleView, market_views.MarketRuleVersionView):
        appbuilder.add_view_no_menu(rules)
    appbuilder.add_view_no_menu(document_views.RequestDocumentsView)
    for view in wizard.WIZARDS.values():
        appbuilder.add_view_no_menu(view)
    register_action_tab(
        _l("Request for a modification of data"),
        "RequestsView.of_action",
        permissions.READ,
        40,
        visible=lambda _action: not current_scope().observes,
    )
    register_action_tab(
        _l("Documents"),
        "RequestDocumentsView.of_action",
        permissions.READ,
        50,
        visible=lambda _action: not current_scope().observes,
    )
    register_menu(
        group="Actions de formation",
        label=_l("Modification requests"),
        endpoint="RequestsView.queue",
        permission=permissions.QUEUE,
        order=30,
    )
    register_menu(
        group="Référentiels", label=_l("Market rules"), endpoint="MarketRulesView.index", permission=permissions.RULES_READ, order=90
    )
    register_periodic(name="remind-requests", func="app.requests.jobs:remind", cron="15 7 * * *", label=_l("Reminders of the modification requests"))
