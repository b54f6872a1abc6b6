"""« Demande de modification de dates » (guide 003 §2): dates of the action and of its components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

from flask_babel import gettext as _
from wtforms import Form

from app.actions import ports
from app.actions.domain import ActionStatus, Period
from app.actions.models import Action, Component
from app.actions.queries import advance_requested_at
from app.actions.sessions import sessions_outside
from app.core import clock
from app.core.ui.forms import FrDateField
from app.core.ui.kept_text import KeptTextForm

from .. import queries
from ..domain import Change, Field, Key, Problem, ProblemCode, RequestKind, Target, Value, apply, gone
from ..domain.dates import Dates, DatesFacts, problems, remarks
from .base import ChangeKind, Outside, Snapshot, Typed, control, periods_changed, values_of

ACTION_FIELDS = (Field.PLANNED_START, Field.ACTUAL_START, Field.PLANNED_END)
COMPONENT_FIELDS = (Field.PLANNED_START, Field.PLANNED_END)


class DatesKind(ChangeKind):
    """The planned and the actual start, the planned end, and the dates of the components."""

    code: ClassVar[RequestKind] = RequestKind.DATES
    template: ClassVar[str] = "requests/dates.html"

    def snapshot(self, action: Action, components: Sequence[Component]) -> Snapshot:
        """The dates as they are."""
        return Snapshot(action, components, values_of(action, components, action_fields=ACTION_FIELDS, component_fields=COMPONENT_FIELDS))

    def form_class(self, snapshot: Snapshot, typed: Typed) -> type[Form]:
        """One date for each; the actual start once the action was opened: before, the opening asks it."""
        names = snapshot.names
        fields: dict[str, Any] = {}
        for key in snapshot.values:
            if key.field is Field.ACTUAL_START and snapshot.action.status == ActionStatus.WAITING:
                continue
            fields[control(key)] = FrDateField(_label(key, names))
        return type("DatesForm", (KeptTextForm,), {**fields})

    def problems(self, snapshot: Snapshot, changes: Sequence[Change]) -> tuple[Problem, ...]:
        """Dates in order, components within the action, sessions and enrolments within the components, the first entry on the actual start."""
        if lost := gone(changes, snapshot.values):
            return tuple(Problem(None, ProblemCode.GONE, {"of": change.of}) for change in lost)
        after = apply(changes, snapshot.values)
        action, today = snapshot.action, clock.today()
        periods = periods_changed(snapshot, after)
        facts = DatesFacts(
            today=today,
            opened=action.status != ActionStatus.WAITING,
            first_entry=_first_entry(snapshot, today) if _moves_actual_start(changes) else None,
            outside=_outside_counts(snapshot, periods),
            sessions=sessions_outside({number: Period(*dates) for number, dates in periods.items()}),
            year=action.year,
        )
        whole = (_action_dates(action, snapshot.values), _action_dates(action, after))
        parts = [(_component_dates(one, snapshot.values), _component_dates(one, after)) for one in snapshot.components]
        return problems(whole, parts, facts)

    def remarks(self, snapshot: Snapshot, changes: Sequence[Change]) -> tuple[Problem, ...]:
        """An actual start before the first entry known: the enrolment has to follow; and the advance invoice, which it touches."""
        if not _moves_actual_start(changes) or gone(changes, snapshot.values):
            return ()
        action, today = snapshot.action, clock.today()
        facts = DatesFacts(today=today, opened=True, first_entry=_first_entry(snapshot, today))
        before, after = _action_dates(action, snapshot.values), _action_dates(action, apply(changes, snapshot.values))
        requested = advance_requested_at(action.id)
        invoice = () if requested is None else (
            Problem(after.key(Field.ACTUAL_START), ProblemCode.ADVANCE_INVOICE, {"requested": clock.to_local(requested).date(), "date": before.actual_start}),
        )
        return (*remarks((before, after), facts), *invoice)

    def outside(self, snapshot: Snapshot, changes: Sequence[Change]) -> Outside:
        """Those whose enrolment would leave the new dates of its component."""
        kept = [change for change in changes if change.key in snapshot.values]
        periods = periods_changed(snapshot, apply(kept, snapshot.values))
        count = sum(_outside_counts(snapshot, periods).values())
        return Outside(count, queries.outside_enrolments(periods) if count else ())


def _outside_counts(snapshot: Snapshot, periods: Mapping[int, tuple[date, date]]) -> dict[int, int]:
    """How many enrolments of each component these dates would leave outside; the rules and the impact shown read it once."""
    name = f"outside {sorted(periods.items())}"
    if name not in snapshot.read:
        snapshot.read[name] = queries.outside_counts(periods)
    found: dict[int, int] = snapshot.read[name]
    return found


def _first_entry(snapshot: Snapshot, today: date) -> date | None:
    """The first entry known; the rules and the remarks of one page read it once."""
    if "first_entry" not in snapshot.read:
        snapshot.read["first_entry"] = ports.trainee_side().facts(snapshot.action.id, today).first_entry
    found: date | None = snapshot.read["first_entry"]
    return found


def _moves_actual_start(changes: Sequence[Change]) -> bool:
    return any(change.key.field is Field.ACTUAL_START for change in changes)


def _label(key: Key, names: Mapping[int, str]) -> str:
    """What the control is called: « Nouvelle date de début réelle » (guide 003)."""
    if key.target is Target.COMPONENT:
        name = names[key.id]
        return _("%(name)s: new start", name=name) if key.field is Field.PLANNED_START else _("%(name)s: new end", name=name)
    match key.field:
        case Field.PLANNED_START:
            return _("New planned start")
        case Field.ACTUAL_START:
            return _("New actual start")
        case _:
            return _("New planned end")


def _day(value: Value) -> date:
    if not isinstance(value, date):
        raise TypeError("not a date")
    return value


def _action_dates(action: Action, values: Mapping[Key, Value]) -> Dates:
    start, actual, end = (values[Key(Target.ACTION, action.id, field)] for field in ACTION_FIELDS)
    return Dates(action.id, _day(start), _day(end), None if actual is None else _day(actual))


def _component_dates(component: Component, values: Mapping[Key, Value]) -> Dates:
    start, end = (values[Key(Target.COMPONENT, component.id, field)] for field in COMPONENT_FIELDS)
    return Dates(component.id, _day(start), _day(end), name=component.number)
