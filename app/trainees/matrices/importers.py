"""What the engine of imports is given: each matrix with what its lines do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.core.matrix import Matrix
from app.core.matrix.checking import Checked, Checker
from app.core.matrix.plan import About, Done, Kept, Plan, Progress
from app.core.tabular.table import Cell

from . import inscriptions, realisations, sorties, trainees, trainees_apply, trainees_plan, trainees_undo
from .about import about


@dataclass(frozen=True)
class _Trainees:
    """« Stagiaires »."""

    matrix: Matrix = trainees.MATRIX

    def shares(self, cells: Mapping[str, Cell]) -> None:
        """A sheet is judged by itself; a line that is there twice is found when the whole is checked."""

    def plan(self, checker: Checker, checked: Checked, progress: Progress, *, lock: bool) -> Plan:
        return trainees_plan.plan(checker, checked, progress, lock=lock)

    def apply(self, plan: Plan, progress: Progress) -> list[Done]:
        return trainees_apply.apply(plan, progress)

    def undo(self, done: list[Done], progress: Progress) -> list[Kept]:
        return trainees_undo.undo(done, progress)

    def foresee(self, pieces: Iterable[Sequence[Done]]) -> list[Kept]:
        return trainees_undo.foresee(pieces)

    def about(self, subjects: Collection[tuple[str, int]]) -> dict[tuple[str, int], About]:
        return about(subjects)


IMPORTERS = (_Trainees(), inscriptions.IMPORTER, realisations.IMPORTER, sorties.IMPORTER)

__all__ = ["IMPORTERS"]
