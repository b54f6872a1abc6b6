"""The people the sandbox knows. All are made up, but for the example of guide 000.

Some have a name to be found under; anybody else exists from the moment a valid NIR is asked for: first name and day of birth follow from the NIR, so
that the same question has the same answer for ever.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

_NIR = re.compile(r"[12][0-9]{4}(2[AB]|[0-9]{2})[0-9]{6}")
_LIGATURES = str.maketrans({"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae"})
SPECIMEN = "2690549588157"  # the number printed on specimen cards

_MEN = (
    "ADRIEN",
    "BRUNO",
    "CÉDRIC",
    "DAVID",
    "ÉTIENNE",
    "FABIEN",
    "GAËL",
    "HUGO",
    "IBRAHIM",
    "JÉRÔME",
    "KARIM",
    "LUCAS",
    "MATHIEU",
    "NICOLAS",
    "OLIVIER",
    "YANIS",
)
_WOMEN = (
    "ALICE",
    "BÉATRICE",
    "CLAIRE",
    "DELPHINE",
    "ÉLODIE",
    "FATIMA",
    "GAËLLE",
    "HÉLÈNE",
    "INÈS",
    "JULIE",
    "KHADIJA",
    "LÉA",
    "MANON",
    "NADIA",
    "OCÉANE",
    "SOPHIE",
)


@dataclass(frozen=True, slots=True)
class Person:
    """Civil status of somebody; the sex is in the NIR."""

    birth_name: str
    first_name: str
    birth_date: str
    usual_name: str | None = None


KNOWN: dict[str, Person] = {
    "1620713155089": Person("SION", "ANDRE", "1962-07-21"),
    "2550814168025": Person("LACAZE-DUTHIERS", "HÉLÈNE", "1955-08-03", "VIGNAU"),
    "2840588321025": Person("ŒILLET", "MARIE-ANGE", "1984-05-17"),
    "2951099126111": Person("N’DIAYE", "AWA", "1995-10-30", "N’DIAYE MARTIN"),
    "253072A073004": Person("CASANOVA", "LÆTITIA", "1953-07-09"),
    "253072B073004": Person("SAN MARTÍN", "LUCIE", "1953-07-28"),
}


def key_of(nir: str) -> str:
    """97 − (number mod 97); Corsica counts 19 for 2A and 18 for 2B."""
    number = int(nir[:5] + nir[5:7].replace("2A", "19").replace("2B", "18") + nir[7:])
    return f"{97 - number % 97:02d}"


def is_valid_nir(nir: object, key: object) -> bool:
    """A NIR (1 or 2 first: provisional numbers are not AGORA's) with its key, and a month that may be one."""
    return (
        isinstance(nir, str)
        and _NIR.fullmatch(nir) is not None
        and nir != SPECIMEN
        and (1 <= int(nir[3:5]) <= 12 or int(nir[3:5]) >= 20)
        and key == key_of(nir)
    )


def fold(name: str) -> str:
    """The letters of a name, without case, accents, hyphens or spaces."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", name.translate(_LIGATURES)).casefold() if letter.isalpha())


def name_agrees(nir: str, birth_name: str) -> bool:
    """Whether this person may be called so: only those of the list have a name beforehand."""
    known = KNOWN.get(nir)
    return bool(fold(birth_name)) and (known is None or fold(known.birth_name) == fold(birth_name))


def identity_of(nir: str, birth_name: str) -> dict[str, str | None]:
    """The identity of a person whose NIR is valid and whose name agrees, as the contract words it."""
    man = nir[0] == "1"
    person = KNOWN.get(nir) or _made_up(nir, birth_name)
    return {
        "civilite": "M" if man else "MME",
        "nomNaissance": person.birth_name,
        "nomUsage": person.usual_name,
        "prenom": person.first_name,
        "dateNaissance": person.birth_date,
        "sexe": "M" if man else "F",
    }


def _made_up(nir: str, birth_name: str) -> Person:
    digest = hashlib.sha256(nir.encode()).digest()
    names = _MEN if nir[0] == "1" else _WOMEN
    year, month = int(nir[1:3]), int(nir[3:5])
    century = 2000 if year <= 12 else 1900
    if month > 12:
        month = month % 12 + 1  # incomplete civil status
    return Person(" ".join(birth_name.upper().split()), names[digest[0] % len(names)], f"{century + year:04d}-{month:02d}-{digest[1] % 28 + 1:02d}")
