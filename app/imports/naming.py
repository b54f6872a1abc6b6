"""What a program says of the headings of a file, by heading rather than by place: the rule of the page."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import gettext as _

from app.core.matrix import Matrix
from app.core.matrix.definition import describe
from app.core.textsearch import fold

from . import columns
from .models import ImportFile

#: What a program says: heading → name of a column, or None for a column that is left out.
Said = Mapping[str, str | None]


class NotNamed(Exception):
    """What is said of the headings cannot be taken: ``problems`` are (heading, sentence) pairs; "" for the file as a whole."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(len(problems))
        self.problems = problems


def places_of(file: ImportFile, matrix: Matrix, said: Said) -> dict[int, str]:
    """The column of each place that is spoken of, "" for none.  Raises NotNamed."""
    heading = file.heading or []
    if len(said) > len(heading):
        raise NotNamed([("", str(_("The file has fewer headings than that.")))])
    places: dict[int, str] = {}
    problems: list[tuple[str, str]] = []
    for words, column in said.items():
        found = [place for place, one in enumerate(heading) if one == words] or [place for place, one in enumerate(heading) if fold(one) == fold(words)]
        if not words or not found:
            problems.append((words, str(_("The file has no such heading."))))
        elif len(found) > 1 or found[0] in places:
            problems.append((words, str(_("Several headings of the file are written so: name its columns on the page."))))
        elif column is not None and column not in matrix.by_name:
            problems.append((words, str(_("The matrix has no such column: « disponibles » names them. Send null to leave this heading out."))))
        else:
            places[found[0]] = column or ""
    if problems:
        raise NotNamed(problems)
    return places


def judged(file: ImportFile, matrix: Matrix, places: Mapping[int, str]) -> dict[int, str]:
    """The column of every place: as it is said, else as it is known.  Raises NotNamed unless all are decided, none twice, and no key is missing."""
    heading = file.heading or []
    mapped = columns.map_headings(heading, matrix, columns.remembered_for(matrix))
    named = [places.get(place, column) for place, column in enumerate(mapped.columns)]
    problems = [
        (heading[place], str(_("Say which column this heading stands for, or send null to leave it out.")))
        for place in mapped.undecided
        if place not in places
    ]
    problems += [
        (heading[place], str(_("Two headings stand for this column: keep one.")))
        for place, column in enumerate(named)
        if column and column in named[:place]
    ]
    keys, _others = columns.missing(named, describe(matrix))
    if keys:
        problems.append(("", str(_("Without them no line can be taken: %(names)s.", names=", ".join(one.header for one in keys)))))
    if problems:
        raise NotNamed(problems)
    return dict(enumerate(named))


def is_named_so(file: ImportFile, matrix: Matrix, said: Said) -> bool:
    """Whether the columns of a file that went on stand for just that."""
    try:
        places = places_of(file, matrix, said)
    except NotNamed:
        return False
    named = file.columns or []
    return bool(places) and all(place < len(named) and named[place] == column for place, column in places.items())


__all__ = ["NotNamed", "Said", "is_named_so", "judged", "places_of"]
