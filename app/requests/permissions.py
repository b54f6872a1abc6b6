"""Who may do what with modification requests (guide 003 §2): the organisation asks, validators and administrators of the Région decide."""

from __future__ import annotations

from app.core.functions import Function, FunctionGrants
from app.core.roles import Grants, Role

VIEW = "ModificationRequests"
READ, ASK, WITHDRAW = ("can_read", VIEW), ("can_use", VIEW), ("can_withdraw", VIEW)
#: On screen, instead of the person entitled on paper: the principal account, or whoever holds its delegation.
SIGN = ("can_sign", VIEW)
QUEUE, DECIDE = ("can_queue", VIEW), ("can_decide", VIEW)
#: Market rules: administrators write them, validators and managers read them.
RULES = "MarketRules"
RULES_READ, RULES_DECIDE = ("can_read", RULES), ("can_publish", RULES)
_RULE_LISTS: list[tuple[str, str]] = [
    (permission, view) for view in ("MarketRuleView", "MarketRuleVersionView") for permission in ("can_list", "can_show", "can_export")
]
_RULES_READ = [RULES_READ, *_RULE_LISTS]
_RULES_WRITE = [
    RULES_DECIDE, ("can_add", "MarketRuleView"), ("can_edit", "MarketRuleView"), ("can_delete", "MarketRuleView"), ("can_edit", "MarketRuleVersionView"),
]  # fmt: skip

GRANTS: Grants = {
    Role.PRINCIPAL: [READ, ASK, WITHDRAW, SIGN],
    Role.SECONDARY: [READ, ASK, WITHDRAW],
    Role.READ_ONLY: [READ],
    Role.REGION_ADMIN: [READ, QUEUE, DECIDE, *_RULES_READ, *_RULES_WRITE],
    Role.REGION_VALIDATOR: [READ, QUEUE, DECIDE, *_RULES_READ],
    Role.REGION_MANAGER: [READ, *_RULES_READ],
}

FUNCTIONS: FunctionGrants = {Function.CONSULT: [READ], Function.REQUESTS: [ASK, WITHDRAW]}
