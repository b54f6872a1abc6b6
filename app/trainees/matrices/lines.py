"""What the matrices of trainees share: the lines with what is wrong with them, the actions and the numbers that they name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.actions.domain import registration_blockers
from app.actions.labels import reason_text
from app.actions.models import Action, Contract
from app.core.extensions import db
from app.core.matrix import Finding, findings
from app.core.matrix.checking import Checked, Checker
from app.core.matrix.rows import among
from app.core.nir import Nir, NirError, faulty_box, parse
from app.core.nir.messages import problem_message
from app.core.textsearch import fold

#: Rows asked for in one statement.
BATCH: Final = 5_000


class Where(NamedTuple):
    """An action, as far as lines depend on it."""

    id: int
    organisation_id: int
    nir_required: bool
    cofunded: bool
    closed: str


class Lines:
    """The lines of a file, what each column gives for them, and what is wrong so far."""

    def __init__(self, checker: Checker, checked: Checked, *, lock: bool) -> None:
        self.checker = checker
        self.lock = lock
        self.values = checked.values
        self.lines = checked.lines
        self.found: dict[int, list[Finding]] = {}
        for finding in checked.findings:
            self.found.setdefault(finding.line, []).append(finding)
        self._count = len(checked.findings)

    def wrong(self, line: int, column: str, message: str, *, other: int | None = None) -> None:
        """One more thing to mend, because of another line perhaps.  Raises Refused when there are too many."""
        self.found.setdefault(line, []).append(Finding(line, column, message, other))
        self._count += 1
        if self._count > findings.MOST:
            raise findings.too_many(self.found.values(), self.checker.headers())

    def at(self, name: str, place: int) -> Any:
        """What the line gives in a column; None when nothing, or when the file has no such column."""
        column = self.values.get(name)
        return column[place] if column is not None else None

    def has(self, line: int, *names: str) -> bool:
        """Whether something is wrong with one of these columns of the line."""
        return any(finding.column in names for finding in self.found.get(line, ()))

    def blank(self, name: str) -> str:
        """What is said of a cell that has to be filled."""
        return self.checker.blank(name, held=name in self.values)

    def alone(self, place: int, line: int) -> list[tuple[str, str]]:
        """What the cells of a line say together, whatever the portal holds."""
        return self.checker.alone({name: column[place] for name, column in self.values.items()}, {one.column for one in self.found.get(line, ())})

    def findings(self) -> list[Finding]:
        """Everything wrong, in the order of the lines."""
        return [finding for line in self.lines for finding in self.found.get(line, ())]

    def actions(self) -> list[Where | None]:
        """The action of each line, among those that the account may see: another organisation's is unknown."""
        typed = [number_of(words) for words in self.values.get("action_number", [None] * len(self.lines))]
        known: dict[str, Where] = {}
        for numbers in batches(sorted(set(typed) - {""})):
            statement = select(Action).where(among(Action.number, numbers)).order_by(Action.id).execution_options(populate_existing=True)
            if self.lock:  # as ``lock_action``, shared: neither opened nor closed meanwhile
                statement = statement.with_for_update(read=True, of=Action)
            for action in db.session.scalars(statement.options(selectinload(Action.contract).joinedload(Contract.programme))):
                blockers = registration_blockers(action.status)
                programme = action.contract.programme
                known[action.number] = Where(
                    action.id, action.organisation_id, programme.nir_required, action.esf_cofunded, str(reason_text(blockers[0])) if blockers else ""
                )
        out: list[Where | None] = []
        for line, number in zip(self.lines, typed, strict=True):
            where = known.get(number)
            if where is None and not self.has(line, "action_number"):
                self.wrong(line, "action_number", self.blank("action_number") if not number else _("Unknown: check the number on the list of the actions."))
            out.append(where)
        return out

    def must_be_open(self, line: int, where: Where) -> None:
        """What a line does, but for one that says what stands already, is done on an action that is still open to it."""
        if where.closed and not self.has(line, "action_number"):
            self.wrong(line, "action_number", where.closed)

    def numbers(self, wheres: Sequence[Where | None]) -> list[Nir | None]:
        """The number of each line whose programme asks for one; of a line whose action is unknown, the number that stands there.

        A line without one may be about somebody who is on the action already (``registered``).
        """
        out: list[Nir | None] = []
        for place, (line, where) in enumerate(zip(self.lines, wheres, strict=True)):
            nir: Nir | None = None
            typed, key = self.at("nir", place), self.at("key", place)
            if self.has(line, "nir", "key") or (not typed and (where is None or not key)):
                pass
            elif where is None or where.nir_required:
                try:
                    nir = parse(typed, key)
                except NirError as error:
                    self.wrong(line, "key" if faulty_box(error.problem, typed, key) == "key" else "nir", str(problem_message(error.problem)))
            elif typed or key:
                self.wrong(line, "nir" if typed else "key", _("The programme of this action asks for no number: leave this cell blank."))
            out.append(nir)
        return out

    def unnumbered(self, wheres: Sequence[Where | None], numbers: Sequence[Nir | None]) -> list[bool]:
        """The lines that tell who they are about by names and date of birth alone, on an action whose programme asks for a number."""
        return [
            where is not None and where.nir_required and nir is None and not self.has(line, "nir", "key")
            for line, where, nir in zip(self.lines, wheres, numbers, strict=True)
        ]

    def essence(self, place: int) -> tuple[str, str, date] | None:
        """The names, read loosely, and the date of birth; None when one of them is not given."""
        name, first, born = (self.at(column, place) for column in ("birth_name", "first_name", "birth_date"))
        return essence(name, first, born) if name and first and born else None


def bare(words: str) -> str:
    """A name as it is compared: without case, accents, blanks or hyphens."""
    return fold(words).replace(" ", "")


def essence(name: str, first: str, born: date) -> tuple[str, str, date]:
    """What tells somebody among the trainees of an action."""
    return bare(name), bare(first), born


def number_of(words: Any) -> str:
    """The number of an action as the portal writes it."""
    return "".join(str(words or "").split()).upper()


def batches(values: Iterable[Any]) -> Iterable[list[Any]]:
    """The values, a statement's worth at a time."""
    held = list(values)
    return (held[start : start + BATCH] for start in range(0, len(held), BATCH))


__all__ = ["BATCH", "Lines", "Where", "bare", "batches", "essence", "number_of"]
