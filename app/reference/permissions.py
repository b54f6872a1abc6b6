"""Who may do what with the value lists: the Région's administrators keep them, its other agents read them.

Organisations meet these values through forms only; every signed-in account may look a town up.
"""

from __future__ import annotations

from app.core.functions import Function

LISTS = (
    "ProgrammeView",
    "LevelView",
    "PublicCategoryView",
    "GeneralObjectiveView",
    "ProfessionalSituationView",
    "ExitReasonView",
    "NationalityView",
    "LastClassView",
    "HighestDiplomaView",
    "StreetTypeView",
    "SurveySituationView",
    "EmploymentContractView",
    "ProfessionalSectorView",
    "SocioProfessionalCategoryView",
    "SiteView",
    "ContactView",
)
READ_ONLY_LISTS = ("TownView",)

READ = ("can_list", "can_show", "can_export")
WRITE = ("can_add", "can_edit", "can_delete")

Grants = list[tuple[str, str]]

_READ: Grants = [(permission, view) for view in (*LISTS, *READ_ONLY_LISTS) for permission in READ]
_WRITE: Grants = [(permission, view) for view in LISTS for permission in WRITE]
_LOOKUP: Grants = [("can_lookup", "TownLookup")]

GRANTS: dict[str, Grants] = {
    "Administrateur Région": [*_READ, *_WRITE, *_LOOKUP],
    "Validateur Région": [*_READ, *_LOOKUP],
    "Gestionnaire Région": [*_READ, *_LOOKUP],
    "Support": _LOOKUP,
    "Compte principal": _LOOKUP,
    "Compte secondaire": _LOOKUP,
    "Lecture seule": _LOOKUP,
}

FUNCTIONS: dict[Function, Grants] = {Function.CONSULT: _LOOKUP}
