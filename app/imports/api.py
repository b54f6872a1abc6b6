"""Imports by the organisations' own software: the same files, services and rules as the pages, with a token.

What is answered of a file is what its report shows: of the trainees, the cells to mend alone, a number of a person masked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from flask import Response
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from app.core.api import Answered, ApiProblem, Parameter, Scope, check_etag, identity, register_scope, resource
from app.core.tabular.labels import refused as refused_file
from app.core.tabular.writing import FileFormat

from . import annotated, columns, mending, naming, queries, services
from .answers import FILE, NOTHING, NULLABLE, NUMBER, STATES, TEXT, WHOLE, WISHES, YES, address, file_shown, list_of, object_of, whole
from .domain import FileState, Origin
from .matrices import IMPORTERS
from .models import ImportFile
from .permissions import PROGRAM, READ, WRITE
from .shown import shown_value

READ_SCOPE: Final = "imports:lecture"
WRITE_SCOPE: Final = "imports:ecriture"
#: A file is long work: fewer of them than of other requests.
SENDING_RATE: Final = "10 per minute"
_PAGE_MAX: Final = 200

register_scope(
    Scope(READ_SCOPE, _l("Follow the imported files"), permission=PROGRAM, organisations_only=True, order=50, guide="ImportsByProgramView.guide")
)
register_scope(
    Scope(
        WRITE_SCOPE, _l("Send files to import, apply and undo them, fetch their report"), permission=PROGRAM, organisations_only=True, order=60,
        guide="ImportsByProgramView.guide",
    )
)  # fmt: skip

_ALL_LINES: Final = "toutes"
_WRONG_LINES: Final = "erreurs"
_VALID_LINES: Final = "valides"


def _file_or_404(import_id: int) -> ImportFile:
    file = queries.get_file(import_id)
    if file is None:
        raise ApiProblem("not_found")
    return file


_ID: Final = Parameter("import_id", _l("Number of the import"), {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}, where="path")


def _how_to_send() -> str:
    codes = "\n".join(f"- `{name}` : {importer.matrix.title}" for name, importer in IMPORTERS.items())
    return "\n\n".join([
        str(_(
            "It is kept, then read and checked by the portal: follow it at the address of « Location » until « termine ». Nothing is saved before it is "
            "applied: later (« rien »), or as soon as it is checked, its right lines (« valides ») or the whole of it if nothing is to be mended "
            "(« toutes »). The same file sent again does nothing: the answer is then 200, with « deja_envoye », and shows where that file stands; when its "
            "right lines only were applied, « liens » offers to check the others again (« controle »)."
        )),
        str(_("Codes of the matrices (« matrice »):")),
        codes,
    ])  # fmt: skip


# ---- sending -----------------------------------------------------------------------------------------------------------


@resource(
    "/imports",
    method="POST",
    scope=WRITE_SCOPE,
    permission=WRITE,
    tag=_l("Imports"),
    summary=_l("Send a file to import"),
    description=LazyString(_how_to_send),
    form={
        "type": "object",
        "required": ["matrice", "fichier"],
        "additionalProperties": False,
        "properties": {
            "matrice": {"type": "string", "enum": list(IMPORTERS)},
            "fichier": {"type": "string", "format": "binary"},
            "appliquer": {"type": "string", "enum": list(WISHES), "default": NOTHING},
        },
    },
    parameters=(
        Parameter(
            "Idempotency-Key",
            _l("A key of yours for this request: sent again with the same key, it does nothing more, whatever became of the first one."),
            {"type": "string", "pattern": "^[!-~]{1,200}$"},
            where="header",
            argument="key",
        ),
    ),
    answer=object_of({"deja_envoye": YES, "import": object_of(FILE)}),
    statuses=(202, 200),
    refusals=("parameter_invalid", "key_reused"),
    rate=SENDING_RATE,
)
def send_import(*, form: dict[str, Any], key: str | None) -> Answered:
    """POST /imports: the service of the page."""
    sent = form["fichier"]
    content = sent.stream.read(services.LIMITS.size + 1)
    if not content:
        raise ApiProblem("fields_invalid", errors=[{"field": "fichier", "detail": _("This file is empty.")}])
    if len(content) > services.LIMITS.size:
        matrix = IMPORTERS[form["matrice"]].matrix
        why = columns.too_large(content, sent.filename or "", services.LIMITS, matrix, columns.remembered_for(matrix))
        raise ApiProblem("too_large", detail=refused_file(why))
    try:
        number = services.receive(
            form["matrice"], sent.filename or "", content, origin=Origin.API, program=identity().token_name,
            token_id=identity().token_id, key=key, wish=WISHES[form.get("appliquer", NOTHING)],
        )  # fmt: skip
        known = False
    except services.SameFile as same:
        number, known = same.file_id, True
    except services.KeyReused:
        raise ApiProblem("key_reused") from None
    file = _file_or_404(number)
    return Answered({"deja_envoye": known, "import": file_shown(file)}, 200 if known else 202, address(file))


# ---- following ---------------------------------------------------------------------------------------------------------


@resource(
    "/imports",
    scope=READ_SCOPE,
    permission=READ,
    tag=_l("Imports"),
    summary=_l("The imported files, page after page"),
    description=_l("The latest first. « suivant » is what to send as « apres » for the next page; null on the last one."),
    parameters=(
        Parameter("taille", _l("How many files at most"), {"type": "integer", "minimum": 1, "maximum": _PAGE_MAX}, default=50),
        Parameter("apres", _l("Begin after the import of this number"), {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}),
        Parameter("matrice", _l("Only the files of this matrix"), {"type": "string", "enum": list(IMPORTERS)}),
        Parameter("etat", _l("Only the files in this state"), {"type": "string", "enum": list(STATES.values())}),
    ),
    answer=object_of({"imports": {"type": "array", "items": object_of(FILE)}, "suivant": {"type": ["integer", "null"]}}),
    refusals=("parameter_invalid",),
)
def imports(*, taille: int, apres: int | None, matrice: str | None, etat: str | None) -> dict[str, Any]:
    """GET /imports, by keyset: a page costs the same wherever it is."""
    states = None if etat is None else [state for state, word in STATES.items() if word == etat]
    found = queries.files_before(apres, size=taille + 1, matrix=matrice, states=states)
    page = found[:taille]
    return {"imports": [file_shown(file) for file in page], "suivant": page[-1].id if len(found) > taille else None}


@resource(
    "/imports/<int:import_id>",
    scope=READ_SCOPE,
    permission=READ,
    tag=_l("Imports"),
    summary=_l("Where an import stands"),
    description=_l(
        "« termine » says that the portal has nothing more to do by itself; until then, ask again every few seconds. « genres » groups what is to be "
        "mended; « liens » holds what can be done now."
    ),
    parameters=(_ID,),
    answer=object_of(WHOLE),
    refusals=("not_found",),
    versioned=True,
)
def one_import(*, import_id: int) -> dict[str, Any]:
    """GET /imports/…; 404 for another organisation's."""
    return whole(_file_or_404(import_id))


@resource(
    "/imports/<int:import_id>/erreurs",
    scope=READ_SCOPE,
    permission=READ,
    tag=_l("Imports"),
    summary=_l("What is to be mended in an import, by cell"),
    description=_l(
        "Whole lines of the file, in their order: « suivant » is what to send as « apres » for the next ones. The value is that of the cell, NIRs masked; "
        "« colonne » is null for what concerns the line as a whole."
    ),
    parameters=(
        _ID,
        Parameter("taille", _l("How many lines at most"), {"type": "integer", "minimum": 1, "maximum": _PAGE_MAX}, default=queries.PAGE),
        Parameter("apres", _l("Begin after this line of the file"), {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, default=0),
    ),
    answer=object_of(
        {
            "erreurs": list_of({"ligne": NUMBER, "colonne": NULLABLE, "en_tete": NULLABLE, "valeur": NULLABLE, "message": TEXT}),
            "suivant": {"type": ["integer", "null"]},
        }
    ),
    refusals=("not_found", "parameter_invalid"),
)
def import_errors(*, import_id: int, taille: int, apres: int) -> dict[str, Any]:
    """GET /imports/…/erreurs."""
    file = _file_or_404(import_id)
    numbers = queries.wrong_lines(file.id, after=apres, column=None, message=None, size=taille)
    found: list[dict[str, Any]] = []
    for line in mending.wrong_lines(file, numbers[:taille]):
        found += [{"ligne": line.number, "colonne": None, "en_tete": None, "valeur": None, "message": message} for message in line.messages]
        found += [
            {
                "ligne": line.number, "colonne": cell.name, "en_tete": shown_value(cell.heading, secret=False), "valeur": cell.value,
                "message": cell.message,
            }
            for cell in line.wrong
        ]  # fmt: skip
    return {"erreurs": found, "suivant": numbers[taille - 1] if len(numbers) > taille else None}


@resource(
    "/imports/<int:import_id>/rapport",
    scope=WRITE_SCOPE,  # who sent the file has what it holds; who follows it sees no number of a person
    permission=WRITE,
    tag=_l("Imports"),
    summary=_l("The file that was sent, with what is to be mended on each line"),
    description=_l(
        "It can be mended and sent back as it is: the column « À corriger » is left out, and the lines that were imported meanwhile do nothing. It holds "
        "what you sent: each time it leaves, a line of the journal says so."
    ),
    parameters=(
        _ID,
        Parameter("format", _l("Format of the file"), {"type": "string", "enum": [one.value for one in FileFormat]}, default=FileFormat.XLSX.value),
        Parameter("lignes", _l("All the lines, or only those to mend"), {"type": "string", "enum": [_ALL_LINES, _WRONG_LINES]}, default=_ALL_LINES),
    ),
    answer={},
    files=tuple(one.media_type for one in FileFormat),
    refusals=("not_found", "parameter_invalid", "refused"),
)
def import_report(*, import_id: int, format: str, lignes: str) -> Response:  # noqa: A002 - its name in the address
    """GET /imports/…/rapport: the annotated file of the page, with its line in the journal."""
    file = _file_or_404(import_id)
    if file.state not in (FileState.READY, FileState.APPLIED) or file.dropped:
        raise ApiProblem("refused", detail=_refusal(file))
    return annotated.response(file, format, only_wrong=lignes == _WRONG_LINES)


# ---- acting ------------------------------------------------------------------------------------------------------------


@resource(
    "/imports/<int:import_id>/colonnes",
    method="POST",
    scope=WRITE_SCOPE,
    permission=WRITE,
    tag=_l("Imports"),
    summary=_l("Say what the headings of a file stand for"),
    description=_l(
        "Of a file in the state « colonnes_a_nommer »: for each heading of « a_nommer », the name of a column of « disponibles », or null to leave it out; "
        "other headings may be named anew. It is remembered for the organisation, as on the page, and the file is checked. Sent again, it does nothing: "
        "the answer is then 200."
    ),
    parameters=(_ID,),
    body={
        "type": "object",
        "required": ["colonnes"],
        "additionalProperties": False,
        "properties": {"colonnes": {"type": "object", "additionalProperties": NULLABLE}},
    },
    answer=object_of(WHOLE),
    statuses=(202, 200),
    refusals=("not_found", "refused"),
    versioned=True,
)
def name_import_columns(*, import_id: int, body: dict[str, Any]) -> Answered:
    """POST /imports/…/colonnes: the rule of the page, from the version that was read."""
    try:
        return _accepted(import_id, partial(services.name_headings, said=body["colonnes"]))
    except naming.NotNamed as refused:
        errors = [{"field": mending.shown_value(words, secret=False)[:100] or "colonnes", "detail": why} for words, why in refused.problems]
        raise ApiProblem("fields_invalid", errors=errors) from None


@resource(
    "/imports/<int:import_id>/application",
    method="POST",
    scope=WRITE_SCOPE,
    permission=WRITE,
    tag=_l("Imports"),
    summary=_l("Apply a checked file"),
    description=_l(
        "The whole of it (« toutes », if nothing is to be mended) or its right lines (« valides »), in one go, by the portal: follow it until « termine ». "
        "With « retenu », nothing was saved: what the file does had changed meanwhile; read the new counts, and apply it again."
    ),
    parameters=(_ID,),
    body={
        "type": "object",
        "required": ["lignes"],
        "additionalProperties": False,
        "properties": {"lignes": {"type": "string", "enum": [_ALL_LINES, _VALID_LINES]}},
    },
    answer=object_of(WHOLE),
    statuses=(202,),
    refusals=("not_found", "refused"),
    versioned=True,
)
def apply_import(*, import_id: int, body: dict[str, Any]) -> Answered:
    """POST /imports/…/application: the service of the page, from the version that was read."""
    if body.get("lignes") not in (_ALL_LINES, _VALID_LINES):
        wanted = _("Choose one of these: %(values)s.", values=f"{_ALL_LINES}, {_VALID_LINES}")
        raise ApiProblem("fields_invalid", errors=[{"field": "lignes", "detail": wanted}])
    try:
        return _accepted(import_id, partial(services.confirm, expected={}, partial=body["lignes"] == _VALID_LINES))
    except services.CountsChanged:
        raise ApiProblem("refused", detail=_("Lines of this file are to be mended (or none does anything): mend it, or apply the right lines only.")) from None


@resource(
    "/imports/<int:import_id>/annulation",
    method="POST",
    scope=WRITE_SCOPE,
    permission=WRITE,
    tag=_l("Imports"),
    summary=_l("Undo an applied file"),
    description=_l("The whole of it, for 30 days: what somebody changed since stays, and is listed in « conserve »."),
    parameters=(_ID,),
    answer=object_of(WHOLE),
    statuses=(202,),
    refusals=("not_found", "refused"),
    versioned=True,
)
def undo_import(*, import_id: int) -> Answered:
    """POST /imports/…/annulation: the service of the page, from the version that was read."""
    return _accepted(import_id, services.undo)


@resource(
    "/imports/<int:import_id>/controle",
    method="POST",
    scope=WRITE_SCOPE,
    permission=WRITE,
    tag=_l("Imports"),
    summary=_l("Check again the lines that were left aside"),
    description=_l(
        "Of a file whose right lines only were applied: its content is checked anew, as a new import, at the address of « Location »; the lines that were "
        "applied then do nothing. Asked again, it does nothing: the answer is then 200, with « deja_envoye »."
    ),
    parameters=(_ID,),
    answer=object_of({"deja_envoye": YES, "import": object_of(FILE)}),
    statuses=(202, 200),
    refusals=("not_found", "refused"),
    rate=SENDING_RATE,
)
def check_import_aside(*, import_id: int) -> Answered:
    """POST /imports/…/controle: the service of the page."""
    try:
        number, known = services.check_aside(import_id, origin=Origin.API, program=identity().token_name, token_id=identity().token_id), False
    except services.SameFile as same:
        number, known = same.file_id, True
    except services.FileGone:
        raise ApiProblem("not_found") from None
    except services.FileElsewhere:
        raise ApiProblem("refused", detail=_refusal(_file_or_404(import_id))) from None
    file = _file_or_404(number)
    return Answered({"deja_envoye": known, "import": file_shown(file)}, 200 if known else 202, address(file))


@resource(
    "/imports/<int:import_id>/reprise",
    method="POST",
    scope=WRITE_SCOPE,
    permission=WRITE,
    tag=_l("Imports"),
    summary=_l("Take up a file that failed"),
    description=_l("A defect of the portal ended its work (« echec »), and nothing of it was saved: it is done again from there."),
    parameters=(_ID,),
    answer=object_of(WHOLE),
    statuses=(202,),
    refusals=("not_found", "refused"),
    versioned=True,
)
def retry_import(*, import_id: int) -> Answered:
    """POST /imports/…/reprise: the service of the page, from the version that was read."""
    return _accepted(import_id, services.retry)


def _accepted(import_id: int, act: Callable[..., bool | None]) -> Answered:
    """The file as the act left it, from the version that was read; the portal does the rest, unless the act says that there is nothing to do."""
    try:
        done = act(import_id, check=_check)
    except services.FileGone:
        raise ApiProblem("not_found") from None
    except services.FileElsewhere:
        raise ApiProblem("refused", detail=_refusal(_file_or_404(import_id))) from None
    return Answered(whole(_file_or_404(import_id)), 200 if done is False else 202)


def _check(file: ImportFile) -> None:
    check_etag(whole(file))


def _refusal(file: ImportFile) -> str:
    return str(_("This cannot be done in the present state of the file (« %(state)s »): see what « liens » offers.", state=STATES[file.state]))


__all__ = ["READ_SCOPE", "SENDING_RATE", "WRITE_SCOPE"]
