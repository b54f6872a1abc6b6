"""The rules of the requests, asked of a component or an action that the Région changes directly: what nobody may ask, nobody may write either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.actions.domain import ActionStatus, Period
from app.actions.models import Action, Component
from app.actions.sessions import sessions_outside
from app.core import clock

from . import queries
from .domain import Change, Field, Key, Problem, Target
from .domain.dates import Dates, DatesFacts
from .domain.dates import problems as date_problems
from .domain.rules import no_hours, volume_problems

_VOLUMES = (Field.PLACES, Field.HOURS_CENTRE, Field.HOURS_COMPANY)


def problems_of(row: Action | Component, before: Mapping[str, Any]) -> tuple[Problem, ...]:
    """What is wrong with the new dates, places and hours of a row; ``before``: its columns as they were."""
    return _of_action(row, before) if isinstance(row, Action) else _of_component(row, before)


def _of_action(action: Action, before: Mapping[str, Any]) -> tuple[Problem, ...]:
    after = Dates(action.id, action.planned_start, action.planned_end, action.actual_start)
    was = replace(after, start=before.get("planned_start", after.start), end=before.get("planned_end", after.end))
    if (was.start, was.end) == (after.start, after.end):
        return ()
    return date_problems((was, after), [(one, one) for one in map(_dates, action.components)], _facts(action))


def _of_component(component: Component, before: Mapping[str, Any]) -> tuple[Problem, ...]:
    action, after = component.action, _dates(component)
    was = replace(after, start=before.get("planned_start", after.start), end=before.get("planned_end", after.end))
    found: tuple[Problem, ...] = ()
    if (was.start, was.end) != (after.start, after.end):
        period = {component.id: (after.start, after.end)}
        facts = replace(
            _facts(action),
            outside=queries.outside_counts(period),
            sessions=sessions_outside({component.id: Period(after.start, after.end)}),
        )
        whole = Dates(action.id, action.planned_start, action.planned_end, action.actual_start)
        found = date_problems((whole, whole), [(was, after)], facts)
    present = {Key(Target.COMPONENT, component.id, field): getattr(component, field.value) for field in _VOLUMES}
    changes = [Change(key, before[key.field], value) for key, value in present.items() if key.field in before and before[key.field] != value]
    return (*found, *volume_problems(changes, queries.enrolled_now([component.id]) if changes else {}), *no_hours(changes, present))


def _facts(action: Action) -> DatesFacts:
    return DatesFacts(today=clock.today(), opened=action.status != ActionStatus.WAITING, year=action.year)


def _dates(component: Component) -> Dates:
    return Dates(component.id, component.planned_start, component.planned_end, name=component.number)


__all__ = ["problems_of"]
