"""SIRET: how it is typed, what makes one hold together, how it is shown. Standard library only."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

_LA_POSTE_SIREN: Final = "356000000"
_LA_POSTE_HEAD_OFFICE: Final = "35600000000048"


def compact_siret(text: str | None) -> str:
    """``text`` without blanks, dots and hyphens."""
    return re.sub(r"[\s. -]", "", text or "")


def is_siret(text: str) -> bool:
    """Whether the 14 digits hold together: Luhn over all of them, or La Poste's rule for its establishments.

    The SIREN alone is not checked again: the guides' own organisation, 12345678913000, has none that would pass.
    """
    if not re.fullmatch(r"[0-9]{14}", text):
        return False
    digits = [int(character) for character in text]
    if text.startswith(_LA_POSTE_SIREN) and text != _LA_POSTE_HEAD_OFFICE:
        return sum(digits) % 5 == 0
    doubled = (digit if index % 2 else digit * 2 - 9 * (digit > 4) for index, digit in enumerate(digits))
    return sum(doubled) % 10 == 0


class SiretFault(StrEnum):
    """Why a text is no SIRET."""

    MISSING = "missing"
    NOT_DIGITS = "not_digits"
    LENGTH = "length"
    CHECKSUM = "checksum"


def siret_fault(text: str | None) -> SiretFault | None:
    """Why ``text``, as people type a SIRET, is none; None when it is one."""
    compact = compact_siret(text)
    if not compact:
        return SiretFault.MISSING
    if not re.fullmatch(r"[0-9]+", compact):
        return SiretFault.NOT_DIGITS
    if len(compact) != 14:
        return SiretFault.LENGTH
    return None if is_siret(compact) else SiretFault.CHECKSUM


def format_siret(siret: str) -> str:
    """A SIRET as people read it: 123 456 789 13000."""
    return f"{siret[:3]} {siret[3:6]} {siret[6:9]} {siret[9:]}" if len(siret) == 14 else siret
