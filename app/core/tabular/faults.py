"""Why a file is refused."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.tabular.table import Row


class Fault(StrEnum):
    """What is wrong with a file as a whole, or with its form at one place."""

    EMPTY = "empty"
    FIRST_SHEET_EMPTY = "first_sheet_empty"
    ONLY_HEADER = "only_header"
    TOO_LARGE = "too_large"
    TOO_LARGE_UNPACKED = "too_large_unpacked"
    TOO_MUCH_TEXT = "too_much_text"
    TOO_LONG_TO_READ = "too_long_to_read"
    TOO_MANY_LINES = "too_many_lines"
    TOO_MANY_COLUMNS = "too_many_columns"
    CELL_TOO_LONG = "cell_too_long"
    UNKNOWN_FORMAT = "unknown_format"
    NOT_AS_NAMED = "not_as_named"
    TEXT_AS_SHEET = "text_as_sheet"
    OLD_FORMAT = "old_format"
    BINARY_WORKBOOK = "binary_workbook"
    MACROS = "macros"
    UNREADABLE = "unreadable"
    ENCRYPTED = "encrypted"
    FORMULA = "formula"
    ERROR_CELL = "error_cell"
    MERGED_CELLS = "merged_cells"
    HIDDEN_SHEET = "hidden_sheet"
    HIDDEN_LINE = "hidden_line"
    FILTERED_LINES = "filtered_lines"
    HIDDEN_COLUMN = "hidden_column"
    UNDECODABLE = "undecodable"
    FORBIDDEN_CHARACTER = "forbidden_character"
    BAD_QUOTES = "bad_quotes"
    NO_HEADER = "no_header"
    UNKNOWN_HEADER = "unknown_header"  # said by what knows the headings
    HEADER_BELOW = "header_below"  # said by what knows the headings, of the line where they stand
    SAME_HEADER_TWICE = "same_header_twice"
    TOO_MUCH_WRONG = "too_much_wrong"  # said by what judges the cells, not by what reads them


class Refused(Exception):
    """The file is not read. ``line`` and ``column`` count from 1; ``value`` is a limit, headers, the name of a sheet or an error of a
    spreadsheet (#N/A), never what somebody typed in a cell.
    In a text whose cells were not told apart yet, ``in_text``, the column counts characters. ``header`` is the first line, where the reading got that
    far: whoever judges headings reads it.
    """

    def __init__(
        self, fault: Fault, *, line: int | None = None, column: int | None = None, value: str | int | None = None, in_text: bool = False,
        heading: str = "",
    ) -> None:  # fmt: skip
        super().__init__(fault.value)
        self.fault = fault
        self.line = line
        self.column = column
        self.value = value
        self.in_text = in_text
        self.header: tuple[str, ...] | None = None
        #: The first lines under it, as far as they were read.
        self.top: tuple[Row, ...] = ()
        self._heading = heading

    @property
    def heading(self) -> str:
        """The heading of the column it is about; nothing when that is not known, or is what the fault is about."""
        if self.header is None or self.column is None or self.in_text or self.fault is Fault.SAME_HEADER_TWICE:
            return self._heading
        return self.header[self.column - 1][:60] if self.column <= len(self.header) else ""

    def under(self, header: Iterable[str]) -> Refused:
        """The same, with the first line of the file, unless it was told already."""
        if self.header is None:
            self.header = tuple(header)
        return self

    def at(self, line: int, column: int) -> Refused:
        """The same, where it is found, unless it was told already."""
        if self.line is None:
            self.line, self.column = line, column
        return self
