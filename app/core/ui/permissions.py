"""What the person in front of the screen may do, in at most one query per request."""

from __future__ import annotations

from typing import Any, Final

from flask import current_app
from flask_login import current_user

from app.core.tenancy import current_scope
from app.core.ui.store import request_store

#: Permissions that change nothing.
READING: Final = frozenset({"can_read", "can_list", "can_show", "can_queue", "menu_access"})


def signed_in() -> bool:
    """True when an account is signed in; False also when sign-in is not set up (a bare application in tests)."""
    if not hasattr(current_app, "login_manager"):
        return False
    return bool(current_user.is_authenticated)


def current_permissions() -> frozenset[tuple[str, str]]:
    """The (permission, view) pairs of the signed-in account; nothing for the others.

    The security manager keeps them for the length of the request (``CachedPermissionsMixin.granted``).
    """
    if not signed_in():
        return frozenset()
    manager: Any = getattr(getattr(current_app, "appbuilder", None), "sm", None)
    if manager is None:
        return frozenset()
    store = request_store()
    key = ("permissions", current_user.get_id())
    if key not in store:
        granted = getattr(manager, "granted", None)
        store[key] = frozenset(granted(current_user) if granted else manager.get_user_permissions(current_user))
    pairs: frozenset[tuple[str, str]] = store[key]
    return pairs


def allowed(permission: str, view: str) -> bool:
    """True when the signed-in account holds this permission; for templates that show or hide a button.

    Who looks through somebody's eyes is offered nothing but what can be read: whatever they sent would be refused.
    """
    if current_scope().observes and permission not in READING:
        return False
    return (permission, view) in current_permissions()
