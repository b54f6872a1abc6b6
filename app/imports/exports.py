"""The history of the files sent: what narrows its list, and what leaves of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select
from werkzeug.datastructures import MultiDict

from app.actions.queries import Cursor
from app.actions.views import page_size
from app.core.exports.registry import Asked, ListColumn, RowList, of_row, words
from app.core.matrix.plan import Act
from app.core.tabular.writing import ColumnKind
from app.core.ui.components import url_without

from . import labels, queries
from .domain import FileState
from .matrices import IMPORTERS
from .models import ImportFile
from .permissions import READ


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The matrix and the state of the files that are listed; None for all."""

    matrix: str | None = None
    state: FileState | None = None

    @property
    def states(self) -> list[FileState] | None:
        """The state, as reads want it."""
        return [self.state] if self.state is not None else None

    @property
    def address(self) -> dict[str, Any]:
        """The same, as the words of an address."""
        return {"matrice": self.matrix, "etat": self.state.value if self.state is not None else None}

    @property
    def said(self) -> list[tuple[str, str, str]]:
        """(name, value, word of the address) of what narrows the list."""
        shown = [(_("Matrix"), str(IMPORTERS[self.matrix].matrix.title), "matrice")] if self.matrix is not None else []
        return shown + ([(_("State"), str(labels.STATE_LABELS[self.state][0]), "etat")] if self.state is not None else [])


def narrowed_of(args: Mapping[str, str]) -> Narrowed:
    """What an address asks for; what is not known narrows nothing."""
    matrix = args.get("matrice", "")
    return Narrowed(matrix if matrix in IMPORTERS else None, next((state for state in FileState if state == args.get("etat")), None))


def listed(args: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows of the files sent; ``whole``: nothing narrows them, and it is their first page."""
    narrowed, cursor = narrowed_of(args), Cursor.of(args.get("after"), args.get("before"))
    return {
        "page": queries.list_files(narrowed.matrix, narrowed.states, cursor=cursor, size=page_size()),
        "narrowed": narrowed,
        "choices": {
            "matrice": [("", _("All matrices")), *((name, importer.matrix.title) for name, importer in IMPORTERS.items())],
            "etat": [("", _("All states")), *((state.value, labels.STATE_LABELS[state][0]) for state in FileState)],
        },
        "chips": [(name, value, url_without(key)) for name, value, key in narrowed.said],
        "whole": cursor is None and not narrowed.said,
    }


def _lines(act: Act, column: str, label: Any) -> ListColumn:
    return of_row(column, label, lambda file: file.counts.get(act.value, 0) if file.counts else None, ColumnKind.NUMBER, 12)


class ImportList(RowList):
    """« Fichiers envoyés », narrowed as it is: never what the files hold."""

    key = "imports"
    title = _l("Export of the history of imports")
    permission = READ
    #: The names of who sent, applied and undid.
    personal = True
    menu = "ImportsView.index"
    lead = _l("One line for each file sent, the latest first; nothing that the files hold is in it.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The filter of the list."""
        narrowed = narrowed_of(args)
        said = [(name, value) for name, value, _key in narrowed.said]
        return Asked(narrowed, words(**narrowed.address), said, url_for("ImportsView.index", **narrowed.address))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the list."""
        return [(_("Imports"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the list, and when it was applied or undone, by whom."""
        return (
            of_row("numero", _l("File (number)"), lambda file: file.id, ColumnKind.NUMBER, 10),
            of_row("envoye_le", _l("File sent on"), lambda file: file.created_at, width=18),
            of_row("fichier", _l("File sent"), lambda file: file.file_name, width=30),
            of_row("matrice", _l("Matrix"), lambda file: str(IMPORTERS[file.matrix].matrix.title), width=24),
            of_row("par", _l("By"), lambda file: file.account_name, width=30),
            of_row("programme", _l("Program"), lambda file: file.program, width=20),
            of_row("etat", _l("State"), lambda file: str(labels.state_of(file)[0]), width=24),
            of_row("lignes", _l("Lines"), lambda file: file.lines, ColumnKind.NUMBER, 10),
            _lines(Act.CREATE, "creees", _l("Lines created")),
            _lines(Act.CHANGE, "modifiees", _l("Lines changed")),
            _lines(Act.SAME, "inchangees", _l("Lines unchanged")),
            _lines(Act.WRONG, "a_corriger", _l("Lines to mend")),
            of_row("applique_le", _l("Applied on"), lambda file: file.applied_at, width=18),
            of_row("applique_par", _l("Applied by"), lambda file: file.applied_by, width=30),
            of_row("annule_le", _l("Undone on"), lambda file: file.undone_at, width=18),
            of_row("annule_par", _l("Undone by"), lambda file: file.undone_by, width=30),
        )

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """The latest first, as the list."""
        narrowed: Narrowed = asked.narrowed
        return queries.files_statement(narrowed.matrix, narrowed.states).order_by(ImportFile.id.desc())


LIST: Final = ImportList()

__all__ = ["LIST", "Narrowed", "listed", "narrowed_of"]
