"""What actions need to know of later features, and tell them: trainees, and pages that hang from the page of an action.

Imports run one way: these features register themselves here.  Without trainees an action has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from .domain import EntryFacts
from .models import Action


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the action page that another feature brings: an anchor, a heading and a template with its values."""

    anchor: str
    heading: str
    template: str
    values: dict[str, object]


@dataclass(frozen=True, slots=True)
class ActionTab:
    """A page about an action that another feature brings: a tab of the page « Gérer l'action de formation »."""

    label: str
    href: str


class TraineeSide(Protocol):
    """The view that the trainees feature gives of itself."""

    def facts(self, action_id: int, today: date) -> EntryFacts:
        """Who is enrolled, has entered, is still in training."""
        ...

    def action_closed(self, action: Action, on: date) -> None:
        """The action was just closed, in the transaction under way: tell the partners."""
        ...

    def panel(self, action: Action) -> Panel:
        """The trainees, for the action page."""
        ...


class _NoTrainees:
    def facts(self, action_id: int, today: date) -> EntryFacts:
        return EntryFacts()

    def action_closed(self, action: Action, on: date) -> None:
        return None

    def panel(self, action: Action) -> Panel:
        raise LookupError("the trainees feature is not registered")


_side: TraineeSide = _NoTrainees()
_tabs: dict[str, Callable[[Action], ActionTab | None]] = {}


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


def register_action_tab(name: str, tab: Callable[[Action], ActionTab | None]) -> None:
    """Add a tab to the page of actions; ``tab`` says None to whoever may not open it.  Registering a name again replaces it."""
    _tabs[name] = tab


def action_tabs(action: Action) -> list[ActionTab]:
    """The tabs that other features bring, for the account that reads."""
    return [found for tab in _tabs.values() if (found := tab(action)) is not None]
