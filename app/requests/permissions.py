"""Who may do what with modification requests (guide 003 §2): the organisation asks, validators and administrators of the Région decide."""

from __future__ import annotations

from app.core.functions import Function, FunctionGrants
from app.core.roles import Grants, Role

VIEW = "ModificationRequests"
READ, ASK, WITHDRAW = ("can_read", VIEW), ("can_use", VIEW), ("can_withdraw", VIEW)
#: On screen, instead of the person entitled on paper: the principal account, or whoever holds its delegation.
SIGN = ("can_sign", VIEW)
QUEUE, DECIDE = ("can_queue", VIEW), ("can_decide", VIEW)

GRANTS: Grants = {
    Role.PRINCIPAL: [READ, ASK, WITHDRAW, SIGN],
    Role.SECONDARY: [READ, ASK, WITHDRAW],
    Role.READ_ONLY: [READ],
    Role.REGION_ADMIN: [READ, QUEUE, DECIDE],
    Role.REGION_VALIDATOR: [READ, QUEUE, DECIDE],
    Role.REGION_MANAGER: [READ],
}

FUNCTIONS: FunctionGrants = {Function.CONSULT: [READ], Function.REQUESTS: [ASK, WITHDRAW]}
