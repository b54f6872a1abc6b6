"""Reads of the files sent in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, exists, func, select

from app.actions.queries import Cursor, Page, keyset_page
from app.core.extensions import db
from app.core.matrix.plan import Difference

from . import parts
from .domain import PartKind
from .models import ImportFile, ImportFinding

#: Lines of the report on a page.
PAGE: Final = 50


def get_file(file_id: int) -> ImportFile | None:
    """A file; None outside the scope."""
    return db.session.get(ImportFile, file_id, populate_existing=True)


def files_statement(matrix: str | None, states: Sequence[str] | None) -> Select[Any]:
    """The files of the scope; of one matrix, in some states, when these are named."""
    statement = select(ImportFile)
    if matrix is not None:
        statement = statement.where(ImportFile.matrix == matrix)
    return statement if states is None else statement.where(ImportFile.state.in_(states))


def list_files(matrix: str | None, states: Sequence[str] | None, *, cursor: Cursor | None, size: int) -> Page:
    """A page of them, latest first."""
    statement = files_statement(matrix, states)
    return keyset_page(statement, (), ImportFile.id, cursor=cursor, size=size, counted=statement.with_only_columns(ImportFile.id), descending=True)


def files_before(before: int | None, *, size: int, matrix: str | None, states: Sequence[str] | None) -> Sequence[ImportFile]:
    """The files of the scope, latest first, from before one of them; of one matrix, in some states, when these are named."""
    statement = files_statement(matrix, states).order_by(ImportFile.id.desc()).limit(size)
    if before is not None:
        statement = statement.where(ImportFile.id < before)
    return db.session.scalars(statement).all()


def count_failed() -> int:
    """How many files a defect ended, which nobody took up again."""
    return db.session.scalar(select(func.count()).select_from(ImportFile).where(ImportFile.failed_in.is_not(None))) or 0


@dataclass(frozen=True, slots=True)
class Kind:
    """Findings of one column that say the same; of whole lines, the same but for the lines that they name."""

    column: str
    message: str
    count: int
    first: int


def _kind() -> ColumnElement[str]:
    """What findings of one kind share: "line 12 comes before" and "line 15 comes before" are one."""
    return case((ImportFinding.column_name == "", func.regexp_replace(ImportFinding.message, "[0-9]+", "…", "g")), else_=ImportFinding.message)


def kinds_of(file_id: int) -> list[Kind]:
    """What is wrong, by column and sentence, the most frequent first."""
    found = select(ImportFinding.column_name, _kind().label("kind"), ImportFinding.line).where(ImportFinding.file_id == file_id).subquery()
    statement = (
        select(found.c.column_name, found.c.kind, func.count(), func.min(found.c.line))
        .group_by(found.c.column_name, found.c.kind)
        .order_by(func.count().desc(), func.min(found.c.line))
        .limit(200)
    )
    return [Kind(*row) for row in db.session.execute(statement)]


def wrong_lines(file_id: int, *, after: int, column: str | None, message: str | None, size: int = PAGE) -> list[int]:
    """The next lines with something to mend, of one kind if it is named; one more than a page shows."""
    statement = select(ImportFinding.line).where(ImportFinding.file_id == file_id, ImportFinding.line > after)
    if message is not None:
        statement = statement.where(ImportFinding.column_name == (column or ""), _kind() == message)
    return list(db.session.scalars(statement.distinct().order_by(ImportFinding.line).limit(size + 1)))


def findings_of(file_id: int, lines: Sequence[int]) -> dict[int, list[ImportFinding]]:
    """What is wrong with these lines."""
    statement = select(ImportFinding).where(ImportFinding.file_id == file_id, ImportFinding.line.in_(lines)).order_by(ImportFinding.line, ImportFinding.id)
    found: dict[int, list[ImportFinding]] = {}
    for one in db.session.scalars(statement):
        found.setdefault(one.line, []).append(one)
    return found


def is_named(file_id: int, line: int) -> bool:
    """Whether another line is wrong because of this one."""
    return bool(db.session.scalar(select(exists().where(ImportFinding.file_id == file_id, ImportFinding.other_line == line))))


def findings_between(file_id: int, first: int, end: int) -> dict[int, list[tuple[str, str]]]:
    """The columns and sentences of the lines from ``first`` to before ``end``."""
    statement = select(ImportFinding.line, ImportFinding.column_name, ImportFinding.message).where(
        ImportFinding.file_id == file_id, ImportFinding.line >= first, ImportFinding.line < end
    )
    found: dict[int, list[tuple[str, str]]] = {}
    for line, column, message in db.session.execute(statement.order_by(ImportFinding.id)):
        found.setdefault(line, []).append((column, message))
    return found


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A line that does something, with the fields it changes."""

    line: int
    act: str
    differences: tuple[Difference, ...]
    #: Once applied, what it made or changed; once undone, whom it was about.
    subject: str = ""
    subject_id: int = 0
    who: str = ""


def steps_of(file_id: int, *, act: str, skip: int) -> list[ShownStep]:
    """The lines of one act, a page and one more."""
    found = (one for one in parts.items_of(file_id, PartKind.STEPS) if one[1] == act)
    some = islice(found, skip, skip + PAGE + 1)
    return [ShownStep(line, done, tuple(Difference(*difference) for difference in changed), *more) for line, done, changed, *more in some]


def kept_of(file_id: int, *, skip: int = 0, size: int = 500) -> list[list[Any]]:
    """What undoing left, in the order of the lines: line, subject, its id and why."""
    return list(islice(parts.items_of(file_id, PartKind.KEPT), skip, skip + size))


def kept_of_lines(file_id: int, lines: Sequence[int]) -> dict[int, str]:
    """Why undoing left something of these lines."""
    wanted, last = set(lines), max(lines, default=0)
    kept = takewhile(lambda one: one[0] <= last, parts.items_of(file_id, PartKind.KEPT))
    return {line: why for line, _subject, _subject_id, why in kept if line in wanted}


def rows_of(file_id: int, lines: Sequence[int]) -> dict[int, list[Any]]:
    """The cells of these lines, as they are kept; of what stands before them, nothing is opened."""
    wanted, found = set(lines), {}
    if not wanted:
        return {}
    last = max(wanted)
    for number, cells in parts.items_of(file_id, PartKind.ROWS, first=part_of(file_id, min(wanted))):
        if number in wanted:
            found[number] = cells
        if number >= last:
            break
    return found


def part_of(file_id: int, line: int) -> int:
    """The number of the part where a line stands, if it stands anywhere: no part before holds it, nor a line after it.

    A file without empty lines nor very long ones has it at once (line 2 is the first one, and parts have as many); for the others some steps find it.
    """
    low, high = 0, parts.count_of(file_id, PartKind.ROWS) - 1
    if high <= 0:  # most files: their only part is opened once
        return 0
    at = min(max(line - 2, 0) // parts.LINES, high)
    while low <= high:
        items = parts.piece(file_id, PartKind.ROWS, at)
        if not items or line < items[0][0]:
            high = at - 1
        elif line > items[-1][0]:
            low = at + 1
        else:
            return at
        at = (low + high) // 2
    return low


__all__ = [
    "PAGE", "Kind", "ShownStep", "count_failed", "files_before", "files_statement", "findings_between", "findings_of", "get_file", "is_named",
    "kept_of", "kept_of_lines", "kinds_of", "list_files", "part_of", "rows_of", "steps_of", "wrong_lines",
]  # fmt: skip
