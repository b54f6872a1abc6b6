"""What a line does to an enrolment: the very use cases of the pages, so that a file and a page follow the same rules and tell AGORA the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

from sqlalchemy import select

from app.core.extensions import db
from app.core.matrix.rows import plain
from app.partners.agora.port import Outcome

from ..domain import EnrolmentPlan
from ..forms import EnrolmentForm
from ..life import InterruptionReason
from ..models import Enrolment
from ..services import enrolment as services
from ..services import life

Fields = Mapping[str, tuple[Any, Any]]


@dataclass(slots=True)
class Deed(ABC):
    """One act.  ``fields``: what it changes, as (before, after), to be taken back."""

    #: What the act is called where it is kept to be undone.
    subject: ClassVar[str]

    action_id: int
    key: tuple[int, int]
    #: The enrolment that it changes; 0 for one that it makes.
    enrolment_id: int
    fields: dict[str, tuple[Any, Any]] | None = field(default=None, kw_only=True)
    #: Its turn among the acts of its file, as it was rehearsed: it is done in that order.
    turn: int = field(default=0, kw_only=True)

    @property
    def entry(self) -> date | None:
        """The day of the entry that it gives to its enrolment."""
        return None

    @abstractmethod
    def do(self, version: int) -> int:
        """Do it, inside the open transaction, to the enrolment at this version; gives its id.  Raises as the use case does."""

    def kept(self) -> Fields | None:
        """The fields as JSON holds them."""
        return None if self.fields is None else {name: (plain(before), plain(after)) for name, (before, after) in self.fields.items()}


@dataclass(slots=True)
class Enrol(Deed):
    """« Inscrire sur une composante »."""

    subject: ClassVar[str] = "enrolment"
    plan: EnrolmentPlan

    @property
    def entry(self) -> date | None:
        return self.plan.planned_start

    def do(self, version: int) -> int:
        registration_id, component_id = self.key
        return services.enrol(registration_id, component_id, self.plan)


@dataclass(slots=True)
class ChangePlan(Deed):
    """Dates, site or hours."""

    subject: ClassVar[str] = "enrolment.plan"
    plan: EnrolmentPlan

    @property
    def entry(self) -> date | None:
        return self.plan.planned_start

    def do(self, version: int) -> int:
        change_plan(self.enrolment_id, self.plan, version)
        return self.enrolment_id


def change_plan(enrolment_id: int, plan: EnrolmentPlan, version: int) -> None:
    """The whole plan, for the enrolment at this version."""
    form: Any = EnrolmentForm(formdata=None)
    for name in services.PLAN_FIELDS:
        form[name].data = getattr(plan, name)
    form.made_from(version)
    services.change_plan(enrolment_id, form)


@dataclass(slots=True)
class Leave(Deed):
    """Exit, or its correction while AGORA does not hold it."""

    subject: ClassVar[str] = "enrolment.exit"
    actual_end: date
    exit_reason_id: int

    def do(self, version: int) -> int:
        services.record_exit(self.enrolment_id, actual_end=self.actual_end, exit_reason_id=self.exit_reason_id, version=version)
        return self.enrolment_id


@dataclass(slots=True)
class Interrupt(Deed):
    """Away for a time."""

    subject: ClassVar[str] = "enrolment.absence"
    interrupted_on: date
    reason: InterruptionReason

    def do(self, version: int) -> int:
        life.interrupt(self.enrolment_id, interrupted_on=self.interrupted_on, reason=self.reason, version=version)
        return self.enrolment_id


@dataclass(slots=True)
class Resume(Deed):
    """Back in training."""

    subject: ClassVar[str] = "enrolment.return"
    resumed_on: date

    def do(self, version: int) -> int:
        life.resume(self.enrolment_id, resumed_on=self.resumed_on, version=version)
        return self.enrolment_id


@dataclass(slots=True)
class JudgeOutcome(Deed):
    """The outcome, corrected."""

    subject: ClassVar[str] = "enrolment.outcome"
    outcome: Outcome
    reason: str

    def do(self, version: int) -> int:
        life.judge(self.enrolment_id, outcome=self.outcome, reason=self.reason, version=version)
        return self.enrolment_id


def version_of(enrolment_id: int) -> int:
    """The version that stands.  Raises LookupError outside the scope."""
    version = db.session.scalar(select(Enrolment.version).where(Enrolment.id == enrolment_id))
    if version is None:
        raise LookupError(enrolment_id)
    return version


__all__ = ["ChangePlan", "Deed", "Enrol", "Interrupt", "JudgeOutcome", "Leave", "Resume", "change_plan", "version_of"]
