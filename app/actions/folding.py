"""« Tout plier / Tout déplier »: which groups of the list show their actions. It stands in the address, so that it needs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from app.core.requests import row_number
from app.core.ui.components import url_with

from .models import Action, Contract

ALL: Final = "tous"
#: As many as a page may show, at most.
_MOST = 100


@dataclass(frozen=True, slots=True)
class Group:
    """The actions of a contract and lot on one page; ``toggle`` is the address that folds or unfolds it."""

    contract: Contract
    holder: object
    actions: list[Action]
    folded: bool
    toggle: str

    @property
    def anchor(self) -> str:
        """Where the page is taken up again after folding."""
        return f"contrat-{self.contract.id}"


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of a page, and the addresses that fold and unfold all."""

    rows: list[Group]
    fold_all: str
    unfold_all: str

    @property
    def all_folded(self) -> bool:
        """Whether no action is shown."""
        return all(group.folded for group in self.rows)

    @property
    def any_folded(self) -> bool:
        """Whether some action is not shown."""
        return any(group.folded for group in self.rows)


def groups_of(actions: Sequence[Action], asked: str) -> Groups:
    """The rows of one page under the line of their contract and lot; ``asked`` is « tous » or the numbers of the folded ones."""
    runs = [(key, list(rows)) for key, rows in groupby(actions, key=lambda action: action.contract_id)]
    folded = folded_of(asked, [key for key, _rows in runs])
    groups = []
    for key, rows in runs:
        after = folded ^ {key}
        toggle = url_with(plis=_written(after, len(runs)))
        groups.append(Group(rows[0].contract, rows[0].organisation, rows, key in folded, f"{toggle}#contrat-{key}"))
    return Groups(groups, url_with(plis=ALL), url_with(plis=None))


def folded_of(asked: str, shown: Iterable[int]) -> set[int]:
    """Which of the groups shown are folded."""
    if asked == ALL:
        return set(shown)
    numbers = {row_number(part) for part in asked.split(",")[:_MOST]}
    return {key for key in shown if key in numbers}


def _written(folded: set[int], shown: int) -> str | None:
    if not folded:
        return None
    return ALL if len(folded) == shown else ",".join(map(str, sorted(folded)))
