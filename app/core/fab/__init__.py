"""Flask-AppBuilder screens of the portal: declare a ``PortalModelView``, get a list with search, order, export, forms and actions.

How to write one: ``docs/how-to-add-a-reference-list.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import app.core.extensions  # noqa: F401 - sets the naming convention before any FAB model is imported
from app.core.fab.access import CachedPermissionsMixin
from app.core.fab.declarations import DeclarationError, Titles
from app.core.fab.fields import (
    FrDateField,
    FrDateTimeField,
    FrDecimalField,
    Lookup,
    LookupField,
    RelatedSelectField,
    RelatedSelectMultipleField,
    WholeNumberField,
    parse_fr_date,
)
from app.core.fab.forms import PortalForm
from app.core.fab.history import forget_history, previous_address, safe_target
from app.core.fab.interface import Refused, SafeInterface, StaleRow, guarded_write
from app.core.fab.views import PortalModelView

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder

forget_history()


def add_list(appbuilder: AppBuilder, view: type[PortalModelView], *, order: int = 100, label: Any = None, group: str | None = None) -> PortalModelView:
    """Register ``view`` and its menu entry, shown to those who may list it."""
    from app.core.ui.menu import register_menu

    made: PortalModelView = appbuilder.add_view_no_menu(view)
    register_menu(
        group=group or view.group,
        label=label or made.list_title,
        endpoint=f"{made.endpoint}.list",
        permission=("can_list", str(made.class_permission_name)),
        order=order,
    )
    return made


def register(appbuilder: AppBuilder) -> None:
    """Add the screens of the kernel: supervision and the reading of roles."""
    from app.core.fab import names, security_views, supervision

    names.name_core_tables()
    supervision.register(appbuilder)
    security_views.register(appbuilder)


__all__ = [
    "CachedPermissionsMixin",
    "DeclarationError",
    "FrDateField",
    "FrDateTimeField",
    "FrDecimalField",
    "Lookup",
    "LookupField",
    "PortalForm",
    "PortalModelView",
    "Refused",
    "RelatedSelectField",
    "RelatedSelectMultipleField",
    "SafeInterface",
    "StaleRow",
    "Titles",
    "WholeNumberField",
    "add_list",
    "forget_history",
    "guarded_write",
    "parse_fr_date",
    "previous_address",
    "register",
    "safe_target",
]
