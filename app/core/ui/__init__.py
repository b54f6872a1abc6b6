"""The look of the portal and its guard at the door: layout, design system, menu, search, headers, error pages.

Features use the functions named here; the macros are described in ``docs/design-system.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.ui.banner import Banner, register_banner
from app.core.ui.components import Column, KeysetPage, Page
from app.core.ui.contacts import Contact, register_contacts
from app.core.ui.layout import register_account_item, register_organisation_name
from app.core.ui.menu import register_menu
from app.core.ui.narrowing import register_number_search
from app.core.ui.permissions import allowed, current_permissions, signed_in
from app.core.ui.search import SearchHit, SearchProvider, register_private_search, register_search

if TYPE_CHECKING:
    from flask import Flask

PUBLIC_ENDPOINTS = frozenset(
    {"assets.file", "csp.report", "ui.accessibility", "ui.data_protection", "ui.theme", "ui.token", "ui.favicon", "ui.robots"}
)
"""Pages of this package that need no account; ``ui.styleguide`` exists in demonstration mode only and is public there."""

SIGNED_IN_ENDPOINTS = frozenset({"ui.search", "ui.narrowed", "ui.resume", "ui.presence", "ui.page_draft", "ui.drop_page_draft"})
"""Pages of this package that need an account but no permission: what they show is filtered inside."""

__all__ = [
    "PUBLIC_ENDPOINTS",
    "SIGNED_IN_ENDPOINTS",
    "Banner",
    "Column",
    "Contact",
    "KeysetPage",
    "Page",
    "SearchHit",
    "SearchProvider",
    "allowed",
    "current_permissions",
    "init_app",
    "register_account_item",
    "register_banner",
    "register_contacts",
    "register_menu",
    "register_number_search",
    "register_organisation_name",
    "register_private_search",
    "register_search",
    "signed_in",
]


def init_app(app: Flask) -> None:
    """Set up templates, static files, security headers, CSRF protection, error pages and the pages of this package."""
    from app.core import page_drafts
    from app.core.ui import assets, csrf, error_pages, layout, narrowing, pages, security_headers

    assets.init_app(app)
    layout.init_templates(app)
    security_headers.init_app(app)
    csrf.init_csrf(app)
    error_pages.init_app(app)
    pages.init_app(app)
    page_drafts.init_app(app)
    narrowing.init_door(app)
