"""Reads of modification requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import joinedload

from app.accounts.models import Organisation
from app.actions.models import Action, Component, ComponentSite
from app.actions.queries import Cursor, Page, keyset_page, tile_count, tsquery
from app.core import clock, textsearch
from app.core.extensions import db
from app.reference.models import Site
from app.reference.queries import is_postal_code
from app.trainees.models import Enrolment, Registration

from .document_models import DocumentRole, RequestDocument, RequestSignature
from .domain import OPEN, LetterFilter, RequestEvent, RequestKind, RequestState, StateFilter
from .domain.market import Outcome
from .market_models import MarketRule
from .models import ModificationRequest, ModificationRequestEvent

#: Trainees named on a page; beyond, their number says enough.
NAMED: Final = 50
#: Requests of one action on its page.
MOST_OF_ACTION: Final = 200
#: Sites offered in one list.
SITES: Final = 200


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """What the queue is narrowed to; every value comes from the address."""

    state: StateFilter = StateFilter.PENDING
    kind: RequestKind | None = None
    text: str = ""
    #: Sent at least so many days ago.
    days: int | None = None
    letter: LetterFilter | None = None


def get_request(request_id: int) -> ModificationRequest | None:
    """One request with its action and organisation; None outside the scope."""
    statement = (
        select(ModificationRequest)
        .where(ModificationRequest.id == request_id)
        .options(
            joinedload(ModificationRequest.action),
            joinedload(ModificationRequest.organisation),
            joinedload(ModificationRequest.rule).joinedload(MarketRule.programme),
            joinedload(ModificationRequest.rule_version),
        )
    )
    return db.session.scalars(statement).one_or_none()


def requests_of(action_id: int) -> list[ModificationRequest]:
    """« Suivi des demandes de modification » of one action, latest first."""
    statement = select(ModificationRequest).where(ModificationRequest.action_id == action_id).order_by(ModificationRequest.id.desc()).limit(MOST_OF_ACTION)
    return list(db.session.scalars(statement))


def open_request(action_id: int, kind: RequestKind) -> ModificationRequest | None:
    """The one request of a kind that an action may have under way."""
    return db.session.scalars(
        select(ModificationRequest).where(
            ModificationRequest.action_id == action_id,
            ModificationRequest.kind == kind.value,
            ModificationRequest.state.in_([state.value for state in OPEN]),
        )
    ).one_or_none()


def open_kinds(action_id: int) -> dict[str, ModificationRequest]:
    """Kind → the request under way, for one action."""
    rows = db.session.scalars(
        select(ModificationRequest).where(ModificationRequest.action_id == action_id, ModificationRequest.state.in_([state.value for state in OPEN]))
    )
    return {row.kind: row for row in rows}


def history_of(request_id: int) -> list[ModificationRequestEvent]:
    """Every step of a request, latest first."""
    statement = select(ModificationRequestEvent).where(ModificationRequestEvent.request_id == request_id).order_by(ModificationRequestEvent.id.desc())
    return list(db.session.scalars(statement.limit(200)))


def applied(action_id: int) -> list[tuple[ModificationRequest, ModificationRequestEvent]]:
    """The requests of an action whose changes count, each with the step that made them count, latest first."""
    statement = (
        select(ModificationRequest, ModificationRequestEvent)
        .join(ModificationRequestEvent, ModificationRequestEvent.request_id == ModificationRequest.id)
        .where(
            ModificationRequest.action_id == action_id,
            ModificationRequestEvent.event.in_([RequestEvent.VALIDATE.value, RequestEvent.RECORD.value]),
        )
        .order_by(ModificationRequestEvent.id.desc())
        .limit(200)
    )
    return [(row[0], row[1]) for row in db.session.execute(statement)]


def last_event(request_id: int) -> ModificationRequestEvent | None:
    """The latest step."""
    statement = select(ModificationRequestEvent).where(ModificationRequestEvent.request_id == request_id).order_by(ModificationRequestEvent.id.desc())
    return db.session.scalars(statement.limit(1)).first()


def components_of(action_id: int, options: Sequence[Any] = ()) -> list[Component]:
    """The components of an action, in order."""
    return list(db.session.scalars(select(Component).where(Component.action_id == action_id).order_by(Component.number).options(*options)))


# ---- what the rules of volumes and of sites ask -----------------------------------------------------------------------


def enrolled_now(component_ids: Collection[int]) -> dict[int, int]:
    """Component → trainees enrolled who have not left."""
    if not component_ids:
        return {}
    statement = (
        select(Enrolment.component_id, func.count())
        .where(Enrolment.component_id.in_(component_ids), Enrolment.actual_end.is_(None), Enrolment.cancelled_at.is_(None))
        .group_by(Enrolment.component_id)
    )
    return {row[0]: row[1] for row in db.session.execute(statement)}


def enrolled_by_site(component_ids: Collection[int]) -> dict[tuple[int, int], int]:
    """Component and site → trainees enrolled there who have not left."""
    if not component_ids:
        return {}
    statement = (
        select(Enrolment.component_id, Enrolment.site_id, func.count())
        .where(Enrolment.component_id.in_(component_ids), Enrolment.actual_end.is_(None), Enrolment.cancelled_at.is_(None))
        .group_by(Enrolment.component_id, Enrolment.site_id)
    )
    return {(row[0], row[1]): row[2] for row in db.session.execute(statement)}


def sites_offered(held: Collection[int], postal_code: str) -> list[Site]:
    """Sites to tick: those ``held``, those of a postal code, and the first of those where the organisation's components take place."""
    named: ColumnElement[bool] = Site.id.in_(held)
    if is_postal_code(postal_code):
        named = or_(named, _choosable() & (Site.postal_code == postal_code))
    own = _choosable() & Site.id.in_(select(ComponentSite.site_id))
    found = [*db.session.scalars(select(Site).where(named).limit(SITES)), *db.session.scalars(select(Site).where(own).order_by(Site.id).limit(SITES))]
    return sorted({site.id: site for site in found}.values(), key=lambda site: (site.town, site.name, site.id))


def sites_of(postal_code: str) -> int:
    """How many sites of a postal code may be chosen."""
    return db.session.scalar(select(func.count()).select_from(Site).where(_choosable(), Site.postal_code == postal_code)) or 0


def choosable_sites(site_ids: Collection[int]) -> set[int]:
    """Those of these sites that exist and may still be chosen."""
    return set(db.session.scalars(select(Site.id).where(Site.id.in_(site_ids), _choosable()))) if site_ids else set()


def _choosable() -> ColumnElement[bool]:
    day = clock.today()
    return (Site.valid_from <= day) & (or_(Site.valid_to.is_(None), Site.valid_to >= day))


def to_correct(limit: int) -> list[ModificationRequest]:
    """Requests that the Région sent back, those that have waited longest first, with their action."""
    return list(
        db.session.scalars(
            select(ModificationRequest)
            .where(ModificationRequest.state == RequestState.TO_CORRECT.value)
            .order_by(ModificationRequest.sent_at, ModificationRequest.id)
            .options(joinedload(ModificationRequest.action))
            .limit(limit)
        )
    )


# ---- the queue of the Région ------------------------------------------------------------------------------------------


def queue_where(narrowed: QueueFilter, now: datetime) -> list[ColumnElement[bool]]:
    """What the queue is narrowed to."""
    found: list[ColumnElement[bool]] = []
    if narrowed.state is not StateFilter.ALL:
        found.append(ModificationRequest.state == narrowed.state.value)
    if narrowed.kind is not None:
        found.append(ModificationRequest.kind == narrowed.kind.value)
    if narrowed.days is not None:
        found.append(ModificationRequest.sent_at <= now - timedelta(days=narrowed.days))
    if narrowed.letter is not None:
        found.append(letter_awaited() if narrowed.letter is LetterFilter.AWAITED else _letter_stands())
    if narrowed.text.strip():
        found.append(_matches(narrowed.text))
    return found


def _matches(typed: str) -> ColumnElement[bool]:
    """Words of the organisation, its SIRET, or the number of the action."""
    query = textsearch.prefix_query(typed)
    if query is None:
        return ModificationRequest.id == -1
    wanted = tsquery(query)
    organisations = select(Organisation.id).where(Organisation.search_vector.bool_op("@@")(wanted))
    actions = select(Action.id).where(Action.search_vector.bool_op("@@")(wanted))
    return or_(ModificationRequest.organisation_id.in_(organisations), ModificationRequest.action_id.in_(actions))


def letter_awaited() -> ColumnElement[bool]:
    """Requests that wait for a decision, and for which neither signed letter nor confirmation on screen stands as they are now (guide 003 §2)."""
    return (ModificationRequest.state == RequestState.PENDING.value) & ~_letter_stands()


def _letter_stands() -> ColumnElement[bool]:
    """Requests for which, as they are now, a signed letter or a confirmation on screen stands."""
    asked = ModificationRequest
    letters = select(RequestDocument.id).where(
        RequestDocument.request_id == asked.id, RequestDocument.role == DocumentRole.LETTER.value, RequestDocument.stated == asked.stated
    )
    confirmations = select(RequestSignature.id).where(RequestSignature.request_id == asked.id, RequestSignature.stated == asked.stated)
    return or_(exists(letters), exists(confirmations))


def without_letter(request_ids: Collection[int]) -> set[int]:
    """Those of these requests whose letter is awaited, in one statement."""
    if not request_ids:
        return set()
    return set(db.session.scalars(select(ModificationRequest.id).where(ModificationRequest.id.in_(request_ids), letter_awaited())))


def letters_to_send(limit: int) -> list[ModificationRequest]:
    """Requests whose letter the organisation owes, the oldest first, with their action."""
    statement = select(ModificationRequest).where(letter_awaited()).order_by(ModificationRequest.sent_at, ModificationRequest.id)
    return list(db.session.scalars(statement.options(joinedload(ModificationRequest.action)).limit(limit)))


def pending_count() -> int:
    """Requests that wait for a decision, for a tile of the home page: see ``actions.queries.tile_count``."""
    return db.session.scalar(select(tile_count(select(ModificationRequest.id).where(ModificationRequest.state == RequestState.PENDING.value)))) or 0


def queue(narrowed: QueueFilter, *, now: datetime, cursor: Cursor | None, size: int) -> Page:
    """One page of requests, the oldest first."""
    conditions = queue_where(narrowed, now)
    statement = (
        select(ModificationRequest)
        .where(*conditions)
        .options(joinedload(ModificationRequest.action), joinedload(ModificationRequest.organisation))
    )
    counted = select(ModificationRequest.id).where(*conditions)
    return keyset_page(statement, ModificationRequest.sent_at, ModificationRequest.id, cursor=cursor, size=size, counted=counted)


@dataclass(frozen=True, slots=True)
class Delays:
    """How long decisions took, in days: half of them at most ``median``, nine in ten at most ``ninth``."""

    count: int
    median: float
    ninth: float


def delays(now: datetime) -> Delays | None:
    """Of the requests decided within a year, from the last sending to the decision; None when there is none."""
    seconds = func.extract("epoch", ModificationRequest.decided_at - ModificationRequest.sent_at)
    row = db.session.execute(
        select(func.count(), func.percentile_cont(0.5).within_group(seconds), func.percentile_cont(0.9).within_group(seconds)).where(
            ModificationRequest.decided_at > now - timedelta(days=365), ModificationRequest.treatment == Outcome.INSTRUCT.value
        )
    ).one()
    return Delays(row[0], float(row[1]) / 86_400, float(row[2]) / 86_400) if row[0] else None


# ---- trainees that new dates would leave outside ----------------------------------------------------------------------


def _outside(periods: Mapping[int, tuple[date, date]]) -> ColumnElement[bool]:
    """Enrolments not inside the period of their component; who has left is held to the day they left."""
    end = func.coalesce(Enrolment.actual_end, Enrolment.planned_end)
    return or_(
        *(
            and_(Enrolment.component_id == component_id, Enrolment.cancelled_at.is_(None), or_(Enrolment.planned_start < start, end > last))
            for component_id, (start, last) in periods.items()
        )
    )


def outside_counts(periods: Mapping[int, tuple[date, date]]) -> dict[int, int]:
    """Component → how many trainees its new period would leave outside, in one statement."""
    if not periods:
        return {}
    statement = (
        select(Enrolment.component_id, func.count(func.distinct(Enrolment.registration_id))).where(_outside(periods)).group_by(Enrolment.component_id)
    )
    return {row[0]: row[1] for row in db.session.execute(statement)}


def outside_enrolments(periods: Mapping[int, tuple[date, date]]) -> list[Enrolment]:
    """The first of these enrolments, with the person and the component."""
    if not periods:
        return []
    statement = (
        select(Enrolment)
        .join(Enrolment.registration)
        .where(_outside(periods))
        .options(joinedload(Enrolment.registration).joinedload(Registration.trainee), joinedload(Enrolment.component))
        .order_by(Registration.sort_name, Enrolment.id)
        .limit(NAMED)
    )
    return list(db.session.scalars(statement))

