"""The seven roles, as data, and the grants each feature declares for them.

A feature states who may do what in its ``permissions.py``::

    GRANTS: Grants = {Role.PRINCIPAL: [("can_read", "Actions"), (ALL, "ActionWizard")]}

``core.security_sync`` collects these and makes the database say exactly the same. Roles made on screen by the Région
besides the seven are never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final


class Role(StrEnum):
    """The roles of the portal; the value is the name kept in the database and shown on screen."""

    REGION_ADMIN = "Administrateur Région"
    REGION_VALIDATOR = "Validateur Région"
    REGION_MANAGER = "Gestionnaire Région"
    SUPPORT = "Support"
    PRINCIPAL = "Compte principal"
    SECONDARY = "Compte secondaire"
    READ_ONLY = "Lecture seule"


#: Everyone who is not signed in; it never holds a permission.
PUBLIC_ROLE: Final = "Public"

REGION_ROLES: Final = frozenset({Role.REGION_ADMIN, Role.REGION_VALIDATOR, Role.REGION_MANAGER})
STAFF_ROLES: Final = REGION_ROLES | {Role.SUPPORT}
ORGANISATION_ROLES: Final = frozenset({Role.PRINCIPAL, Role.SECONDARY, Role.READ_ONLY})

#: In a grant, every permission of the view.
ALL: Final = "*"

#: A permission (``can_read``, ``menu_access``…) on a view or menu; the permission may be ``ALL``.
Grant = tuple[str, str]
Grants = Mapping[str, Sequence[Grant]]


class GrantError(RuntimeError):
    """A feature declares a grant for a role, a view or a permission that does not exist."""


def grant_modules() -> Iterator[str]:
    """The modules that may declare ``GRANTS``: those of the kernel, then one per feature, in order."""
    from app.features import FEATURES

    core = Path(__file__).resolve().parent
    for path in sorted(core.rglob("permissions.py")):
        yield ".".join(("app", "core", *path.relative_to(core).with_suffix("").parts))
    for feature in FEATURES:
        name = f"{feature}.permissions"
        if find_spec(name) is not None:
            yield name


def collect_grants() -> dict[Role, set[Grant]]:
    """What every feature declares, by role.

    Raises GrantError when a role is not one of the seven: a slip in its name would silently grant nothing.
    """
    collected: dict[Role, set[Grant]] = {role: set() for role in Role}
    for module in grant_modules():
        declared: Grants = getattr(import_module(module), "GRANTS", {})
        for name, grants in declared.items():
            try:
                role = Role(name)
            except ValueError:
                raise GrantError(f"{module} grants to {name!r}, which is not a role") from None
            collected[role].update(grants)
    return collected


def resolve_grants(declared: Mapping[Role, set[Grant]], existing: set[Grant]) -> dict[Role, set[Grant]]:
    """``declared`` with ``ALL`` replaced by the permissions of the view.

    Raises GrantError with every grant that names nothing in ``existing``.
    """
    by_view: dict[str, set[Grant]] = {}
    for grant in existing:
        by_view.setdefault(grant[1], set()).add(grant)
    unknown: set[Grant] = set()
    resolved: dict[Role, set[Grant]] = {}
    for role, grants in declared.items():
        wanted: set[Grant] = set()
        for permission, view in grants:
            found = by_view.get(view, set()) if permission == ALL else {(permission, view)} & existing
            if not found:
                unknown.add((permission, view))
            wanted |= found
        resolved[role] = wanted
    if unknown:
        raise GrantError("declared but not registered: " + ", ".join(f"{p} on {v}" for p, v in sorted(unknown)))
    return resolved
