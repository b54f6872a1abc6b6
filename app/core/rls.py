"""Row-level security, the second wall: database roles, grants and policies.

A model says what it is by ``__rls__``:

- ``"tenant"`` (default with an ``organisation_id`` column): an organisation sees and writes its own rows, the Région all,
  support none unless ``__rls_support__`` is true, an observer reads the observed
  organisation's if ``__rls_observer__`` is; ``__rls_key__`` names another key column than ``organisation_id``;
- ``"reference"`` (default without): all read, the Région writes;
- ``"security"``: all read, only the system writes (roles and permissions);
- ``"private"``: only the system and the Région's screens;
- ``"system"``: only the system;
- ``"journal"``: written by triggers of the owner alone, read by the organisation concerned, the Région and the system.

An account limited to some actions takes a fifth role, ``portal_limited``, which inherits what ``portal_tenant`` has: all its policies
apply to it, and besides them those made of ``__rls_limited__``, a condition that narrows them. Other accounts never meet these
conditions, so that their queries and plans are those of before. Each table an organisation reads says ``__rls_limited__``, or
``None`` if a limited account sees as much of it as the others.

The statements are made from the models for tests and for writing a migration; a migration carries their frozen text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import Connection, Table, text

from app.core.extensions import db

TENANT, REGION, SUPPORT, SYSTEM = "portal_tenant", "portal_region", "portal_support", "portal_system"
#: Support looking through an organisation's eyes: it holds no right to write anything.
OBSERVER = "portal_observer"
WRITERS = (TENANT, REGION, SUPPORT, SYSTEM)
ROLES = (*WRITERS, OBSERVER)
LIMITED = "portal_limited"

_OWN = "NULLIF(current_setting('app.organisation_id', true), '')::integer"
_WRITE = "INSERT, UPDATE, DELETE"
#: For ``__rls_limited__``: the ids of the actions given to the account at work; an unset account is given none.
LIMITED_ACCOUNT = "NULLIF(current_setting('app.limited_account', true), '')::integer"
GIVEN_ACTIONS = f"(SELECT g.action_id FROM action_access g WHERE g.user_id = {LIMITED_ACCOUNT})"  # noqa: S608 - a constant


class RoleSetupError(RuntimeError):
    """The database roles could not be made; the message says what the database administrator has to grant."""


def ensure_roles(connection: Connection, *, app_role: str) -> None:
    """Create the scope roles if missing and let ``app_role`` (the application's sign-in) take them. Idempotent.

    Raises RoleSetupError when the connected role may not create roles and they are missing.
    """
    existing = set(connection.scalars(text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)"), {"names": [*ROLES, LIMITED]}))
    owner = connection.scalar(text("SELECT current_user"))
    modern = (connection.scalar(text("SELECT current_setting('server_version_num')::int")) or 0) >= 160000
    quote = connection.dialect.identifier_preparer.quote
    try:
        for role in (*ROLES, LIMITED):
            if role not in existing:
                connection.execute(text(f"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS"))
        if not connection.scalar(text("SELECT pg_has_role(:role, :of, 'USAGE')"), {"role": LIMITED, "of": TENANT}):
            connection.execute(text(f"GRANT {TENANT} TO {LIMITED}" + (" WITH INHERIT TRUE, SET FALSE" if modern else "")))
        for role in (*ROLES, LIMITED):
            for member in {app_role, str(owner)}:
                held = connection.scalar(text("SELECT pg_has_role(:member, :role, 'MEMBER')"), {"member": member, "role": role})
                if held and _settable(connection, member=member, role=role, modern=modern):
                    continue
                suffix = " WITH INHERIT FALSE, SET TRUE" if modern else ""
                connection.execute(text(f"GRANT {role} TO {quote(member)}{suffix}"))
    except Exception as error:
        raise RoleSetupError(
            f"the roles {', '.join((*ROLES, LIMITED))} are missing and {owner} may not create or grant them: "
            f"run the migration as a role with CREATEROLE, or create them by hand ({type(error).__name__})"
        ) from error


def _settable(connection: Connection, *, member: str, role: str, modern: bool) -> bool:
    if not modern:
        return True
    return bool(connection.scalar(text("SELECT pg_has_role(:member, :role, 'SET')"), {"member": member, "role": role}))


def owned_tables() -> Iterable[tuple[Table, type[Any] | None]]:
    """Every table of the metadata, in dependency order, with its mapped class (None for plain association tables)."""
    classes = {mapper.local_table: mapper.class_ for mapper in Model.registry.mappers}
    for table in db.metadata.sorted_tables:
        yield table, classes.get(table)


def kind_of(table: Table, entity: type[Any] | None) -> str:
    """The row-level security kind of ``table`` (see the module's text)."""
    declared = getattr(entity, "__rls__", None)
    if declared is not None:
        return str(declared)
    if table.name.startswith("ab_"):
        return "tenant" if "organisation_id" in table.c else "security"
    return "tenant" if "organisation_id" in table.c else "reference"


def statements_for(table: Table, entity: type[Any] | None) -> list[str]:
    """Grants and policies of one table."""
    name = table.name
    kind = kind_of(table, entity)
    everyone, writers = ", ".join(ROLES), ", ".join(WRITERS)
    statements = [
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY",
        f"REVOKE ALL ON {name} FROM PUBLIC",
        f"GRANT SELECT ON {name} TO {everyone}",
    ]

    def policy(role: str, using: str = "true", command: str = "ALL") -> None:
        check = f" WITH CHECK ({using})" if command in ("ALL", "INSERT", "UPDATE") else ""
        qualifier = f" USING ({using})" if command != "INSERT" else ""
        label = f"{role.removeprefix('portal_')}_{command.lower()}"
        statements.append(f"CREATE POLICY {label} ON {name} FOR {command} TO {role}{qualifier}{check}")

    if kind == "tenant":
        key = getattr(entity, "__rls_key__", "organisation_id")
        statements.append(f"GRANT {_WRITE} ON {name} TO {writers}")
        policy(TENANT, f"{key} = {_OWN}")
        policy(REGION)
        policy(SYSTEM)
        if table.name == "ab_user" or getattr(entity, "__rls_support__", False):
            policy(SUPPORT)
        if getattr(entity, "__rls_observer__", False):
            policy(OBSERVER, f"{key} = {_OWN}", command="SELECT")
    elif kind == "reference":
        statements.append(f"GRANT {_WRITE} ON {name} TO {REGION}, {SYSTEM}")
        policy(REGION)
        policy(SYSTEM)
        policy(TENANT, command="SELECT")
        policy(SUPPORT, command="SELECT")
        policy(OBSERVER, command="SELECT")
    elif kind == "security":
        statements.append(f"GRANT {_WRITE} ON {name} TO {SYSTEM}")
        policy(SYSTEM)
        for role in (TENANT, REGION, SUPPORT, OBSERVER):
            policy(role, command="SELECT")
    elif kind == "private":
        statements.append(f"GRANT {_WRITE} ON {name} TO {writers}")
        policy(REGION)
        policy(SYSTEM)
    elif kind == "system":
        statements.append(f"GRANT {_WRITE} ON {name} TO {SYSTEM}")
        policy(SYSTEM)
    elif kind == "journal":
        policy(REGION, command="SELECT")
        policy(SYSTEM, command="SELECT")
        if "organisation_id" in table.c:
            policy(TENANT, f"organisation_id = {_OWN}", command="SELECT")
    else:
        raise ValueError(f"{table.name}: unknown __rls__ {kind!r}")
    limit = getattr(entity, "__rls_limited__", None)
    if limit:
        statements.append(f"CREATE POLICY limited_all ON {name} AS RESTRICTIVE FOR ALL TO {LIMITED} USING ({limit}) WITH CHECK ({limit})")
    statements.extend(getattr(entity, "__rls_extra__", ()))
    return statements


def rls_ddl() -> list[str]:
    """All grants and policies of the schema, in a stable order."""
    statements = [f"GRANT USAGE ON SCHEMA public TO {', '.join(ROLES)}"]
    for table, entity in owned_tables():
        statements.extend(statements_for(table, entity))
    statements.append(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {', '.join(WRITERS)}")
    return statements
