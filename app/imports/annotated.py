"""The file that was sent, with what is to be mended on each line: it can be sent back as it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from flask import Response

from app.core import context
from app.core.exports.models import ListExport
from app.core.tabular import CellKind
from app.core.tabular.journaled import JournaledFile
from app.core.tabular.writing import MARK, FileFormat, Heading
from app.core.tenancy import bound_scope, current_scope

from . import parts, queries
from .columns import TO_MEND
from .domain import PartKind
from .matrices import IMPORTERS
from .models import ImportFile
from .shown import headers_of, shown_value

#: Control characters that a batch keeps for itself.
_BLANKED: Final = str.maketrans(dict.fromkeys(range(32), " ") | {127: " "})

_MARK: Final = MARK.decode()


def response(file: ImportFile, file_format: str, *, only_wrong: bool) -> Response:
    """The file, written while it is read, with its line in the journal of exports.  Cells stay texts: no spreadsheet changes them again.

    A spreadsheet has the cells to mend coloured.  What was left out of the file is not there: sent back, the file does not bring it again.
    Numbers of persons go back to whoever sent them; to any other account they are masked, for taking them out needs another right.
    """
    chosen = FileFormat(file_format) if file_format in set(FileFormat) else FileFormat.XLSX
    kept = [(place, words) for place, words in enumerate(file.heading or ()) if words != TO_MEND]
    headings = [*(Heading(words or f"({place + 1})", width=18) for place, words in kept), Heading(TO_MEND, width=60)]
    entry = ListExport(
        actor_id=context.actor_id(), on_behalf_of_id=context.on_behalf_of(), organisation_id=file.organisation_id, request_id=context.request_id(),
        list_name=f"import-{file.matrix}", file_format=chosen.value, columns=[name for name in file.columns or () if name],
        query=f"fichier={file.id}", personal=True, numbers=is_own(file) and not _secret(file).isdisjoint(file.columns or ()),
    )  # fmt: skip
    rows = _Rows(file, [place for place, _words in kept], only_wrong=only_wrong, coloured=chosen is not FileFormat.CSV, masked=not is_own(file))
    name = f"import-{file.id}-{'lignes-a-corriger' if only_wrong else 'annote'}"
    return JournaledFile(entry, lambda: rows, file_format=chosen, title=TO_MEND, headings=headings).response(name)


def is_own(file: ImportFile) -> bool:
    """Whether the account at work sent this file."""
    return file.account_id == context.actor_id()


def _secret(file: ImportFile) -> set[str]:
    return {column.name for column in IMPORTERS[file.matrix].matrix.columns if column.secret}


class _Rows:
    """The lines, a part at a time, in the scope of the request: it has ended when most of them are read."""

    def __init__(self, file: ImportFile, places: Sequence[int], *, only_wrong: bool, coloured: bool, masked: bool) -> None:
        self.count = 0
        self._file_id, self._places, self._only_wrong = file.id, places, only_wrong
        self._headers, self._scope, self._left_out = headers_of(file), current_scope(), frozenset(file.left_out)
        columns = list(file.columns or ())
        self._masked = masked
        secret = _secret(file)
        #: Whether each cell of a line is a number of a person.
        self._secret = [place < len(columns) and columns[place] in secret for place in places]
        #: The column of each cell of a line, where a spreadsheet shows by a colour what is wrong.
        self._columns = [columns[place] if coloured and place < len(columns) else "" for place in places]

    def __iter__(self) -> Iterator[bytes]:
        for number in itertools.count():
            with bound_scope(self._scope):
                rows = parts.piece(self._file_id, PartKind.ROWS, number)
                wrong = queries.findings_between(self._file_id, rows[0][0], rows[-1][0] + 1) if rows else {}
            if not rows:
                return
            kept = [row for row in rows if row[0] not in self._left_out and (row[0] in wrong or not self._only_wrong)]
            self.count += len(kept)
            if kept:
                yield "".join(self._line(row, wrong.get(line, ())) for line, row in kept).encode()

    def _line(self, row: Sequence[Any], wrong: Sequence[tuple[str, str]]) -> str:
        cells = [_text(row[place]) if place < len(row) else "" for place in self._places]
        if self._masked:
            cells = [shown_value(cell, secret=secret) for cell, secret in zip(cells, self._secret, strict=True)]
        if wrong:
            marked = {column for column, _message in wrong if column}
            cells = [_MARK + cell if column in marked else cell for cell, column in zip(cells, self._columns, strict=True)]
        said = " | ".join(f"{self._headers[column]} : {message}" if column else message for column, message in wrong)
        return "\t".join([*cells, said.translate(_BLANKED)]) + "\n"

    def close(self) -> None:
        """Nothing is held between two parts."""


def _text(kept: Any) -> str:
    if isinstance(kept, str):
        return kept.translate(_BLANKED)
    text, kind = kept
    return str(text).translate(_BLANKED) if kind != CellKind.EMPTY else ""


__all__ = ["is_own", "response"]
