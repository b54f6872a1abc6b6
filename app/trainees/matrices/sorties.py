"""« Sorties, rectifications, absences »: what happens to enrolments, one act a line, as the pages of the sheet take them (guides 000 and 002)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core import clock
from app.core.matrix import Column, Matrix, Remark
from app.core.matrix.definition import UNREAD
from app.core.matrix.plan import Act, Difference
from app.core.ui.format import fr_date

from .. import labels
from ..domain import Problem, exit_problems
from ..exports import ENROLMENT_HEADINGS
from ..forms import ExitForm, InterruptionForm, ResumptionForm
from ..life import InterruptionReason
from .columns import AGORA, KNOWN, MOST_LINES, ORDER, WHO, plan_alone, plan_columns, who_alone
from .deeds import Interrupt, Leave, Resume
from .enrolments import EnrolmentLines, Line, Now, last
from .forms import NATURE_LABELS, Nature, NatureForm
from .inscriptions import changed, plan_given
from .running import EnrolmentImporter, Judged

#: The cells that each nature needs; those of a correction are needed one at least.
USES: Final[Mapping[Nature, tuple[str, ...]]] = {
    Nature.EXIT: ("actual_end", "exit_reason_id"),
    Nature.CORRECTION: ("planned_start", "planned_end", "site", "hours_centre", "hours_company"),
    Nature.ABSENCE: ("interrupted_on", "reason"),
    Nature.RETURN: ("resumed_on",),
}
_OPTIONAL: Final = frozenset(USES[Nature.CORRECTION])


def judge(lines: EnrolmentLines, line: Line, enrolments: Sequence[Now]) -> Judged | None:
    """One act on the enrolment that goes on, else on the last that was left."""
    held = last(enrolments)
    if held is None:
        lines.wrong(line.number, "component_number", _("The trainee is not enrolled on this component: check its number."))
    given = {name: value for name in lines.values if (value := lines.at(name, line.place)) is not None}
    for name, message in _cells(given):
        lines.wrong(line.number, name, message or lines.blank(name))
    if held is not None and given.get("nature") == Nature.EXIT and "actual_end" in given and "exit_reason_id" not in given:
        for problem in _day_problems(given["actual_end"], held):
            lines.wrong(line.number, problem.field, str(labels.problem_text(problem)))
    if held is None or line.number in lines.found:
        return None
    return _JUDGES[Nature(given["nature"])](lines, line, held)


def _cells(given: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """What the nature needs is there, and nothing else: a line is one act."""
    words = given.get("nature", UNREAD)
    if words is UNREAD:
        return
    nature = Nature(words)
    for other, names in USES.items():
        for name in names:
            if other is nature and name not in given and name not in _OPTIONAL:
                yield name, None
            elif other is not nature and name in given:
                yield name, _(
                    "A line of this nature (%(nature)s) does not take this cell: empty it, or put it on another line.", nature=NATURE_LABELS[nature]
                )
    if nature is Nature.CORRECTION and not given.keys() & _OPTIONAL:
        yield "nature", _("Nothing is corrected on this line: write the dates, the site or the hours that change.")


def _day_problems(day: date, held: Now) -> tuple[Problem, ...]:
    """What is wrong with the day of an exit whose reason is not given yet: both are said at once."""
    return exit_problems(
        day, planned_start=held.planned_start, planned_end=held.planned_end, component_end=date.max, reason_early=True, today=clock.today()
    )


def _exit(lines: EnrolmentLines, line: Line, held: Now) -> Judged:
    day, reason = lines.at("actual_end", line.place), lines.at("exit_reason_id", line.place)
    before = {"actual_end": held.actual_end, "exit_reason_id": held.exit_reason_id}
    fields: dict[str, tuple[Any, Any]] = {
        name: (before[name], value) for name, value in (("actual_end", day), ("exit_reason_id", reason)) if before[name] != value
    }
    if not fields:
        return Judged()
    known = {one.value: one.words for one in lines.checker.readers["exit_reason_id"].choices()}
    shown: dict[str, Callable[[Any], str]] = {"actual_end": fr_date, "exit_reason_id": lambda value: known.get(str(value), "")}
    differences = tuple(Difference(name, shown[name](old), shown[name](new)) for name, (old, new) in fields.items())
    whole: dict[str, tuple[Any, Any]] = {name: (before[name], value) for name, value in (("actual_end", day), ("exit_reason_id", reason))}
    if held.outcome_corrected:  # a corrected exit has its outcome computed anew
        whole["outcome"] = (held.outcome, None)
    return Judged(Leave(line.where.id, line.key, held.id, day, reason, fields=whole), Act.CHANGE, differences)


def _correction(lines: EnrolmentLines, line: Line, held: Now) -> Judged | None:
    given = plan_given(lines, line)
    return changed(line, held, given) if line.number not in lines.found else None


def _absence(lines: EnrolmentLines, line: Line, held: Now) -> Judged:
    day, reason = lines.at("interrupted_on", line.place), InterruptionReason(lines.at("reason", line.place))
    if any(one.interrupted_on == day and one.reason == reason for one in held.interruptions):
        return Judged()
    differences = (Difference("interrupted_on", "", fr_date(day)), Difference("reason", "", str(labels.PAUSE_LABELS[reason])))
    return Judged(Interrupt(line.where.id, line.key, held.id, day, reason, fields={}), Act.CHANGE, differences)


def _return(lines: EnrolmentLines, line: Line, held: Now) -> Judged:
    day = lines.at("resumed_on", line.place)
    if any(one.resumed_on == day for one in held.interruptions):
        return Judged()
    return Judged(Resume(line.where.id, line.key, held.id, day, fields={}), Act.CHANGE, (Difference("resumed_on", "", fr_date(day)),))


_JUDGES: Final[Mapping[Nature, Callable[[EnrolmentLines, Line, Now], Judged | None]]] = {
    Nature.EXIT: _exit,
    Nature.CORRECTION: _correction,
    Nature.ABSENCE: _absence,
    Nature.RETURN: _return,
}

_ON_EXIT, _ON_ABSENCE = _l("for a line “Exit”"), _l("for a line “Absence”")
_WHOM = {"action_number": "19Q00100155_2", "nir": "162071315508982", "birth_name": "Sion", "component_number": "01"}

MATRIX: Final = Matrix(
    name="sorties",
    title=_l("Exits, corrections, absences (matrix)"),
    purpose=_l("Enters exits, corrections of dates, site or hours, absences and returns of trainees who are enrolled. A line is one of these acts."),
    columns=(
        *WHO,
        Column(
            "nature", NatureForm, key=True, aliases=("Type", "Type d’événement"), example="Sortie",
            synonyms=(("Sortie anticipée", Nature.EXIT), ("Correction", Nature.CORRECTION), ("Interruption", Nature.ABSENCE), ("Reprise", Nature.RETURN)),
        ),
        Column("actual_end", ExitForm, when=_ON_EXIT, aliases=("Date de sortie", "Fin réelle"), example="12/06/2026"),
        Column("exit_reason_id", ExitForm, when=_ON_EXIT, example=""),
        *plan_columns(_l("for a line “Correction”, what changes"), site_when=_l("for a line “Correction”, what changes")),
        Column("interrupted_on", InterruptionForm, when=_ON_ABSENCE, aliases=("Début d’absence",), example=""),
        Column("reason", InterruptionForm, when=_ON_ABSENCE, aliases=("Motif d’absence",), example=""),
        Column("resumed_on", ResumptionForm, when=_l("for a line “Return”"), aliases=("Date de retour", "Date de reprise"), example=""),
    ),
    remarks=(
        KNOWN,
        Remark(_l(
            "A line is one act: several acts about one enrolment are several lines, in the order of their dates. Each is judged after those before it; "
            "when one is to be mended, those after it on the same enrolment wait for it."
        )),
        ORDER,
        Remark(_l("An exit is corrected in place as long as AGORA does not hold it; afterwards it is cancelled on the sheet, then entered again.")),
        Remark(_l("For a correction, a blank cell leaves what is there.")),
        AGORA,
    ),
    examples=(
        {**_WHOM, "nature": "Absence", "interrupted_on": "02/03/2026", "reason": "Raison personnelle ou familiale"},
        {**_WHOM, "nature": "Retour", "resumed_on": "16/03/2026"},
        {**_WHOM, "nature": "Rectification", "planned_end": "10/07/2026"},
        {**_WHOM, "nature": "Sortie", "actual_end": "12/06/2026", "exit_reason_id": "Accès à l’emploi"},
    ),
    alone=lambda given: (*who_alone(given), *_cells(given), *plan_alone(given)),
    left_out=ENROLMENT_HEADINGS,
    most_lines=MOST_LINES,
    sheet=_l("Exits and absences (sheet)"),
    undoing=_l(
        "Undone, an exit is cancelled and a correction is taken back, each told to AGORA as on the page. An absence or a return is kept: nothing in the "
        "exchange takes it back."
    ),
    remains=_l(
        "Each exit is cancelled in the portal and told to AGORA, whose file keeps the status “Sortie de formation” that it had: the sheet of the "
        "trainee says so."
    ),
)  # fmt: skip

IMPORTER: Final = EnrolmentImporter(MATRIX, judge, once=None)

__all__ = ["IMPORTER", "MATRIX", "USES", "judge"]
