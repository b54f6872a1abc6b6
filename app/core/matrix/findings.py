"""What is wrong with a line of a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: the line as the spreadsheet numbers it, the column (by its name; "" for the line as a whole), and the sentence.

    The sentence says the rule and the remedy; it never repeats what stands in the cell, which is shown beside it and kept sealed.
    """

    line: int
    column: str
    message: str


__all__ = ["Finding"]
