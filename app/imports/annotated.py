"""The file that was sent, with what is to be mended on each line: it can be sent back as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from flask import Response, stream_with_context

from app.core import clock
from app.core.tabular import CellKind
from app.core.tabular.writing import FileFormat, Heading, write
from app.core.tenancy import bound_scope, current_scope

from . import mending, parts, queries
from .columns import TO_MEND
from .domain import PartKind
from .models import ImportFile

#: Control characters that a batch keeps for itself.
_BLANKED: Final = str.maketrans(dict.fromkeys(range(32), " ") | {127: " "})


def response(file: ImportFile, file_format: str, *, only_wrong: bool) -> Response:
    """The file, written while it is read.  Cells stay texts, so that no spreadsheet changes them again."""
    chosen = FileFormat(file_format) if file_format in set(FileFormat) else FileFormat.XLSX
    headings = [*(Heading(words or f"({place})", width=18) for place, words in enumerate(file.heading or (), 1)), Heading(TO_MEND, width=60)]
    left_out = {place for place, words in enumerate(file.heading or ()) if words == TO_MEND}
    headings = [one for place, one in enumerate(headings) if place not in left_out]
    answer = Response(stream_with_context(write(chosen, TO_MEND, headings, _lines(file, left_out, only_wrong=only_wrong))), content_type=chosen.media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="import-{file.id}-annote-{clock.today():%Y-%m-%d}.{chosen.value}"'
    return answer


def _lines(file: ImportFile, left_out: set[int], *, only_wrong: bool) -> Iterator[bytes]:
    """The lines, a part at a time, in the scope of the request: it has ended when most of them are read."""
    file_id, places = file.id, [place for place in range(len(file.heading or ())) if place not in left_out]
    headers, scope = mending.headers_of(file), current_scope()

    def pieces() -> Iterator[bytes]:
        number = 0
        while True:
            with bound_scope(scope):
                rows = parts.piece(file_id, PartKind.ROWS, number)
                wrong = queries.findings_between(file_id, rows[0][0], rows[-1][0] + 1) if rows else {}
            if not rows:
                return
            number += 1
            kept = [row for row in rows if row[0] in wrong] if only_wrong else rows
            if kept:
                yield "".join(_line(row, wrong.get(line, ()), places, headers) for line, row in kept).encode()

    return pieces()


def _line(row: Sequence[Any], wrong: Sequence[tuple[str, str]], places: Sequence[int], headers: Mapping[str, str]) -> str:
    cells = [_text(row[place]) if place < len(row) else "" for place in places]
    said = " | ".join(f"{headers[column]} : {message}" if column else message for column, message in wrong)
    return "\t".join([*cells, said.translate(_BLANKED)]) + "\n"


def _text(kept: Any) -> str:
    if isinstance(kept, str):
        return kept.translate(_BLANKED)
    text, kind = kept
    return str(text).translate(_BLANKED) if kind != CellKind.EMPTY else ""


__all__ = ["response"]
