"""One part of a spreadsheet read in one pass: ordinary elements by a compiled pattern, everything else by an exact parser.

A sheet of 4.5 million cells costs too much when each element calls Python.  An element that stands alone (a row, a shared text) and is
written exactly as spreadsheets write it is recognised whole by a pattern; it is read, and cut out of what the exact parser is given.  Whatever
is not so written (prefixes, quotes of the other kind, entities, formulas, hidden lines…) goes to the exact parser, in its place.  From the first
comment, CDATA section or instruction on, and in any encoding other than UTF-8, everything does: there, an element that looks ordinary may be none.
There is one reader: what is checked is what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from xml.parsers import expat

from app.core.tabular.cells import Purse
from app.core.tabular.faults import Fault, Refused
from app.core.tabular.table import Limits

#: The most that may wait for the end of one token, and for the end of one ordinary element.
_TOKEN: Final = 4 * 1024 * 1024
_ELEMENT: Final = 1024 * 1024
#: A declaration that says UTF-8, or none.
_HEAD: Final = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*(?:<\?xml version=["']1\.[01]["'](?: encoding=["']utf-8["'])?(?: standalone=["'](?:yes|no)["'])?\s*\?>)?\s*"""
    rb"""(?=<[A-Za-z])""",
    re.IGNORECASE,
)


#: How many names elements and attributes may have in one part, and how long one may be: the parser keeps each of them to the end.
_NAMES: Final = 5_000
_NAME: Final = 1_000
_PREFIX: Final = re.compile(rb"<([A-Za-z][A-Za-z0-9]*:)")


#: Characters of a text, and the entities that XML itself defines.
TEXT: Final = rb"[^<&]*(?:&(?:amp|lt|gt|quot|apos);[^<&]*)*"


def unescaped(text: bytes) -> str:
    """What a text of the pattern says. Raises UnicodeDecodeError."""
    if b"&" in text:
        for entity, character in ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&quot;", b'"'), (b"&apos;", b"'"), (b"&amp;", b"&")):
            text = text.replace(entity, character)
    return text.decode()


class _Names(dict[str, str]):
    """Names → the same without their prefix. Raises Refused: no kind of part has so many."""

    def __missing__(self, name: str) -> str:
        if len(self) >= _NAMES or len(name) > _NAME:
            raise Refused(Fault.UNREADABLE)
        bare = self[name] = name.rpartition(":")[2]
        return bare


class Part:
    """A streaming parser of one entry. It accepts no document type, hence no entity; names of elements are told without their prefix, and
    those of attributes too in a format where they have one (not ``bare``).
    """

    #: How an element begins and ends that the pattern may read whole; none when there is no such element.
    begins: bytes = b""
    ends: bytes = b""
    #: Whether the pattern knows names without a prefix: the one that the first element has is then taken off the others.
    bare: bool = True

    def __init__(self, limits: Limits, purse: Purse) -> None:
        self.limits = limits
        self.purse = purse
        self.depth = 0
        #: Whether the exact parser stands where ordinary elements stand.
        self.open = False
        #: What was read, and waits to be given.
        self.found: list[Any] = []
        #: Nothing more is wanted; what was not read is left in ``unread``.
        self.over = False
        self.unread = b""
        self._stopped = 0
        self._rest = b""
        self._prefix = b""
        self._given = 0
        self._elements = 0
        self._exact = not self.begins
        self._names = _Names()
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self.text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)  # what is given is read at once

    # ---- what a kind of part defines

    def started(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def ended(self, name: str) -> None:
        """An element ends."""

    def text(self, words: str) -> None:
        """Characters between elements."""

    def ordinary(self, element: bytes) -> bool:
        """Read a whole element if it is written in the ordinary way."""
        return False

    def keep(self, *texts: str) -> None:
        """Pay for what is kept of the part until the file is read. Raises Refused."""
        self.purse.pay(*texts)
        if self.purse.is_empty():
            raise Refused(Fault.TOO_MUCH_TEXT)

    def stop(self) -> None:
        """Read no further than the end of this element."""
        self.over = True
        self._stopped = self._parser.CurrentByteIndex

    # ---- reading

    def read(self, pieces: Iterator[bytes]) -> Iterator[Any]:
        """What is found, as it is; no other part of the file is read meanwhile. Raises Refused."""
        self._elements = self.purse.elements
        yield from self._read(pieces)
        self.purse.elements = self._elements

    def _read(self, pieces: Iterator[bytes]) -> Iterator[Any]:
        kept = b""
        first = True
        for piece in pieces:
            kept = kept + piece if kept else piece
            if first:
                if len(kept) < 200:
                    continue
                first = False
                kept = self._head(kept)
            if not self._exact and (b"<!" in kept or b"<?" in kept):
                self._exact = True
            if self._exact:
                self._give(kept)
                kept = b""
            else:
                yield from self._cut(kept)
                kept = self._rest
            yield from self._taken()
            if self.over:
                self.unread += kept
                return
        if first:
            kept = self._head(kept)
        if not self._exact and b"<!" not in kept and b"<?" not in kept:
            yield from self._cut(kept)
            kept = self._rest
            if self.over:
                self.unread += kept
        if not self.over:
            self._give(kept, last=True)
            yield from self._taken()

    def _head(self, content: bytes) -> bytes:
        """Give the declaration; whether it says what the pattern can read."""
        match = _HEAD.match(content)
        if match is None:
            self._exact = True
            return content
        prefix = _PREFIX.match(content, match.end())
        if prefix is not None and self.bare:
            self._prefix = prefix[1]
            self.begins, self.ends = self.begins.replace(b"<", b"<" + prefix[1]), self.ends.replace(b"</", b"</" + prefix[1])
        self._give(content[: match.end()])
        return content[match.end() :]

    def _taken(self) -> Iterator[Any]:
        if self.found:
            found, self.found = self.found, []
            yield from found

    def _cut(self, content: bytes) -> Iterator[Any]:
        """Read what is there, but for an element that is not whole: it is left in ``_rest``."""
        begins, ends = self.begins, self.ends
        place = 0
        while not self.over:
            at = content.find(begins, place)
            if at < 0:
                at = max(place, len(content) - len(begins))
                self._give(content[place:at])
                place = at
                break
            if at > place:
                self._give(content[place:at])
                place = at
                if self.over:
                    break
            end = content.find(ends, at)
            if end < 0:
                if len(content) - at > _ELEMENT:
                    self._exact = True
                break
            end += len(ends)
            element = content[at:end]
            if self.open and self.ordinary(self._without_prefix(element) if self._prefix else element):
                if len(self.found) >= 256:
                    yield from self._taken()
            else:
                self._give(element)
                yield from self._taken()
            place = end
        self._rest = content[place:]

    def _without_prefix(self, element: bytes) -> bytes:
        return element.replace(b"<" + self._prefix, b"<").replace(b"</" + self._prefix, b"</")

    def _give(self, content: bytes, *, last: bool = False) -> None:
        parser = self._parser
        try:
            parser.Parse(content, last)
        except (expat.ExpatError, ValueError, UnicodeError, LookupError):  # an encoding that nobody knows too
            raise Refused(Fault.UNREADABLE) from None
        if self.over and not self.unread:
            self.unread = content[max(self._stopped - self._given, 0) :]
        self._given += len(content)
        if self._given - parser.CurrentByteIndex > _TOKEN:
            raise Refused(Fault.UNREADABLE)

    @staticmethod
    def _refuse(*_parts: Any) -> None:
        raise Refused(Fault.UNREADABLE)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements -= 1
        if self._elements < 0:
            raise Refused(Fault.TOO_LONG_TO_READ)
        self.depth += 1
        if self.depth > 200:
            raise Refused(Fault.UNREADABLE)
        if self.over:
            return
        names = self._names
        if not self.bare:
            attributes = {names[key]: value for key, value in attributes.items()}
        elif not attributes.keys() <= names.keys():
            for key in attributes:
                names[key]
        self.started(names[name], attributes)

    def _end(self, name: str) -> None:
        if not self.over:
            self.ended(self._names[name])
        self.depth -= 1
