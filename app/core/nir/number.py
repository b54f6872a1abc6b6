"""Rules of the NIR and of the NIA.  Standard library and python-stdnum only.

The NIR (numéro d'inscription au répertoire) has 13 characters and a key of 2 digits: sex, year, month, place of
birth (5), order (3).  The NIA (numéro d'identifiant d'attente) is built alike and begins with 3, 4, 7 or 8; it is
given to people whose civil status is being certified, and is not sent to AGORA (user guide 003, AGORA notice).

A number is personal data: nothing here puts one in a message, a ``repr`` or a ``str``.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise

from stdnum.fr import nir as _stdnum

NUMBER_LENGTH = 13
KEY_LENGTH = 2
#: Numbers printed on specimen cards: valid by their key, belonging to nobody.
SPECIMENS = frozenset({"269054958815780"})

_NUMBER = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6}", re.ASCII)
_KEY = re.compile(r"[0-9]{2}", re.ASCII)
_ALLOWED = re.compile(r"[0-9AB]*", re.ASCII)
#: Separators people type or paste: dashes, dots, bars and slashes.  Spaces of all kinds and invisible characters
#: are recognised by their Unicode category.
_SEPARATORS = frozenset(".,-‐‑‒–—_|/\u00b7")
_BLANK_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cf", "Cc"})
_MASKED_TAIL = "** *** *** **"


class NirKind(StrEnum):
    """Kind of number; the values are those stored in the database."""

    NIR = "NIR"
    NIA = "NIA"


class NirProblem(StrEnum):
    """Why a number is refused, in the order in which the causes are looked for."""

    EMPTY = "empty"
    CHARACTERS = "characters"
    LENGTH = "length"
    KEY_TWICE = "key_twice"
    KEY_MISSING = "key_missing"
    KEY_FORMAT = "key_format"
    FIRST_DIGIT = "first_digit"
    MONTH = "month"
    KEY = "key"
    SPECIMEN = "specimen"

    @property
    def field(self) -> str:
        """Which of the two boxes of the form to point at: ``number`` or ``key``."""
        return "key" if self in (NirProblem.KEY_TWICE, NirProblem.KEY_MISSING, NirProblem.KEY_FORMAT, NirProblem.KEY) else "number"


class NirError(ValueError):
    """The text is not an acceptable number; :attr:`problem` says why, the message holds no part of it."""

    def __init__(self, problem: NirProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class Incoherence(StrEnum):
    """A valid number that does not fit what is known of the person: a warning, since civil status can be corrected."""

    GENDER = "gender"
    YEAR = "year"
    MONTH = "month"


@dataclass(frozen=True, slots=True, repr=False)
class Nir:
    """An accepted number.  ``str()`` and ``repr()`` are masked; :attr:`value` is the deliberate way out."""

    number: str
    key: str
    kind: NirKind

    @property
    def value(self) -> str:
        """The 15 characters, without spaces."""
        return self.number + self.key

    @property
    def grouped(self) -> str:
        """The 15 characters as printed on a card."""
        return group(self.value)

    @property
    def masked(self) -> str:
        """The form fit for screens: sex, year and month only."""
        return mask(self.value)

    @property
    def gender(self) -> str | None:
        """``M`` or ``F`` as the first digit tells; ``None`` when it does not tell (7 and 8 of NIA: like 1 and 2)."""
        return {"1": "M", "2": "F", "3": "M", "4": "F", "7": "M", "8": "F"}.get(self.number[0])

    @property
    def birth_month(self) -> int | None:
        """Month of birth, or ``None`` for the values given to incomplete civil status."""
        month = int(self.number[3:5])
        return month if 1 <= month <= 12 else None

    @property
    def year_digits(self) -> str:
        """Last two digits of the year of birth (the century is not in the number)."""
        return self.number[1:3]

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"<Nir {self.kind} {self.masked}>"


def normalise(text: str | None) -> str:
    """Return the text in capitals without spaces and separators; nothing is judged."""
    if not text:
        return ""
    if text.isascii() and text.isalnum():  # as most are typed
        return text.upper()
    kept = (c for c in text if c not in _SEPARATORS and unicodedata.category(c) not in _BLANK_CATEGORIES)
    return "".join(kept).upper()


def compute_key(number: str) -> str:
    """Return the key of 13 well-formed characters: ``97 - n mod 97``, Corsica 2A read 19 and 2B read 18.

    For building test data and partner answers.  Never show it to someone who typed a wrong key: that would help to
    forge a number.
    """
    if not _NUMBER.fullmatch(number):
        raise NirError(NirProblem.CHARACTERS)
    return str(_stdnum.calc_check_digits(number))


def _month_accepted(number: str) -> bool:
    """01–12, and 20–42 and 50–99 that INSEE gives to incomplete civil status.

    Numbers beginning with 7 or 8 come from former provisional registers whose digits are not a date.
    """
    month = int(number[3:5])
    return number[0] in "78" or 1 <= month <= 12 or 20 <= month <= 42 or month >= 50


def _kind(number: str) -> NirKind | None:
    if number[0] in "12":
        return NirKind.NIR
    return NirKind.NIA if number[0] in "3478" else None


def parse(number: str | None, key: str | None = None) -> Nir:
    """Read a number typed as 13 characters and a key, or as 15 characters at once.

    Spaces, dots, dashes and case do not matter.  Raises :class:`NirError` with the first cause found.
    """
    body, given_key = normalise(number), normalise(key)
    if not body:
        raise NirError(NirProblem.EMPTY)
    if not _ALLOWED.fullmatch(body):
        raise NirError(NirProblem.CHARACTERS)
    if len(body) == NUMBER_LENGTH + KEY_LENGTH and given_key in ("", body[NUMBER_LENGTH:]):
        body, given_key = body[:NUMBER_LENGTH], body[NUMBER_LENGTH:]
    if len(body) == NUMBER_LENGTH + KEY_LENGTH:
        raise NirError(NirProblem.KEY_TWICE)
    if len(body) != NUMBER_LENGTH:
        raise NirError(NirProblem.LENGTH)
    if not _NUMBER.fullmatch(body):
        raise NirError(NirProblem.CHARACTERS)
    kind = _kind(body)
    if kind is None:
        raise NirError(NirProblem.FIRST_DIGIT)
    if not _month_accepted(body):
        raise NirError(NirProblem.MONTH)
    if not given_key:
        raise NirError(NirProblem.KEY_MISSING)
    if not _KEY.fullmatch(given_key):
        raise NirError(NirProblem.KEY_FORMAT)
    if compute_key(body) != given_key:
        raise NirError(NirProblem.KEY)
    if body + given_key in SPECIMENS:
        raise NirError(NirProblem.SPECIMEN)
    return Nir(number=body, key=given_key, kind=kind)


def faulty_box(problem: NirProblem, number: str | None, key: str | None = None) -> str:
    """Which of two cells is wrong, ``number`` or ``key``: a key typed with the number, in one cell, is wrong there."""
    together = not normalise(key) and len(normalise(number)) == NUMBER_LENGTH + KEY_LENGTH
    return "number" if together else problem.field


def check(number: str | None, key: str | None = None) -> NirProblem | None:
    """Return why the number would be refused, or ``None``."""
    try:
        parse(number, key)
    except NirError as error:
        return error.problem
    return None


def same(left: str | None, right: str | None) -> bool:
    """Whether two texts hold the same number, whatever the spacing.  Nothing equals an empty number."""
    a, b = normalise(left)[:NUMBER_LENGTH], normalise(right)[:NUMBER_LENGTH]
    if not a or not b:
        return False
    return hmac.compare_digest(a.encode(), b.encode())


def group(value: str | None) -> str:
    """Return ``1 62 07 13 155 089 82``; also right for 13 characters and for what is still being typed."""
    text = normalise(value)
    cuts = (0, 1, 3, 5, 7, 10, 13, 15)
    parts = [text[start:end] for start, end in pairwise(cuts)] + [text[15:]]
    return " ".join(part for part in parts if part)


def mask(value: str | None) -> str:
    """Return ``1 62 07 ** *** *** **``: sex, year and month of birth, which the screen shows anyway.

    Text that is not a complete number is hidden whole, since it may be anything; nothing gives an empty text.
    """
    text = normalise(value)
    if not text:
        return ""
    if len(text) not in (NUMBER_LENGTH, NUMBER_LENGTH + KEY_LENGTH) or not _NUMBER.fullmatch(text[:NUMBER_LENGTH]):
        return f"* ** ** {_MASKED_TAIL}"
    return f"{text[0]} {text[1:3]} {text[3:5]} {_MASKED_TAIL}"


def incoherences(nir: Nir, *, birth_date: date | None = None, gender: str | None = None) -> list[Incoherence]:
    """Compare a number with the person's known birth date and gender (``M``/``F``).

    Only what the number really tells is compared: no month for incomplete civil status, nothing but the gender
    for numbers whose digits are not a date.
    """
    found: list[Incoherence] = []
    if gender and nir.gender and gender != nir.gender:
        found.append(Incoherence.GENDER)
    if birth_date is not None and nir.number[0] not in "78":
        if nir.year_digits != f"{birth_date.year % 100:02d}":
            found.append(Incoherence.YEAR)
        if nir.birth_month is not None and nir.birth_month != birth_date.month:
            found.append(Incoherence.MONTH)
    return found
