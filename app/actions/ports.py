"""What actions need to know of their trainees, and tell them.

Trainees are a later feature (imports run one way): it registers itself here.  Without it an action has no trainee.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from .domain import EntryFacts, MissingKind, Period
from .models import Action


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the action page that another feature brings: an anchor, a heading and a template with its values."""

    anchor: str
    heading: str
    template: str
    values: dict[str, object]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the partners will be told of each enrolment at the closing, and the word that stands for what is shown."""

    panel: Panel
    mark: str


class TraineeSide(Protocol):
    """The view that the trainees feature gives of itself."""

    def facts(self, action_id: int, today: date) -> EntryFacts:
        """Who is enrolled, has entered, is still in training."""
        ...

    def action_closed(self, action: Action, on: date) -> None:
        """The action was just closed, in the transaction under way: tell the partners."""
        ...

    def action_reopened(self, action: Action) -> None:
        """The action was just reopened, in the transaction under way: hold back what has not left yet."""
        ...

    def missing_url(self, action_id: int, kind: MissingKind) -> str:
        """Where what is missing of a kind is listed."""
        ...

    def outside(self, component_id: int, period: Period) -> int:
        """How many enrolments new dates of a component would leave outside."""
        ...

    def panel(self, action: Action) -> Panel:
        """The trainees, for the action page."""
        ...

    def outcomes(self, action: Action) -> Outcomes:
        """The outcome of each enrolment, for the pages that end the action."""
        ...

    def outcomes_mark(self, action: Action) -> str:
        """The word of what ``outcomes`` shows now."""
        ...


class _NoTrainees:
    def facts(self, action_id: int, today: date) -> EntryFacts:
        return EntryFacts()

    def action_closed(self, action: Action, on: date) -> None:
        return None

    def action_reopened(self, action: Action) -> None:
        return None

    def missing_url(self, action_id: int, kind: MissingKind) -> str:
        raise LookupError("the trainees feature is not registered")

    def outside(self, component_id: int, period: Period) -> int:
        return 0

    def panel(self, action: Action) -> Panel:
        raise LookupError("the trainees feature is not registered")

    def outcomes(self, action: Action) -> Outcomes:
        raise LookupError("the trainees feature is not registered")

    def outcomes_mark(self, action: Action) -> str:
        return ""


_side: TraineeSide = _NoTrainees()


def register_trainee_side(side: TraineeSide) -> None:
    """Called once, by the trainees feature."""
    global _side
    _side = side


def trainee_side() -> TraineeSide:
    """The registered side; a null one when there is none."""
    return _side


def panels(action: Action) -> Sequence[Panel]:
    """The parts other features bring to the page of ``action``."""
    return () if isinstance(_side, _NoTrainees) else (_side.panel(action),)


def outcomes(action: Action) -> Outcomes | None:
    """The outcomes of ``action``; None without trainees."""
    return None if isinstance(_side, _NoTrainees) else _side.outcomes(action)
