"""The sentence shown for each reason to refuse a number: what is wrong and what to do, never the number itself."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from app.core.nir.number import Incoherence, NirProblem

PROBLEM_MESSAGES: dict[NirProblem, LazyString] = {
    NirProblem.EMPTY: _l("Enter the NIR or NIA: 13 characters, then the key."),
    NirProblem.CHARACTERS: _l(
        "The NIR or NIA holds a character that is not allowed: digits only, but 2A or 2B for a birth in Corsica."
    ),
    NirProblem.LENGTH: _l("The NIR or NIA must have 13 characters, without the key."),
    NirProblem.KEY_TWICE: _l(
        "The number has 15 characters, its key among them, and another key is given besides: check the last 2 characters, and leave the key blank or "
        "write the same."
    ),
    NirProblem.KEY_MISSING: _l("Enter the key: the last 2 digits of the NIR or NIA."),
    NirProblem.KEY_FORMAT: _l("The key must have 2 digits."),
    NirProblem.FIRST_DIGIT: _l("The first digit must be 1 or 2 for a NIR, 3, 4, 7 or 8 for a NIA."),
    NirProblem.MONTH: _l("The 4th and 5th digits (month of birth) are not possible: check the number."),
    NirProblem.KEY: _l("The key does not match the number: check all 15 characters on the document."),
    NirProblem.SPECIMEN: _l("This number is printed on specimen cards and belongs to nobody: enter the person’s own."),
}

INCOHERENCE_MESSAGES: dict[Incoherence, LazyString] = {
    Incoherence.GENDER: _l("The first digit of the NIR does not fit the gender entered."),
    Incoherence.YEAR: _l("The NIR does not fit the year of birth entered."),
    Incoherence.MONTH: _l("The NIR does not fit the month of birth entered."),
}


def problem_message(problem: NirProblem) -> str:
    """Return the sentence for a refused number, in the reader's language."""
    return str(PROBLEM_MESSAGES[problem])
