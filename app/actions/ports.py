"""What actions need to know of their trainees and of their modification requests, and tell them.

Both are later features (imports run one way): they register themselves here.  Without them an action has no trainee, and no request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from .domain import EntryFacts, MissingKind, Period
from .models import Action, Component


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


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """One value that a request changed: the table, row and column it stands in (``None``: several, or another's), and the words of both values."""

    place: tuple[str, str, str] | None
    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AppliedRequest:
    """A modification request whose changes count: who made them count, when, what they are, and where the request is read."""

    #: Table and id of a row written together with the changes: the journal has both under one transaction.
    source: tuple[str, int]
    at: datetime
    actor_id: int | None
    actor_name: str
    on_behalf_of_id: int | None
    on_behalf_of_name: str
    #: Whether the Région decided; otherwise the market rules left it to the organisation.
    by_region: bool
    text: str
    notes: Sequence[str]
    changes: Sequence[AppliedChange]
    href: str
    link: str


class RequestSide(Protocol):
    """The view that the modification requests give of themselves."""

    def applied(self, action_id: int) -> Sequence[AppliedRequest]:
        """What requests changed of an action, latest first; nothing for who may not read them."""
        ...

    def faults(self, row: Action | Component, before: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """What the rules of the requests forbid of a row that is changed directly: column and sentence.  ``before``: its columns as they were."""
        ...

    def under_way(self, action_id: int) -> tuple[int, ...]:
        """The requests of an action that wait: for a decision, or for a correction."""
        ...

    def under_way_url(self, action_id: int, waiting: Sequence[int]) -> str:
        """Where these are read."""
        ...


class _NoRequests:
    def applied(self, action_id: int) -> Sequence[AppliedRequest]:
        return ()

    def faults(self, row: Action | Component, before: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        return ()

    def under_way(self, action_id: int) -> tuple[int, ...]:
        return ()

    def under_way_url(self, action_id: int, waiting: Sequence[int]) -> str:
        raise LookupError("the feature of the requests is not registered")


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
_requests: RequestSide = _NoRequests()


def register_trainee_side(side: TraineeSide) -> None:
    """Called once, by the trainees feature."""
    global _side
    _side = side


def trainee_side() -> TraineeSide:
    """The registered side; a null one when there is none."""
    return _side


def register_request_side(side: RequestSide) -> None:
    """Called once, by the feature of the modification requests."""
    global _requests
    _requests = side


def request_side() -> RequestSide:
    """The registered side; a null one when there is none."""
    return _requests


def panels(action: Action) -> Sequence[Panel]:
    """The parts other features bring to the page of ``action``."""
    return () if isinstance(_side, _NoTrainees) else (_side.panel(action),)


def outcomes(action: Action) -> Outcomes | None:
    """The outcomes of ``action``; None without trainees."""
    return None if isinstance(_side, _NoTrainees) else _side.outcomes(action)
