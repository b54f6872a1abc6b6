"""The lines of a file as a person sees them: in the report, and in the grid where they are mended."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.core.jobs import enqueue
from app.core.matrix.definition import choices_of
from app.core.matrix.plan import Act, Importer, Plan
from app.core.tabular import Cell
from app.core.transaction import after_commit, transaction

from . import beyond, packed_lines, parts, queries, work
from .domain import FileEvent, FileState, PartKind
from .matrices import IMPORTERS
from .models import ImportFile
from .services import JOB, FileElsewhere, locked, move
from .shown import cells_of, headers_of, shown_value, who_of

#: A list this long is chosen from; a longer one is typed, with its values in the specification.
_CHOSEN = 400


class Stale(Exception):
    """Somebody mended the file since the page was shown."""


@dataclass(frozen=True, slots=True)
class ShownCell:
    """One cell: the column, its heading, what stands in it, and what is wrong."""

    name: str
    heading: str
    value: str
    message: str = ""
    #: The values that may stand there, when the list is short enough to be chosen from.
    choices: tuple[str, ...] = ()
    secret: bool = False


@dataclass(frozen=True, slots=True)
class ShownLine:
    """One line with something to mend."""

    number: int
    who: str
    cells: tuple[ShownCell, ...]
    #: What is wrong with the line as a whole.
    messages: tuple[str, ...] = ()
    left_out: bool = False

    @property
    def wrong(self) -> tuple[ShownCell, ...]:
        """The cells to mend."""
        return tuple(cell for cell in self.cells if cell.message)


def wrong_lines(file: ImportFile, numbers: Sequence[int]) -> list[ShownLine]:
    """These lines, with the cells to mend."""
    if not numbers:
        return []
    rows = queries.rows_of(file.id, numbers)
    found = queries.findings_of(file.id, numbers)
    headers = headers_of(file)
    return [_line(file, number, rows.get(number, ()), found.get(number, ()), headers) for number in numbers]


def _line(file: ImportFile, number: int, row: Sequence[Any], findings: Sequence[Any], headers: Mapping[str, str]) -> ShownLine:
    cells = cells_of(file, row)
    matrix = IMPORTERS[file.matrix].matrix
    said: dict[str, str] = {}
    for one in findings:
        said[one.column_name] = f"{said[one.column_name]} {one.message}" if one.column_name in said else one.message
    shown = tuple(
        ShownCell(
            name, headers[name], shown_value(cells[name].text, secret=matrix.by_name[name].secret) if name in cells else "", said.get(name, ""),
            secret=matrix.by_name[name].secret,
        )
        for name in matrix.by_name
        if name in cells or name in said
    )  # fmt: skip
    spilled = beyond.spilled_of(file, row)
    if spilled is not None:  # what is said of the line is said of these, if there are any
        message = said.pop("", "") if spilled else ""
        shown = (*shown, ShownCell(beyond.NAME, beyond.SPILLED, shown_value(spilled, secret=False), message))
    return ShownLine(number, who_of(cells), shown, tuple(said[""].split("\n")) if "" in said else ())


def typed_names(file: ImportFile) -> list[str]:
    """The cells of a line that the grid shows."""
    return [*(name for name in file.columns or () if name), *([beyond.NAME] if beyond.has_spilled(file) else ())]


def samples_of(file: ImportFile) -> list[str]:
    """What stands under each heading, first found, so that it is recognised; masked, since nobody said yet which column is a number."""
    found = [""] * len(file.heading or ())
    for count, (_number, row) in enumerate(parts.items_of(file.id, PartKind.ROWS)):
        for place, kept in enumerate(row[: len(found)]):
            if not found[place]:
                found[place] = shown_value(packed_lines.cell_of(kept).text[:60], secret=False)
        if count >= 50 or all(found):
            break
    return found


# ---- the grid ----------------------------------------------------------------------------------------------------------


def line_of(file: ImportFile, number: int, typed: Mapping[str, str] | None = None) -> ShownLine | None:
    """A line to be mended, every cell with its choices; ``typed`` in the place of what stands there.  None when there is no such line."""
    rows = queries.rows_of(file.id, [number])
    if number not in rows:
        return None
    shown = _line(file, number, rows[number], queries.findings_of(file.id, [number]).get(number, ()), headers_of(file))
    matrix = IMPORTERS[file.matrix].matrix
    forms = matrix.forms()
    out = []
    for cell in shown.cells:
        column = matrix.by_name.get(cell.name)
        choices = tuple(choice.words for choice in choices_of(column.field(forms[column.form]))) if column is not None else ()
        value = cell.value
        if typed is not None and cell.name in typed:
            value = typed[cell.name]
        out.append(replace(cell, value=value, choices=choices if len(choices) <= _CHOSEN else ()))
    return replace(shown, cells=tuple(out), left_out=number in file.left_out)


def mend(file_id: int, number: int, typed: Mapping[str, str], *, revision: int) -> int:
    """Write other cells into a line and check it at once, with those that depend on it; gives how many things are still wrong with it.

    A masked number that is sent back as it was shown stays what it is; a line that was left out is put back.
    Raises FileGone, FileElsewhere, Stale, or LookupError for no such line.
    """
    with transaction():
        file = _held(file_id, revision)
        importer = IMPORTERS[file.matrix]
        matrix = importer.matrix
        part, items, place = _find(file, number)
        row = list(items[place][1])
        shared = {importer.shares(cells_of(file, row))}
        named = list(file.columns or ())
        row += [""] * (len(named) - len(row))
        for name, words in typed.items():
            if name == beyond.NAME:
                _respill(file, row, words)
                continue
            if name not in named:
                continue
            at = named.index(name)
            held = packed_lines.cell_of(row[at])
            clean = _clean(words)
            if clean in (held.text, shown_value(held.text, secret=matrix.by_name[name].secret)):
                continue
            row[at] = clean  # typed by hand: a text, whatever the spreadsheet had made of it
        items[place] = [number, row]
        parts.rewrite(part, items)
        file.revision += 1
        if number in file.left_out:
            _back(file, number)
            return 0
        shared |= {importer.shares(cells_of(file, row))}
        lines = _sharing(file, importer, shared - {None}) or {number: cells_of(file, row)}
        plan = _judged(file, lines, number)
        return sum(finding.line == number for finding in plan.findings)


def _clean(words: str) -> str:
    return " ".join(words.replace("\x00", "").split())[:2_000]


def _respill(file: ImportFile, row: list[Any], words: str) -> None:
    """Write other cells too many into a line, or none."""
    clean, held = _clean(words), beyond.spilled_of(file, row)
    if held is None or clean in (held, shown_value(held, secret=False)):
        return
    for place in beyond.spilled_places(file.heading or (), file.columns or ()):
        row[place], clean = clean, ""


def leave_out(file_id: int, number: int, *, revision: int) -> None:
    """Take a line out of the file: it is neither judged nor applied, and those that depended on it are judged without it.

    Raises FileGone, FileElsewhere, Stale, or LookupError for no such line.
    """
    with transaction():
        file = _held(file_id, revision)
        if number in file.left_out:
            raise FileElsewhere(file_id)
        rows = queries.rows_of(file_id, [number])
        if number not in rows:
            raise LookupError(number)
        importer = IMPORTERS[file.matrix]
        file.left_out = sorted([*file.left_out, number])
        file.revision += 1
        was_wrong = bool(queries.findings_of(file_id, [number]))
        work.keep_findings(file, (), lines=[number])
        if not was_wrong:
            _check_the_whole(file)
            return
        _one_less_wrong(file)
        lines = _sharing(file, importer, {importer.shares(cells_of(file, rows[number]))} - {None})
        if lines:
            _judged(file, lines, number)
        if file.state == FileState.READY and queries.is_named(file_id, number):  # another line may be wrong because of this one
            _check_the_whole(file)


def put_back(file_id: int, number: int) -> None:
    """Take a line that was left out into the file again: the whole is checked with it.  Raises FileGone or FileElsewhere."""
    with transaction():
        file = locked(file_id)
        if file.state != FileState.READY or number not in file.left_out:
            raise FileElsewhere(file_id)
        file.revision += 1
        _back(file, number)


def _held(file_id: int, revision: int) -> ImportFile:
    """The file, locked, as the page showed it.  Raises FileGone, FileElsewhere or Stale."""
    file = locked(file_id)
    if file.state != FileState.READY:
        raise FileElsewhere(file_id)
    if file.revision != revision:
        raise Stale(file_id)
    return file


def _back(file: ImportFile, number: int) -> None:
    file.left_out = [line for line in file.left_out if line != number]
    _check_the_whole(file)


def _check_the_whole(file: ImportFile) -> None:
    file_id = file.id
    move(file, FileEvent.MEND)
    after_commit(lambda: enqueue(JOB, file_id))


def _judged(file: ImportFile, lines: Mapping[int, Mapping[str, Cell]], number: int) -> Plan:
    """Judge these lines anew, after ``number`` changed; what was right and may do something else now has the whole checked again."""
    matrix = IMPORTERS[file.matrix].matrix
    wrong_before = set(queries.findings_of(file.id, list(lines)))
    cells = {name: [of_line[name] for of_line in lines.values()] for name in next(iter(lines.values()))}
    spilled = beyond.findings_of(file, queries.rows_of(file.id, list(lines)) if beyond.has_spilled(file) else {})
    plan = work.plan_of_lines(matrix, list(lines), cells, spilled)
    work.keep_findings(file, plan.findings, lines=list(lines))
    wrong_now, acts = {finding.line for finding in plan.findings}, {step.line: step.act for step in plan.steps}
    right_before = lines.keys() - wrong_before
    if any(line >= number or line in wrong_now for line in right_before):
        _check_the_whole(file)
    else:
        for line in wrong_before - wrong_now:
            _one_less_wrong(file, acts.get(line, Act.SAME))
    return plan


def _sharing(file: ImportFile, importer: Importer, shared: Collection[Hashable]) -> dict[int, dict[str, Cell]]:
    """The lines that have this in common, in order, but for those that were left out."""
    if not shared:
        return {}
    every = ((number, cells_of(file, row)) for number, row in parts.items_of(file.id, PartKind.ROWS) if number not in file.left_out)
    return {number: cells for number, cells in every if importer.shares(cells) in shared}


def _one_less_wrong(file: ImportFile, act: Act | None = None) -> None:
    """One line less to mend, and one more that does something, unless it was left out."""
    counts = dict(file.counts or {})
    counts[Act.WRONG.value] = max(counts.get(Act.WRONG.value, 0) - 1, 0)
    if act is not None:
        counts[act.value] = counts.get(act.value, 0) + 1
    file.counts = counts


def _find(file: ImportFile, number: int) -> tuple[Any, list[Any], int]:
    """The part that holds a line, its items, and the place of the line."""
    found = parts.part_at(file.id, PartKind.ROWS, queries.part_of(file.id, number))
    if found is not None:
        part, items = found
        for place, (line, _cells) in enumerate(items):
            if line == number:
                return part, items, place
    raise LookupError(number)


__all__ = ["ShownCell", "ShownLine", "Stale", "leave_out", "line_of", "mend", "put_back", "samples_of", "typed_names", "wrong_lines"]
