"""A pure engine for life cycles: one table ``(state, event) → state`` decides, draws the buttons and the diagram."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)
F = TypeVar("F")


class ForbiddenTransition(Exception):
    """The table has no such move from this state."""

    def __init__(self, state: StrEnum, event: StrEnum) -> None:
        super().__init__(f"{event.value} is not possible from {state.value}")
        self.state = state
        self.event = event


class GuardRefused(Exception):
    """The move exists, but the facts of the moment forbid it. ``reasons`` are ready to be shown."""

    def __init__(self, reasons: Sequence[object]) -> None:
        super().__init__("; ".join(str(reason) for reason in reasons))
        self.reasons = tuple(reasons)


@dataclass(frozen=True, slots=True)
class Transition(Generic[S, E, F]):
    """One move. A guard takes the facts and gives the reasons against, none when the move is free."""

    source: S
    event: E
    target: S
    guards: tuple[Callable[[F], Sequence[object]], ...] = ()


@dataclass(frozen=True, slots=True)
class Offer(Generic[E]):
    """A move that exists from the present state, with what blocks it (empty: it can be done now)."""

    event: E
    blockers: tuple[object, ...]

    @property
    def free(self) -> bool:
        return not self.blockers


@dataclass(frozen=True)
class Workflow(Generic[S, E, F]):
    """A life cycle. Raises ValueError at construction when two transitions share a state and an event."""

    name: str
    transitions: tuple[Transition[S, E, F], ...]
    _table: Mapping[tuple[S, E], Transition[S, E, F]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table: dict[tuple[S, E], Transition[S, E, F]] = {}
        for transition in self.transitions:
            key = (transition.source, transition.event)
            if key in table:
                raise ValueError(f"{self.name}: two transitions for {key}")
            table[key] = transition
        object.__setattr__(self, "_table", table)

    def target(self, state: S, event: E) -> S:
        """Where ``event`` leads from ``state``. Raises ForbiddenTransition."""
        transition = self._table.get((state, event))
        if transition is None:
            raise ForbiddenTransition(state, event)
        return transition.target

    def fire(self, state: S, event: E, facts: F) -> S:
        """As ``target``, after asking every guard. Raises ForbiddenTransition or GuardRefused (with all reasons at once)."""
        target = self.target(state, event)
        blockers = self.blockers(state, event, facts)
        if blockers:
            raise GuardRefused(blockers)
        return target

    def blockers(self, state: S, event: E, facts: F) -> tuple[object, ...]:
        """All reasons against ``event`` now. Raises ForbiddenTransition."""
        transition = self._table.get((state, event))
        if transition is None:
            raise ForbiddenTransition(state, event)
        return tuple(reason for guard in transition.guards for reason in guard(facts))

    def offers(self, state: S, facts: F) -> tuple[Offer[E], ...]:
        """The moves that exist from ``state``, each with what blocks it: the buttons of a page."""
        return tuple(Offer(transition.event, self.blockers(state, transition.event, facts)) for transition in self.transitions if transition.source == state)

    def final_states(self, states: type[S]) -> frozenset[S]:
        """The states that nothing leaves."""
        return frozenset(states) - {transition.source for transition in self.transitions}

    def diagram(self) -> str:
        """The table as a Mermaid state diagram, for the documentation."""
        lines = ["stateDiagram-v2"]
        lines += [f"    {t.source.value} --> {t.target.value}: {t.event.value}" for t in self.transitions]
        return "\n".join(lines)
