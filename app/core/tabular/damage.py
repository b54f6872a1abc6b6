"""What a spreadsheet does to a code: named, never mended by a guess.

A code is figures that are no number: a postal code (5), a NIR (13 or 15), its key (2), a SIRET (14), the number of a jobseeker.  A spreadsheet
that takes it for a number drops its first zeros, rounds its last figures, or shows it as a power of ten or a date (domain-facts §5).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from app.core.tabular.table import CellKind

_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+\Z")
_DECIMAL: Final = re.compile(r"([0-9]+)[.,]0*\Z")
#: A text so short, and shorter by one figure only, lost a zero before it came (a CSV file saved by a spreadsheet); a longer one may be a slip.
_SHORT: Final = 5
#: How many figures a decimal lacks at most, to be a code that was damaged and not another number.
_SLACK: Final = 3

#: A figure so long that ends so is what is left of a power of ten (1,84073E+14) that somebody had shown in full: no code is so round.
_LONG: Final = 13
_ROUNDED: Final = "00000"


class Damage(StrEnum):
    """What was done to a code."""

    DATE = "date"
    SCIENTIFIC = "scientific"
    DECIMAL = "decimal"
    LOST_ZERO = "lost_zero"
    FIGURE = "figure"


def damage_of(text: str, kind: CellKind, *lengths: int, zeros: bool = True, figures: bool = True) -> Damage | None:
    """What a spreadsheet did to a code that has one of these ``lengths``.

    ``zeros`` tells whether such a code may begin with one; ``figures`` whether one of full length may be held as a number: it then lacks
    nothing, if it has 15 figures at most and is not a round one.
    """
    compact = "".join(text.split())
    if not compact:
        return None
    if kind is CellKind.DATE:
        return Damage.DATE
    if _SCIENTIFIC.match(compact):
        return Damage.SCIENTIFIC
    shortest = min(lengths)
    decimal = _DECIMAL.match(compact)
    if decimal is not None and len(decimal[1]) >= max(shortest - _SLACK, 1):
        return Damage.DECIMAL
    is_number = kind is CellKind.NUMBER
    if is_number and len(compact) in lengths and len(compact) >= _LONG and compact.endswith(_ROUNDED):
        return Damage.SCIENTIFIC
    is_short = compact.isascii() and compact.isdecimal() and len(compact) < shortest
    if zeros and is_short and (is_number or (shortest <= _SHORT and len(compact) == shortest - 1)):
        return Damage.LOST_ZERO
    if is_number and not (figures and len(compact) in lengths and len(compact) <= 15):
        return Damage.FIGURE
    return None
