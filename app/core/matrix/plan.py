"""What a file would do: one act a line, and what stops a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from app.core.tabular.table import Cell

from .checking import Checked, Checker
from .definition import Matrix
from .findings import Finding


class Act(StrEnum):
    """What a line does."""

    CREATE = "create"
    CHANGE = "change"
    SAME = "same"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that a line changes, as the screen says it: what stands there and what the file says."""

    column: str
    before: str
    after: str


@dataclass(slots=True)
class Step:
    """One line to apply.  ``data`` is the feature's own: what it needs to do it."""

    line: int
    act: Act
    data: Any = None
    differences: tuple[Difference, ...] = ()


@dataclass(slots=True)
class Plan:
    """The steps in the order of the lines, and everything wrong; a line with a finding has no step."""

    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many lines of each act."""
        counted = Counter(step.act.value for step in self.steps)
        counted[Act.WRONG.value] = len({finding.line for finding in self.findings})
        return {act.value: counted.get(act.value, 0) for act in Act}


@dataclass(slots=True)
class Done:
    """What applying one line did to one row: kept so that it can be undone.

    ``fields``: column → (before, after), plain values; None for a row that was made.
    """

    line: int
    subject: str
    subject_id: int
    version: int
    fields: Mapping[str, tuple[Any, Any]] | None = None


@dataclass(slots=True)
class Kept:
    """What undoing left as it is, and why."""

    line: int
    subject: str
    subject_id: int
    why: str
    #: Whether nothing of what the line did is taken back.
    whole: bool = True


@dataclass(frozen=True, slots=True)
class About:
    """Somebody whom a line is about, and the page that shows it, within the rights of the account that looks."""

    who: str
    address: str
    #: What tells it apart from others of the same person.
    more: str = ""


class Outdated(Exception):
    """What a plan was made on is no more there when it is applied: it has to be made anew."""


Progress = Callable[[int, int], None]


class Importer(Protocol):
    """What a feature does with the files of one matrix.  Each method runs in the scope of the organisation."""

    @property
    def matrix(self) -> Matrix:
        """What such a file holds."""

    def shares(self, cells: Mapping[str, Cell]) -> Hashable | None:
        """What a line has in common with those whose judgement depends on it; None when it is judged by itself."""

    def plan(self, checker: Checker, checked: Checked, progress: Progress, *, lock: bool) -> Plan:
        """What the file would do to what is there now; nothing is written.  Findings of ``checked`` are among its own.

        ``lock``: what the plan depends on stays as it is until the end of the transaction, in which the plan is applied.
        """

    def apply(self, plan: Plan, progress: Progress) -> list[Done]:
        """Do it, inside the open transaction.  Raises Outdated."""

    def undo(self, done: list[Done], progress: Progress) -> list[Kept]:
        """Take it back, inside the open transaction, but for what somebody changed since."""

    def foresee(self, pieces: Iterable[Sequence[Done]]) -> list[Kept]:
        """What ``undo`` would leave now, as far as it is told without doing it; given some at a time, in their order.  Nothing is locked."""

    def about(self, subjects: Collection[tuple[str, int]]) -> dict[tuple[str, int], About]:
        """The people whom these subjects (``Done.subject``, its id) are about; those that are gone, or not for the account, are left out."""


__all__ = ["About", "Act", "Difference", "Done", "Importer", "Kept", "Outdated", "Plan", "Progress", "Step"]
