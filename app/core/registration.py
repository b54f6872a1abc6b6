"""Registers the screens and commands of the kernel."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder

_PACKAGES = tuple(f"app.core.{name}" for name in ("crypto", "security_sync", "fab", "audit", "wizard", "outbox", "jobs", "mail", "exports"))


def register(builder: AppBuilder) -> None:
    """Let each package of the kernel that has screens or commands add them."""
    for name in _PACKAGES:
        add = getattr(import_module(name), "register", None)
        if add is not None:
            add(builder)
