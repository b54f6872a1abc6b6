"""Who reads the situation surveys, and who fills them in: the organisation of the trainee alone."""

from __future__ import annotations

from app.core.functions import Function, FunctionGrants
from app.core.roles import Grants, Role

VIEW = "SituationSurveys"
READ = ("can_read", VIEW)
FILL = ("can_fill", VIEW)

GRANTS: Grants = {
    Role.PRINCIPAL: [READ, FILL],
    Role.SECONDARY: [READ, FILL],
    Role.READ_ONLY: [READ],
    Role.REGION_ADMIN: [READ],
    Role.REGION_MANAGER: [READ],
    Role.REGION_VALIDATOR: [READ],
}

FUNCTIONS: FunctionGrants = {Function.CONSULT: [READ], Function.SURVEYS: [FILL]}
