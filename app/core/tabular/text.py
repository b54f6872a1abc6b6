"""CSV: which characters, which separator, which cells."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from app.core.tabular.faults import Fault, Refused
from app.core.tabular.table import Limits

_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SEPARATORS: Final = (";", "\t", ",")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def decode(content: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 (by their mark, or by NUL bytes every other place) or Windows-1252.

    Raises Refused (UNDECODABLE) with the line and column of the first byte that none of them reads.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return _strictly(content[len(mark) :], encoding)
    sample = content[:400]
    if len(sample) >= 4 and sample[1::2].count(0) > len(sample) // 3:
        return _strictly(content, "utf-16-le")
    if len(sample) >= 4 and sample[0::2].count(0) > len(sample) // 3:
        return _strictly(content, "utf-16-be")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _strictly(content, "cp1252")


def _strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, errors="replace")
        lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        raise Refused(Fault.UNDECODABLE, line=len(lines), column=len(lines[-1]) + 1) from None


def separator_of(text: str) -> str:
    """The separator of the first line that holds something: the one found most often outside quotes."""
    counts = dict.fromkeys(_SEPARATORS, 0)
    quoted = seen = False
    for character in text[:20_000]:
        if character == '"':
            quoted = not quoted
        elif not quoted and character in counts:
            counts[character] += 1
        elif not quoted and character in "\r\n":
            if seen:
                break
            counts = dict.fromkeys(_SEPARATORS, 0)
        seen = seen or not character.isspace()
    return max(_SEPARATORS, key=lambda separator: counts[separator])


def lines_of(content: bytes, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV file with the number each begins at; quoted cells may hold line ends. Raises Refused."""
    text = decode(content)
    bad = _FORBIDDEN.search(text)
    if bad is not None:
        before = text[: bad.start()].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        raise Refused(Fault.FORBIDDEN_CHARACTER, line=len(before), column=len(before[-1]) + 1)
    # One line end, so that neither a lone CR nor the machine changes what is read.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=separator_of(text), strict=True)
    before_line = 0
    while True:
        begins = before_line + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise Refused(Fault.BAD_QUOTES, line=begins) from None
        before_line = reader.line_num
        if len(cells) > limits.columns and any(cell.strip() for cell in cells[limits.columns :]):
            raise Refused(Fault.TOO_MANY_COLUMNS, line=begins, value=limits.columns)
        yield begins, cells[: limits.columns]
