"""Who may send files: the accounts of an organisation that may write about trainees; by their own software, its principal account."""

from __future__ import annotations

from typing import Final

from app.core.functions import Function, FunctionGrants
from app.core.roles import Grants, Role

VIEW: Final = "Imports"
READ: Final = ("can_read", VIEW)
#: Send a file, mend it, apply it, undo it.
WRITE: Final = ("can_write", VIEW)

PROGRAM_VIEW: Final = "ImportsByProgram"
#: The same by a token, within the two others; a role that grants it to others than the principal account narrows it with the trainees.
PROGRAM: Final = ("can_use", PROGRAM_VIEW)

GRANTS: Grants = {Role.PRINCIPAL: [READ, WRITE, PROGRAM], Role.SECONDARY: [READ, WRITE]}

FUNCTIONS: FunctionGrants = {Function.TRAINEES: [READ, WRITE, PROGRAM]}
