"""temporary"""
from __future__ import annotations
import re
from enum import StrEnum
from .table import Cell, CellKind
class Damage(StrEnum):
    DATE = "date"
    SCIENTIFIC = "scientific"
    DECIMAL = "decimal"
    LOST_ZERO = "lost_zero"
    FIGURE = "figure"
_S = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+\Z")
def damage_of(cell: Cell, *, lengths: tuple[int, ...]) -> Damage | None:
    if cell.kind is CellKind.DATE:
        return Damage.DATE
    if _S.match(cell.text):
        return Damage.SCIENTIFIC
    if cell.kind is CellKind.NUMBER and len(cell.text) < min(lengths):
        return Damage.LOST_ZERO
    return None
