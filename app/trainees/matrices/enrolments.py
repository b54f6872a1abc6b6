"""The enrolments that lines speak of: who, on which component, and how it stands; read a file's worth at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.actions.models import Action, Component, ComponentSite, Contract
from app.core.extensions import db
from app.core.matrix.checking import Figure
from app.core.matrix.rows import among
from app.core.nir import Nir
from app.core.nir.storage import nir_candidates
from app.core.textsearch import fold
from app.partners.agora.port import Outcome
from app.reference.models import Site

from .. import standing
from ..models import Enrolment, Interruption, Registration, Trainee
from .lines import Lines, Where, bare, batches, essence


class Who(NamedTuple):
    """Somebody registered on the action of a line."""

    registration_id: int
    birth_name: str
    first_name: str
    birth_date: date


@dataclass(frozen=True, slots=True)
class Part:
    """A component of an action, as far as lines depend on it; ``sites``: id → the portal's words."""

    id: int
    number: str
    sites: dict[int, str]
    #: Name, town and postal code of each site: what a cell may say of it.
    words: dict[int, tuple[str, str, str]]


@dataclass(slots=True)
class Line:
    """A line of which whom and what it is about is known."""

    place: int
    number: int
    where: Where
    who: Who
    component: Part

    @property
    def key(self) -> tuple[int, int]:
        """The trainee on the component."""
        return self.who.registration_id, self.component.id


class Pause(NamedTuple):
    """An interruption."""

    interrupted_on: date
    resumed_on: date | None
    reason: str


@dataclass(slots=True)
class Now:
    """An enrolment as it stands; the lines before on the same enrolment have been applied."""

    id: int
    registration_id: int
    component_id: int
    site_id: int
    planned_start: date
    planned_end: date
    hours_centre: Decimal
    hours_company: Decimal
    actual_end: date | None
    exit_reason_id: int | None
    cancelled_at: datetime | None
    outcome: str | None
    outcome_corrected: bool
    version: int
    interruptions: list[Pause] = field(default_factory=list)

    @property
    def standing_outcome(self) -> Outcome:
        """The réalisation, as the portal reckons it (``standing``)."""
        return standing.outcome_of(cast("Enrolment", self))

    @property
    def computed_outcome(self) -> Outcome:
        """The réalisation that nobody corrected."""
        return standing.completion_of(cast("Enrolment", self)).outcome


_COLUMNS = tuple(getattr(Enrolment, name) for name in list(Now.__dataclass_fields__)[:-1])
#: What tells who it is.
_TELLING = frozenset({"nir", "key", "birth_name", "first_name", "birth_date"})


class EnrolmentLines(Lines):
    """The lines of a matrix about enrolments."""

    def resolve(self) -> list[Line]:
        """The lines of which whom and what they are about is known; what is not is said at its cell."""
        wheres = self.actions()
        numbers = self.numbers(wheres)
        people = self._people(wheres, numbers)
        components = self._components({where.id for where in wheres if where is not None})
        keys = [column.name for column in self.checker.matrix.keys if column.name != "action_number"]
        found = []
        for place, (line, where) in enumerate(zip(self.lines, wheres, strict=True)):
            for name in keys:
                if self.at(name, place) is None and not self.has(line, name):
                    self.wrong(line, name, self.blank(name))
            if where is None:
                continue
            who = self._who(place, line, where, numbers[place], people)
            component = self._component(place, line, components.get(where.id, []))
            if who is not None and component is not None:
                found.append(Line(place, line, where, who, component))
            else:
                self.must_be_open(line, where)
        self._rest(wheres)
        return found

    def _rest(self, wheres: Sequence[Where | None]) -> None:
        """All else that can be said of the lines that are wrong already, and so not judged: their errors come at once."""
        for place, (line, where) in enumerate(zip(self.lines, wheres, strict=True)):
            if line in self.found:
                for name, message in self.alone(place, line):
                    if where is None or name not in _TELLING:  # of a known action the programme says which are needed
                        self.wrong(line, name, message)

    # ---- who

    def _people(self, wheres: Sequence[Where | None], numbers: Sequence[Nir | None]) -> dict[tuple[int, Any], list[Who]]:
        """Who is registered on these actions, by number, or by what tells people without one.  In the account's own scope."""
        by_number = {where.id for where in wheres if where is not None and where.nir_required}
        by_name = {where.id for where in wheres if where is not None and not where.nir_required}
        unnumbered = self.unnumbered(wheres, numbers)
        columns = (Registration.action_id, Registration.id, Trainee.birth_name, Trainee.first_name, Trainee.birth_date)
        joined = select(Trainee.nir_hash, *columns).join(Registration, Registration.trainee_id == Trainee.id)
        found: dict[tuple[int, Any], list[Who]] = {}
        for some in batches(sorted({one for nir in numbers if nir is not None for one in nir_candidates(nir)})):
            for digest, action_id, *who in db.session.execute(joined.where(among(Trainee.nir_hash, some), among(Registration.action_id, by_number))):
                found.setdefault((action_id, digest), []).append(Who._make(who))
        by_name |= {where.id for place, where in enumerate(wheres) if where is not None and unnumbered[place]}
        born = {self.at("birth_date", place) for place, nir in enumerate(numbers) if nir is None} - {None} if by_name else set()
        for days in batches(sorted(born)):
            statement = joined.where(among(Trainee.birth_date, days), among(Registration.action_id, by_name))
            for _none, action_id, *row in db.session.execute(statement):
                person = Who._make(row)
                found.setdefault((action_id, essence(person.birth_name, person.first_name, person.birth_date)), []).append(person)
        return found

    def _who(self, place: int, line: int, where: Where, nir: Nir | None, people: dict[tuple[int, Any], list[Who]]) -> Who | None:
        if self.has(line, "nir", "key"):
            return None
        if nir is not None:
            found = next((people[where.id, one] for one in nir_candidates(nir) if (where.id, one) in people), [])
            if not found:
                self.wrong(line, "nir", _("Nobody with this number is registered on this action: check the number, or register the trainee first."))
                return None
            return found[0] if self._is_same(place, line, found[0]) else None
        blank = [name for name in ("first_name", "birth_date") if self.at(name, place) is None and not self.has(line, name)]
        if blank and where.nir_required:
            self.wrong(line, "nir", _("Fill in the NIR, or the first name and the date of birth."))
        else:
            for name in blank:
                self.wrong(line, name, _(
                    "The programme of this action asks for no number: the names and the date of birth tell who it is. Fill in this field."
                ))
        told = self.essence(place)
        if told is None:
            return None
        found = people.get((where.id, told), [])
        if len(found) == 1:
            return found[0]
        if found and where.nir_required:
            self.wrong(line, "nir", _("Several trainees of this action have these names and this date of birth: fill in the NIR or NIA."))
        elif found:
            self.wrong(line, "birth_name", _("Several trainees of this action have these names and this date of birth: enter this one on the sheet."))
        else:
            self.wrong(line, "birth_name", _(
                "Nobody with these names and this date of birth is registered on this action: check them, or register the trainee first."
            ))
        return None

    def _is_same(self, place: int, line: int, who: Who) -> bool:
        """The number and the names are of one person: a number mistyped may be somebody else's."""
        differs = [
            name
            for name, held in (("birth_name", who.birth_name), ("first_name", who.first_name))
            if self.at(name, place) and bare(self.at(name, place)) != bare(held)
        ]
        if self.at("birth_date", place) not in (None, who.birth_date):
            differs.append("birth_date")
        for name in differs:
            self.wrong(line, name, _(
                "Your organisation knows this person otherwise: check the cell; if the file is right, ask for the correction of the identity on the sheet."
            ))
        return not differs

    # ---- on what

    def _components(self, action_ids: set[int]) -> dict[int, list[Part]]:
        found: dict[int, list[Part]] = {}
        for ids in batches(sorted(action_ids)):
            sites: dict[int, list[Site]] = {}
            placed = select(ComponentSite.component_id, Site).join(Site, Site.id == ComponentSite.site_id)
            placed = placed.join(Component, Component.id == ComponentSite.component_id).where(Component.action_id.in_(ids))
            for component_id, site in db.session.execute(placed.order_by(Site.town, Site.name, Site.id)):
                sites.setdefault(component_id, []).append(site)
            statement = select(Component.action_id, Component.id, Component.number).where(Component.action_id.in_(ids))
            for action_id, component_id, number in db.session.execute(statement.order_by(Component.number)):
                placed_at = sites.get(component_id, [])
                words = {one.id: (one.name, one.town, one.postal_code) for one in placed_at}
                found.setdefault(action_id, []).append(Part(component_id, number, {one.id: str(one) for one in placed_at}, words))
        return found

    def _component(self, place: int, line: int, offered: Sequence[Part]) -> Part | None:
        """"1" is "01" unless there is a component "1" besides: then a figure of a spreadsheet says neither."""
        typed = self.at("component_number", place)
        if typed is None:
            return None
        alike = [one for one in offered if short(one.number) == short(typed)]
        exact = [one for one in alike if one.number.casefold() == typed.casefold()]
        fits = exact if exact and not isinstance(typed, Figure) else alike
        if len(fits) == 1:
            return fits[0]
        numbers = ", ".join(one.number for one in fits or offered)
        if fits:
            self.wrong(line, "component_number", _(
                "Several components fit (%(numbers)s): give the cell the format “Text”, then write the number again.", numbers=numbers
            ))
        elif len(offered) <= 6 and offered:
            self.wrong(line, "component_number", ngettext(
                "Unknown component: this action has one, %(numbers)s.", "Unknown component: those of this action are %(numbers)s.", len(offered),
                numbers=numbers,
            ))
        else:
            self.wrong(line, "component_number", _("Unknown component: check the number on the page of the action."))
        return None

    def site(self, line: Line) -> int | None:
        """The site that a line names, by the portal's words or by a part that fits one site only; said at the cell otherwise."""
        typed = self.at("site", line.place)
        if typed is None:
            return None
        said = fold(typed)
        whole = [one for one, words in line.component.sites.items() if fold(words) == said]
        parts = whole or [one for one, words in line.component.words.items() if said in {fold(word) for word in words}]
        fits = parts or [one for one, words in line.component.sites.items() if said and f" {said} " in f" {fold(words)} "]
        if len(fits) == 1:
            return fits[0]
        if fits:
            message = _("Several sites of the component fit: write one of them whole, %(sites)s.", sites=_listed(line.component, fits))
        else:
            message = _("Not a site of this component: write one of %(sites)s.", sites=_listed(line.component))
        self.wrong(line.number, "site", message if line.component.sites else self.no_site(line))
        return None

    def only_site(self, line: Line) -> int | None:
        """The site of a component that has one; said at the cell when there are several, or none."""
        sites = line.component.sites
        if len(sites) == 1:
            return next(iter(sites))
        if not sites:
            self.wrong(line.number, "site", self.no_site(line))
        else:
            self.wrong(line.number, "site", _("The component has several sites: write one of %(sites)s.", sites=_listed(line.component)))
        return None

    @staticmethod
    def no_site(line: Line) -> str:
        """As the page of the enrolment says it."""
        return _("The component %(number)s has no site: ask the Région to add one.", number=line.component.number)

    # ---- as it stands

    @staticmethod
    def load(registration_ids: Sequence[int]) -> list[Any]:
        """The people of these sheets with their programme, in two statements; as long as somebody holds them nothing loads them one by one."""
        people = select(Trainee).join(Registration, Registration.trainee_id == Trainee.id).where(Registration.id.in_(registration_ids))
        held: list[Any] = list(db.session.scalars(people))
        actions = select(Action).where(Action.id.in_(select(Registration.action_id).where(Registration.id.in_(registration_ids))))
        held += db.session.scalars(actions.options(joinedload(Action.contract).joinedload(Contract.programme))).all()
        return held

    @staticmethod
    def now(keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], list[Now]]:
        """The enrolments of these trainees on these components, the oldest first."""
        wanted = set(keys)
        found: dict[tuple[int, int], list[Now]] = {}
        for some in batches(sorted({registration_id for registration_id, _component in wanted})):
            rows = db.session.execute(select(*_COLUMNS).where(among(Enrolment.registration_id, some)).order_by(Enrolment.id))
            known = {one.id: one for one in (Now(*row) for row in rows) if (one.registration_id, one.component_id) in wanted}
            for ids in batches(known):
                pauses = select(Interruption.enrolment_id, Interruption.interrupted_on, Interruption.resumed_on, Interruption.reason)
                for enrolment_id, *pause in db.session.execute(pauses.where(among(Interruption.enrolment_id, ids)).order_by(Interruption.interrupted_on)):
                    known[enrolment_id].interruptions.append(Pause._make(pause))
            for one in known.values():
                found.setdefault((one.registration_id, one.component_id), []).append(one)
        return found


def current(enrolments: Sequence[Now]) -> Now | None:
    """The one that goes on."""
    return next((one for one in enrolments if one.actual_end is None and one.cancelled_at is None), None)


def last(enrolments: Sequence[Now]) -> Now | None:
    """The one that goes on; else the last that was left; else one made by mistake."""
    left = [one for one in enrolments if one.cancelled_at is None]
    return current(enrolments) or next(reversed(left or enrolments), None)


def _listed(component: Part, ids: Iterable[int] | None = None) -> str:
    words = [component.sites[one] for one in (component.sites if ids is None else ids)]
    return " ; ".join(words[:6]) + ("…" if len(words) > 6 else "")


def short(number: str) -> str:
    """The number of a component as it is compared: a spreadsheet makes 1 of 01."""
    return number.casefold().lstrip("0") or "0"


__all__ = ["EnrolmentLines", "Line", "Now", "Part", "Who", "bare", "current", "last", "short"]
