"""Reads of trainees.  Lists are paged by key; what a page shows costs the same number of statements at any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Select, func, or_, select, union
from sqlalchemy.orm import aliased, contains_eager, joinedload, selectinload

from app.actions.domain import ActionStatus, EntryFacts, Missing, MissingKind
from app.actions.models import Action, Component, ComponentSite, Contract
from app.actions.queries import PAGE_SIZES, Cursor, Page, found_first, keyset_page, tile_count, tsquery
from app.core import textsearch
from app.core.extensions import db
from app.core.nir import Nir, NirKind
from app.core.nir.storage import nir_candidates
from app.reference.models import Programme

from .domain import ESF_LIMIT, AgoraState, CorrectionState, EsfRate, EsfState
from .identity_models import IdentityCorrection
from .models import Enrolment, Registration, Trainee
from .standing import STANDING


class Todo(StrEnum):
    """What there is to do about trainees; filters of the lists and tiles of the home page."""

    AGORA_REJECTED = "agora-a-corriger"
    AGORA_WAITING = "sans-numero-agora"
    NIA = "nia"
    ESF = "fse"
    TO_COMPLETE = "fiches-a-completer"
    NOT_ENROLLED = "sans-inscription"
    STILL_IN = "sans-sortie"


#: Where what an action lacks before its end is declared is found.
TODO_OF_MISSING = {
    MissingKind.EXIT: Todo.STILL_IN,
    MissingKind.AGORA_REFUSED: Todo.AGORA_REJECTED,
    MissingKind.AGORA_NUMBER: Todo.AGORA_WAITING,
    MissingKind.NIR: Todo.NIA,
    MissingKind.ESF: Todo.ESF,
}


@dataclass(frozen=True, slots=True)
class Task:
    """A choice of the filter "To do": its words, and the registrations concerned."""

    label: Any
    condition: Callable[[], ColumnElement[bool]]


def register_task(word: str, label: Any, condition: Callable[[], ColumnElement[bool]]) -> None:
    """Add a choice to the filter "To do" of the lists: ``condition()`` narrows ``Registration``.  Again replaces it."""
    if word in set(Todo):
        raise ValueError(f"the word {word!r} is taken")
    _TASKS[word] = Task(label, condition)


def tasks() -> Mapping[str, Task]:
    """The choices of the filter "To do" by the word that stands in the address: this feature's own, then those of others."""
    return _TASKS


@dataclass(frozen=True, slots=True)
class TraineeFilter:
    """What a trainee list is narrowed to: ``todo`` is a word of ``tasks``, ``people`` those whose number was looked for."""

    text: str = ""
    todo: str = ""
    people: tuple[int, ...] = ()

    @property
    def active(self) -> bool:
        """Whether anything narrows the list."""
        return self != TraineeFilter()


@dataclass(frozen=True, slots=True)
class TodoCounts:
    """How much there is to do; zeros are not shown."""

    agora_rejected: int
    agora_waiting: int
    nia: int
    esf: int


#: Written in the outbox, and AGORA gave no number yet; an enrolment cancelled meanwhile lacks none.
_WITHOUT_NUMBER = (STANDING, Enrolment.agora_state == AgoraState.WAITING.value, Enrolment.agora_number.is_(None))


def _todo(todo: Todo) -> ColumnElement[bool]:
    """Registrations concerned by one thing to do."""

    def enrolled(*states: AgoraState) -> ColumnElement[bool]:
        values = [state.value for state in states]
        return Registration.id.in_(select(Enrolment.registration_id).where(Enrolment.agora_state.in_(values)))

    match todo:
        case Todo.AGORA_REJECTED:
            return enrolled(AgoraState.REJECTED)
        case Todo.AGORA_WAITING:
            return Registration.id.in_(select(Enrolment.registration_id).where(*_WITHOUT_NUMBER))
        case Todo.NIA:
            return without_nir()
        case Todo.ESF:
            return (Registration.esf_state == EsfState.LATER.value) & _counts()
        case Todo.TO_COMPLETE:
            return or_(_todo(Todo.ESF), _todo(Todo.NOT_ENROLLED))
        case Todo.NOT_ENROLLED:
            return ~select(Enrolment.id).where(Enrolment.registration_id == Registration.id, STANDING).exists()
        case Todo.STILL_IN:
            return Registration.id.in_(select(Enrolment.registration_id).where(Enrolment.actual_end.is_(None), STANDING))


def _counts() -> ColumnElement[bool]:
    """Somebody of whom every enrolment was made by mistake lacks nothing any more."""
    enrolments = select(Enrolment.id).where(Enrolment.registration_id == Registration.id).correlate(Registration)
    return enrolments.where(STANDING).exists() | ~enrolments.exists()


_TASKS: dict[str, Task] = {
    todo.value: Task(label, partial(_todo, todo))
    for todo, label in (
        (Todo.AGORA_REJECTED, _l("To be mended for AGORA")),
        (Todo.AGORA_WAITING, _l("Without AGORA number")),
        (Todo.NIA, _l("NIA to regularise")),
        (Todo.TO_COMPLETE, _l("Sheets to complete")),
        (Todo.ESF, _l("ESF data to complete")),
        (Todo.NOT_ENROLLED, _l("Not enrolled on a component")),
        (Todo.STILL_IN, _l("Without exit")),
    )
}


def without_nir() -> ColumnElement[bool]:
    """Registrations whose NIR is to be given: by an NIA, or enrolled without any number, where the programme asks for one and the action goes on.

    What every list, count, file and reminder means by it; two small partial indexes rather than every row.
    """

    def asked(sheet: Any) -> Select[int]:
        joined = select(sheet.id).join(Trainee, Trainee.id == sheet.trainee_id).join(Action, Action.id == sheet.action_id)
        joined = joined.join(Contract, Contract.id == Action.contract_id).join(Programme, Programme.id == Contract.programme_id)
        return joined.where(Programme.nir_required, Action.status != ActionStatus.CANCELLED).correlate(None)

    provisional, bare = aliased(Registration), aliased(Registration)
    known_by_nia = asked(provisional).where(Trainee.nir_kind == NirKind.NIA.value)
    waiting = asked(bare).join(Enrolment, Enrolment.registration_id == bare.id)
    waiting = waiting.where(Enrolment.agora_state == AgoraState.WAITING_NIR.value, Trainee.nir_kind.is_(None))
    return Registration.id.in_(union(known_by_nia, waiting)) & _counts()


def trainees_with_number(nir: Nir) -> tuple[int, ...]:
    """Who in scope bears this number: one person for an organisation, one for each organisation that knows it for the Région."""
    found = select(Trainee.id).where(Trainee.nir_hash.in_(nir_candidates(nir))).order_by(Trainee.id).limit(MAX_PEOPLE)
    return tuple(db.session.scalars(found))


#: How many people an address may name.
MAX_PEOPLE = 50


def _named(typed: str) -> ColumnElement[bool]:
    """By the beginnings of names, or by AGORA number."""
    digits = typed.replace(" ", "")
    if digits.isdecimal() and len(digits) >= 6:
        return Registration.id.in_(select(Enrolment.registration_id).where(Enrolment.agora_number == digits))
    query = textsearch.prefix_query(typed)
    if query is None:
        return Registration.id == -1
    return found_first(Registration.trainee_id, select(Trainee.id).where(Trainee.search_vector.bool_op("@@")(tsquery(query))))


def _conditions(narrowed: TraineeFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if narrowed.todo:
        found.append(_TASKS[narrowed.todo].condition())
    if narrowed.people:
        found.append(Registration.trainee_id.in_(narrowed.people))
    if narrowed.text.strip():
        found.append(_named(narrowed.text.strip()))
    return found


def registrations_where(narrowed: TraineeFilter, action_id: int | None = None) -> list[ColumnElement[bool]]:
    """What a list of trainees is narrowed to, on an action or on all those in scope."""
    conditions = _conditions(narrowed)
    if action_id is not None:
        conditions.append(Registration.action_id == action_id)
    return conditions


def corrections_where(*, decided: bool) -> ColumnElement[bool]:
    """The requests for the correction of an identity that wait, or those decided."""
    waits = IdentityCorrection.state == CorrectionState.PENDING.value
    return ~waits if decided else waits


def list_registrations(narrowed: TraineeFilter, *, action_id: int | None = None, cursor: Cursor | None = None, size: int = PAGE_SIZES[0]) -> Page:
    """Trainees of an action (or of all those in scope) by name, with their components: three statements whatever the size."""
    conditions = registrations_where(narrowed, action_id)
    statement = (
        select(Registration)
        .where(*conditions)
        .options(
            joinedload(Registration.trainee, innerjoin=True),
            joinedload(Registration.action, innerjoin=True).joinedload(Action.organisation, innerjoin=True),
            selectinload(Registration.enrolments).joinedload(Enrolment.component, innerjoin=True),
        )
    )
    return keyset_page(statement, Registration.sort_name, Registration.id, cursor=cursor, size=size, counted=select(Registration.id).where(*conditions))


def list_without_nir(*, cursor: Cursor | None = None, size: int = PAGE_SIZES[0]) -> Page:
    """« NIA à régulariser »: registrations in scope whose NIR is awaited, the oldest first."""
    statement = (
        select(Registration)
        .where(without_nir())
        .options(
            joinedload(Registration.trainee, innerjoin=True),
            joinedload(Registration.action, innerjoin=True).joinedload(Action.organisation, innerjoin=True),
        )
    )
    return keyset_page(statement, Registration.created_at, Registration.id, cursor=cursor, size=size, counted=select(Registration.id).where(without_nir()))


def list_corrections(*, decided: bool, cursor: Cursor | None = None, size: int = PAGE_SIZES[0]) -> Page:
    """Requests for the correction of an identity: those that wait, the oldest first; or those decided, the latest first."""
    wanted = corrections_where(decided=decided)
    statement = (
        select(IdentityCorrection)
        .where(wanted)
        .options(joinedload(IdentityCorrection.trainee, innerjoin=True), joinedload(IdentityCorrection.organisation, innerjoin=True))
    )
    sort: Any = IdentityCorrection.decided_at if decided else IdentityCorrection.asked_at
    counted = select(IdentityCorrection.id).where(wanted)
    return keyset_page(statement, sort, IdentityCorrection.id, cursor=cursor, size=size, counted=counted, descending=decided)


def first_registrations(action_id: int, limit: int = 10) -> list[Registration]:
    """The first trainees of an action, for its page."""
    return list_registrations(TraineeFilter(), action_id=action_id, size=limit).rows


def get_registration(registration_id: int) -> Registration | None:
    """One registration with the person, the action and the enrolments; None outside the scope."""
    return db.session.scalars(
        select(Registration)
        .where(Registration.id == registration_id)
        .options(
            joinedload(Registration.trainee),
            joinedload(Registration.action).joinedload(Action.contract).joinedload(Contract.programme),
            joinedload(Registration.nationality),
            joinedload(Registration.street_type),
            joinedload(Registration.public_category),
            joinedload(Registration.general_objective),
            joinedload(Registration.professional_situation),
            joinedload(Registration.entry_level),
            joinedload(Registration.highest_level),
            joinedload(Registration.last_class),
            joinedload(Registration.highest_diploma),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()


def enrolments_of(registration_id: int) -> list[Enrolment]:
    """The enrolments of a registration with component and site, in the order of the components."""
    return list(
        db.session.scalars(
            select(Enrolment)
            .join(Enrolment.component)
            .where(Enrolment.registration_id == registration_id)
            .options(
                joinedload(Enrolment.component),
                joinedload(Enrolment.site),
                joinedload(Enrolment.exit_reason),
                joinedload(Enrolment.action).joinedload(Action.contract).joinedload(Contract.programme),
                selectinload(Enrolment.interruptions),
                selectinload(Enrolment.acts),
            )
            .order_by(Component.number, Enrolment.id)
            .execution_options(populate_existing=True)
        )
    )


def current_components(registration_id: int) -> set[int]:
    """The components on which somebody is enrolled now."""
    now = (Enrolment.registration_id == registration_id, Enrolment.actual_end.is_(None), STANDING)
    return set(db.session.scalars(select(Enrolment.component_id).where(*now)))


def get_enrolment(enrolment_id: int) -> Enrolment | None:
    """One enrolment with all its page shows; None outside the scope."""
    return db.session.scalars(
        select(Enrolment)
        .where(Enrolment.id == enrolment_id)
        .options(
            joinedload(Enrolment.component).selectinload(Component.places_of_training).joinedload(ComponentSite.site),
            joinedload(Enrolment.site),
            joinedload(Enrolment.exit_reason),
            joinedload(Enrolment.action).joinedload(Action.contract),
            joinedload(Enrolment.registration).joinedload(Registration.trainee),
            selectinload(Enrolment.interruptions),
            selectinload(Enrolment.acts),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()


def outcomes_of(action_id: int) -> list[Enrolment]:
    """The enrolments of an action that count, by name, with all their outcomes come from: three statements."""
    return list(
        db.session.scalars(
            select(Enrolment)
            .join(Enrolment.registration)
            .join(Enrolment.component)
            .where(Enrolment.action_id == action_id, STANDING)
            .options(
                contains_eager(Enrolment.component),
                contains_eager(Enrolment.registration).joinedload(Registration.trainee),
                joinedload(Enrolment.exit_reason),
                selectinload(Enrolment.interruptions),
                selectinload(Enrolment.acts),
            )
            .order_by(Registration.sort_name, Registration.id, Component.number, Enrolment.id)
            .execution_options(populate_existing=True)
        )
    )


def get_trainee(trainee_id: int) -> Trainee | None:
    """One person with its registrations and their actions; None outside the scope."""
    return db.session.scalars(
        select(Trainee)
        .where(Trainee.id == trainee_id)
        .options(
            selectinload(Trainee.registrations).joinedload(Registration.action),
            selectinload(Trainee.registrations).selectinload(Registration.enrolments).joinedload(Enrolment.component),
        )
    ).one_or_none()


def last_registration(trainee_id: int) -> Registration | None:
    """The latest sheet of a known person, whose details are proposed for the next."""
    statement = select(Registration).where(Registration.trainee_id == trainee_id).options(joinedload(Registration.action)).order_by(Registration.id.desc())
    return db.session.scalars(statement.limit(1)).one_or_none()


def entry_facts(action_id: int, today: date) -> EntryFacts:
    """Who is enrolled, has entered and is still in training, and what is missing before the end, in one statement."""

    def sheets(*where: ColumnElement[bool]) -> Any:
        return select(func.count()).select_from(Registration).where(Registration.action_id == action_id, *where).scalar_subquery()

    def people(*where: ColumnElement[bool]) -> Any:
        return func.count(func.distinct(Enrolment.registration_id)).filter(*where)

    row = db.session.execute(
        select(
            func.count().filter(STANDING).label("enrolled"),
            func.count().filter(STANDING, Enrolment.planned_start <= today).label("entered"),
            func.min(Enrolment.planned_start).filter(STANDING).label("first_entry"),
            func.count().filter(STANDING, Enrolment.actual_end.is_(None)).label("still_in"),
            sheets().label("registered"),
            people(STANDING, Enrolment.actual_end.is_(None)).label(MissingKind.EXIT),
            people(Enrolment.agora_state == AgoraState.REJECTED.value).label(MissingKind.AGORA_REFUSED),
            people(*_WITHOUT_NUMBER).label(MissingKind.AGORA_NUMBER),
            sheets(_todo(Todo.NIA)).label(MissingKind.NIR),
            sheets(_todo(Todo.ESF)).label(MissingKind.ESF),
        ).where(Enrolment.action_id == action_id)
    ).one()
    counts = row._mapping
    return EntryFacts(
        enrolled=row.enrolled,
        entered=row.entered,
        first_entry=row.first_entry,
        still_in=row.still_in,
        registered=row.registered,
        missing=tuple(Missing(kind, counts[kind.value]) for kind in TODO_OF_MISSING if counts[kind.value]),
    )


def enrolments_outside(component_id: int, start: date, end: date) -> int:
    """How many enrolments of a component lie outside a period; who has left is there until the exit only."""
    beyond = (Enrolment.planned_start < start) | (func.coalesce(Enrolment.actual_end, Enrolment.planned_end) > end)
    return db.session.scalar(select(func.count()).select_from(Enrolment).where(Enrolment.component_id == component_id, STANDING, beyond)) or 0


def todo_counts() -> TodoCounts:
    """The counts of the home page, in one statement over small partial indexes; see ``actions.queries.tile_count``."""

    def files(*where: ColumnElement[bool]) -> Select[int]:
        return select(Enrolment.registration_id).where(*where).distinct()

    def sheets(todo: Todo) -> Select[int]:
        return select(Registration.id).where(_todo(todo))

    row = db.session.execute(
        select(
            tile_count(files(Enrolment.agora_state == AgoraState.REJECTED.value)),
            tile_count(files(*_WITHOUT_NUMBER)),
            tile_count(sheets(Todo.NIA)),
            tile_count(sheets(Todo.ESF)),
        )
    ).one()
    return TodoCounts(*row)


def esf_rate(action_id: int) -> EsfRate:
    """Completeness of a co-funded action."""
    row = db.session.execute(
        select(func.count().filter(Registration.esf_state == EsfState.COMPLETE.value), func.count()).where(Registration.action_id == action_id, _counts())
    ).one()
    return EsfRate(row[0], row[1])


def esf_alarms(limit: int = 10) -> list[tuple[Action, EsfRate]]:
    """The running or waiting actions in scope with too many incomplete sheets, the worst first: read where ESF data are looked at."""
    total, incomplete = func.count(), func.count().filter(Registration.esf_state == EsfState.LATER.value)
    concerned = select(Registration.action_id).where(Registration.esf_state == EsfState.LATER.value).distinct()
    statement = (
        select(Action, total, incomplete)
        .join(Registration, Registration.action_id == Action.id)
        .where(Action.id.in_(concerned), _counts(), Action.esf_cofunded, Action.status.in_((ActionStatus.WAITING, ActionStatus.RUNNING)))
        .group_by(Action.id)
        .having(100 * incomplete > ESF_LIMIT * total)
        .order_by((incomplete * 1000 / total).desc(), Action.id)
        .limit(limit)
    )
    return [(action, EsfRate(count - missing, count)) for action, count, missing in db.session.execute(statement)]


def find_by_name(typed: str, *, limit: int = 5) -> Sequence[Registration]:
    """For the quick search: registrations whose person's names begin with the words typed."""
    return list(
        db.session.scalars(
            select(Registration)
            .where(_named(typed))
            .order_by(Registration.sort_name, Registration.id)
            .limit(limit)
            .options(joinedload(Registration.trainee), joinedload(Registration.action))
        )
    )
