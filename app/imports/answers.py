"""What programs are answered of a file that was sent: what its report shows.

Of the trainees, the cells to mend alone, a number of a person masked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from flask import url_for

from app.core.api import PREFIX
from app.core.matrix.definition import describe
from app.core.matrix.plan import Act

from . import columns, labels, queries, services
from .domain import AT_WORK, FileState, Phase, Wish
from .matrices import IMPORTERS
from .models import ImportFile
from .shown import headers_of, shown_value

#: Where a file stands, as programs read it.
STATES: Final[dict[str, str]] = {
    FileState.RECEIVED: "recu",
    FileState.REFUSED: "refuse",
    FileState.TO_MAP: "colonnes_a_nommer",
    FileState.CHECKING: "en_controle",
    FileState.READY: "a_decider",
    FileState.APPLYING: "en_application",
    FileState.APPLIED: "applique",
    FileState.UNDOING: "en_annulation",
    FileState.UNDONE: "annule",
    FileState.FAILED: "echoue",
}
PHASES: Final[dict[str, str]] = {
    Phase.READING: "lecture", Phase.CHECKING: "controle", Phase.COMPARING: "comparaison", Phase.WRITING: "ecriture", Phase.UNDOING: "annulation",
}  # fmt: skip
ACTS: Final[dict[str, str]] = {Act.CREATE: "creation", Act.CHANGE: "modification", Act.SAME: "inchange", Act.WRONG: "erreur"}
NOTHING: Final = "rien"
WISHES: Final[dict[str, Wish | None]] = {NOTHING: None, "valides": Wish.VALID, "toutes": Wish.ALL}
WISHED: Final = {wish.value: word for word, wish in WISHES.items() if wish is not None}

TEXT: Final = {"type": "string"}
NUMBER: Final = {"type": "integer"}
YES: Final = {"type": "boolean"}
NULLABLE: Final = {"type": ["string", "null"]}
WHEN: Final = {"type": ["string", "null"], "format": "date-time"}


def object_of(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with all of these members."""
    return {"type": "object", "required": list(properties), "properties": properties}


def list_of(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list of them."""
    return {"type": "array", "items": object_of(properties)}


FILE: Final[dict[str, Any]] = {
    "id": NUMBER,
    "matrice": TEXT,
    "matrice_titre": TEXT,
    "fichier": TEXT,
    "taille": NUMBER,
    "etat": {"type": "string", "enum": list(STATES.values())},
    "termine": YES,
    "phase": {"enum": [*PHASES.values(), None]},
    "avancement": {"oneOf": [object_of({"fait": NUMBER, "total": NUMBER}), {"type": "null"}]},
    "lignes": NUMBER,
    "lignes_retirees": NUMBER,
    "comptes": {"oneOf": [object_of(dict.fromkeys(ACTS.values(), NUMBER)), {"type": "null"}]},
    "a_appliquer": {"enum": [*WISHED.values(), None]},
    "partiel": YES,
    "retenu": YES,
    "origine": {"type": "string", "enum": ["page", "api"]},
    "logiciel": NULLABLE,
    "envoye_le": WHEN,
    "envoye_par": TEXT,
    "controle_le": WHEN,
    "applique_le": WHEN,
    "applique_par": NULLABLE,
    "annule_le": WHEN,
    "annule_par": NULLABLE,
    "echec": {"oneOf": [object_of({"pendant": {"type": "string", "enum": list(STATES.values())}, "reference": TEXT}), {"type": "null"}]},
    "liens": {"type": "object", "additionalProperties": TEXT, "required": ["soi", "page"]},
}
WHOLE: Final[dict[str, Any]] = FILE | {
    "refus": NULLABLE,
    "colonnes": {
        "oneOf": [
            object_of(
                {key: {"type": "array", "items": TEXT} for key in ("inconnues", "en_double", "manquantes")}
                | {
                    "a_nommer": list_of({"en_tete": TEXT, "proposition": NULLABLE}),
                    "disponibles": list_of({"colonne": TEXT, "en_tete": TEXT, "cle": YES, "nommee_par": NULLABLE}),
                    "matrice_proposee": NULLABLE,
                }
            ),
            {"type": "null"},
        ]
    },
    "genres": list_of({"colonne": NULLABLE, "en_tete": NULLABLE, "message": TEXT, "nombre": NUMBER, "premiere_ligne": NUMBER}),
    "conserve": list_of({"ligne": NUMBER, "motif": TEXT}),
}


# ---- what is answered --------------------------------------------------------------------------------------------------


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def address(file: ImportFile, more: str = "") -> str:
    """Of a file, or of something of it."""
    return f"{PREFIX}/imports/{file.id}{more}"


def _links(file: ImportFile) -> dict[str, str]:
    """Where to go from here: what cannot be done now has no link."""
    links = {"soi": address(file), "page": url_for("ImportsView.show", import_id=file.id)}
    if file.counts is not None and file.counts.get(Act.WRONG):
        links["erreurs"] = address(file, "/erreurs")
    if file.state in (FileState.READY, FileState.APPLIED) and not file.dropped:
        links["rapport"] = address(file, "/rapport")
    if file.state == FileState.READY and services.applicable(file.counts or {}, partial=True):
        links["application"] = address(file, "/application")
    if file.state == FileState.APPLIED and not file.dropped:
        links["annulation"] = address(file, "/annulation")
    if services.left_aside(file):
        links["controle"] = address(file, "/controle")
    if file.state == FileState.TO_MAP:
        links["colonnes"] = address(file, "/colonnes")
    if file.state == FileState.FAILED:
        links["reprise"] = address(file, "/reprise")
    return links


def file_shown(file: ImportFile) -> dict[str, Any]:
    """Where a file stands."""
    return {
        "id": file.id,
        "matrice": file.matrix,
        "matrice_titre": str(IMPORTERS[file.matrix].matrix.title),
        "fichier": file.file_name,
        "taille": file.size,
        "etat": STATES[file.state],
        "termine": file.state not in AT_WORK,
        "phase": PHASES[file.phase] if file.phase else None,
        "avancement": {"fait": file.done, "total": file.total} if file.phase and file.total else None,
        "lignes": file.lines,
        "lignes_retirees": len(file.left_out),
        "comptes": None if file.counts is None else {word: file.counts.get(act, 0) for act, word in ACTS.items()},
        "a_appliquer": WISHED[file.wish] if file.wish else None,
        "partiel": file.partial,
        "retenu": file.held,
        "origine": file.origin,
        "logiciel": file.program or None,
        "envoye_le": _when(file.created_at),
        "envoye_par": file.account_name,
        "controle_le": _when(file.checked_at),
        "applique_le": _when(file.applied_at),
        "applique_par": file.applied_by or None,
        "annule_le": _when(file.undone_at),
        "annule_par": file.undone_by or None,
        "echec": {"pendant": STATES[file.failed_in], "reference": file.failed_reference} if file.failed_in else None,
        "liens": _links(file),
    }


def whole(file: ImportFile) -> dict[str, Any]:
    """A file with why it was refused, what its columns lack, what is wrong with it by kind, and what its undoing left."""
    headers = _headers(file)
    kinds = queries.kinds_of(file.id) if file.counts is not None and file.counts.get(Act.WRONG) else []
    return file_shown(file) | {
        "refus": str(labels.why_refused(file)) if file.fault else None,
        "colonnes": _columns(file) if file.state == FileState.TO_MAP else None,
        "genres": [
            {
                "colonne": kind.column or None, "en_tete": headers.get(kind.column), "message": kind.message, "nombre": kind.count,
                "premiere_ligne": kind.first,
            }
            for kind in kinds
        ],
        "conserve": [
            {"ligne": line, "motif": why_kept}
            for line, _subject, _id, why_kept in (queries.kept_of(file.id) if file.state == FileState.UNDONE and not file.dropped else ())
        ],
    }  # fmt: skip


def _columns(file: ImportFile) -> dict[str, Any]:
    """What has to be said of the headings before the file can be checked."""
    matrix = IMPORTERS[file.matrix].matrix
    described = describe(matrix)
    heading = file.heading or []
    remembered = columns.remembered_for(matrix)
    mapped = columns.map_headings(heading, matrix, remembered)
    keys, _others = columns.missing(mapped.columns, described)
    shown = [shown_value(words, secret=False) for words in heading]
    named_by = {column: words for column, words in zip(reversed(mapped.columns), reversed(shown), strict=True) if column}
    fits = columns.better_matrix(heading, matrix, remembered) if keys else None
    return {
        "inconnues": [shown[place] for place in mapped.undecided],
        "en_double": [shown[place] for place in mapped.twice],
        "manquantes": [one.header for one in keys],
        "a_nommer": [{"en_tete": shown[place], "proposition": mapped.proposed.get(place)} for place in sorted([*mapped.undecided, *mapped.twice])],
        "disponibles": [
            {"colonne": one.column.name, "en_tete": one.header, "cle": one.column.key, "nommee_par": named_by.get(one.column.name)} for one in described
        ],
        "matrice_proposee": fits.name if fits else None,
    }


def _headers(file: ImportFile) -> dict[str, str]:
    return {name: shown_value(words, secret=False) for name, words in headers_of(file).items()}


__all__ = ["FILE", "NOTHING", "NULLABLE", "NUMBER", "STATES", "TEXT", "WHOLE", "WISHES", "YES", "address", "file_shown", "list_of", "object_of", "whole"]
