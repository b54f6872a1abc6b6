"""Roles as data and their synchronisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask_appbuilder.security.sqla.models import Permission, PermissionView, User, ViewMenu
from flask_appbuilder.security.sqla.models import Role as RoleRow
from sqlalchemy import delete, select

from app.core import roles
from app.core.roles import ALL, GrantError, Role, collect_grants, resolve_grants
from app.core.security_sync import registered_permissions, sync_security
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


ACTS = ("edit", "regenerate", "unblock", "deactivate", "reactivate", "delete")


def grants_in_database(session: Session) -> dict[str, set[tuple[str, str]]]:
    with bound_scope(Scope.system()):
        rows = session.execute(
            select(RoleRow.name, Permission.name, ViewMenu.name)
            .join(RoleRow.permissions)
            .join(Permission, Permission.id == PermissionView.permission_id)
            .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
        ).all()
    found: dict[str, set[tuple[str, str]]] = {}
    for role, permission, view in rows:
        found.setdefault(role, set()).add((permission, view))
    return found


def test_the_seven_roles() -> None:
    assert {role.value for role in Role} == {
        "Administrateur Région",
        "Validateur Région",
        "Gestionnaire Région",
        "Support",
        "Compte principal",
        "Compte secondaire",
        "Lecture seule",
    }


def test_the_database_says_what_the_code_declares(app: Flask, db_session: Session) -> None:
    """The whole matrix: each role holds its declared grants and not one more; the public holds nothing."""
    existing = registered_permissions(app.appbuilder)  # type: ignore[attr-defined]  # set by Flask-AppBuilder
    declared = resolve_grants(collect_grants(), existing)
    found = grants_in_database(db_session)
    for role in Role:
        assert found.get(role.value, set()) == declared[role], role
    assert roles.PUBLIC_ROLE not in found


def test_accounts_matrix(app: Flask, db_session: Session) -> None:
    """Who holds what on the screens of accounts (B3.7)."""
    found = grants_in_database(db_session)
    holders = {
        ("can_read", "MyOrganisation"): {Role.PRINCIPAL},
        ("can_read", "OrganisationAccounts"): {Role.PRINCIPAL},
        **{(f"can_{act}", "OrganisationAccounts"): {Role.PRINCIPAL} for act in ("create", *ACTS)},
        ("can_read", "AccountConsole"): {Role.REGION_ADMIN, Role.REGION_MANAGER, Role.SUPPORT},
        **{(f"can_{act}", "AccountConsole"): {Role.REGION_ADMIN, Role.REGION_MANAGER, Role.SUPPORT} for act in ACTS},
        ("can_add", "Organisations"): {Role.REGION_ADMIN},
        ("can_edit", "Organisations"): {Role.REGION_ADMIN},
        ("can_delete", "Organisations"): {Role.REGION_ADMIN},
        ("can_list", "Organisations"): {Role.REGION_ADMIN, Role.REGION_MANAGER, Role.REGION_VALIDATOR, Role.SUPPORT},
        ("can_read", "MyAccount"): set(Role),
    }
    for grant, expected in holders.items():
        assert {role for role in Role if grant in found.get(role.value, set())} == expected, grant


def test_a_second_run_changes_nothing(app: Flask, db_session: Session) -> None:
    assert not sync_security(app.appbuilder).changed  # type: ignore[attr-defined]


def test_a_run_mends_what_was_changed_and_leaves_own_roles_alone(app: Flask, db_session: Session) -> None:
    before = grants_in_database(db_session)
    with bound_scope(Scope.system()), transaction():
        link = db_session.scalars(select(PermissionView)).unique().all()
        public = db_session.scalars(select(RoleRow).where(RoleRow.name == "Public")).one()
        secondary = db_session.scalars(select(RoleRow).where(RoleRow.name == Role.SECONDARY.value)).one()
        principal = db_session.scalars(select(RoleRow).where(RoleRow.name == Role.PRINCIPAL.value)).one()
        public.permissions = list(link)
        secondary.permissions = list(link)
        principal.permissions = []
        own = RoleRow(name="Rôle de la Région", permissions=list(link[:3]))
        gone = PermissionView(permission=Permission(name="can_something"), view_menu=ViewMenu(name="RemovedView"))
        own.permissions.append(gone)
        db_session.add(own)
    report = sync_security(app.appbuilder)  # type: ignore[attr-defined]
    assert report.changed
    assert report.permissions_removed == 1
    after = grants_in_database(db_session)
    assert len(after.pop("Rôle de la Région")) == 3
    assert after == before
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(ViewMenu).where(ViewMenu.name == "RemovedView")) is None
        assert db_session.scalar(select(Permission).where(Permission.name == "can_something")) is None
    assert not sync_security(app.appbuilder).changed  # type: ignore[attr-defined]


def test_accounts_keep_their_roles(app: Flask, db_session: Session) -> None:
    with bound_scope(Scope.system()):
        before = {u.username: [r.name for r in u.roles] for u in db_session.scalars(select(User)).unique()}
    sync_security(app.appbuilder)  # type: ignore[attr-defined]
    with bound_scope(Scope.system()):
        assert {u.username: [r.name for r in u.roles] for u in db_session.scalars(select(User)).unique()} == before


def test_a_lost_role_comes_back(app: Flask, db_session: Session) -> None:
    with bound_scope(Scope.system()), transaction():
        db_session.execute(delete(RoleRow).where(RoleRow.name == Role.READ_ONLY.value))
    report = sync_security(app.appbuilder)  # type: ignore[attr-defined]
    assert report.roles_added == 1
    assert report.grants_added > 0


def test_a_grant_that_names_nothing_is_refused() -> None:
    with pytest.raises(GrantError, match="can_fly on Nowhere"):
        resolve_grants({Role.SUPPORT: {("can_fly", "Nowhere")}}, {("can_read", "Somewhere")})
    with pytest.raises(GrantError, match="Nowhere"):
        resolve_grants({Role.SUPPORT: {(ALL, "Nowhere")}}, set())
    assert resolve_grants({Role.SUPPORT: {(ALL, "A")}}, {("x", "A"), ("y", "A"), ("x", "B")}) == {Role.SUPPORT: {("x", "A"), ("y", "A")}}


def test_a_role_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    module = ModuleType("slip")
    module.GRANTS = {"Suport": [("can_read", "X")]}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slip", module)
    monkeypatch.setattr(roles, "grant_modules", lambda: iter(["slip"]))
    with pytest.raises(GrantError, match="Suport"):
        collect_grants()
