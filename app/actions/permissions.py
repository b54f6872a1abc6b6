"""Who may do what with actions (guide 003; DOMAIN §1)."""

from __future__ import annotations

from app.core.roles import ALL, Grants, Role

_READ = ("can_read", "Actions")
_MARKETS = ("ContractModelView", "ActionModelView", "ComponentModelView", "ComponentSiteModelView")
_CONSULT = [(permission, view) for view in _MARKETS for permission in ("can_list", "can_show", "can_export")]

GRANTS: Grants = {
    Role.PRINCIPAL: [_READ, ("can_use", "ActionOpening")],
    Role.SECONDARY: [_READ, ("can_use", "ActionOpening")],
    Role.READ_ONLY: [_READ],
    Role.REGION_ADMIN: [_READ, ("can_close", "Actions"), *((ALL, view) for view in _MARKETS)],
    Role.REGION_MANAGER: [_READ, ("can_close", "Actions"), *_CONSULT],
    Role.REGION_VALIDATOR: [_READ, *_CONSULT],
}
