"""A number of a person inside a text: found before the text is kept, searched for or put into an address.

What looks like one is what the logs mask (:data:`app.core.logs.NUMBER_IN_TEXT`), but for three things that people write and that may
look alike: an IBAN whose key is right, a telephone number with its country code, and two dates side by side.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from stdnum import iban, luhn

from app.core.logs import NUMBER_IN_TEXT
from app.core.nir.number import mask, normalise

_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}[0-9]{2}(?: ?[0-9A-Za-z]){11,30}(?![0-9A-Za-z])")
#: ``+`` and a country code; E.164 has 15 digits at most.
_PHONE = re.compile(r"(?<![0-9A-Za-z])\+[1-9](?:[\s.\-/]?\(?[0-9]\)?){6,14}(?![0-9A-Za-z])")
_DATE = r"(?:[0-3]?[0-9][/.\-][01]?[0-9][/.\-](?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9])"
_DATES = re.compile(rf"(?<![0-9A-Za-z/.\-]){_DATE}(?:[\s.\-/_]{_DATE})+(?![0-9A-Za-z])")

#: A number has twelve figures at least (in Corsica a letter stands for one): most texts are told by that alone.
_FIGURES_ENOUGH = re.compile(r"(?:[^0-9]*+[0-9]){12}")


def _readable(text: str) -> str:
    """The text without invisible characters, and with one space where there are several: neither hides a number."""
    return re.sub(r"\s+", " ", "".join(one for one in text if unicodedata.category(one) != "Cf"))


def _found(text: str) -> Iterator[re.Match[str]]:
    spared = [(one.start(), one.end()) for pattern in (_PHONE, _DATES) for one in pattern.finditer(text)]
    spared += [(one.start(), one.end()) for one in _IBAN.finditer(text) if iban.is_valid(one[0])]
    for one in NUMBER_IN_TEXT.finditer(text):
        if not any(start <= one.start() and one.end() <= end for start, end in spared):
            yield one


def number_in(text: str | None) -> str | None:
    """The first number of a person (NIR or NIA, with its key or without) that the text holds, as it is written there; None for none."""
    if not text or _FIGURES_ENOUGH.match(text) is None:
        return None
    found = next(_found(_readable(text)), None)
    return found[0] if found is not None else None


def holds_number(text: str | None) -> bool:
    """Whether the text holds the number of a person."""
    return number_in(text) is not None


def without_numbers(text: str) -> str:
    """The text with every number of a person masked as on the screens; unchanged when it holds none."""
    read = _readable(text)
    found = list(_found(read))
    if not found:
        return text
    parts, end = [], 0
    for one in found:
        parts += [read[end : one.start()], mask(one[0])]
        end = one.end()
    return "".join([*parts, read[end:]])


def meant_as_number(text: str | None) -> bool:
    """Whether what was typed into a search box is meant as a NIR or NIA, right or wrong, or holds one.

    14 digits may be a SIRET, by its last digit or because La Poste numbers its establishments in its own way.
    """
    figures = normalise(text)
    bare = 13 <= len(figures) <= 16 and figures[:5].isdecimal() and sum(figure.isdecimal() for figure in figures) >= 12
    of_establishment = len(figures) == 14 and (luhn.is_valid(figures) or figures.startswith("356000000"))
    return (bare and not of_establishment) or holds_number(text)


__all__ = ["holds_number", "meant_as_number", "number_in", "without_numbers"]
