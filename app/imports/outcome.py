"""What a file did, line by line: kept when it is applied and when it is undone, told by the report; and what undoing it would keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

from app.core.matrix.plan import About, Act, Difference, Done, Kept, Plan, Step

from . import parts, queries
from .domain import PartKind
from .matrices import IMPORTERS
from .models import ImportFile
from .shown import cells_of, headers_of, who_of

#: Parts of which what undoing would keep is looked up at once: few statements, and never all of a long file in memory.
_PARTS: Final = 20


def shown_step(step: Step) -> list[Any]:
    """What the report says of a line."""
    return [step.line, step.act.value, [[one.column, one.before, one.after] for one in step.differences]]


def acting(plan: Plan) -> list[Step]:
    """The steps that do something."""
    return [step for step in plan.steps if step.act is not Act.SAME]


def keep_applied(file: ImportFile, plan: Plan, done: Sequence[Done]) -> None:
    """What was done, to be undone; and each line with what it made or changed, to be shown."""
    parts.keep(file, PartKind.DONE, [[one.line, one.subject, one.subject_id, one.version, _fields(one)] for one in done])
    places = {one.line: place for place, one in enumerate(done)}  # of a line that makes somebody and a sheet, the sheet comes last
    steps = acting(plan)

    def told(step: Step) -> list[Any]:
        about = done[places[step.line]] if step.line in places else None
        return [*shown_step(step), *((about.subject, about.subject_id) if about is not None else ("", 0))]

    parts.keep(file, PartKind.STEPS, map(told, steps))


def keep_undone(file: ImportFile, kept: Sequence[Kept]) -> None:
    """What stays and why; of each line, whom it was about: its cells are forgotten."""
    rows = parts.items_of(file.id, PartKind.ROWS)
    told = list(parts.packed([*step, _who(file, rows, step[0])] for step in parts.items_of(file.id, PartKind.STEPS)))
    parts.keep_packed(file, PartKind.STEPS, told)
    parts.keep(file, PartKind.KEPT, [[one.line, one.subject, one.subject_id, one.why] for one in sorted(kept, key=lambda one: one.line)])
    parts.drop(file.id, PartKind.DONE, PartKind.ROWS)
    file.kept = len({one.line for one in kept})


def _who(file: ImportFile, rows: Iterator[Any], line: int) -> str:
    """Whom this line is about; both are in the order of the lines."""
    row = next((cells for number, cells in rows if number == line), ())
    return who_of(cells_of(file, row))


def _fields(one: Done) -> Any:
    return None if one.fields is None else {name: list(pair) for name, pair in one.fields.items()}


def done_of(items: Sequence[Any]) -> list[Done]:
    """What ``keep_applied`` kept."""
    return [Done(line, subject, number, version, _pairs(fields)) for line, subject, number, version, fields in items]


def _pairs(fields: Any) -> Any:
    return None if fields is None else {name: (before, after) for name, (before, after) in fields.items()}


# ---- as the pages tell it ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToldLine:
    """A line with whom it is about, what it changes, and where that is seen."""

    line: int
    who: str
    #: What tells it apart from others of the same person, and the page that shows it: nothing when it is gone, or not for this account.
    more: str = ""
    address: str = ""
    changes: tuple[tuple[str, Difference], ...] = ()
    #: Why it stays although the import was undone.
    kept: str = ""


def told_steps(file: ImportFile, steps: Sequence[queries.ShownStep]) -> list[ToldLine]:
    """Steps with whom they are about and the headings of what they change."""
    lines = [step.line for step in steps]
    rows = queries.rows_of(file.id, lines)
    headers = headers_of(file)
    about = _about(file, [(step.subject, step.subject_id) for step in steps if step.subject])
    kept = queries.kept_of_lines(file.id, lines) if file.kept else {}

    def told(step: queries.ShownStep) -> ToldLine:
        found = about.get((step.subject, step.subject_id))
        who = step.who or who_of(cells_of(file, rows.get(step.line, ())))
        changes = tuple((headers.get(one.column, one.column), one) for one in step.differences)
        if found is None:  # of what is gone or not for this account any more, nothing is told but what the file said
            return ToldLine(step.line, who, changes=changes if not step.subject else (), kept=kept.get(step.line, ""))
        return ToldLine(step.line, found.who, found.more, found.address, changes, kept.get(step.line, ""))

    return [told(step) for step in steps]


def told_kept(file: ImportFile, kept: Sequence[Kept]) -> list[ToldLine]:
    """What undoing leaves, or would, with whom it is about."""
    about = _about(file, [(one.subject, one.subject_id) for one in kept])
    rows = queries.rows_of(file.id, [one.line for one in kept])
    out = []
    for one in kept:
        found = about.get((one.subject, one.subject_id)) or About(who_of(cells_of(file, rows.get(one.line, ()))), "")
        out.append(ToldLine(one.line, found.who, found.more, found.address, kept=one.why))
    return out


def told_left_out(file: ImportFile, lines: Sequence[int]) -> list[ToldLine]:
    """Lines that were left out."""
    rows = queries.rows_of(file.id, lines)
    return [ToldLine(line, who_of(cells_of(file, rows.get(line, ())))) for line in lines]


def _about(file: ImportFile, subjects: Sequence[tuple[str, int]]) -> dict[tuple[str, int], About]:
    return IMPORTERS[file.matrix].about(subjects) if subjects else {}


def foresee(file: ImportFile) -> list[Kept]:
    """What undoing would leave, were it done now: what somebody changed since, and what nothing takes back, by line.

    The rules of the day may refuse more, which only doing it tells.  As the account that looks would undo it: what it does not see stays.
    """
    pieces = parts.pieces_of(file.id, PartKind.DONE)

    def some() -> Iterator[list[Done]]:
        while items := list(chain.from_iterable(islice(pieces, _PARTS))):
            yield done_of(items)

    return sorted(IMPORTERS[file.matrix].foresee(some()), key=lambda one: one.line)


__all__ = [
    "ToldLine", "acting", "done_of", "foresee", "keep_applied", "keep_undone", "shown_step", "told_kept", "told_left_out", "told_steps",
]  # fmt: skip
