"""Who may do what with actions (guide 003; DOMAIN §1)."""

from __future__ import annotations

from app.core.functions import Function, FunctionGrants
from app.core.roles import ALL, Grants, Role

_READ = ("can_read", "Actions")
#: « Déclarer l'action terminée », and asking for the closing.
_DECLARE = ("can_declare", "Actions")
#: Sessions and their information meetings; sites of a component are the Région's.
_PLAN = ("can_plan_sessions", "Actions")
_CLOSE = [("can_close", "Actions"), ("can_reopen", "Actions")]
_MARKETS = ("ContractModelView", "ActionModelView", "ComponentModelView", "ComponentSiteModelView")
_CONSULT = [(permission, view) for view in _MARKETS for permission in ("can_list", "can_show", "can_export")]

GRANTS: Grants = {
    Role.PRINCIPAL: [_READ, ("can_use", "ActionOpening"), _DECLARE, _PLAN, (ALL, "AccountRights")],
    Role.SECONDARY: [_READ, ("can_use", "ActionOpening"), _DECLARE, _PLAN],
    Role.READ_ONLY: [_READ],
    Role.REGION_ADMIN: [_READ, *_CLOSE, _PLAN, ("can_add_site", "Actions"), (ALL, "AccountRights"), *((ALL, view) for view in _MARKETS)],
    Role.REGION_MANAGER: [_READ, *_CLOSE, (ALL, "AccountRights"), *_CONSULT],
    Role.SUPPORT: [(ALL, "AccountRights")],
    Role.REGION_VALIDATOR: [_READ, *_CONSULT],
}

FUNCTIONS: FunctionGrants = {Function.CONSULT: [_READ], Function.REQUESTS: [("can_use", "ActionOpening"), _DECLARE, _PLAN]}
