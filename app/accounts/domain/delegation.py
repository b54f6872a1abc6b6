"""The days of a delegation."""

from __future__ import annotations

from datetime import MAXYEAR, date, datetime
from enum import StrEnum
from typing import Final

# ---- delegation ------------------------------------------------------------------------------------------------------

#: A delegation lasts at most this long, and begins within it: beyond, the organisation needs another principal account.
DELEGATION_MAX_MONTHS: Final = 12


class DelegationState(StrEnum):
    """Where a delegation stands on a day."""

    COMING = "coming"
    CURRENT = "current"
    PAST = "past"
    TAKEN_BACK = "taken_back"


class DelegationProblem(StrEnum):
    """What is wrong with the days of a delegation."""

    STARTS_IN_THE_PAST = "starts_in_the_past"
    STARTS_TOO_LATE = "starts_too_late"
    ENDS_BEFORE_START = "ends_before_start"
    TOO_LONG = "too_long"


def a_year_after(day: date) -> date:
    """The same day a year later; the 29 February becomes the 1 March, and what no date can say the last day there is."""
    if day.year >= MAXYEAR:
        return date.max
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return date(day.year + 1, 3, 1)


def delegation_problems(starts_on: date, ends_on: date, today: date) -> list[DelegationProblem]:
    """What is wrong with a delegation from ``starts_on`` to ``ends_on``, both included (days of the Région)."""
    problems: list[DelegationProblem] = []
    if starts_on < today:
        problems.append(DelegationProblem.STARTS_IN_THE_PAST)
    elif starts_on > a_year_after(today):
        problems.append(DelegationProblem.STARTS_TOO_LATE)
    if ends_on < starts_on:
        problems.append(DelegationProblem.ENDS_BEFORE_START)
    elif ends_on >= a_year_after(starts_on):
        problems.append(DelegationProblem.TOO_LONG)
    return problems


def delegation_state(*, starts_on: date, ends_on: date, ended_at: datetime | None, today: date) -> DelegationState:
    """Where a delegation stands: taken back outweighs the days."""
    if ended_at is not None:
        return DelegationState.TAKEN_BACK
    if today < starts_on:
        return DelegationState.COMING
    return DelegationState.CURRENT if today <= ends_on else DelegationState.PAST
