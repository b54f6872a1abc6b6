"""The rules of the kind "partners": co-traitants and sous-traitants of an action (DOMAIN §1 and §3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from app.accounts.domain import SiretFault, siret_fault

from .changes import Change, Field, Key, Problem, ProblemCode, Target, Value, Values

#: What every partner has; who leaves gets an end besides.
REQUIRED: Final = (Field.ROLE, Field.LEGAL_NAME, Field.SIRET, Field.STARTS_ON)
FIELDS: Final = (*REQUIRED, Field.ENDS_ON)
#: As many may be added by one request.
MOST_NEW: Final = 5


@dataclass(frozen=True, slots=True)
class Around:
    """What the partners of an action are compared with."""

    holder_siret: str
    action_start: date
    action_end: date
    roles: frozenset[str]


def empty_slots() -> dict[Key, Value]:
    """The fields of partners to add: nothing yet."""
    return {Key(Target.PARTNER, -number, field): None for number in range(1, MOST_NEW + 1) for field in FIELDS}


def partner_problems(changes: Iterable[Change], after: Values, around: Around) -> tuple[Problem, ...]:
    """Everything wrong with the partners that change; ``after``: all fields of all partners as they would be."""
    found: list[Problem] = []
    fields: dict[int, dict[Field, Value]] = {}
    for key, value in after.items():
        fields.setdefault(key.id, {})[key.field] = value
    holders: dict[Value, list[int]] = {}
    for number, one in fields.items():
        holders.setdefault(one[Field.SIRET], []).append(number)
    changes = tuple(changes)
    left = {change.before: change.key.id for change in changes if change.key.field is Field.SIRET and change.before is not None}
    # One row is written after the other: a SIRET given up and taken would be there twice in between.
    found += [
        Problem(one.key, ProblemCode.SIRET_OF_OTHER, {"siret": one.after})
        for one in changes
        if one.key.field is Field.SIRET and one.after is not None and left.get(one.after, one.key.id) != one.key.id
    ]
    for number in dict.fromkeys(change.key.id for change in changes):
        one = fields[number]
        found += [Problem(Key(Target.PARTNER, number, field), ProblemCode.PARTNER_INCOMPLETE) for field in REQUIRED if one[field] is None]
        if one[Field.ROLE] is not None and one[Field.ROLE] not in around.roles:
            found.append(Problem(Key(Target.PARTNER, number, Field.ROLE), ProblemCode.UNKNOWN_VALUE))
        found += _siret(number, one[Field.SIRET], holders, around)
        found += _dates(number, one, around, frozenset(change.key.field for change in changes if change.key.id == number))
    return tuple(found)


def _siret(number: int, siret: Value, holders: Mapping[Value, list[int]], around: Around) -> list[Problem]:
    key = Key(Target.PARTNER, number, Field.SIRET)
    if siret is None:
        return []
    fault = siret_fault(str(siret))
    if fault is not None:
        return [Problem(key, ProblemCode.BAD_SIRET, {"siret": siret, "fault": fault})]
    if siret == around.holder_siret:
        return [Problem(key, ProblemCode.OWN_SIRET, {"siret": siret})]
    if len(holders[siret]) > 1:
        return [Problem(key, ProblemCode.SIRET_TWICE, {"siret": siret})]
    return []


def _dates(number: int, one: Mapping[Field, Value], around: Around, asked: frozenset[Field]) -> list[Problem]:
    """Dates in order, and within those of the action.

    What is not ``asked`` is left alone: the action may have moved since, and its own dates bound the part of every partner.
    """
    start, end = one[Field.STARTS_ON], one[Field.ENDS_ON]
    first, last = Key(Target.PARTNER, number, Field.STARTS_ON), Key(Target.PARTNER, number, Field.ENDS_ON)
    found: list[Problem] = []
    if isinstance(start, date) and Field.STARTS_ON in asked and start < around.action_start:
        found.append(Problem(first, ProblemCode.PARTNER_STARTS_BEFORE, {"start": start, "bound": around.action_start}))
    if isinstance(start, date) and start > around.action_end:
        return [*found, Problem(first, ProblemCode.PARTNER_STARTS_AFTER, {"start": start, "end": around.action_end})]
    if isinstance(start, date) and isinstance(end, date) and end < start:
        return [*found, Problem(last, ProblemCode.PARTNER_ENDS_BEFORE, {"start": start, "end": end})]
    if isinstance(end, date) and Field.ENDS_ON in asked and end > around.action_end:
        found.append(Problem(last, ProblemCode.PARTNER_ENDS_AFTER, {"end": end, "bound": around.action_end}))
    return found


__all__ = ["FIELDS", "MOST_NEW", "REQUIRED", "Around", "SiretFault", "empty_slots", "partner_problems"]
