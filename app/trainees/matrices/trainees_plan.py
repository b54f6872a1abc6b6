"""What a file of trainees would do to the sheets that are there: a new one, a changed one, the same, or why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from flask_babel import gettext as _
from sqlalchemy import select

from app.core import clock
from app.core.extensions import db
from app.core.matrix.checking import Checked, Checker, groups_of
from app.core.matrix.plan import Act, Difference, Plan, Progress, Step
from app.core.matrix.rows import among
from app.core.nir import Nir
from app.core.nir.storage import nir_candidates
from app.core.tenancy import whole_organisation
from app.core.textsearch import fold
from app.core.ui.format import fr_date
from app.partners.agora.port import Civility, Gender

from .. import labels
from ..domain import birth_date_problem, ft_date_problem, schooling_problems
from ..forms import ContactForm
from ..models import Registration, Trainee
from ..services.identity import Person
from ..services.registration import DETAIL_COLUMNS, emptied
from .lines import BATCH, Lines, Where, bare, batches, essence
from .trainees import CIVIL, ESF

_SHEET = tuple(sorted(DETAIL_COLUMNS - {"insee_code"}))
#: The columns of a sheet, in the order of ``Sheet.new``.
COLUMNS: Final = tuple(sorted(DETAIL_COLUMNS))
#: What may be said in two ways of one person; a difference in the rest of the civil status is another person.
_SAME_PERSON: Final = frozenset({"civility", "usual_name", "gender"})


class Known(NamedTuple):
    """A person of the organisation."""

    id: int
    birth_name: str
    first_name: str
    birth_date: date
    gender: str
    civility: str
    usual_name: str | None


_KNOWN: Final = tuple(getattr(Trainee, name) for name in Known._fields)


@dataclass(frozen=True, slots=True)
class Change:
    """What a line changes on a sheet: the columns that change, what they held, and every column as it will be."""

    registration_id: int
    values: dict[str, Any]
    before: dict[str, Any]
    whole: dict[str, Any]


@dataclass(slots=True)
class Sheet:
    """A line that makes a sheet or changes one."""

    where: Where
    #: Who is registered: known already, or to be made of ``person`` and ``nir``.
    trainee_id: int | None
    person: Person | None
    nir: Nir | None
    #: Every column of a new sheet, in the order of ``COLUMNS``: a file may make a hundred thousand, and a dict of each takes five times more.
    new: tuple[Any, ...] = ()
    change: Change | None = None


def plan(checker: Checker, checked: Checked, progress: Progress, *, lock: bool) -> Plan:
    """See ``core.matrix.plan.Importer``."""
    return _Planner(checker, checked, lock=lock).plan(progress)


class _Planner(Lines):
    def __init__(self, checker: Checker, checked: Checked, *, lock: bool) -> None:
        super().__init__(checker, checked, lock=lock)
        self.groups = groups_of(checker)
        blank = [None] * len(self.lines)
        needed = [(reader.column, name, self.values.get(name, blank)) for name, reader in checker.readers.items() if name != "action_number"]
        #: What tells the person, and what a new sheet requires: each column with what it gives.
        self.keys = [(name, given) for column, name, given in needed if column.key]
        self.required = [
            (name, given) for column, name, given in needed if column.key or (checker.readers[name].required and name not in ESF)
        ]
        #: What the file gives for the columns of a sheet: of an action that the ESF co-funds, of another one.
        self.given = {
            cofunded: [(name, self.values.get(name, blank)) for name in _SHEET if cofunded or name not in ESF] for cofunded in (False, True)
        }
        self.today = clock.today()
        self.towns: dict[tuple[str, str], str | None] = {}
        self.words: dict[str, dict[Any, str]] = {}

    # ---- the whole

    def plan(self, progress: Progress) -> Plan:
        count = len(self.lines)
        wheres = self.actions()
        numbers = self.numbers(wheres)
        self.by_names = self.unnumbered(wheres, numbers)
        people = self._people(wheres, numbers)
        sheets = self._sheets(wheres, people)
        for group in self.groups:  # a line that changes a sheet is judged with what stands there
            group.prepare({name: {*self.values.get(name, ()), *(getattr(sheet, name) for sheet in sheets.values())} for name in group.columns})
        result, seen = Plan(), _Seen()
        for place, (line, where) in enumerate(zip(self.lines, wheres, strict=True)):
            if place % BATCH == 0:
                progress(place, count)
            if where is None:
                self._alone(place, line)
                continue
            step = self._line(place, where, (numbers[place], people[place]), sheets, seen)
            if line not in self.found and step is not None:
                result.steps.append(step)
        result.findings = self.findings()
        progress(count, count)
        return result

    # ---- what the lines speak of

    def _people(self, wheres: Sequence[Where | None], numbers: Sequence[Nir | None]) -> list[Known | None]:
        """Who is known already in the organisation, whatever actions the account is limited to."""
        by_hash: dict[bytes, Known] = {}
        hashes = [nir_candidates(nir) if nir is not None else () for nir in numbers]
        columns = _KNOWN
        with whole_organisation():
            for some in batches(sorted({one for candidates in hashes for one in candidates})):
                for row in db.session.execute(select(Trainee.nir_hash, *columns).where(among(Trainee.nir_hash, some))):
                    by_hash[row[0] or b""] = Known(*row[1:])
            civil = {self._essence(place) for place, where in enumerate(wheres) if where is not None and not where.nir_required} - {None}
            by_civil: dict[tuple[Any, ...], Known] = {}
            for names in batches(sorted({told[0] for told in civil if told is not None})):
                statement = select(Trainee.sort_name, *columns).where(among(Trainee.sort_name, names), Trainee.nir_hash.is_(None))
                for one in db.session.execute(statement):
                    known = Known(*one[1:])
                    by_civil[one[0], known.birth_date, known.gender] = known
        registered = self._registered(wheres)
        out: list[Known | None] = []
        for place, (where, candidates) in enumerate(zip(wheres, hashes, strict=True)):
            if where is not None and self.by_names[place]:
                out.append(self._named(place, where, registered))
            elif where is not None and not where.nir_required:
                told = self._essence(place)
                out.append(by_civil.get(told) if told is not None else None)
            else:
                out.append(next((by_hash[one] for one in candidates if one in by_hash), None))
        return out

    def _registered(self, wheres: Sequence[Where | None]) -> dict[tuple[int, Any], list[Known]]:
        """Who is on the actions of the lines without number, by names and date of birth.  In the account's own scope."""
        found: dict[tuple[int, Any], list[Known]] = {}
        about = [(where.id, self.at("birth_date", place)) for place, where in enumerate(wheres) if where is not None and self.by_names[place]]
        actions = sorted({action for action, _born in about})
        columns = _KNOWN
        statement = select(Registration.action_id, *columns).join(Registration, Registration.trainee_id == Trainee.id)
        for days in batches(sorted({born for _action, born in about if born is not None})):
            for action_id, *row in db.session.execute(statement.where(among(Trainee.birth_date, days), among(Registration.action_id, actions))):
                known = Known._make(row)
                found.setdefault((action_id, essence(known.birth_name, known.first_name, known.birth_date)), []).append(known)
        return found

    def _named(self, place: int, where: Where, registered: dict[tuple[int, Any], list[Known]]) -> Known | None:
        told = self.essence(place)
        found = registered.get((where.id, told), []) if told is not None else []
        if len(found) > 1:
            self.wrong(self.lines[place], "nir", _("Several trainees of this action have these names and this date of birth: fill in the NIR or NIA."))
        elif not found:
            self.wrong(self.lines[place], "nir", _(
                "Fill in the NIR or NIA: nobody with these names and this date of birth is on this action yet, and its programme asks for the number."
            ))
        return found[0] if len(found) == 1 else None

    def _essence(self, place: int) -> tuple[str, date, str] | None:
        """What tells a person without number: the folded name as lists sort it, the date of birth and the gender."""
        name, first, born, gender = (self.at(column, place) for column in ("birth_name", "first_name", "birth_date", "gender"))
        if not (name and first and born and gender):
            return None
        return fold(f"{self.at('usual_name', place) or name} {first}")[:130], born, gender

    def _sheets(self, wheres: Sequence[Where | None], people: Sequence[Known | None]) -> dict[tuple[int, int], Any]:
        """The sheets of these people on these actions."""
        wanted = {(where.id, who.id) for where, who in zip(wheres, people, strict=True) if where is not None and who is not None}
        actions = {action for action, _who in wanted}
        columns = [getattr(Registration, name) for name in _SHEET]
        found: dict[tuple[int, int], Any] = {}
        for ids in batches(sorted({who for _action, who in wanted})):
            statement = select(Registration.id, Registration.action_id, Registration.trainee_id, Registration.insee_code, *columns)
            statement = statement.where(among(Registration.trainee_id, ids), among(Registration.action_id, actions))
            for row in db.session.execute(statement):
                found[row.action_id, row.trainee_id] = row
        return found

    # ---- one line

    def _line(
        self, place: int, where: Where, about: tuple[Nir | None, Known | None], sheets: dict[tuple[int, int], Any], seen: _Seen
    ) -> Step | None:
        line, (nir, known) = self.lines[place], about
        sheet = sheets.get((where.id, known.id)) if known is not None else None
        self._keys(place, line, new=sheet is None)
        who = known.id if known is not None else nir.value if nir is not None else self._essence(place)
        if who is not None and not self.has(line, "nir", "key"):
            self._twice(place, where, who, seen)
        if known is not None:
            self._compare(place, line, known)
        if sheet is not None:
            return self._changed(place, line, where, known, sheet)
        return self._made(place, line, where, nir, known)

    def _alone(self, place: int, line: int) -> None:
        """All that can be said of a line whose action is not known: its errors come at once, not one after the other."""
        self._keys(place, line, new=False)
        self._together(line, {name: self.at(name, place) for name in _SHEET}, None, only=frozenset(self.values))

    def _keys(self, place: int, line: int, *, new: bool) -> None:
        """What tells the person, and for a new sheet what the form requires."""
        for name, column in self.required if new else self.keys:
            if column[place] is None and not self.has(line, name):
                self.wrong(line, name, self.blank(name))

    def _twice(self, place: int, where: Where, who: Any, seen: _Seen) -> None:
        """The same person twice on one action, or said to be somebody else on another line: one person is made of both, all of whose civil status counts."""
        line = self.lines[place]
        first = seen.places.setdefault((where.id, who), line)
        if first != line:
            self.wrong(line, "", _("The same trainee is already on line %(line)s for this action: keep one of the two lines.", line=first), other=first)
            return
        before = seen.people.setdefault(who, place)
        if before == place or isinstance(who, int):  # of somebody who is known, each line is compared with what is held
            return
        other = self.lines[before]
        differs = [name for name in CIVIL if not (self.has(line, name) or self.has(other, name)) and not self._says_alike(name, before, place)]
        if not differs:
            return
        if isinstance(who, str) and not _SAME_PERSON.issuperset(differs):
            message = _("Line %(line)s gives this number to somebody else (name, first name or date of birth): mend the one that is wrong.", line=other)
            self.wrong(line, "nir", message, other=other)
            return
        for name in differs:
            self.wrong(line, name, _("Line %(line)s says something else of the same person: mend the one that is wrong.", line=other), other=other)

    def _says_alike(self, name: str, *places: int) -> bool:
        """Whether two lines say the same of a person, as names are compared."""
        spare = "birth_name" if name == "usual_name" else name
        first, second = (self.at(name, place) or self.at(spare, place) for place in places)
        return first == second or (isinstance(first, str) and isinstance(second, str) and bare(first) == bare(second))

    def _compare(self, place: int, line: int, known: Known) -> None:
        """Names as AGORA would compare them; an identity is never changed by a file."""
        differs = [
            name
            for name, held in (("birth_name", known.birth_name), ("first_name", known.first_name), ("usual_name", known.usual_name or known.birth_name))
            if self.at(name, place) and bare(self.at(name, place)) != bare(held)
        ]
        differs += [
            name
            for name, held in (("birth_date", known.birth_date), ("gender", known.gender), ("civility", known.civility))
            if self.at(name, place) is not None and self.at(name, place) != held
        ]
        for name in differs:
            self.wrong(line, name, _(
                "Your organisation knows this person otherwise: check the cell; if the file is right, ask for the correction of the identity on the sheet."
            ))

    def _made(self, place: int, line: int, where: Where, nir: Nir | None, known: Known | None) -> Step | None:
        self.must_be_open(line, where)
        values = {name: column[place] for name, column in self.given[where.cofunded]}
        self._together(line, values, where)
        person: Person | None = None
        if known is None and not self.has(line, *CIVIL):
            person = self._person(place)
            if person is not None:
                self._plausible(place, line, person, nir)
        born = known.birth_date if known is not None else self.at("birth_date", place)
        self._fits(line, values, born)
        if line in self.found:
            return None
        values["insee_code"] = self._insee(values)
        values |= emptied(values, cofunded=where.cofunded)
        return Step(line, Act.CREATE, Sheet(where, known.id if known else None, person, nir, tuple(map(values.get, COLUMNS))))

    def _changed(self, place: int, line: int, where: Where, known: Known | None, sheet: Any) -> Step | None:
        held = {name: getattr(sheet, name) for name in _SHEET}
        given = {name: column[place] for name, column in self.given[where.cofunded] if column[place] is not None}
        # a file holds a text on one line: blanks that differ change nothing
        given = {name: held[name] if _alike(value, held[name]) else value for name, value in given.items()}
        merged = held | given
        if merged != held:
            self.must_be_open(line, where)
        self._together(line, merged, where, only=frozenset(given))
        if known is not None:
            self._fits(line, merged, known.birth_date)
        if line in self.found or known is None:
            return None
        merged |= emptied(merged, cofunded=where.cofunded)
        values = {name: merged[name] for name in _SHEET if merged[name] != held[name]}
        before = {name: held[name] for name in values}
        if {"town", "postal_code"} & values.keys():
            values["insee_code"], before["insee_code"] = self._insee(merged), sheet.insee_code
        if not values:
            return Step(line, Act.SAME)
        changes = tuple(
            Difference(name, self._shown(name, before[name]), self._shown(name, value)) for name, value in values.items() if name != "insee_code"
        )
        whole = {"insee_code": sheet.insee_code, **merged, **values}
        return Step(line, Act.CHANGE, Sheet(where, known.id, None, None, change=Change(sheet.id, values, before, whole)), changes)

    # ---- parts of a line

    def _together(self, line: int, values: dict[str, Any], where: Where | None, only: frozenset[str] | None = None) -> None:
        """The rules over several columns; on a sheet that is there, those that the line touches."""
        for group in self.groups:
            names = group.columns
            if (names[0] in ESF and (where is None or not where.cofunded)) or (only is not None and not only.intersection(names)):
                continue
            if line in self.found and self.has(line, *names):
                continue
            if names[0] in ESF and values.get("esf_state") is None:
                self.wrong(line, "esf_state", _("The action is co-funded by the ESF: say whether these data are complete or come later."))
                continue
            after, wrong = group.judge(tuple(values.get(name) for name in names))
            for name, message in wrong:
                self.wrong(line, name, message)
            values.update(zip(names, after, strict=True))

    def _person(self, place: int) -> Person | None:
        given = {name: self.at(name, place) for name in CIVIL}
        if any(value is None for name, value in given.items() if name != "usual_name"):
            return None
        return Person(
            Civility(given["civility"]), given["birth_name"], given["usual_name"] or None, given["first_name"], given["birth_date"],
            Gender(given["gender"]),
        )

    def _plausible(self, place: int, line: int, person: Person, nir: Nir | None) -> None:
        problem = birth_date_problem(person.birth_date, self.today)
        if problem:
            self.wrong(line, "birth_date", str(labels.problem_text(problem)))
            return
        if self.at("identity_confirmed", place):
            return
        for name, sentences in labels.contradictions(person, nir).items():
            self.wrong(line, name, _(
                "%(wrong)s Correct it, or write “oui” in the column “Identity papers checked” if the papers show that it is right.",
                wrong=" ".join(sentences),
            ))

    def _fits(self, line: int, values: dict[str, Any], born: date | None) -> None:
        if born is None:
            return
        early = ft_date_problem(values.get("ft_registered_on"), born)
        years = {name: values.get(name) for name in ("last_class_year", "highest_level_year")}
        for problem in (*((early,) if early is not None else ()), *schooling_problems(born, **years)):
            if not self.has(line, problem.field):
                self.wrong(line, problem.field, str(labels.problem_text(problem)))

    def _insee(self, values: dict[str, Any]) -> str | None:
        key = (values.get("postal_code") or "", values.get("town") or "")
        if key not in self.towns:
            postal_code, town = key[0], fold(key[1])
            towns = self.checker.forms[ContactForm].towns_of(postal_code)
            self.towns[key] = next((one.insee_code for one in towns if fold(one.name) == town), None)
        return self.towns[key]

    def _shown(self, name: str, value: Any) -> str:
        """A value as the screen says it."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return _("Yes") if value else _("No")
        if isinstance(value, date):
            return fr_date(value)
        words = self.words.get(name)
        if words is None:
            column = self.checker.matrix.by_name[name]
            control = self.checker.forms[column.form][name]
            words = self.words[name] = {str(one): str(label) for one, label, *_rest in control.iter_choices()} if hasattr(control, "iter_choices") else {}
        return words.get(str(value), str(value))


def _alike(value: Any, held: Any) -> bool:
    return isinstance(value, str) and isinstance(held, str) and value != held and value.split() == held.split()


@dataclass(slots=True)
class _Seen:
    """The people that the lines before spoke of."""

    #: The line of each on each action, and the place of the first line about each.
    places: dict[tuple[int, Any], int] = field(default_factory=dict)
    people: dict[Any, int] = field(default_factory=dict)


__all__ = ["COLUMNS", "Change", "Sheet", "plan"]
