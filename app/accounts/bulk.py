"""Rules of a file of accounts: which columns, what each line asks for, what is wrong with it. Pure: no database, no request.

One line is one account. A « principal » line also brings its organisation when it does not exist yet. The same file twice
asks for nothing more: an account is known by its organisation's SIRET, its e-mail and its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from app.accounts import domain
from app.core.tabular import CellKind
from app.core.tabular.columns import columns_of as _columns_of
from app.core.tabular.damage import Damage, damage_of
from app.core.textsearch import fold

MAX_LINES: Final = 5_000


class Column(StrEnum):
    """The columns, by the key they are known under."""

    KIND = "kind"
    SIRET = "siret"
    LEGAL_NAME = "legal_name"
    TRADE_NAME = "trade_name"
    NDA = "nda"
    CIVILITY = "civility"
    LAST_NAME = "last_name"
    FIRST_NAME = "first_name"
    EMAIL = "email"


#: Header of each column in the template, in order.
HEADERS: Final[dict[Column, str]] = {
    Column.KIND: "Type de compte",
    Column.SIRET: "SIRET",
    Column.LEGAL_NAME: "Raison sociale",
    Column.TRADE_NAME: "Enseigne",
    Column.NDA: "NDA",
    Column.CIVILITY: "Civilité",
    Column.LAST_NAME: "Nom d’usage",
    Column.FIRST_NAME: "Prénom",
    Column.EMAIL: "Courriel",
}
#: How many figures each code has.
CODES: Final = {Column.SIRET: 14, Column.NDA: 11}
REQUIRED: Final = (Column.KIND, Column.SIRET, Column.CIVILITY, Column.LAST_NAME, Column.FIRST_NAME, Column.EMAIL)
_MAX: Final = {Column.LEGAL_NAME: 200, Column.TRADE_NAME: 200, Column.LAST_NAME: 64, Column.FIRST_NAME: 64, Column.EMAIL: 254}
_KINDS: Final = {"principal": "principal", "compte principal": "principal", "secondaire": "secondary", "compte secondaire": "secondary"}
_CIVILITIES: Final = {"madame": "MME", "mme": "MME", "monsieur": "M", "m": "M", "mr": "M"}
_MAIL: Final = re.compile(r"[^@\s<>\"'(),;:\\\[\]]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,}\Z")


class Problem(StrEnum):
    """What is wrong with a line."""

    MISSING = "missing"
    UNKNOWN_KIND = "unknown_kind"
    SIRET = "siret"
    LOST_ZEROS = "lost_zeros"
    DAMAGED = "damaged"
    NDA = "nda"
    CIVILITY = "civility"
    TOO_LONG = "too_long"
    MAIL = "mail"
    FORMULA = "formula"
    NAME = "name"
    TWICE = "twice"
    SECOND_PRINCIPAL = "second_principal"
    HAS_PRINCIPAL = "has_principal"
    NO_ORGANISATION = "no_organisation"
    NAME_NEEDED = "name_needed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: where, with what value. ``detail`` is a line, a limit, or what is known already."""

    line: int
    column: Column
    problem: Problem
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What one line asks for, cleaned; ``typed`` is what stood there, to be sent back."""

    number: int
    kind: str
    siret: str
    legal_name: str
    trade_name: str
    nda: str
    civility: str
    last_name: str
    first_name: str
    email: str
    typed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """An organisation that exists: its id, whether it is open, who manages it, and the keys of its accounts."""

    id: int
    active: bool
    principal: str | None
    accounts: frozenset[str]


@dataclass(slots=True)
class Plan:
    """What a file would do."""

    create: list[Line] = field(default_factory=list)
    present: list[Line] = field(default_factory=list)
    errors: list[Finding] = field(default_factory=list)
    lines: int = 0
    all_lines: list[Line] = field(default_factory=list)

    @property
    def wrong_lines(self) -> set[int]:
        """Numbers of the lines in error."""
        return {finding.line for finding in self.errors}


def key_of(last_name: str, first_name: str, email: str) -> str:
    """What makes two lines of one organisation the same account."""
    return f"{email.strip().casefold()}|{fold(last_name)}|{fold(first_name)}"


def columns_of(header: Sequence[str]) -> tuple[dict[Column, int], list[Column]]:
    """Where each column is, and the required ones that are missing; accents, case and unknown columns do not matter."""
    names = {words: column for column, words in HEADERS.items()} | {column.value: column for column in Column}
    return _columns_of(header, names, REQUIRED)


def read_line(number: int, cells: Mapping[Column, tuple[str, CellKind]]) -> tuple[Line, list[Finding]]:
    """A line from its cells (text, what the spreadsheet held), and what is wrong with it alone."""
    typed = {column: cells.get(column, ("", CellKind.EMPTY))[0] for column in Column}
    findings: list[Finding] = []

    def wrong(column: Column, problem: Problem, detail: str = "") -> None:
        findings.append(Finding(number, column, problem, typed[column], detail))

    for column in REQUIRED:
        if not typed[column]:
            wrong(column, Problem.MISSING)
    kind = _KINDS.get(fold(typed[Column.KIND]), "")
    if typed[Column.KIND] and not kind:
        wrong(Column.KIND, Problem.UNKNOWN_KIND)
    siret = domain.compact_siret(typed[Column.SIRET])
    nda = domain.compact_siret(typed[Column.NDA])
    codes = (
        (Column.SIRET, Problem.SIRET, bool(siret) and domain.siret_fault(siret) is not None),
        (Column.NDA, Problem.NDA, bool(nda) and not re.fullmatch(r"[0-9]{11}", nda)),
    )
    for column, problem, is_wrong in codes:
        if is_wrong:
            damage = damage_of(*cells.get(column, ("", CellKind.EMPTY)), CODES[column])
            if damage in (None, Damage.FIGURE):  # a number of another length is a wrong code
                wrong(column, problem)
            elif damage is Damage.LOST_ZERO:
                wrong(column, Problem.LOST_ZEROS)
            else:
                wrong(column, Problem.DAMAGED, damage.value)
    civility = _CIVILITIES.get(fold(typed[Column.CIVILITY]), "")
    if typed[Column.CIVILITY] and not civility:
        wrong(Column.CIVILITY, Problem.CIVILITY)
    if typed[Column.EMAIL] and not _MAIL.match(typed[Column.EMAIL]):
        wrong(Column.EMAIL, Problem.MAIL)
    for column, most in _MAX.items():
        if len(typed[column]) > most:
            wrong(column, Problem.TOO_LONG, str(most))
        elif typed[column].startswith(("=", "+", "-", "@")):
            wrong(column, Problem.FORMULA)
        elif column in (Column.LAST_NAME, Column.FIRST_NAME) and typed[column] and not domain.is_person_name(typed[column]):
            wrong(column, Problem.NAME)
    line = Line(
        number,
        kind,
        siret,
        typed[Column.LEGAL_NAME],
        typed[Column.TRADE_NAME],
        nda,
        civility,
        typed[Column.LAST_NAME],
        typed[Column.FIRST_NAME],
        typed[Column.EMAIL],
        {column.value: words for column, words in typed.items()},
    )
    return line, findings


def plan_of(lines: Sequence[Line], findings: Sequence[Finding], known: Mapping[str, Known]) -> Plan:
    """What a file does to what is known (organisations by SIRET); lines wrong by themselves are only reported."""
    plan = Plan(errors=list(findings), lines=len(lines), all_lines=list(lines))
    wrong = plan.wrong_lines
    good = [line for line in lines if line.number not in wrong]
    seen: dict[tuple[str, str], int] = {}
    principals: dict[str, int] = {}
    for line in sorted(good, key=lambda one: (one.kind != "principal", one.number)):
        finding = _wrong_among(line, seen, principals, known)
        key = key_of(line.last_name, line.first_name, line.email)
        if finding is not None:
            plan.errors.append(finding)
            continue
        seen[line.siret, key] = line.number
        there = known.get(line.siret)
        if line.kind == "principal":
            principals[line.siret] = line.number
        (plan.present if there is not None and key in there.accounts else plan.create).append(line)
    plan.errors.sort(key=lambda one: (one.line, list(Column).index(one.column)))
    plan.create.sort(key=lambda one: one.number)
    return plan


def _wrong_among(line: Line, seen: Mapping[tuple[str, str], int], principals: Mapping[str, int], known: Mapping[str, Known]) -> Finding | None:
    """What is wrong with a line given the others and what exists."""
    key = key_of(line.last_name, line.first_name, line.email)
    there = known.get(line.siret)
    if (line.siret, key) in seen:
        return Finding(line.number, Column.EMAIL, Problem.TWICE, line.email, str(seen[line.siret, key]))
    if there is not None and key in there.accounts:
        return None
    if there is not None and not there.active:
        return Finding(line.number, Column.SIRET, Problem.CLOSED, line.siret)
    if line.kind == "secondary":
        homeless = there is None and line.siret not in principals
        return Finding(line.number, Column.SIRET, Problem.NO_ORGANISATION, line.siret) if homeless else None
    return _wrong_principal(line, principals, there)


def _wrong_principal(line: Line, principals: Mapping[str, int], there: Known | None) -> Finding | None:
    if line.siret in principals:
        return Finding(line.number, Column.KIND, Problem.SECOND_PRINCIPAL, line.typed.get("kind", ""), str(principals[line.siret]))
    if there is not None and there.principal is not None:
        return Finding(line.number, Column.KIND, Problem.HAS_PRINCIPAL, line.typed.get("kind", ""), there.principal)
    if there is None and not line.legal_name:
        return Finding(line.number, Column.LEGAL_NAME, Problem.NAME_NEEDED, "")
    return None
