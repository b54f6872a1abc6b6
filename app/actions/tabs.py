"""The tabs of the page of an action: links to real pages, each brought by the feature it belongs to.

    register_action_tab(_l("Modification requests"), "RequestsView.of_action", ("can_read", "ModificationRequests"), 40)

The endpoint takes ``action_id``; its page extends ``actions/page.html`` with the values of ``page_values(action, endpoint)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import url_for
from flask_babel import gettext as _

from app.core import clock
from app.core.ui import allowed
from app.core.ui.paths import safe_url

if TYPE_CHECKING:
    from .domain import StatusFilter
    from .models import Action


@dataclass(frozen=True, slots=True)
class ActionTab:
    """One tab; ``visible`` may hide it for a reason other than a permission."""

    label: Any
    endpoint: str
    permission: tuple[str, str]
    order: int
    visible: Callable[[Action], bool] | None = None


_tabs: dict[str, ActionTab] = {}


def register_action_tab(
    label: Any, endpoint: str, permission: tuple[str, str], order: int, *, visible: Callable[[Action], bool] | None = None
) -> None:
    """Add a tab to the page of every action; declaring it again replaces it."""
    _tabs[endpoint] = ActionTab(label, endpoint, permission, order, visible)


def tabs_of(action: Action, current: str) -> list[dict[str, Any]]:
    """The tabs that the account may open, for the macro ``tabs``; one whose page does not exist is not shown."""
    shown = sorted((tab for tab in _tabs.values() if allowed(*tab.permission)), key=lambda tab: tab.order)
    return [
        {"label": str(tab.label), "href": address, "current": tab.endpoint == current}
        for tab in shown
        if (tab.visible is None or tab.visible(action)) and (address := safe_url(tab.endpoint, action_id=action.id)) is not None
    ]


def page_values(action: Action, current: str, *, shown: StatusFilter | None = None) -> dict[str, Any]:
    """What ``actions/page.html`` needs: the action, its tabs, the path; ``current`` is the endpoint of the page.

    ``shown``: the status to show (``domain.shown_status``), from a page that read what it depends on.
    """
    from . import labels, queries

    path: list[tuple[str, str | None]] = [(_("Training actions"), url_for("ActionsView.index"))]
    if current == "ActionsView.show":
        path.append((action.number, None))
    else:
        here = next((str(tab.label) for tab in _tabs.values() if tab.endpoint == current), "")
        path += [(_("Management of %(number)s", number=action.number), url_for("ActionsView.show", action_id=action.id)), (here, None)]
    return {
        "action": action,
        "action_tabs": tabs_of(action, current),
        "action_labels": labels,
        "shown": shown or queries.shown_statuses([action], clock.today())[action.id],
        "breadcrumb": path,
        "menu_current": "ActionsView.index",
    }
