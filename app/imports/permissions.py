"""Who may send files: the accounts of an organisation that may write about trainees."""

from __future__ import annotations

from typing import Final

from app.core.functions import Function, FunctionGrants
from app.core.roles import Grants, Role

VIEW: Final = "Imports"
READ: Final = ("can_read", VIEW)
#: Send a file, mend it, apply it, undo it.
WRITE: Final = ("can_write", VIEW)

GRANTS: Grants = {Role.PRINCIPAL: [READ, WRITE], Role.SECONDARY: [READ, WRITE]}

FUNCTIONS: FunctionGrants = {Function.TRAINEES: [READ, WRITE]}
