"""Reads of the exchanges: lists paged by key, whose pages cost the same at ten rows and at ten million."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, case, false, func, literal_column, or_, select, union_all
from sqlalchemy.orm import joinedload, load_only

from app.accounts.models import Organisation
from app.actions.models import Action, Contract
from app.actions.queries import COUNT_CAP, PAGE_SIZES, Cursor, Page, found_first, keyset_page, tsquery
from app.core import textsearch
from app.core.extensions import db
from app.core.outbox.models import BLOCKING, ErrorKind, MessageState, OutboxAttempt, OutboxIntervention, OutboxMessage, OutboxPartner
from app.trainees.domain import IdentityState
from app.trainees.models import Enrolment, IdentityRequest, Registration, Trainee

from .domain import Assignee, CodeSet, DifferenceState, Nature, RunState, Show
from .models import ReconciliationDifference, ReconciliationRun

STUCK: Final = (MessageState.REJECTED, MessageState.DEAD)
WAITING: Final = (MessageState.PENDING, MessageState.SENDING)
#: How many enrolments a search by name takes in.
MOST_NAMED: Final = 2_000

_ACTION_NUMBER = re.compile(r"[0-9]{2}[A-Za-z][0-9A-Za-z]+(_[0-9]+)?")


@dataclass(frozen=True, slots=True)
class ExchangeFilter:
    """What a list of exchanges is narrowed to. ``by_name``: whoever asks may see names. ``technical``: codes of technical refusals.

    ``mendable``: of an organisation's own list, the codes of the refusals that it mends itself.
    """

    text: str = ""
    show: Show = Show.ALL
    nature: Nature | None = None
    operation: str = ""
    code: str = ""
    by_name: bool = False
    technical: CodeSet = field(default=CodeSet(), compare=False)
    mendable: CodeSet | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Tabs:
    """How many exchanges wait, by the nature of what holds them up; counted no further than a cap."""

    functional: int
    technical: int


def last_error_among(chosen: CodeSet) -> ColumnElement[bool]:
    """Whether the last error of an exchange is one of these codes."""
    code = OutboxMessage.last_error_code
    listed = code.in_(chosen.codes)
    return or_(listed, code.regexp_match(r"^HTTP_4\d\d$") & code.not_in(chosen.but)) if chosen.family else listed


def mended_by_organisation(mendable: CodeSet) -> ColumnElement[bool]:
    """Refused for something that the organisation mends; not what was given up, which the Région sends again."""
    known = func.coalesce(OutboxMessage.last_error_code, "") != ""
    return (OutboxMessage.state == MessageState.REJECTED) & known & func.coalesce(last_error_among(mendable), false())


def _nature(nature: Nature, technical: CodeSet) -> ColumnElement[bool]:
    """Refusals are functional, but for those that speak of the call; silence and our own faults are technical."""
    refused, call = OutboxMessage.error_kind == ErrorKind.REJECTED, last_error_among(technical)
    if nature is Nature.FUNCTIONAL:
        return refused & ~call
    return or_(OutboxMessage.error_kind.in_((ErrorKind.UNAVAILABLE, ErrorKind.FAULT)), refused & call)


def _states(show: Show) -> tuple[MessageState, ...] | None:
    match show:
        case Show.TO_MEND | Show.ELSEWHERE:
            return STUCK
        case Show.WAITING:
            return WAITING
        case Show.DONE:
            return (MessageState.DONE,)
        case Show.SETTLED:
            return (MessageState.CANCELLED,)
        case _:
            return None


def _enrolments_of(condition: ColumnElement[bool], *joins: Any) -> ColumnElement[bool]:
    statement = select(Enrolment.id)
    for join in joins:
        statement = statement.join(join)
    chosen = statement.where(condition).limit(MOST_NAMED)
    return (OutboxMessage.subject_type == "enrolment") & OutboxMessage.subject_id.in_(chosen)


def _said(typed: str, *, by_name: bool) -> ColumnElement[bool]:
    """By AGORA number, SIRET, number of an action or of the exchange itself, else by the beginnings of the trainee's names."""
    digits = typed.replace(" ", "")
    if digits.isdecimal() and len(digits) == 14:
        return OutboxMessage.organisation_id.in_(select(Organisation.id).where(Organisation.siret == digits))
    if digits.isdecimal() and 8 <= len(digits) <= 12:
        return _enrolments_of(Enrolment.agora_number == digits)
    if digits.removeprefix("#").isdecimal():
        return OutboxMessage.id == min(int(digits.removeprefix("#")), 2**62)
    if _ACTION_NUMBER.fullmatch(digits):
        wanted = Action.number == digits.upper() if "_" in digits else Contract.number == digits.upper()
        return _enrolments_of(wanted, Enrolment.action, Action.contract)
    query = textsearch.prefix_query(typed)
    if query is None or not by_name:
        return false()
    people = select(Trainee.id).where(Trainee.search_vector.bool_op("@@")(tsquery(query)))
    return _enrolments_of(found_first(Registration.trainee_id, people), Enrolment.registration)


def conditions(narrowed: ExchangeFilter) -> list[ColumnElement[bool]]:
    """Of the exchanges that the filter keeps."""
    found: list[ColumnElement[bool]] = []
    states = _states(narrowed.show)
    if states is not None:
        found.append(OutboxMessage.state.in_(states))
    elif narrowed.nature is not None:  # failures that are over are history
        found.append(OutboxMessage.state.in_(BLOCKING))
    if narrowed.mendable is not None and narrowed.show in (Show.TO_MEND, Show.ELSEWHERE):
        own = mended_by_organisation(narrowed.mendable)
        found.append(own if narrowed.show is Show.TO_MEND else ~own)
    if narrowed.nature is not None:
        found.append(_nature(narrowed.nature, narrowed.technical))
    if narrowed.operation:
        found.append(OutboxMessage.operation == narrowed.operation)
    if narrowed.code:
        found.append(OutboxMessage.last_error_code == narrowed.code)
    if narrowed.text:
        found.append(_said(narrowed.text, by_name=narrowed.by_name))
    return found


def list_exchanges(narrowed: ExchangeFilter, *, cursor: Cursor | None, size: int = PAGE_SIZES[0]) -> Page:
    """Exchanges in scope, the latest first."""
    where = conditions(narrowed)
    statement = select(OutboxMessage).where(*where)
    identity = OutboxMessage.id
    return keyset_page(statement, (), identity, cursor=cursor, size=size, counted=select(identity).where(*where), descending=True)


def tabs(technical: CodeSet) -> Tabs:
    """What is held up, functional and technical, in one statement."""

    def count(label: str, nature: Nature) -> Any:
        held = select(OutboxMessage.id).where(OutboxMessage.state.in_(BLOCKING), _nature(nature, technical)).limit(COUNT_CAP + 1).subquery()
        return select(literal_column(f"'{label}'").label("what"), func.count().label("number")).select_from(held)

    counted = {row.what: row.number for row in db.session.execute(union_all(count("f", Nature.FUNCTIONAL), count("t", Nature.TECHNICAL)))}
    return Tabs(min(counted["f"], COUNT_CAP), min(counted["t"], COUNT_CAP))


def own_counts(mendable: CodeSet) -> dict[Show, int]:
    """How many exchanges of the scope the organisation mends, somebody else sees to, and are on their way."""
    own = mended_by_organisation(mendable)
    where = case((OutboxMessage.state.in_(WAITING), Show.WAITING.value), (own, Show.TO_MEND.value), else_=Show.ELSEWHERE.value)
    statement = select(where.label("show"), func.count().label("number")).where(OutboxMessage.state.in_(BLOCKING)).group_by(where)
    counted = {row.show: row.number for row in db.session.execute(statement)}
    return {show: counted.get(show.value, 0) for show in (Show.TO_MEND, Show.ELSEWHERE, Show.WAITING)}


def get_exchange(exchange_id: int) -> OutboxMessage | None:
    """One exchange; None outside the scope."""
    return db.session.scalars(select(OutboxMessage).where(OutboxMessage.id == exchange_id).execution_options(populate_existing=True)).one_or_none()


def enrolments(messages: Collection[OutboxMessage]) -> dict[int, Enrolment]:
    """For whom these exchanges are, with all that lists and pages say of them, in one statement."""
    ids = {message.subject_id for message in messages if message.subject_type == "enrolment"}
    return {enrolment.id: enrolment for enrolment in enrolments_by_id(ids)}


def enrolments_by_id(ids: Collection[int]) -> Sequence[Enrolment]:
    """Enrolments with person, component, action and organisation."""
    if not ids:
        return []
    statement = (
        select(Enrolment)
        .where(Enrolment.id.in_(ids))
        .options(
            joinedload(Enrolment.registration).joinedload(Registration.trainee),
            joinedload(Enrolment.component),
            joinedload(Enrolment.action).joinedload(Action.organisation),
            joinedload(Enrolment.action).joinedload(Action.contract),
        )
    )
    return db.session.scalars(statement).unique().all()


def attempts(exchange_id: int, *, limit: int = 200) -> Sequence[OutboxAttempt]:
    """What went wrong, the last tries first."""
    return db.session.scalars(select(OutboxAttempt).where(OutboxAttempt.message_id == exchange_id).order_by(OutboxAttempt.id.desc()).limit(limit)).all()


def tries(messages: Collection[OutboxMessage]) -> dict[int, int]:
    """How often each of these was tried in all, in one statement: ``attempts`` begins anew when somebody sends it again, the journal does not."""
    ids = [message.id for message in messages]
    counted = select(OutboxAttempt.message_id, func.count().label("number")).where(OutboxAttempt.message_id.in_(ids)).group_by(OutboxAttempt.message_id)
    failed = {row.message_id: int(row.number) for row in db.session.execute(counted)} if ids else {}
    succeeded = (MessageState.DONE, MessageState.SENDING)  # leave no line of their own, or none yet
    return {message.id: max(message.attempts, failed.get(message.id, 0) + (message.state in succeeded)) for message in messages}


def interventions(exchange_id: int) -> Sequence[OutboxIntervention]:
    """What was done to it by hand; nothing for an organisation, whose scope does not hold them."""
    return db.session.scalars(select(OutboxIntervention).where(OutboxIntervention.message_id == exchange_id).order_by(OutboxIntervention.id).limit(200)).all()


def rate_of(partner: str) -> int | None:
    """Messages a minute that the Région lets leave for a partner; None: as many as it takes."""
    return db.session.scalar(select(OutboxPartner.rate_per_minute).where(OutboxPartner.name == partner))


def is_paused(partner: str) -> bool:
    """Whether the Région stopped the sending to a partner."""
    return bool(db.session.scalar(select(OutboxPartner.paused).where(OutboxPartner.name == partner)))


def paused() -> Sequence[str]:
    """The partners to which the Région stopped the sending."""
    return db.session.scalars(select(OutboxPartner.name).where(OutboxPartner.paused).order_by(OutboxPartner.name)).all()


def ahead_of(message: OutboxMessage) -> OutboxMessage | None:
    """What holds this exchange up: the first of its dossier that is not finished, when it is another one."""
    statement = select(OutboxMessage).where(
        OutboxMessage.partner == message.partner,
        OutboxMessage.ordering_key == message.ordering_key,
        OutboxMessage.state.in_(BLOCKING),
        OutboxMessage.id < message.id,
    )
    return db.session.scalars(statement.order_by(OutboxMessage.id).limit(1)).one_or_none()


# ---- searches of identities --------------------------------------------------------------------------------------------

#: Those of programmes outside the flow are kept for their page and never asked of AGORA.
_ASKED: Final = ~((IdentityRequest.state == IdentityState.UNAVAILABLE.value) & IdentityRequest.answered_at.is_(None))
_SEARCH: Final = (IdentityRequest.organisation_id, IdentityRequest.action_id, IdentityRequest.state, IdentityRequest.created_at, IdentityRequest.answered_at)


def list_searches(*, cursor: Cursor | None, size: int = PAGE_SIZES[0]) -> Page:
    """The searches of identities that are still kept, the latest first; neither question nor answer is read."""
    identity = IdentityRequest.id
    statement = select(IdentityRequest).where(_ASKED).options(load_only(*_SEARCH, raiseload=True))
    return keyset_page(statement, (), identity, cursor=cursor, size=size, counted=select(identity).where(_ASKED), descending=True)


def count_searches() -> dict[IdentityState, int]:
    """How many, by what became of them."""
    counted = select(IdentityRequest.state, func.count()).where(_ASKED).group_by(IdentityRequest.state)
    found = {IdentityState(state): number for state, number in db.session.execute(counted)}
    return {state: found.get(state, 0) for state in IdentityState}


def actions_by_id(ids: Collection[int]) -> dict[int, Action]:
    """Actions with their organisation, in one statement."""
    rows = db.session.scalars(select(Action).where(Action.id.in_(ids)).options(joinedload(Action.organisation))) if ids else ()
    return {row.id: row for row in rows}


# ---- reconciliations ---------------------------------------------------------------------------------------------------


def last_runs(*, limit: int = 10) -> Sequence[ReconciliationRun]:
    """The latest comparisons first."""
    return db.session.scalars(select(ReconciliationRun).order_by(ReconciliationRun.id.desc()).limit(limit)).all()


def last_run_and_waiting() -> tuple[ReconciliationRun | None, int]:
    """The latest comparison, and how many differences wait to be looked at, in one statement."""
    waiting = select(func.count()).select_from(ReconciliationDifference).where(ReconciliationDifference.state == DifferenceState.OPEN.value)
    row = db.session.execute(select(ReconciliationRun, waiting.scalar_subquery()).order_by(ReconciliationRun.id.desc()).limit(1)).one_or_none()
    return (row[0], row[1]) if row is not None else (None, 0)


def last_end() -> datetime | None:
    """When the last comparison that read the whole list came to its end."""
    return db.session.scalar(select(func.max(ReconciliationRun.finished_at)).where(ReconciliationRun.state == RunState.DONE.value))


def get_run(run_id: int) -> ReconciliationRun | None:
    """One comparison."""
    return db.session.scalars(select(ReconciliationRun).where(ReconciliationRun.id == run_id).execution_options(populate_existing=True)).one_or_none()


def list_differences(
    *, run_id: int | None = None, kind: str = "", state: str = DifferenceState.OPEN.value, cursor: Cursor | None = None, size: int = PAGE_SIZES[0]
) -> Page:
    """Differences in scope, the latest first."""
    difference = ReconciliationDifference
    where = differences_where(run_id=run_id, kind=kind, state=state)
    statement = select(difference).where(*where)
    return keyset_page(statement, (), difference.id, cursor=cursor, size=size, counted=select(difference.id).where(*where), descending=True)


def differences_where(*, run_id: int | None = None, kind: str = "", state: str = "") -> list[ColumnElement[bool]]:
    """What narrows the differences: a comparison, a kind, a state."""
    difference = ReconciliationDifference
    where: list[ColumnElement[bool]] = []
    if run_id is not None:
        where.append(difference.run_id == run_id)
    if kind:
        where.append(difference.kind == kind)
    if state:
        where.append(difference.state == state)
    return where


def get_difference(difference_id: int) -> ReconciliationDifference | None:
    """One difference; None outside the scope."""
    statement = select(ReconciliationDifference).where(ReconciliationDifference.id == difference_id).execution_options(populate_existing=True)
    return db.session.scalars(statement).one_or_none()


def open_differences() -> dict[str, int]:
    """How many are open, by kind."""
    difference = ReconciliationDifference
    statement = select(difference.kind, func.count().label("number")).where(difference.state == DifferenceState.OPEN.value).group_by(difference.kind)
    return {row.kind: int(row.number) for row in db.session.execute(statement)}


def differences_for_organisation(*, limit: int = 50) -> Sequence[ReconciliationDifference]:
    """Those that the organisation in scope has to look at, the most pressing first."""
    difference = ReconciliationDifference
    statement = select(difference).where(difference.state == DifferenceState.OPEN.value, difference.assignee == Assignee.ORGANISATION.value)
    return db.session.scalars(statement.order_by(difference.due_on, difference.id).limit(limit)).all()
