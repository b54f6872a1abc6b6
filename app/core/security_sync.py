"""Makes the database say exactly what the code declares: permissions, the seven roles and their grants.

Idempotent, in one transaction, under a lock: several machines may start together. Permissions of views that no longer exist
go; the seven roles hold what features declare and nothing else; other roles keep what the Région gave them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.locks import Lock
from app.core.roles import PUBLIC_ROLE, Grant, GrantError, Role, collect_grants, resolve_grants
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder



@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a run changed; nothing at all on the second run."""

    permissions_added: int
    permissions_removed: int
    roles_added: int
    grants_added: int
    grants_removed: int

    @property
    def changed(self) -> bool:
        return any((self.permissions_added, self.permissions_removed, self.roles_added, self.grants_added, self.grants_removed))


def registered_permissions(appbuilder: AppBuilder) -> set[Grant]:
    """Every (permission, view) the registered views and menus ask for."""
    found: set[Grant] = set()
    for view in appbuilder.baseviews:
        found.update((permission, view.class_permission_name) for permission in view.base_permissions or ())
    if appbuilder.menu is not None:
        found.update(("menu_access", name) for name in _menu_names(appbuilder.menu.get_list()))
    return found


def _menu_names(items: Iterable[Any]) -> Iterable[str]:
    for item in items:
        if item.name != "-":
            yield item.name
        yield from _menu_names(item.childs)


def sync_security(appbuilder: AppBuilder) -> SyncReport:
    """Bring permissions, roles and grants in line with the code.

    Raises GrantError when a feature grants what no view asks for, or grants to a role that does not exist.
    """
    wanted = registered_permissions(appbuilder)
    grants = resolve_grants(collect_grants(), wanted)
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(select(func.pg_advisory_xact_lock(int(Lock.SYNC_SECURITY))))
        return _apply(session, wanted, grants)


def _apply(session: Session, wanted: set[Grant], grants: dict[Role, set[Grant]]) -> SyncReport:
    from flask_appbuilder.security.sqla.models import (
        Permission,
        PermissionView,
        ViewMenu,
        assoc_permissionview_role,
    )

    connection = session.connection()
    roles, roles_added = _ensure_roles(connection)
    permission_ids = _ensure_names(connection, Permission.__table__, {permission for permission, _view in wanted})
    view_ids = _ensure_names(connection, ViewMenu.__table__, {view for _permission, view in wanted})

    pairs = PermissionView.__table__
    present = _present_pairs(connection)
    missing = [{"permission_id": permission_ids[permission], "view_menu_id": view_ids[view]} for permission, view in sorted(wanted - present.keys())]
    if missing:
        connection.execute(insert(pairs).on_conflict_do_nothing(), missing)
        present = _present_pairs(connection)
    obsolete = sorted(identifier for grant, identifier in present.items() if grant not in wanted)
    if obsolete:
        connection.execute(delete(assoc_permissionview_role).where(assoc_permissionview_role.c.permission_view_id.in_(obsolete)))
        connection.execute(delete(pairs).where(pairs.c.id.in_(obsolete)))
    _drop_unused(connection)

    should_be = {(present[grant], roles[role]) for role, declared in grants.items() for grant in declared}
    link = assoc_permissionview_role
    managed = [roles[role.value] for role in Role] + [roles[PUBLIC_ROLE]]
    is_now = {
        (row.permission_view_id, row.role_id)
        for row in connection.execute(select(link.c.permission_view_id, link.c.role_id).where(link.c.role_id.in_(managed)))
    }
    extra, lacking = is_now - should_be, should_be - is_now
    if extra:
        connection.execute(
            delete(link).where(tuple_(link.c.permission_view_id, link.c.role_id).in_(bindparam("pairs", expanding=True))),
            {"pairs": sorted(extra)},
        )
    if lacking:
        connection.execute(
            insert(link).on_conflict_do_nothing(),
            [{"permission_view_id": pair, "role_id": role} for pair, role in sorted(lacking)],
        )
    session.expire_all()
    return SyncReport(
        permissions_added=len(missing),
        permissions_removed=len(obsolete),
        roles_added=roles_added,
        grants_added=len(lacking),
        grants_removed=len(extra),
    )


def _ensure_roles(connection: Connection) -> tuple[dict[str, int], int]:
    from flask_appbuilder.security.sqla.models import Role as RoleRow

    table = RoleRow.__table__
    names = [role.value for role in Role] + [PUBLIC_ROLE]
    before = set(connection.scalars(select(table.c.name)))
    ids = _ensure_names(connection, table, set(names))
    return {name: ids[name] for name in names}, len(set(names) - before)


def _ensure_names(connection: Connection, table: Any, names: set[str]) -> dict[str, int]:
    """Name → id in a table of names, with those missing added."""
    known = {row.name: row.id for row in connection.execute(select(table.c.name, table.c.id))}
    lacking = sorted(names - known.keys())
    if lacking:
        connection.execute(insert(table).on_conflict_do_nothing(), [{"name": name} for name in lacking])
        known = {row.name: row.id for row in connection.execute(select(table.c.name, table.c.id))}
    return known


def _present_pairs(connection: Connection) -> dict[Grant, int]:
    from flask_appbuilder.security.sqla.models import Permission, PermissionView, ViewMenu

    pairs, permissions, views = PermissionView.__table__, Permission.__table__, ViewMenu.__table__
    rows = connection.execute(
        select(permissions.c.name, views.c.name, pairs.c.id)
        .select_from(pairs)
        .join(permissions, permissions.c.id == pairs.c.permission_id)
        .join(views, views.c.id == pairs.c.view_menu_id)
    )
    return {(permission, view): identifier for permission, view, identifier in rows}


def _drop_unused(connection: Connection) -> None:
    """Remove names no pair uses any more."""
    from flask_appbuilder.security.sqla.models import Permission, PermissionView, ViewMenu

    pairs = PermissionView.__table__
    for table, column in ((Permission.__table__, pairs.c.permission_id), (ViewMenu.__table__, pairs.c.view_menu_id)):
        connection.execute(delete(table).where(~select(pairs.c.id).where(column == table.c.id).exists()))


def register(appbuilder: AppBuilder) -> None:
    """Add ``flask sync-security``."""
    import click
    from flask import current_app

    @current_app.cli.command("sync-security")
    def command() -> None:
        """Bring permissions, the seven roles and their grants in line with the code."""
        try:
            report = sync_security(appbuilder)
        except GrantError as error:
            raise click.ClickException(str(error)) from error
        click.echo(
            f"permissions +{report.permissions_added} -{report.permissions_removed}, roles +{report.roles_added}, "
            f"grants +{report.grants_added} -{report.grants_removed}"
        )
