"""What a page may repeat of a line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.core.logs import NUMBER_IN_TEXT
from app.core.matrix.definition import header_of
from app.core.nir import mask, normalise
from app.core.tabular import Cell

from . import packed_lines
from .matrices import IMPORTERS
from .models import ImportFile


def headers_of(file: ImportFile) -> dict[str, str]:
    """The heading of each column, as the file calls it; as the matrix does for one that the file lacks."""
    matrix = IMPORTERS[file.matrix].matrix
    named = {column.name: header_of(column) for column in matrix.columns}
    return named | {name: words for name, words in zip(file.columns or (), file.heading or (), strict=False) if name}


#: A power of ten in the place of a number of a person: too few of its figures are left to tell whose it was.
_ROUNDED: Final = re.compile(r"[0-9](?:[.,][0-9]{1,5})?[eE]\+?[0-9]{1,2}")


def shown_value(value: str, *, secret: bool) -> str:
    """A cell as a page repeats it: a number of a person is masked, in whatever column it stands."""
    if secret:
        if _ROUNDED.fullmatch(value):
            return value  # what its owner looks for in the file
        number = normalise(value)
        return mask(number) if len(number) in (13, 15) else "•" * min(len(number), 15)
    return NUMBER_IN_TEXT.sub(lambda found: mask(normalise(found[0])), value)


def cells_of(file: ImportFile, kept: Sequence[Any]) -> dict[str, Cell]:
    """The cells of a line, by column."""
    return {name: packed_lines.cell_of(kept[place] if place < len(kept) else "") for place, name in enumerate(file.columns or ()) if name}


def who_of(cells: Mapping[str, Cell]) -> str:
    """Whom a line is about, for those who look for it."""
    words = [cells[name].text for name in ("birth_name", "first_name") if name in cells and cells[name].text]
    return shown_value(" ".join(words), secret=False)


__all__ = ["cells_of", "headers_of", "shown_value", "who_of"]
