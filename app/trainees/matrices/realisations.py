"""« Réalisations »: the outcome of enrolments, as the page "Corriger la réalisation" takes it (domain-facts §2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.matrix import Column, Matrix, Remark
from app.core.matrix.plan import Act, Difference
from app.partners.agora.port import Outcome

from .. import labels
from ..domain import Problem, ProblemCode
from ..exports import ENROLMENT_HEADINGS
from ..forms import EnrolmentForm, OutcomeForm
from .columns import AGORA, KNOWN, MOST_LINES, WHO, who_alone
from .deeds import JudgeOutcome
from .enrolments import EnrolmentLines, Line, Now, last
from .running import EnrolmentImporter, Judged


def judge(lines: EnrolmentLines, line: Line, enrolments: Sequence[Now]) -> Judged | None:
    """The outcome of the enrolment that was left; nothing when it is what stands."""
    held = _which(lines, line, enrolments)
    outcome, reason = lines.at("outcome", line.place), lines.at("reason", line.place)
    if held is None or line.number in lines.found:
        return None
    told, before = Outcome(outcome), held.standing_outcome
    if held.actual_end is not None and told is before:
        return Judged()
    if reason is None:
        lines.wrong(line.number, "reason", lines.blank("reason"))
        if held.actual_end is None and held.cancelled_at is None:  # which the act would say once there is a reason
            lines.wrong(line.number, "", str(labels.problem_text(Problem("", ProblemCode.NOT_LEFT))))
        return None
    deed = JudgeOutcome(line.where.id, line.key, held.id, told, reason, fields={"outcome": (before.value, told.value)})
    shown = Difference("outcome", str(labels.OUTCOME_LABELS[before]), str(labels.OUTCOME_LABELS[told]))
    return Judged(deed, Act.CHANGE, (shown,))


def _which(lines: EnrolmentLines, line: Line, enrolments: Sequence[Now]) -> Now | None:
    """Somebody may have left the component, come back, and left again: the day of the entry tells which."""
    start = lines.at("planned_start", line.place)
    left = [one for one in enrolments if one.actual_end is not None and start in (None, one.planned_start)]
    if len(left) > 1:
        lines.wrong(line.number, "planned_start", _("The trainee was enrolled several times on this component: write the planned start of the one to correct."))
        return None
    held = left[0] if left else last([one for one in enrolments if start in (None, one.planned_start)])
    if held is None:
        if enrolments:
            lines.wrong(line.number, "planned_start", _("No enrolment of this trainee on this component starts on that day: look at the sheet."))
        else:
            lines.wrong(line.number, "component_number", _("The trainee is not enrolled on this component: check its number."))
    return held


MATRIX: Final = Matrix(
    name="realisations",
    title=_l("Outcomes (matrix)"),
    purpose=_l("Corrects the outcome (réalisation) that the portal computed for enrolments, with the reason. A line is one trainee on one component."),
    columns=(
        *WHO,
        Column(
            "planned_start", EnrolmentForm, when=_l("if the trainee was enrolled several times on the component"),
            aliases=("Date d’entrée", "Début prévu"), example="",
        ),
        Column("outcome", OutcomeForm, key=True, aliases=("Réalisation", "Résultat"), example="Réalisation partielle"),
        Column(
            "reason", OutcomeForm, when=_l("if the outcome is not the one that stands already"), aliases=("Motif",),
            example="Absences non saisies : stage interrompu du 3 au 14 mars",
        ),
    ),
    remarks=(
        KNOWN,
        Remark(_l(
            "The portal holds one thing of a réalisation today: the outcome of an enrolment that was left (fully, partly, or not carried out). Hours carried "
            "out come with the declarations of attendance, which the portal does not take yet: this file has no column for them."
        )),
        Remark(_l("The outcome is computed from the exit and the interruptions: only lines that say otherwise change something, and they need a reason.")),
        Remark(_l("Once the action is declared finished, only the Région corrects an outcome.")),
        AGORA,
    ),
    alone=who_alone,
    left_out=ENROLMENT_HEADINGS,
    most_lines=MOST_LINES,
    undoing=_l("Undone, each outcome becomes again what it was before the file."),
)  # fmt: skip

IMPORTER: Final = EnrolmentImporter(MATRIX, judge, once=("planned_start",), moves=False)

__all__ = ["IMPORTER", "MATRIX", "judge"]
