"""Organisations and accounts: sign-in, blocking, password, who may act for whom (guide 004)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the views, menu entries, commands and periodic jobs of the feature."""
    from app.accounts import registration

    registration.register(appbuilder)
