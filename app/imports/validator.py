"""A file checked by whoever has it, without an account: what is wrong with its form.  Nothing is kept, nothing of the data is looked at.

The columns, the cells and the rules over several cells are those of the import (``core.matrix``).  Whether an action or a person exists is not
looked up: the answer would tell it to anybody.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.core.matrix import Finding, Matrix, Need
from app.core.matrix.checking import Checked, Checker, groups_of
from app.core.matrix.definition import Description, describe
from app.core.nir import NirError, faulty_box, parse
from app.core.nir.messages import problem_message
from app.core.tabular import Cell, Fault, Limits, Refused, as_named, read_table, sheet_ending
from app.core.tabular.labels import lettered
from app.core.tabular.table import TOP, Row

from .beyond import Beyond, finding, is_untitled, only, spilled_places
from .columns import better_matrix, header_below, is_data, map_headings, missing, why_not_read
from .specification import MEGABYTE, letter_of

LIMITS: Final = Limits(size=5 * MEGABYTE, unpacked=60 * MEGABYTE, lines=5_000, columns=120, held=64 * MEGABYTE)
#: How long a check may take (seconds): a web process answers nobody else meanwhile.
LONGEST: Final = 4.0
#: Findings and kinds of findings that a page shows; beyond, they are counted.
SHOWN: Final = 200
KINDS: Final = 50
#: How many lines are judged between two looks at the clock.
_STEP: Final = 50


def limits_of(matrix: Matrix) -> Limits:
    """What is accepted of a file of this matrix: never more than its import takes."""
    return LIMITS if matrix.most_lines is None else replace(LIMITS, lines=min(LIMITS.lines, matrix.most_lines))


class TooLong(Exception):
    """The check takes longer than a page may."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Something to mend, as the page says it; ``letter`` and ``heading`` are empty for the line as a whole."""

    line: int
    letter: str
    heading: str
    message: str


@dataclass(frozen=True, slots=True)
class Kind:
    """Findings of one column that say the same."""

    heading: str
    message: str
    count: int


@dataclass(slots=True)
class Report:
    """What a file is like."""

    lines: int
    #: How many of its columns were checked.
    checked: int
    #: Columns that the matrix does not know: their place as it is shown, and the heading that may be meant.
    unknown: list[tuple[str, str]] = field(default_factory=list)
    #: Columns that hold something and have no heading.
    untitled: list[str] = field(default_factory=list)
    #: Columns that stand for the same as another one: their place as it is shown, and the heading of the matrix.
    twice: list[tuple[str, str]] = field(default_factory=list)
    #: Columns without which no line can be told, and those that a new line needs.
    missing_keys: list[str] = field(default_factory=list)
    missing_others: list[str] = field(default_factory=list)
    #: Columns of which a new line needs a value, and how many lines have none.
    blanks: list[tuple[str, int]] = field(default_factory=list)
    findings: list[Shown] = field(default_factory=list)
    total: int = 0
    wrong_lines: int = 0
    kinds: list[Kind] = field(default_factory=list)
    others: int = 0
    #: The matrix that knows these headings better, if there is one.
    fits: Matrix | None = None
    #: « .xlsx », of a file that was read as a text all the same.
    as_text: str = ""

    @property
    def is_right(self) -> bool:
        """Whether nothing has to be mended."""
        return not (self.total or self.unknown or self.untitled or self.twice or self.missing_keys)


class _Clock:
    """Stops a check that takes too long."""

    def __init__(self, longest: float) -> None:
        self._end = time.monotonic() + longest

    def __call__(self, *_progress: int) -> None:
        if time.monotonic() > self._end:
            raise TooLong


def check_file(matrix: Matrix, content: bytes, *, name: str = "", longest: float = LONGEST) -> Report:
    """What is wrong with the form of a file.  Raises Refused when it is no table, and TooLong."""
    watch = _Clock(longest)
    try:
        table = read_table(content, limits_of(matrix), name=name, progress=watch)
    except Refused as refused:
        raise why_not_read(refused, content, name, matrix, {}) from None
    watch()
    checker = Checker(matrix)
    described = describe(matrix, checker.forms)
    below = header_below(table.header, table.rows[:TOP], matrix, {})
    if below is not None:
        raise below
    outside = Beyond(table.header, table.width)
    rows = [Row(row.number, outside.row(row.cells)) for row in table.rows]
    heading = outside.heading()
    mapped = map_headings(heading, matrix, {})
    if is_data(table.header, mapped):
        raise as_named(Refused(Fault.NO_HEADER), name, is_text=table.is_text)
    headers = {one.column.name: one.header for one in described}
    keys, others = missing(mapped.columns, described)
    places = {name: place for place, name in reversed(list(enumerate(mapped.columns))) if name}
    report = Report(
        len(table.rows),
        len(places),
        unknown=[
            (_shown_column(place, heading), headers.get(mapped.proposed.get(place, ""), "")) for place in mapped.undecided if not is_untitled(heading[place])
        ],
        untitled=[letter_of(place) for place in mapped.undecided if is_untitled(heading[place])],
        twice=[(_shown_column(place, heading), headers[mapped.columns[place]]) for place in mapped.twice],
        missing_keys=[one.header for one in keys],
        missing_others=[one.header for one in others],
        others=table.others,
        fits=better_matrix(table.header, matrix, {}),
        as_text=sheet_ending(name) if table.is_text else "",
    )
    lines, cells = _columns(rows, places)
    shifts = spilled_places(heading, mapped.columns)
    spilled = [finding(row.number, words, heading) for row in rows for place in shifts if place < len(row.cells) and (words := row.cells[place].text)]
    watch()
    checked = checker.check(lines, cells, progress=watch)
    found = only([*spilled, *checked.findings, *_judged(checker, described, checked, report, watch)], spilled)
    order = {one.column.name: place for place, one in enumerate(described)}
    found.sort(key=lambda one: (one.line, order.get(one.column, -1)))
    report.total, report.wrong_lines = len(found), len({one.line for one in found})
    letters = {name: letter_of(place) for name, place in places.items()}
    report.findings = [Shown(one.line, letters.get(one.column, ""), headers.get(one.column, ""), one.message) for one in found[:SHOWN]]
    counted = Counter((one.column, one.message) for one in found)
    report.kinds = [Kind(headers.get(column, ""), message, count) for (column, message), count in counted.most_common(KINDS)]
    return report


def _shown_column(place: int, heading: Sequence[str]) -> str:
    """Letter and heading of a column, as whoever has the file finds it; in no heading a number of a person can be read."""
    return lettered(place + 1, heading[place][:60])


def _columns(rows: Sequence[Row], places: dict[str, int]) -> tuple[list[int], dict[str, list[Cell]]]:
    """The numbers of the lines, and the cells of each known column."""
    blank = Cell()
    cells = {name: [row.cells[place] if place < len(row.cells) else blank for row in rows] for name, place in places.items()}
    return [row.number for row in rows], cells


def _judged(checker: Checker, described: Sequence[Description], checked: Checked, report: Report, watch: _Clock) -> list[Finding]:
    """What the cells say together, line by line; what new lines lack is counted in the report."""
    wrong: dict[int, set[str]] = {}
    for one in checked.findings:
        wrong.setdefault(one.line, set()).add(one.column)
    keys = [one.column.name for one in described if one.column.key and one.column.name in checked.values]
    needed = [one for one in described if one.need is Need.ALWAYS and not one.column.key]
    whole = not report.missing_others
    groups = groups_of(checker)
    for group in groups:
        group.prepare(checked.values)
    has_number = {"nir", "key"} <= checker.matrix.by_name.keys()
    blanks: Counter[str] = Counter()
    found: list[Finding] = []
    for place, line in enumerate(checked.lines):
        if not place % _STEP:
            watch()
        bad = wrong.get(line, set())
        values = {name: column[place] for name, column in checked.values.items()}
        found += [Finding(line, name, checker.blank(name, held=True)) for name in keys if values[name] is None and name not in bad]
        lacking = [one.header for one in needed if one.column.name in values and values[one.column.name] is None and one.column.name not in bad]
        blanks.update(lacking)
        if has_number:
            found += _number(line, values, bad)
        found += [Finding(line, name, message) for name, message in checker.alone(values, bad)]
        for group in groups:
            # A line that changes something may leave blank what the portal holds: only a whole line is judged with its blanks.
            given = [values.get(name) is not None for name in group.columns]
            if bad.intersection(group.columns) or not any(given) or not (all(given) or (whole and not lacking)):
                continue
            _after, said = group.judge(tuple(values.get(name) for name in group.columns))
            found += [Finding(line, name, message) for name, message in said]
    report.blanks = [(one.header, blanks[one.header]) for one in needed if blanks[one.header]]
    return found


def _number(line: int, values: dict[str, Any], bad: set[str]) -> list[Finding]:
    """A number of a person that cannot be one; where the programme asks for none it has to be blank."""
    typed, key = values.get("nir"), values.get("key")
    if not (typed or key) or bad & {"nir", "key"}:
        return []
    try:
        parse(typed, key)
    except NirError as error:
        return [Finding(line, "key" if faulty_box(error.problem, typed, key) == "key" else "nir", str(problem_message(error.problem)))]
    return []


__all__ = ["KINDS", "LIMITS", "LONGEST", "SHOWN", "Kind", "Report", "Shown", "TooLong", "check_file", "limits_of"]
