"""The file that was sent, with what is to be mended on each line: it can be sent back as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flask import Response, stream_with_context

from app.core import clock
from app.core.tabular import CellKind
from app.core.tabular.writing import FileFormat, Heading, write

from . import mending, parts, queries
from .columns import TO_MEND
from .domain import PartKind
from .models import ImportFile

#: Control characters that a batch keeps for itself.
_BLANKED: Final = str.maketrans({code: " " for code in range(32)} | {127: " "})


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
    width = len(file.heading or ())
    headers = mending.headers_of(file)
    file_id, wrong = file.id, _Wrong(file.id)
    batch: list[str] = []
    for number, row in parts.items_of(file_id, PartKind.ROWS):
        messages = wrong.at(number)
        if only_wrong and not messages:
            continue
        cells = [_text(row[place] if place < len(row) else "") for place in range(width) if place not in left_out]
        said = " | ".join(f"{headers[column]} : {message}" if column else message for column, message in messages)
        batch.append("\t".join([*cells, said.translate(_BLANKED)]) + "\n")
        if len(batch) == 500:
            yield "".join(batch).encode()
            batch.clear()
    if batch:
        yield "".join(batch).encode()


def _text(kept: Any) -> str:
    if isinstance(kept, str):
        return kept.translate(_BLANKED)
    text, kind = kept
    return str(text).translate(_BLANKED) if kind != CellKind.EMPTY else ""


class _Wrong:
    """What is wrong with each line, read some lines at a time."""

    def __init__(self, file_id: int) -> None:
        self._file_id = file_id
        self._known: dict[int, list[tuple[str, str]]] = {}
        self._up_to = 0

    def at(self, line: int) -> list[tuple[str, str]]:
        """The columns and sentences of a line; lines are asked for in order."""
        if line > self._up_to:
            self._known = queries.findings_between(self._file_id, line, line + 5_000)
            self._up_to = line + 4_999
        return self._known.get(line, [])


__all__ = ["response"]
