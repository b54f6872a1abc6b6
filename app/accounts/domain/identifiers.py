"""What identifies: identifiants, names, SIRET, addresses on this site."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from app.core import person_names

# ---- identifiants ----------------------------------------------------------------------------------------------------

#: ASCII only, so that "without regard to case" means the same to Python and to any PostgreSQL collation; a first
#: character that no spreadsheet takes for a formula.
_IDENTIFIANT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@ -]{0,62}[A-Za-z0-9._@-])?")
#: Without 0/o, 1/l/i: people read these out over the telephone.
IDENTIFIANT_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"


def normalise_identifiant(text: str | None) -> str:
    """An identifiant as it is compared: without surrounding blanks, inner ones single, without regard to case.

    NUL, which PostgreSQL cannot take, becomes a character that no identifiant holds.
    """
    return " ".join((text or "").replace("\x00", "\N{REPLACEMENT CHARACTER}").split()).lower()


def is_identifiant(text: str) -> bool:
    """Whether ``text`` may be chosen as identifiant: 1 to 64 letters, digits, dots, hyphens, underscores, at signs, blanks."""
    return bool(_IDENTIFIANT.fullmatch(text)) and "  " not in text


def deleted_identifiant(user_id: int) -> str:
    """What takes the place of a deleted account's identifiant, which others may then choose; nobody can choose this one."""
    return f"~{user_id}"


# ---- names -----------------------------------------------------------------------------------------------------------

NAME_MAX: Final = 64


def is_person_name(text: str) -> bool:
    """Whether ``text`` may be the name of who holds an account: as names are written (``core.person_names``), digits included.

    Names go into the mails of the portal: they must not carry a link to somewhere else.
    """
    return person_names.is_person_name(text, digits=True)


# ---- SIRET -----------------------------------------------------------------------------------------------------------

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


# ---- local addresses -------------------------------------------------------------------------------------------------


def local_path(target: str | None) -> str | None:
    """``target`` if it is a path on this site, else None: a sign-in page must never lead away (open redirect).

    Browsers take backslashes for slashes and drop control characters, so ``/\\host`` and ``/\\t/host`` lead away too.
    """
    if not target or len(target) > 2000 or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or any(ord(character) < 33 or ord(character) == 127 for character in target):
        return None
    return target
