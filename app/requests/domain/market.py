"""Market rules: whether a change is recorded at once, instructed by a validator, or impossible, and why (DOMAIN §3; market rules as data).

A rule is data: a target (programme, kind, field), simple conditions out of a closed list, and an outcome.  The rules of a version are
asked in their order; the first that matches a change decides on it, and the strictest outcome among its changes decides on a request.
What no rule names is instructed, as everything was before there were rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from .changes import FIELD_TYPES, Change, Field, Key, Value
from .states import RequestKind


class Outcome(StrEnum):
    """What becomes of a change."""

    #: Applied when it is asked, in the same transaction.
    RECORD = "record"
    #: Goes to the validators.
    INSTRUCT = "instruct"
    #: Cannot be asked.
    FORBID = "forbid"


class Opening(StrEnum):
    """Condition: whether the action has been opened."""

    WAITING = "waiting"
    OPENED = "opened"


class Moment(StrEnum):
    """Condition: whether the change is asked before the start of the action (the actual one, or the planned one as long as there is none)."""

    BEFORE = "before"
    AFTER = "after"


class Direction(StrEnum):
    """Condition: whether the new value is later or greater than the present one, or earlier or smaller."""

    UP = "up"
    DOWN = "down"


class RuleProblem(StrEnum):
    """Why a rule makes no sense."""

    FIELD_NOT_OF_KIND = "field_not_of_kind"
    DAYS_WITHOUT_DATES = "days_without_dates"
    PERCENT_WITHOUT_NUMBERS = "percent_without_numbers"
    NO_DIRECTION = "no_direction"
    NO_REASON = "no_reason"
    AMENDMENT_NOT_INSTRUCTED = "amendment_not_instructed"


#: From the mildest to the strictest.
_SEVERITY: Final = {Outcome.RECORD: 0, Outcome.INSTRUCT: 1, Outcome.FORBID: 2}
#: What each kind changes; a kind that is not here may change anything.
FIELDS_OF: Final[Mapping[RequestKind, frozenset[Field]]] = {
    RequestKind.DATES: frozenset({Field.PLANNED_START, Field.ACTUAL_START, Field.PLANNED_END}),
    RequestKind.REFERENCE: frozenset({Field.TITLE, Field.LEVEL, Field.CERTIF_INFO, Field.FORMACODE}),
    RequestKind.VOLUMES: frozenset({Field.HOURS_CENTRE, Field.HOURS_COMPANY, Field.PLACES}),
    RequestKind.SITES: frozenset({Field.SITES}),
    RequestKind.PARTNERS: frozenset({Field.ROLE, Field.LEGAL_NAME, Field.SIRET, Field.STARTS_ON, Field.ENDS_ON}),
}
DATE_FIELDS: Final = frozenset(field for field, kind in FIELD_TYPES.items() if kind is date)
#: Levels are numbers too, but those of a list.
NUMBER_FIELDS: Final = frozenset({Field.HOURS_CENTRE, Field.HOURS_COMPANY, Field.PLACES})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; None: whatever it is."""

    id: int
    outcome: Outcome
    reason: str = ""
    needs_amendment: bool = False
    programme_id: int | None = None
    kind: RequestKind | None = None
    field: Field | None = None
    opening: Opening | None = None
    moment: Moment | None = None
    direction: Direction | None = None
    #: A date moved by so many days at most, either way.
    days_at_most: int | None = None
    #: A number (places, hours) changed by so many per cent of what it was, at most.
    percent_at_most: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What the conditions look at besides the change itself."""

    programme_id: int
    kind: RequestKind
    opened: bool
    started: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of a request."""

    outcome: Outcome
    #: The rule behind the outcome; None when no rule names the change.
    rule: Rule | None = None
    needs_amendment: bool = False
    #: Changes that are impossible, each with its rule.
    forbidden: tuple[tuple[Change, Rule], ...] = ()


def days_moved(change: Change) -> int | None:
    """By how many days a date moves, either way; None for what is no move of a date."""
    if isinstance(change.before, date) and isinstance(change.after, date):
        return abs((change.after - change.before).days)
    return None


def direction_of(change: Change) -> Direction | None:
    """Which way a date or a number goes; None for everything else."""
    if isinstance(change.before, date) and isinstance(change.after, date):
        return _way(change.after > change.before, change.after < change.before)
    before, after = _number(change.key.field, change.before), _number(change.key.field, change.after)
    return None if before is None or after is None else _way(after > before, after < before)


def within_percent(change: Change, most: int) -> bool:
    """Whether a number changes by at most so many per cent of what it was; from nothing, no share can be told."""
    before, after = _number(change.key.field, change.before), _number(change.key.field, change.after)
    return before is not None and after is not None and before > 0 and abs(after - before) * 100 <= most * before


def matches(rule: Rule, facts: ChangeFacts, change: Change) -> bool:
    """Whether everything the rule asks is so; a condition that has no meaning for the change is not."""
    moved = days_moved(change)
    return (
        rule.programme_id in (None, facts.programme_id)
        and rule.kind in (None, facts.kind)
        and rule.field in (None, change.key.field)
        and (rule.opening is None or (rule.opening is Opening.OPENED) is facts.opened)
        and (rule.moment is None or (rule.moment is Moment.AFTER) is facts.started)
        and (rule.direction is None or rule.direction is direction_of(change))
        and (rule.days_at_most is None or (moved is not None and moved <= rule.days_at_most))
        and (rule.percent_at_most is None or within_percent(change, rule.percent_at_most))
    )


def first_match(rules: Iterable[Rule], facts: ChangeFacts, change: Change) -> Rule | None:
    """The rule that decides on one change."""
    return next((rule for rule in rules if matches(rule, facts, change)), None)


def recorded_from(history: Iterable[tuple[bool, Iterable[Change]]]) -> dict[Key, Value]:
    """From which value each field was changed without anybody's decision: the first ``before`` since a validator last decided on it.

    ``history``: what was applied, the latest first, and whether it was recorded at once.
    """
    origins: dict[Key, Value] = {}
    decided: set[Key] = set()
    for recorded, changes in history:
        for change in changes:
            if not recorded:
                decided.add(change.key)
            elif change.key not in decided:
                origins[change.key] = change.before
    return origins


def judge(rules: Sequence[Rule], facts: ChangeFacts, changes: Iterable[Change], origins: Mapping[Key, Value] | None = None) -> Verdict:
    """What the rules, in their order, say of all the changes of a request.

    ``origins`` (see ``recorded_from``): what would be recorded at once is judged from there, so that small steps go no further than one
    big step would; back to that value is no step.
    """
    found = [(change, _deciding(rules, facts, change, origins or {})) for change in changes]
    if not found:
        return Verdict(Outcome.INSTRUCT)
    _change, deciding = max(found, key=lambda one: _SEVERITY[_outcome(one[1])])  # the first of the strictest
    outcome = _outcome(deciding)
    return Verdict(
        outcome,
        deciding,
        needs_amendment=outcome is Outcome.INSTRUCT and any(rule is not None and rule.needs_amendment for _change, rule in found),
        forbidden=tuple((change, rule) for change, rule in found if rule is not None and rule.outcome is Outcome.FORBID),
    )


def _deciding(rules: Sequence[Rule], facts: ChangeFacts, change: Change, origins: Mapping[Key, Value]) -> Rule | None:
    found = first_match(rules, facts, change)
    if _outcome(found) is not Outcome.RECORD or change.key not in origins or origins[change.key] == change.after:
        return found
    return first_match(rules, facts, replace(change, before=origins[change.key]))


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether ``wide`` matches every change that ``narrow`` does: asked before it, it leaves it nothing to decide."""
    same = ("programme_id", "kind", "field", "opening", "moment", "direction")
    if any(getattr(wide, name) not in (None, getattr(narrow, name)) for name in same):
        return False
    return all(
        most is None or (least is not None and least <= most)
        for most, least in ((wide.days_at_most, narrow.days_at_most), (wide.percent_at_most, narrow.percent_at_most))
    )


def rule_problems(rule: Rule) -> tuple[RuleProblem, ...]:
    """What makes the rule one that can never match, or that nobody understands."""
    of_kind = FIELDS_OF.get(rule.kind) if rule.kind is not None else None
    fields = frozenset({rule.field}) if rule.field is not None else of_kind
    wrong = {
        RuleProblem.FIELD_NOT_OF_KIND: of_kind is not None and rule.field is not None and rule.field not in of_kind,
        RuleProblem.DAYS_WITHOUT_DATES: rule.days_at_most is not None and fields is not None and not fields & DATE_FIELDS,
        RuleProblem.PERCENT_WITHOUT_NUMBERS: rule.percent_at_most is not None
        and (rule.days_at_most is not None or (fields is not None and not fields & NUMBER_FIELDS)),
        RuleProblem.NO_DIRECTION: rule.direction is not None and fields is not None and not fields & (DATE_FIELDS | NUMBER_FIELDS),
        RuleProblem.NO_REASON: rule.outcome is Outcome.FORBID and not rule.reason.strip(),
        RuleProblem.AMENDMENT_NOT_INSTRUCTED: rule.needs_amendment and rule.outcome is not Outcome.INSTRUCT,
    }
    return tuple(problem for problem, is_so in wrong.items() if is_so)


def _outcome(rule: Rule | None) -> Outcome:
    return Outcome.INSTRUCT if rule is None else rule.outcome


def _way(more: bool, less: bool) -> Direction | None:
    return Direction.UP if more else Direction.DOWN if less else None


def _number(field: Field, value: Value) -> Decimal | None:
    return Decimal(value) if field in NUMBER_FIELDS and isinstance(value, int | Decimal) else None
