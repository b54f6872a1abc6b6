"""The rules of the kinds about components: repository data, volumes and places, sites."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from decimal import Decimal
from typing import Final

from .changes import Change, Field, Key, Problem, ProblemCode, Value

#: What LHEO writes: a number of Certif Info, five digits of Formacode.
_PATTERNS: Final = {Field.CERTIF_INFO: re.compile(r"[0-9]{1,10}"), Field.FORMACODE: re.compile(r"[0-9]{5}")}
#: The most that LHEO counts, and a bound that no component reaches.
MOST_HOURS: Final = Decimal(99_999)
MOST_PLACES: Final = 9_999


def reference_problems(changes: Iterable[Change]) -> tuple[Problem, ...]:
    """Codes that are none."""
    found: list[Problem] = []
    for change in changes:
        pattern = _PATTERNS.get(change.key.field)
        if pattern is not None and not pattern.fullmatch(str(change.after or "")):
            code = ProblemCode.BAD_CERTIF_INFO if change.key.field is Field.CERTIF_INFO else ProblemCode.BAD_FORMACODE
            found.append(Problem(change.key, code, {"code": change.after}))
        if change.key.field is Field.TITLE and not str(change.after or "").strip():
            found.append(Problem(change.key, ProblemCode.UNKNOWN_VALUE))
    return tuple(found)


def volume_problems(changes: Iterable[Change], enrolled: Mapping[int, int]) -> tuple[Problem, ...]:
    """Hours and places out of bounds; fewer places than trainees enrolled (``enrolled``: component → how many)."""
    found: list[Problem] = []
    for change in changes:
        value = change.after
        most = MOST_PLACES if change.key.field is Field.PLACES else MOST_HOURS
        if not isinstance(value, int | Decimal) or not 0 <= value <= most:
            found.append(Problem(change.key, ProblemCode.OUT_OF_BOUNDS, {"most": most}))
        elif change.key.field is Field.PLACES and value < enrolled.get(change.key.id, 0):
            found.append(Problem(change.key, ProblemCode.TOO_FEW_PLACES, {"count": enrolled[change.key.id], "places": value}))
    return tuple(found)


def no_hours(changes: Iterable[Change], present: Mapping[Key, Value]) -> tuple[Problem, ...]:
    """Components that would have no hour at all, neither in the centre nor in company; said once for each."""
    asked = {change.key: change.after for change in changes if change.key.field in (Field.HOURS_CENTRE, Field.HOURS_COMPANY)}
    found: dict[int, Problem] = {}
    for key in asked:
        both = [Key(key.target, key.id, field) for field in (Field.HOURS_CENTRE, Field.HOURS_COMPANY)]
        if not any(asked.get(one, present.get(one)) for one in both):
            found.setdefault(key.id, Problem(key, ProblemCode.NO_HOURS))
    return tuple(found.values())


def site_problems(
    changes: Iterable[Change],
    held: Mapping[int, Set[int]],
    known: Set[int],
    enrolled: Mapping[tuple[int, int], int],
    sessions: Mapping[int, Mapping[int, Sequence[str]]],
) -> tuple[Problem, ...]:
    """No site left, a site that may not be chosen, a site taken away from trainees (``enrolled``: component and site → how many) or from
    sessions (``sessions``: component → site → their numbers).

    ``held``: the sites of each component now, which may stay whatever became of them.
    """
    found: list[Problem] = []
    for change in changes:
        wanted = frozenset(change.after) if isinstance(change.after, tuple) else frozenset()
        present = held.get(change.key.id, frozenset())
        if not wanted:
            found.append(Problem(change.key, ProblemCode.NO_SITE))
        if wanted - present - known:
            found.append(Problem(change.key, ProblemCode.UNKNOWN_VALUE))
        count = sum(enrolled.get((change.key.id, site), 0) for site in present - wanted)
        if count:
            found.append(Problem(change.key, ProblemCode.SITE_IN_USE, {"count": count}))
        there = sessions.get(change.key.id, {})
        if numbers := sorted(number for site in present - wanted for number in there.get(site, ())):
            found.append(Problem(change.key, ProblemCode.SITE_OF_SESSIONS, {"numbers": tuple(numbers)}))
    return tuple(found)
