"""Who may open which screen of accounts."""

from __future__ import annotations

from app.core.functions import Function, FunctionGrants
from app.core.roles import ALL, Grants, Role

GRANTS: Grants = {
    Role.REGION_ADMIN: [(ALL, "Organisations"), (ALL, "AccountConsole"), (ALL, "MyAccount"), (ALL, "SecondFactorReset")],
    Role.REGION_VALIDATOR: [("can_list", "Organisations"), ("can_show", "Organisations"), (ALL, "MyAccount")],
    Role.REGION_MANAGER: [
        ("can_list", "Organisations"),
        ("can_show", "Organisations"),
        ("can_export", "Organisations"),
        (ALL, "AccountConsole"),
        (ALL, "MyAccount"),
    ],
    Role.SUPPORT: [
        ("can_list", "Organisations"),
        ("can_show", "Organisations"),
        (ALL, "AccountConsole"),
        (ALL, "MyAccount"),
        (ALL, "SecondFactorReset"),
    ],
    Role.PRINCIPAL: [(ALL, "MyOrganisation"), (ALL, "OrganisationAccounts"), (ALL, "Delegations"), (ALL, "OrganisationTokens"), (ALL, "MyAccount")],
    Role.SECONDARY: [(ALL, "MyAccount")],
    Role.READ_ONLY: [(ALL, "MyAccount")],
}

#: One's own account is nobody's to take away.
FUNCTIONS: FunctionGrants = {Function.CONSULT: [(ALL, "MyAccount")]}
# ---- the console, the journal of accounts, account hygiene ------------------------------------------------------------

_CONSOLE: Grants = {
    Role.REGION_ADMIN: [(ALL, "OrganisationCreation"), (ALL, "BulkAccounts"), (ALL, "PrincipalChange"), (ALL, "AccountHistory")],
    Role.REGION_MANAGER: [(ALL, "OrganisationCreation"), (ALL, "BulkAccounts"), (ALL, "PrincipalChange"), (ALL, "AccountHistory")],
    Role.SUPPORT: [(ALL, "OrganisationCreation"), (ALL, "BulkAccounts"), (ALL, "PrincipalChange"), (ALL, "AccountHistory"), ("can_start", "Observation")],
    Role.PRINCIPAL: [(ALL, "OrganisationHistory"), (ALL, "AccountReview")],
}
GRANTS = {role: [*GRANTS.get(role, ()), *_CONSOLE.get(role, ())] for role in Role}
