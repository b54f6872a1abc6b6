"""« Inscriptions »: a registered trainee on a component, as the page "Inscrire sur une composante" asks for it (guide 000, "Parcours" and "Volumes")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.matrix import Matrix, Remark
from app.core.matrix.plan import Act, Difference
from app.core.ui.format import fr_date, fr_number

from ..domain import EnrolmentPlan
from ..exports import ENROLMENT_HEADINGS
from ..services.enrolment import PLAN_FIELDS
from .columns import AGORA, COLUMN_OF, KNOWN, MOST_LINES, ORDER, WHO, plan_alone, plan_columns, who_alone
from .deeds import ChangePlan, Enrol
from .enrolments import EnrolmentLines, Line, Now, current
from .running import EnrolmentImporter, Judged


def judge(lines: EnrolmentLines, line: Line, enrolments: Sequence[Now]) -> Judged | None:
    """A new enrolment when the trainee is not on the component; else what differs."""
    held, given = current(enrolments), plan_given(lines, line)
    if held is not None:
        return changed(line, held, given)
    for name in PLAN_FIELDS:
        if name not in given and name != "site_id" and not lines.has(line.number, name):
            lines.wrong(line.number, name, lines.blank(name))
    if "site_id" not in given and not lines.has(line.number, "site"):
        given["site_id"] = lines.only_site(line)
    if line.number in lines.found:
        return None
    return Judged(Enrol(line.where.id, line.key, 0, EnrolmentPlan(**given)), Act.CREATE)


def plan_given(lines: EnrolmentLines, line: Line) -> dict[str, Any]:
    """What a line says of the plan; a blank cell says nothing."""
    given = {name: lines.at(name, line.place) for name in PLAN_FIELDS if name != "site_id"} | {"site_id": lines.site(line)}
    return {name: value for name, value in given.items() if value is not None}


def changed(line: Line, held: Now, given: Mapping[str, Any]) -> Judged:
    """The plan with what the line says of it; nothing when it says what stands."""
    before = {name: getattr(held, name) for name in PLAN_FIELDS}
    after = before | dict(given)
    fields = {name: (before[name], after[name]) for name in PLAN_FIELDS if before[name] != after[name]}
    if not fields:
        return Judged()
    differences = tuple(Difference(COLUMN_OF.get(name, name), _shown(line, old), _shown(line, new)) for name, (old, new) in fields.items())
    return Judged(ChangePlan(line.where.id, line.key, held.id, EnrolmentPlan(**after), fields=fields), Act.CHANGE, differences)


def _shown(line: Line, value: Any) -> str:
    """A value of the plan as the screen says it."""
    if isinstance(value, date):
        return fr_date(value)
    if isinstance(value, Decimal):
        return fr_number(value)
    return line.component.sites.get(value, _("a site that is no longer the component’s"))


MATRIX: Final = Matrix(
    name="inscriptions",
    title=_l("Enrolments (matrix)"),
    purpose=_l(
        "Enrols registered trainees on components, or changes the dates, site and hours of those who are enrolled. A line is one trainee on one component."
    ),
    columns=(*WHO, *plan_columns(site_when=_l("if the component has several sites"))),
    remarks=(
        KNOWN,
        Remark(_l("The trainee is registered on the action first: by the matrix of the trainees, or on the sheet.")),
        Remark(_l("For a trainee who is on the component already, a blank cell leaves what is there: only what is written changes the enrolment.")),
        Remark(_l("A trainee who left the component is enrolled on it again, as on the page.")),
        ORDER,
        AGORA,
    ),
    alone=lambda given: (*who_alone(given), *plan_alone(given)),
    makes=_l("New enrolment"),
    left_out=ENROLMENT_HEADINGS,
    most_lines=MOST_LINES,
    undoing=_l(
        "Undone, an enrolment that AGORA has not heard of goes away with its message; another is cancelled as “enrolled by mistake” if that is still "
        "possible, and kept otherwise. Dates, site and hours that the file changed become again what they were."
    ),
)

IMPORTER: Final = EnrolmentImporter(MATRIX, judge, enrols=True)

__all__ = ["IMPORTER", "MATRIX", "changed", "judge", "plan_given"]
