"""Why a file is refused."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What is wrong with a file as a whole, or with its form at one place."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    TOO_LARGE_UNPACKED = "too_large_unpacked"
    TOO_MANY_LINES = "too_many_lines"
    TOO_MANY_COLUMNS = "too_many_columns"
    CELL_TOO_LONG = "cell_too_long"
    UNKNOWN_FORMAT = "unknown_format"
    UNREADABLE = "unreadable"
    ENCRYPTED = "encrypted"
    FORMULA = "formula"
    UNDECODABLE = "undecodable"
    FORBIDDEN_CHARACTER = "forbidden_character"
    BAD_QUOTES = "bad_quotes"
    NO_HEADER = "no_header"
    SAME_HEADER_TWICE = "same_header_twice"


class Refused(Exception):
    """The file is not read. ``line`` and ``column`` count from 1; ``value`` is a limit or a header, never a cell's content."""

    def __init__(self, fault: Fault, *, line: int | None = None, column: int | None = None, value: str | int | None = None) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.line = line
        self.column = column
        self.value = value
