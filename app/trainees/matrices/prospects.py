"""Where enrolments would come to if what a file did to them were taken back: the rules of the use cases, asked without doing anything.

Read for all of them at once, whatever their number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.actions.models import Action, Component, ComponentSite
from app.core.extensions import db
from app.core.matrix.plan import Done
from app.core.matrix.rows import among
from app.core.tenancy import current_scope

from .. import labels, life, standing
from ..domain import EnrolmentPlan, Problem, ProblemCode
from ..life import EnrolmentEvent, EnrolmentState, LifeFacts
from ..models import Enrolment
from ..services.enrolment import PLAN_FIELDS, changed_plan_problems, closings_awaited
from ..services.life import going_on_problems
from .deeds import ChangePlan, Enrol, JudgeOutcome, Leave

#: Values of a plan, from JSON.
_FROM_JSON: Final[Mapping[str, Any]] = {
    "planned_start": date.fromisoformat, "planned_end": date.fromisoformat, "site_id": int, "hours_centre": Decimal, "hours_company": Decimal,
}  # fmt: skip


def plan_before(held: Any, fields: Mapping[str, Any]) -> EnrolmentPlan:
    """The plan of an enrolment, or another plan, without what a file changed of it."""
    return EnrolmentPlan(**{name: _FROM_JSON[name](fields[name][0]) if name in fields else getattr(held, name) for name in PLAN_FIELDS})


@dataclass(slots=True)
class Prospect:
    """One enrolment, as it comes to stand while acts are taken back, the last first."""

    enrolment: Enrolment
    action: Action
    component: Component
    site_ids: frozenset[int]
    state: EnrolmentState
    facts: LifeFacts
    plan: EnrolmentPlan
    #: Its closing left for AGORA; somebody was enrolled on the component again.
    closing_awaited: bool
    enrolled_again: bool

    def why_not(self, one: Done) -> str:
        """Why this act would not be taken back; nothing when it would, after which the next one is asked."""
        problems = self._problems(one, one.fields or {})
        return " ".join(str(labels.problem_text(problem)) for problem in problems)

    def _problems(self, one: Done, fields: Mapping[str, Any]) -> tuple[Problem, ...]:
        if one.subject == Enrol.subject:
            return self._asked(EnrolmentEvent.CANCEL)
        if one.subject == JudgeOutcome.subject:
            return self._asked(EnrolmentEvent.JUDGE)
        if one.subject == ChangePlan.subject:
            plan = plan_before(self.plan, fields)
            problems = self._asked(EnrolmentEvent.CHANGE)
            problems = problems or changed_plan_problems(
                plan, self.enrolment, component=self.component, site_ids=self.site_ids, action=self.action, facts=self.facts
            )
            self.plan = self.plan if problems else plan
            return problems
        return self._exit(fields) if one.subject == Leave.subject else ()

    def _exit(self, fields: Mapping[str, Any]) -> tuple[Problem, ...]:
        if fields["actual_end"][0] is None:
            problems = self._asked(EnrolmentEvent.UNDO_EXIT) or going_on_problems(self.enrolment, self.component.planned_end, current=self.enrolled_again)
            if not problems:
                self.state = life.LIFE.target(self.state, EnrolmentEvent.UNDO_EXIT)
                self.facts = replace(self.facts, exit_undone=True)
            return problems
        if not self.facts.exit_mendable:
            return (Problem("actual_end", ProblemCode.ALREADY_LEFT, {"date": self.enrolment.actual_end}),)
        return self._asked(EnrolmentEvent.MEND_EXIT) or (self._asked(EnrolmentEvent.JUDGE) if fields.get("outcome") else ())

    def _asked(self, event: EnrolmentEvent) -> tuple[Problem, ...]:
        awaited = (Problem("", ProblemCode.CLOSING_AWAITED),) if self.closing_awaited else ()
        return life.obstacles(self.state, event, self.facts) or awaited


def prospects_of(enrolment_ids: Collection[int]) -> dict[int, Prospect]:
    """How these enrolments stand now."""
    awaited = closings_awaited(enrolment_ids)  # in another scope, after which nothing that was loaded before is held
    statement = select(Enrolment).where(among(Enrolment.id, enrolment_ids)).options(selectinload(Enrolment.interruptions), selectinload(Enrolment.acts))
    enrolments = db.session.scalars(statement.execution_options(populate_existing=True)).all()
    if not enrolments:
        return {}
    actions = {one.id: one for one in db.session.scalars(select(Action).where(among(Action.id, {one.action_id for one in enrolments})))}
    components = {one.id: one for one in db.session.scalars(select(Component).where(among(Component.id, {one.component_id for one in enrolments})))}
    sites: dict[int, set[int]] = {}
    for component_id, site_id in db.session.execute(
        select(ComponentSite.component_id, ComponentSite.site_id).where(among(ComponentSite.component_id, components.keys()))
    ):
        sites.setdefault(component_id, set()).add(site_id)
    going_on = select(Enrolment.registration_id, Enrolment.component_id).where(
        among(Enrolment.registration_id, {one.registration_id for one in enrolments}), Enrolment.actual_end.is_(None), standing.STANDING
    )
    current = {tuple(row) for row in db.session.execute(going_on)}
    facts = standing.facts_on(enrolments, actions, region=current_scope().sees_all)
    return {
        one.id: Prospect(
            enrolment=one, action=actions[one.action_id], component=components[one.component_id],
            site_ids=frozenset(sites.get(one.component_id, ())), state=standing.state_of(one, actions[one.action_id].status), facts=facts[one.id],
            plan=plan_before(one, {}), closing_awaited=one.id in awaited,
            enrolled_again=one.actual_end is not None and (one.registration_id, one.component_id) in current,
        )
        for one in enrolments
    }  # fmt: skip


__all__ = ["Prospect", "plan_before", "prospects_of"]
