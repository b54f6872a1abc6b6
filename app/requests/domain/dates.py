"""The rules of the kind "dates" (guide 003 §2).

The real interval of an action goes from its actual start (its planned start before the opening) to its planned end; components
stay inside it, and enrolments inside their component.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from .changes import Field, Key, Problem, ProblemCode, Target


@dataclass(frozen=True, slots=True)
class Dates:
    """The dates of an action or of a component; a component has no actual start."""

    id: int
    start: date
    end: date
    actual_start: date | None = None
    name: str = ""

    def key(self, field: Field) -> Key:
        """The key of one of the dates: of the action when it has no name."""
        return Key(Target.COMPONENT if self.name else Target.ACTION, self.id, field)


@dataclass(frozen=True, slots=True)
class DatesFacts:
    """What the rules need to know beyond the dates."""

    today: date
    opened: bool
    first_entry: date | None = None
    #: Enrolments that would leave the new dates of their component, counted by component.
    outside: Mapping[int, int] | None = None
    #: Component → the numbers of its sessions that would lie outside its new dates.
    sessions: Mapping[int, Sequence[str]] | None = None
    #: The year of the action, from which no new date is far.
    year: int | None = None


#: An action is planned a little before its year, and lasts some years at most.
YEARS_BEFORE, YEARS_AFTER = 1, 10


def problems(action: tuple[Dates, Dates], components: Sequence[tuple[Dates, Dates]], facts: DatesFacts) -> tuple[Problem, ...]:
    """Everything wrong with new dates; each pair is (before, after)."""
    if far := tuple(one for pair in (action, *components) for one in _far(*pair, facts.year)):
        return far
    return (*_of_action(*action, facts), *(one for pair in components for one in _of_component(action, *pair, facts)))


def _of_action(before: Dates, after: Dates, facts: DatesFacts) -> tuple[Problem, ...]:
    found: list[Problem] = []
    if after.end < after.start:
        found.append(Problem(after.key(Field.PLANNED_END), ProblemCode.END_BEFORE_START, {"start": after.start, "end": after.end}))
    actual, key = after.actual_start, after.key(Field.ACTUAL_START)
    if actual is None:
        return tuple(found)
    if not facts.opened:
        return (*found, Problem(key, ProblemCode.NOT_OPENED))
    if actual != before.actual_start:
        if actual > facts.today:
            found.append(Problem(key, ProblemCode.ACTUAL_IN_FUTURE, {"date": actual}))
        elif facts.first_entry is not None and actual > facts.first_entry:
            found.append(Problem(key, ProblemCode.ACTUAL_IS_NOT_FIRST_ENTRY, {"date": actual, "first": facts.first_entry}))
    if actual < after.start and (actual, after.start) != (before.actual_start, before.start):
        place = key if actual != before.actual_start else after.key(Field.PLANNED_START)
        found.append(Problem(place, ProblemCode.ACTUAL_BEFORE_PLANNED, {"date": actual, "planned": after.start}))
    if actual > after.end:
        place = key if actual != before.actual_start else after.key(Field.PLANNED_END)
        found.append(Problem(place, ProblemCode.ACTUAL_AFTER_END, {"date": actual, "planned": after.end}))
    return tuple(found)


def _far(before: Dates, after: Dates, year: int | None) -> tuple[Problem, ...]:
    """New dates whose year must be a slip."""
    if year is None:
        return ()
    dates = (
        (Field.PLANNED_START, before.start, after.start),
        (Field.ACTUAL_START, before.actual_start, after.actual_start),
        (Field.PLANNED_END, before.end, after.end),
    )
    return tuple(
        Problem(after.key(field), ProblemCode.IMPLAUSIBLE_YEAR, {"date": new, "year": year})
        for field, old, new in dates
        if new is not None and new != old and not year - YEARS_BEFORE <= new.year <= year + YEARS_AFTER
    )


def remarks(action: tuple[Dates, Dates], facts: DatesFacts) -> tuple[Problem, ...]:
    """What is to be done afterwards: nobody may enter before the actual start, so that an earlier one precedes the entry it is meant for."""
    before, after = action
    actual = after.actual_start
    if actual is None or actual == before.actual_start or facts.first_entry is None or actual >= facts.first_entry:
        return ()
    return (Problem(after.key(Field.ACTUAL_START), ProblemCode.ENTRY_TO_FOLLOW, {"date": actual, "first": facts.first_entry}),)


def _earliest(action: tuple[Dates, Dates], before: Dates, after: Dates) -> date:
    """From when on a component may start.

    Once somebody asks to move the actual start, or this component's start, it is the actual start (guide 003 §2).  Otherwise what
    stands since the planning is left alone: the opening asks nobody to move the components.
    """
    was, becomes = action
    if becomes.actual_start is not None and (becomes.actual_start != was.actual_start or after.start != before.start):
        return max(becomes.start, becomes.actual_start)
    return becomes.start


def _of_component(action: tuple[Dates, Dates], before: Dates, after: Dates, facts: DatesFacts) -> tuple[Problem, ...]:
    found: list[Problem] = []
    if after.end < after.start:
        return (Problem(after.key(Field.PLANNED_END), ProblemCode.END_BEFORE_START, {"start": after.start, "end": after.end}),)
    earliest, latest = _earliest(action, before, after), action[1].end
    if after.start < earliest:
        found.append(
            Problem(after.key(Field.PLANNED_START), ProblemCode.COMPONENT_STARTS_BEFORE, {"name": after.name, "date": after.start, "bound": earliest})
        )
    if after.end > latest:
        found.append(Problem(after.key(Field.PLANNED_END), ProblemCode.COMPONENT_ENDS_AFTER, {"name": after.name, "date": after.end, "bound": latest}))
    place = Field.PLANNED_END if after.start == before.start else Field.PLANNED_START
    if numbers := (facts.sessions or {}).get(after.id):
        found.append(Problem(after.key(place), ProblemCode.SESSIONS_OUTSIDE, {"numbers": tuple(numbers), **_way(before, after)}))
    if count := (facts.outside or {}).get(after.id, 0):
        found.append(
            Problem(after.key(place), ProblemCode.TRAINEES_OUTSIDE, {"count": count, "name": after.name, "start": after.start, "end": after.end})
        )
    return tuple(found)


def _way(before: Dates, after: Dates) -> dict[str, object]:
    """Where the sessions may go first: the days of both periods; with none, dates that hold both have to count before (``wide``)."""
    if max(before.start, after.start) <= min(before.end, after.end):
        return {"from": max(before.start, after.start), "to": min(before.end, after.end), "wide": False}
    return {"from": min(before.start, after.start), "to": max(before.end, after.end), "wide": True}
