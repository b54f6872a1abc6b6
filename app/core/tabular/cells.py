"""From what a file holds at one place to a cell: cleaned once for each distinct content, whatever the number of lines."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final, TypeVar

from app.core.tabular.faults import Fault, Refused
from app.core.tabular.table import EMPTY, Cell, CellKind, Limits

K = TypeVar("K")
V = TypeVar("V")

#: What no text of a cell may hold.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
#: Contents that come back are few: what is kept of those seen is dropped when it grows over this, and begins anew.
_REMEMBERED: Final = 50_000
#: How many bytes the contents seen may take, for the same: a content may be much longer than what is made of it.
_REMEMBERED_BYTES: Final = 16 * 1024 * 1024
#: What a text costs once it is kept, besides its own object: the object of its cell, and the place in the line.
_COST: Final = 72


class Purse:
    """Counts what a file costs, so that it is refused before that is too much: bytes of the texts that are kept, characters of all that is written
    down of its cells, however often one comes back, and elements of XML that the exact parser is given, whatever the part.
    """

    def __init__(self, limits: Limits) -> None:
        self._left = limits.held
        self._to_write = limits.written
        #: Counted down by the parser at work.
        self.elements = limits.elements

    def pay(self, *texts: str) -> None:
        """These texts are kept.  What counts is what they take in memory: one character may make each of a text four bytes."""
        for text in texts:
            self._left -= _COST + sys.getsizeof(text)

    def write(self, characters: int) -> None:
        """So many characters of lines are written down."""
        self._to_write -= characters

    def is_empty(self) -> bool:
        """Whether nothing more may be kept, or written."""
        return self._left < 0 or self._to_write < 0


def longest_text(limits: Limits) -> int:
    """How many characters a cell may have before its blanks are dropped."""
    return 4 * limits.cell + 1000


def clean(text: str, kind: CellKind, limits: Limits) -> Cell:
    """A cell of a text: blanks around are dropped, those inside are one space. Raises Refused, without the place."""
    if len(text) > longest_text(limits):
        raise Refused(Fault.CELL_TOO_LONG, value=limits.cell)
    if _FORBIDDEN.search(text) is not None:
        raise Refused(Fault.FORBIDDEN_CHARACTER)
    words = " ".join(text.split())  # no-break spaces too
    if not words:
        return EMPTY
    if len(words) > limits.cell:
        raise Refused(Fault.CELL_TOO_LONG, value=limits.cell)
    return Cell(text if words == text else words, kind)  # one object, where both are kept


class Remembered(dict[K, V]):
    """Distinct contents → what is made of them. Bounded."""

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make
        self._bytes = 0

    def __missing__(self, key: K) -> V:
        self._bytes += sys.getsizeof(key)
        if len(self) >= _REMEMBERED or self._bytes > _REMEMBERED_BYTES:
            self.clear()
            self._bytes = sys.getsizeof(key)
        value = self[key] = self._make(key)
        return value

    def all_of(self, keys: Iterable[K]) -> list[V]:
        """What is made of each."""
        return list(map(self.__getitem__, keys))


def placed(remembered: Remembered[K, V], keys: Sequence[K], line: int, columns: Sequence[int] | None = None) -> list[V]:
    """What is made of each content of a line; what is refused tells its place."""
    try:
        return remembered.all_of(keys)
    except Refused:
        for place, key in enumerate(keys):
            try:
                remembered[key]
            except Refused as error:
                raise error.at(line, (columns[place] if columns is not None else place) + 1) from None
        raise


# ---- figures and dates -------------------------------------------------------------------------------------------------

_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  # a date of a spreadsheet has no zone
_EPOCH_1904: Final = datetime(1904, 1, 1)  # noqa: DTZ001
_SERIALS: Final = 2_958_466  # 1 January 10000
_NOT_SHOWN: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_ELAPSED: Final = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_ISO: Final = re.compile(r"(-?\d{4,5})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d*)?)?)?Z?\Z", re.ASCII)
_DURATION: Final = re.compile(r"-?P(?:(\d{1,6})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:[.,]\d*)?S)?)?\Z", re.ASCII)


def figure(value: float) -> str:
    """A number as a spreadsheet shows it at full length: every number of a sheet is a float, of which 15 figures are sure."""
    if not math.isfinite(value):
        return ""
    if value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    return f"{value:.15g}".replace(".", ",")


def percentage(value: float) -> str:
    """A share as it is seen: 0.125 is « 12,5 % »."""
    return f"{figure(float(f'{value * 100:.13g}'))} %" if math.isfinite(value) else ""


def time_of(seconds: int) -> str:
    """A time of day or a duration."""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(seconds, 3600)
    return f"{sign}{hours:02d}:{rest // 60:02d}" + (f":{rest % 60:02d}" if rest % 60 else "")


def day_of(day: date) -> str:
    """A date, with its time if it has one."""
    words = f"{day.day:02d}/{day.month:02d}/{day.year:04d}"
    if isinstance(day, datetime) and (day.hour or day.minute or day.second):
        words += f" {day.hour:02d}:{day.minute:02d}"
    return words


def kind_of_format(code: str) -> str:
    """What a number format makes of a number: ``date``, ``time``, ``elapsed``, ``percent`` or nothing."""
    shown = _NOT_SHOWN.sub("", code.partition(";")[0])
    if _ELAPSED.search(shown):
        return "elapsed"
    letters = {letter for letter in shown.lower() if letter.isalpha()}
    if not letters or "general" in shown.lower() or "standard" in shown.lower():
        return "percent" if "%" in shown else ""
    if letters & {"d", "y"} or ("m" in letters and not letters & {"h", "s"}):
        return "date"
    return "time" if letters & {"h", "s"} else ""


def dated(value: float, shown: str, *, from_1904: bool) -> Cell:
    """A number of a cell that shows a date or a time; one that no calendar has stays a figure."""
    if not math.isfinite(value):
        return EMPTY
    if shown == "elapsed" or (shown == "time" and 0 <= value < 1):
        return Cell(time_of(round(value * 86_400)), CellKind.OTHER) if abs(value) < _SERIALS else Cell(figure(value), CellKind.NUMBER)
    if not 0 <= value < _SERIALS - (1462 if from_1904 else 0) or (not from_1904 and (value < 1 or 60 <= value < 61)):
        return Cell(figure(value), CellKind.NUMBER)
    # the 29 February 1900 that spreadsheets count and no calendar has
    days = value if from_1904 or value >= 60 else value + 1
    day = (_EPOCH_1904 if from_1904 else _EPOCH) + timedelta(seconds=round(days * 86_400))
    return Cell(day_of(day), CellKind.DATE)


def iso_date(text: str) -> Cell:
    """A date written as ISO 8601, before 1900 too; what is no date of the calendar is a text."""
    match = _ISO.match(text.strip())
    if match is None:
        return Cell(text, CellKind.OTHER)
    try:
        parts = [int(part or 0) for part in match.groups()]
        return Cell(day_of(datetime(*parts)), CellKind.DATE)  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return Cell(text, CellKind.OTHER)


def iso_duration(text: str) -> Cell:
    """A time written as PT08H30M00S."""
    match = _DURATION.match(text.strip())
    if match is None:
        return Cell(text, CellKind.OTHER)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return Cell(time_of(-total if text.strip().startswith("-") else total), CellKind.OTHER)
