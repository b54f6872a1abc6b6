"""Permissions in one query per request (stock FAB asks the database once per menu entry and button)."""

from __future__ import annotations

from typing import Any

from flask import has_request_context, request
from flask_appbuilder.security.sqla.models import (
    Permission,
    PermissionView,
    Role,
    ViewMenu,
    assoc_permissionview_role,
)
from sqlalchemy import select

from app.core.extensions import db

_KEY = "portal.permissions"


def roles_holding(permission: str, view: str) -> list[str]:
    """The names of the roles that hold ``permission`` on ``view``."""
    statement = (
        select(Role.name)
        .join(assoc_permissionview_role, Role.id == assoc_permissionview_role.c.role_id)
        .join(PermissionView, PermissionView.id == assoc_permissionview_role.c.permission_view_id)
        .join(Permission, Permission.id == PermissionView.permission_id)
        .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
        .where(Permission.name == permission, ViewMenu.name == view)
        .order_by(Role.name)
        .distinct()
    )
    return list(db.session.scalars(statement))


class CachedPermissionsMixin:
    """Put before FAB's ``SecurityManager``: what an account may do is read once per request, then looked up in a set."""

    def granted(self, user: Any) -> frozenset[tuple[str, str]]:
        """The (permission, view) pairs ``user`` holds through its roles."""
        role_ids = tuple(sorted(role.id for role in self.get_user_roles(user)))  # type: ignore[attr-defined]
        if not role_ids:
            return frozenset()
        # Kept on the request, not on flask.g: an application context may outlive a request (tests, commands).
        cache: dict[tuple[int, ...], frozenset[tuple[str, str]]] = request.environ.setdefault(_KEY, {}) if has_request_context() else {}
        if role_ids not in cache:
            cache[role_ids] = self.granted_to_roles(role_ids)
        return cache[role_ids]

    @classmethod
    def granted_to_roles(cls, role_ids: tuple[int, ...]) -> frozenset[tuple[str, str]]:
        """The (permission, view) pairs of these roles, read in one statement."""
        return frozenset().union(*cls.granted_by_role(role_ids).values())

    @staticmethod
    def granted_by_role(role_ids: tuple[int, ...]) -> dict[int, frozenset[tuple[str, str]]]:
        """The (permission, view) pairs of each of these roles, read in one statement."""
        statement = (
            select(Role.id, Permission.name, ViewMenu.name)
            .select_from(assoc_permissionview_role)
            .join(Role, Role.id == assoc_permissionview_role.c.role_id)
            .join(PermissionView, PermissionView.id == assoc_permissionview_role.c.permission_view_id)
            .join(Permission, Permission.id == PermissionView.permission_id)
            .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
            .where(Role.id.in_(role_ids))
        )
        found: dict[int, set[tuple[str, str]]] = {role_id: set() for role_id in role_ids}
        for role_id, permission, view in db.session.execute(statement):
            found[role_id].add((permission, view))
        return {role_id: frozenset(pairs) for role_id, pairs in found.items()}

    def _has_view_access(self, user: Any, permission_name: str, view_name: str) -> bool:
        return (permission_name, view_name) in self.granted(user)

    def _get_user_permission_view_menus(self, user: Any, permission_name: str, view_menus_name: list[str]) -> set[str]:
        granted = self.granted(user) if user is not None else frozenset()
        return {name for name in view_menus_name if (permission_name, name) in granted}
