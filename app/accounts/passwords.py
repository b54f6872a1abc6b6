"""The password policy and the hash. Pure: no application, no database.

Policy (CNIL; guide 004 §1 for the twelve characters): at least 12 characters with the four classes, or 14 with three, or
20 of any, at most 128; not made of the identifiant, the person's or the organisation's name, the SIRET or the portal's own
words; not a common one, by the lists and the estimate of the zxcvbn library (MIT licence).

Passwords are compared in Unicode form NFKC, so that the same keys give the same password on every system; nothing is
truncated.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from flask_appbuilder.security.utils import is_null_password
from werkzeug.security import check_password_hash

MIN_WITH_FOUR_CLASSES: Final = 12
MIN_WITH_THREE_CLASSES: Final = 14
MIN_OF_ANY: Final = 20
MAX_LENGTH: Final = 128
#: A longer entry is refused unread at sign-in: no stored password can match it, and hashing it costs.
MAX_READ: Final = 1024

#: What must remain once the words tied to the account are taken out.
_MIN_OWN_CHARACTERS: Final = 8
_MIN_DISTINCT: Final = 6
#: Estimated guesses (power of ten) below which a password counts as common.
_MIN_GUESSES: Final = 8.0
#: zxcvbn reads so many characters; its time grows with the square of the length.
_ESTIMATED_LENGTH: Final = 72

#: Words of the portal, and French ones that English lists do not hold.
CONTEXT_WORDS: Final = frozenset(
    [
        "sigma",
        "region",
        "occitanie",
        "portail",
        "formation",
        "professionnelle",
        "organisme",
        "organismes",
        "stagiaire",
        "stagiaires",
        "marche",
        "marches",
        "motdepasse",
        "motdepass",
        "passe",
        "azerty",
        "azertyuiop",
        "qwerty",
        "qwertyuiop",
        "bonjour",
        "soleil",
        "doudou",
        "chouchou",
        "loulou",
        "marseille",
        "toulouse",
        "montpellier",
        "admin",
        "administrateur",
        "support",
        "principal",
        "secondaire",
        "identifiant",
        "siret",
        "connexion",
        "france",
        "password",
    ]
)

_LEET: Final = str.maketrans("@4830157$!€", "aabeoistsie")


class PasswordFault(StrEnum):
    """Why a password is refused."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    PERSONAL = "personal"
    COMMON = "common"


@dataclass(frozen=True, slots=True)
class PasswordContext:
    """What a password must not be made of, besides the portal's own words."""

    identifiant: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    organisation: str = ""
    siret: str = ""
    others: tuple[str, ...] = ()

    def words(self) -> frozenset[str]:
        """The plain words, at least three characters long, without accents nor case."""
        found: set[str] = set(CONTEXT_WORDS)
        for text in (self.identifiant, self.first_name, self.last_name, self.email, self.organisation, self.siret, *self.others):
            plain = _plain(text)
            found.update(_words(plain))
            found.add("".join(character for character in plain if character.isalnum()))
        return frozenset(word for word in found if len(word) >= 3)


def normalise(password: str) -> str:
    """The password in the form that is hashed and compared."""
    return unicodedata.normalize("NFKC", password)


def classes_of(password: str) -> int:
    """How many of the four classes (small, capital, digit, other) it holds."""
    return sum(
        (
            any(character.islower() for character in password),
            any(character.isupper() for character in password),
            any(character.isdigit() for character in password),
            any(not character.isalnum() for character in password),
        )
    )


def faults_of(password: str, context: PasswordContext) -> list[PasswordFault]:
    """Why ``password`` is refused; empty when it is accepted."""
    if len(password) > MAX_LENGTH:
        return [PasswordFault.TOO_LONG]
    password = normalise(password)
    if is_null_password(password) or not _long_enough(password):
        return [PasswordFault.TOO_SHORT]
    faults = []
    if _made_of(password, context.words()):
        faults.append(PasswordFault.PERSONAL)
    if _is_common(password, context.words()):
        faults.append(PasswordFault.COMMON)
    return faults


def _long_enough(password: str) -> bool:
    length, classes = len(password), classes_of(password)
    return length >= MIN_OF_ANY or (length >= MIN_WITH_THREE_CLASSES and classes >= 3) or (length >= MIN_WITH_FOUR_CLASSES and classes == 4)


def _made_of(password: str, words: Iterable[str]) -> bool:
    """Whether too little is left of the password once ``words`` are taken out."""
    plain = _plain(password)
    for reading in {plain, plain.translate(_LEET)}:
        rest = "".join(character for character in reading if character.isalnum())
        compact = rest
        for word in sorted(words, key=lambda word: (-len(word), word)):
            rest = rest.replace(word, "")
        if rest != compact and len(rest) < _MIN_OWN_CHARACTERS:
            return True
    return False


def _is_common(password: str, words: Iterable[str]) -> bool:
    from zxcvbn import zxcvbn  # its lists of words are large and load in a tenth of a second: only where a password is chosen

    if len(set(password)) < _MIN_DISTINCT or not password.strip():
        return True
    plain = _plain(password)
    for reading in {plain, plain.translate(_LEET)}:
        core = reading.strip("".join(character for character in set(reading) if not character.isalpha()))
        if reading in _common() or (core and core in _common()):
            return True
    estimate = zxcvbn(password[:_ESTIMATED_LENGTH], user_inputs=sorted(words), max_length=_ESTIMATED_LENGTH)
    return float(estimate["guesses_log10"]) < _MIN_GUESSES


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"]) | CONTEXT_WORDS


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _words(plain: str) -> list[str]:
    return "".join(character if character.isalnum() else " " for character in plain).split()


# ---- hash ------------------------------------------------------------------------------------------------------------

#: Argon2id at OWASP's first choice: 19 MiB, two passes, one lane; salt of 16 bytes.
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)

#: Verified when there is no account or no try left, so that every refusal costs the same. Same parameters as ``HASHER``
#: (a test compares them); the hash of a random secret nobody kept.
DUMMY_HASH: Final = "$argon2id$v=19$m=19456,t=2,p=1$U42eWwSHVXhxXyqjqW1ECQ$1GMUwtQgHXPB2dQfcZ37iVawgKczWFVJrenvWhbaA90"


def hash_password(password: str) -> str:
    """The Argon2id hash of ``password``. Raises ValueError for one that is empty or made of NUL only."""
    if is_null_password(password):
        raise ValueError("an empty password has no hash")
    return HASHER.hash(normalise(password))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether ``password`` matches ``stored``; hashes made by Flask-AppBuilder (scrypt, PBKDF2) are still read.

    An account without a password, an empty entry and an overlong one cost the same as a wrong one and never match.
    """
    refused = not stored or is_null_password(password) or len(password) > MAX_READ
    if refused:
        _verify_argon2(DUMMY_HASH, "refused")
        return False
    assert stored is not None  # noqa: S101 - told to the type checker; refused covers it
    if stored.startswith("$argon2"):
        return _verify_argon2(stored, normalise(password))
    try:
        return check_password_hash(stored, password)
    except ValueError:
        return False


def needs_rehash(stored: str) -> bool:
    """Whether the hash was made with an older method or weaker parameters."""
    return not stored.startswith("$argon2id$") or HASHER.check_needs_rehash(stored)


def _verify_argon2(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
