"""Who may take lists out: whoever sees a list (each says its own permission); support takes nothing out."""

from __future__ import annotations

from app.core.functions import Function, FunctionGrants
from app.core.roles import Grants, Role

VIEW = "Exports"
USE = ("can_use", VIEW)

GRANTS: Grants = {
    role: [USE] for role in (Role.PRINCIPAL, Role.SECONDARY, Role.READ_ONLY, Role.REGION_ADMIN, Role.REGION_MANAGER, Role.REGION_VALIDATOR)
}

FUNCTIONS: FunctionGrants = {Function.CONSULT: [USE]}
