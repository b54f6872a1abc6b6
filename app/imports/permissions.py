"""Who may open the page of bulk files."""

from __future__ import annotations

from app.core.functions import Function, FunctionGrants
from app.core.roles import Grants, Role

from .views import VIEW

GRANTS: Grants = {Role.PRINCIPAL: [("can_read", VIEW)], Role.SECONDARY: [("can_read", VIEW)]}

FUNCTIONS: FunctionGrants = {Function.TRAINEES: [("can_read", VIEW)]}
