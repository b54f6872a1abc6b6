"""Rules of a file of NIRs: which columns, what each line gives, what is wrong with it.  Pure: no database, no request.

One line is one trainee, known by the reference that the portal wrote.  A spreadsheet damages long numbers in ways that can be told apart
(domain-facts §5: lost zeros, numbers turned into figures): each is named with its cure, and nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from app.core.nir import Nir, NirError, NirKind, faulty_box, incoherences, parse
from app.core.tabular import CellKind
from app.core.tabular.columns import columns_of as _columns_of
from app.core.tabular.damage import damage_of
from app.core.textsearch import fold

MAX_LINES: Final = 5_000


class Column(StrEnum):
    """The columns, by the key they are known under."""

    REFERENCE = "reference"
    BIRTH_NAME = "birth_name"
    FIRST_NAME = "first_name"
    BIRTH_DATE = "birth_date"
    ACTIONS = "actions"
    PRESENT = "present"
    NIR = "nir"
    KEY = "key"


#: Header of each column in the file, in order.
HEADERS: Final[dict[Column, str]] = {
    Column.REFERENCE: "Référence",
    Column.BIRTH_NAME: "Nom de naissance",
    Column.FIRST_NAME: "Prénom",
    Column.BIRTH_DATE: "Date de naissance",
    Column.ACTIONS: "Actions",
    Column.PRESENT: "Numéro actuel",
    Column.NIR: "NIR (13 caractères)",
    Column.KEY: "Clé (2 chiffres)",
}
REQUIRED: Final = (Column.REFERENCE, Column.BIRTH_NAME, Column.NIR)
#: What the check of a line reads; the rest of the file is for whoever completes it.
READ: Final = (Column.REFERENCE, Column.BIRTH_NAME, Column.NIR, Column.KEY)
PREFIX: Final = "STG-"
_REFERENCE: Final = re.compile(rf"{PREFIX}([1-9][0-9]{{0,8}})\Z")
#: How many figures the number and its key have, for what a spreadsheet does to them. Neither may be held as a number.
_LENGTHS: Final = {Column.NIR: (13, 15), Column.KEY: (2,)}


class Problem(StrEnum):
    """Why a line gives no number; the codes are kept in the report."""

    NO_REFERENCE = "no_reference"
    UNKNOWN = "unknown"
    SAME_LINE = "same_line"
    NAME = "name"
    SCIENTIFIC = "scientific"
    DECIMAL = "decimal"
    FIGURE = "figure"
    LOST_ZERO = "lost_zero"
    DATE = "date"
    NUMBER = "number"
    NIA = "nia"
    SAME_NUMBER = "same_number"
    TAKEN = "taken"
    HAS_NUMBER = "has_number"
    INCOHERENT = "incoherent"
    # what AGORA, or the moment of the act, says
    AGORA_NAME = "agora_name"
    AGORA_UNKNOWN = "agora_unknown"
    AGORA_DIFFERENT = "agora_different"
    AGORA_SILENT = "agora_silent"
    GONE = "gone"


class Outcome(StrEnum):
    """What became of a line."""

    WRONG = "wrong"  # refused before anything was done
    PENDING = "pending"  # its number is still to be given
    SAVED = "saved"
    REFUSED = "refused"  # at the act: AGORA says otherwise, or somebody was faster


class RepairState(StrEnum):
    """Life of a file of NIRs."""

    CHECKED = "checked"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a line.  ``shown`` never holds a number in clear; ``detail`` is a line, a code of ``NirProblem`` or of ``Incoherence``."""

    line: int
    column: Column
    problem: Problem
    shown: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Line:
    """What one line gives, read by itself."""

    number: int
    trainee_id: int | None
    birth_name: str
    nir: Nir | None
    finding: Finding | None
    #: Nothing stands in the box of the number: not an error, the person's number is not known yet.
    blank: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Known:
    """A trainee that a line may speak of."""

    birth_name: str
    birth_date: date
    gender: str
    has_nir: bool
    same_nir: bool


@dataclass(slots=True)
class Plan:
    """What a file would do: lines to apply, numbers there already, lines left blank, findings (one a line at most)."""

    apply: list[Line] = field(default_factory=list)
    present: list[Line] = field(default_factory=list)
    blank: list[Line] = field(default_factory=list)
    wrong: list[Finding] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    #: The trainees of the organisation among those the lines speak of.
    known: frozenset[int] = frozenset()


def reference_of(trainee_id: int) -> str:
    """What the file calls a trainee: letters first, so that no spreadsheet takes it for a figure."""
    return f"{PREFIX}{trainee_id}"


def columns_of(header: Sequence[str]) -> tuple[dict[Column, int], list[Column]]:
    """Where each column stands, and the required ones that are missing; accents, case and other columns do not matter."""
    return _columns_of(header, {words: column for column, words in HEADERS.items()} | {"NIR": Column.NIR, "Clé": Column.KEY}, REQUIRED)


def shown(text: str) -> str:
    """A cell as a finding may repeat it: with so many figures it may be a number of a person, whatever its column."""
    if sum(character.isdigit() for character in text) < 7:
        return text[:40]
    return f"{text[:1]}{'•' * (min(len(text), 15) - 1)}"


@dataclass(frozen=True, slots=True)
class Typed:
    """A cell: its text, and whether the spreadsheet held a figure or a date."""

    text: str = ""
    is_figure: bool = False
    is_date: bool = False


def read_line(number: int, cells: Mapping[Column, Typed]) -> Line:
    """A line from its cells, and the first thing wrong with it alone."""
    reference, name = cells.get(Column.REFERENCE, Typed()), cells.get(Column.BIRTH_NAME, Typed())
    match = _REFERENCE.match(re.sub(r"\s+", "", reference.text).upper().replace("STG_", PREFIX))
    trainee_id = int(match[1]) if match else None
    nir_cell, key_cell = cells.get(Column.NIR, Typed()), cells.get(Column.KEY, Typed())
    nir: Nir | None = None
    finding: Finding | None = None
    blank = not nir_cell.text and not key_cell.text
    if not blank:
        nir, finding = _number(number, nir_cell, key_cell)
    if not reference.text and not blank:
        finding = Finding(number, Column.REFERENCE, Problem.NO_REFERENCE)
    elif trainee_id is None and not blank:
        finding = Finding(number, Column.REFERENCE, Problem.UNKNOWN, shown(reference.text))
    return Line(number, trainee_id, name.text, nir, finding, blank)


def _number(line: int, nir: Typed, key: Typed) -> tuple[Nir | None, Finding | None]:
    """The number of two cells, or what is wrong: first what a spreadsheet does, then what a hand does."""
    for column, cell in ((Column.NIR, nir), (Column.KEY, key)):
        damage = _damage(column, cell)
        if damage is not None:
            return None, Finding(line, column, damage, shown(cell.text))
    try:
        number = parse(nir.text, key.text)
    except NirError as error:
        column = Column.KEY if faulty_box(error.problem, nir.text, key.text) == "key" else Column.NIR
        return None, Finding(line, column, Problem.NUMBER, detail=error.problem.value)
    if number.kind is not NirKind.NIR:
        return None, Finding(line, Column.NIR, Problem.NIA, number.masked)
    return number, None


def _damage(column: Column, cell: Typed) -> Problem | None:
    kind = CellKind.DATE if cell.is_date else CellKind.NUMBER if cell.is_figure else CellKind.TEXT
    damage = damage_of(cell.text, kind, *_LENGTHS[column], zeros=column is Column.KEY, figures=False)
    return Problem(damage.value) if damage is not None else None


def plan_of(lines: Sequence[Line], known: Mapping[int, Known], bearers: Mapping[str, int]) -> Plan:
    """What a file does to what is known.  ``known`` holds the organisation's trainees, nobody else's; ``bearers`` who has these numbers there."""
    plan = Plan(lines=list(lines), known=frozenset(known))
    seen: dict[int, int] = {}
    numbers: dict[str, int] = {}
    for line in lines:
        if line.blank:
            plan.blank.append(line)
            continue
        finding = line.finding or _among(line, known, bearers, seen, numbers)
        if finding is not None:
            plan.wrong.append(finding)
            continue
        if line.trainee_id is not None and line.nir is not None:  # else there is a finding
            seen[line.trainee_id] = numbers[line.nir.value] = line.number
            (plan.present if known[line.trainee_id].same_nir else plan.apply).append(line)
    return plan


def _among(
    line: Line, known: Mapping[int, Known], bearers: Mapping[str, int], seen: Mapping[int, int], numbers: Mapping[str, int]
) -> Finding | None:
    """What is wrong with a line given the others and what is known."""
    if line.trainee_id is None or line.nir is None:  # the line has a finding of its own
        return line.finding

    def wrong(column: Column, problem: Problem, detail: str = "", words: str = "") -> Finding:
        return Finding(line.number, column, problem, words, detail)

    reference = reference_of(line.trainee_id)
    person = known.get(line.trainee_id)
    if person is None:
        return wrong(Column.REFERENCE, Problem.UNKNOWN, words=reference)
    if line.trainee_id in seen:
        return wrong(Column.REFERENCE, Problem.SAME_LINE, str(seen[line.trainee_id]), reference)
    if fold(line.birth_name) != fold(person.birth_name):
        return wrong(Column.BIRTH_NAME, Problem.NAME, words=shown(line.birth_name))
    return _of_number(line, person, bearers, numbers)


def _of_number(line: Line, person: Known, bearers: Mapping[str, int], numbers: Mapping[str, int]) -> Finding | None:
    """What is wrong with the number of a line, whose person is known."""
    if line.nir is None or (person.same_nir and line.nir.value not in numbers):
        return None

    def wrong(problem: Problem, detail: str = "") -> Finding:
        return Finding(line.number, Column.NIR, problem, line.nir.masked if line.nir else "", detail)

    if line.nir.value in numbers:
        return wrong(Problem.SAME_NUMBER, str(numbers[line.nir.value]))
    if person.has_nir:
        return wrong(Problem.HAS_NUMBER)
    if line.nir.value in bearers:
        return wrong(Problem.TAKEN)
    unfit = incoherences(line.nir, birth_date=person.birth_date, gender=person.gender)
    return wrong(Problem.INCOHERENT, unfit[0].value) if unfit else None
