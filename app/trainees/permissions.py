"""Who may do what with trainees.  Support holds nothing here, and row-level security shows it nothing either."""

from __future__ import annotations

from app.core.functions import Function, FunctionGrants
from app.core.roles import Grants, Role

VIEW = "Trainees"
READ = ("can_read", VIEW)
#: The Région decides on the corrections of identities.
DECIDE_IDENTITY = ("can_decide_identity", VIEW)
#: Taking numbers out in clear, with a reason: the principal account and the Région's administrators (décret 2019-341; each is journaled).
EXPORT_NIR = ("can_export_nir", VIEW)
REPAIR = ("can_repair", VIEW)
#: Downloading what shows who somebody is: whoever asks for a correction, and whoever decides on it.
READ_DOCUMENTS = ("can_read_identity_document", VIEW)
_ALL = [
    READ, ("can_use", "TraineeRegistration"), ("can_register", VIEW), ("can_enrol", VIEW), ("can_exit", VIEW), ("can_judge", VIEW), ("can_reveal_nir", VIEW),
    REPAIR, READ_DOCUMENTS,
]  # fmt: skip

GRANTS: Grants = {
    Role.PRINCIPAL: [*_ALL, EXPORT_NIR],
    Role.SECONDARY: _ALL,
    Role.READ_ONLY: [READ],
    Role.REGION_ADMIN: [READ, ("can_reveal_nir", VIEW), EXPORT_NIR, ("can_judge", VIEW), DECIDE_IDENTITY, READ_DOCUMENTS],
    Role.REGION_MANAGER: [READ, ("can_judge", VIEW)],
    Role.REGION_VALIDATOR: [READ, DECIDE_IDENTITY, READ_DOCUMENTS],
}

FUNCTIONS: FunctionGrants = {Function.CONSULT: [READ], Function.TRAINEES: [grant for grant in _ALL if grant != READ]}
