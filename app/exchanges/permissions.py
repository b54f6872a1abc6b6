"""Who may do what with the exchanges: organisations follow their own, the Région follows all of them, its administrators act on them."""

from __future__ import annotations

from app.core.functions import Function, FunctionGrants
from app.core.roles import Grants, Role

VIEW = "Exchanges"
READ = ("can_read", VIEW)
#: The organisation's own: what it has to mend, and sending again what was refused.
OWN, RESEND = ("can_follow", VIEW), ("can_resend", VIEW)
#: The console, and its acts.
SUPERVISE, OPERATE = ("can_supervise", VIEW), ("can_operate", VIEW)
CODES = "PartnerCodeView"
_CODES_READ = [(permission, CODES) for permission in ("can_list", "can_show", "can_export")]
_CODES_WRITE = [(permission, CODES) for permission in ("can_add", "can_edit", "can_delete")]

GRANTS: Grants = {
    Role.PRINCIPAL: [READ, OWN, RESEND],
    Role.SECONDARY: [READ, OWN, RESEND],
    Role.READ_ONLY: [READ, OWN],
    Role.REGION_ADMIN: [READ, SUPERVISE, OPERATE, *_CODES_READ, *_CODES_WRITE],
    Role.REGION_MANAGER: [READ, SUPERVISE, *_CODES_READ],
    Role.REGION_VALIDATOR: [READ, SUPERVISE, *_CODES_READ],
}

FUNCTIONS: FunctionGrants = {Function.CONSULT: [READ, OWN], Function.TRAINEES: [RESEND]}
