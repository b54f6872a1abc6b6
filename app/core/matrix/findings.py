"""What is wrong with a line of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from app.core.tabular.faults import Fault, Refused

#: So many things to mend are not mended one by one: beyond, a file is refused, which also bounds what judging it takes.
MOST: Final = 500_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: the line as the spreadsheet numbers it, the column (by its name; "" for the line as a whole), and the sentence.

    The sentence says the rule and the remedy; it never repeats what stands in the cell, which is shown beside it and kept sealed.
    """

    line: int
    column: str
    message: str
    #: The other line that makes this one wrong: without it, it would be judged otherwise.
    other: int | None = None


def too_many(found: Iterable[Iterable[Finding]], headers: Mapping[str, str]) -> Refused:
    """What refuses a file with more than ``MOST`` of them, telling the columns that have most."""
    counted = Counter(finding.column for finding in chain.from_iterable(found) if finding.column)
    return Refused(Fault.TOO_MUCH_WRONG, value=", ".join(f"« {headers[name]} »" for name, _count in counted.most_common(3)))


__all__ = ["MOST", "Finding", "too_many"]
