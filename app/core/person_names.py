"""How the name of a person is written.  Pure: the features' rules use it, accounts' (guide 004) and trainees' (guide 000) alike."""

from __future__ import annotations

import unicodedata
from typing import Final

#: What joins the parts of a name: space, full stop, the hyphens and apostrophes that keyboards and word processors give, the point of “Gal·la”.
_JOINERS: Final = frozenset(" .-‐‑–'’‘·")


def is_person_name(text: str, *, digits: bool = False) -> bool:
    """Whether ``text`` may be a person's name: one letter at least, of any alphabet, and nothing but letters, their accents and what joins them.

    Names go into mails and to AGORA: they carry neither a link, nor a formula, nor a picture.  ``digits`` are for accounts, which
    several people of one name may hold (guide 004: "NOM TEST COMPTE 2").
    """
    if text.isalpha():
        return True
    return any(character.isalpha() for character in text) and all(
        character in _JOINERS or is_letter(character) or (digits and character in "0123456789") for character in text
    )


def is_letter(character: str) -> bool:
    """A letter of any alphabet, or the accent written after one; not what only makes a picture of what it follows."""
    return character.isalpha() or (unicodedata.category(character) in ("Mn", "Mc") and "VARIATION SELECTOR" not in unicodedata.name(character, ""))


__all__ = ["is_letter", "is_person_name"]
