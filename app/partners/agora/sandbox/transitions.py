"""The life of a file, in one table. Pure; the server decides by it and the documentation is drawn from it.

Source: guide 000 (entry, exit, closing) and 002 (statuses). A file goes forward only: entry, exit, closing. Whoever never came is closed as "non
réalisée" without an exit; the two other outcomes need one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENTREE: Final = "ENTREE"
INITIAL: Final = ENTREE
STATUSES: Final = ("EN_COURS_ELABORATION", "VALIDE", "ENTREE", "SORTIE", "CLOS_TOTALE", "CLOS_PARTIELLE", "CLOS_NON_REALISEE", "ANNULE")
FINAL: Final = frozenset({"CLOS_TOTALE", "CLOS_PARTIELLE", "CLOS_NON_REALISEE", "ANNULE"})

# (status, event) → status; a closing is written with its outcome. What is not here is refused.
TABLE: Final[Mapping[tuple[str, str], str]] = {
    ("EN_COURS_ELABORATION", "MODIFICATION"): "EN_COURS_ELABORATION",
    ("EN_COURS_ELABORATION", "ANNULATION"): "ANNULE",
    ("VALIDE", "MODIFICATION"): "VALIDE",
    ("VALIDE", "ANNULATION"): "ANNULE",
    ("ENTREE", "MODIFICATION"): "ENTREE",
    ("ENTREE", "INTERRUPTION"): "ENTREE",
    ("ENTREE", "REPRISE"): "ENTREE",
    ("ENTREE", "SORTIE"): "SORTIE",
    ("ENTREE", "ANNULATION"): "ANNULE",
    ("ENTREE", "CLOTURE NON_REALISEE"): "CLOS_NON_REALISEE",
    ("SORTIE", "MODIFICATION"): "SORTIE",
    ("SORTIE", "ANNULATION"): "ANNULE",
    ("SORTIE", "CLOTURE TOTALE"): "CLOS_TOTALE",
    ("SORTIE", "CLOTURE PARTIELLE"): "CLOS_PARTIELLE",
    ("SORTIE", "CLOTURE NON_REALISEE"): "CLOS_NON_REALISEE",
}


def next_status(status: str, event: str, *, outcome: str | None = None, interrupted: bool = False) -> str | None:
    """The status after ``event``, None where it is forbidden. An interruption and a resumption alternate."""
    if (event == "INTERRUPTION" and interrupted) or (event == "REPRISE" and not interrupted):
        return None
    return TABLE.get((status, f"{event} {outcome}" if event == "CLOTURE" else event))


def as_markdown() -> str:
    """The table as it stands in the documentation."""
    lines = ["| status | event | new status |", "|---|---|---|"]
    lines += [f"| {status} | {event} | {after} |" for (status, event), after in TABLE.items()]
    return "\n".join(lines)
