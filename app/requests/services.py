"""Use cases on modification requests: each function is one transaction.

Locks are always taken in one order: the action, its components, the request.  So nobody waits for somebody who waits for them, and
an enrolment under way (which holds its action) is either seen by the rules or comes after the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select

from app.actions.domain import ActionStatus
from app.actions.models import Action, Component
from app.actions.services import ActionNotFound, actor_name, lock_action, recheck_declarations
from app.core import clock, context
from app.core.extensions import db
from app.core.transaction import transaction
from app.core.workflow import ForbiddenTransition

from . import market_rules, notifications, queries
from .document_models import DocumentRole, RequestDocument
from .domain import (
    LIFE,
    Change,
    DecisionFacts,
    Key,
    Note,
    Obstacle,
    ObstacleCode,
    Problem,
    ProblemCode,
    RequestEvent,
    RequestKind,
    RequestState,
    Value,
    diff,
    dump,
    dump_notes,
    fingerprint,
    moved,
    obstacles,
)
from .domain.changes import stated
from .domain.market import Outcome
from .domain.notes import cleaned
from .kinds import KINDS, ChangeKind, Snapshot
from .models import ModificationRequest, ModificationRequestEvent
from .words import with_words


class RequestNotFound(LookupError):
    """No such request, or action, within the scope."""


class Refused(Exception):
    """The use case is not possible now; ``problems`` say why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(", ".join(problem.code for problem in problems))
        self.problems = problems


class AlreadyOpen(Exception):
    """Another request of the kind is under way for the action."""

    def __init__(self, request: ModificationRequest) -> None:
        super().__init__("already open")
        self.request_id, self.state = request.id, RequestState(request.state)


class Overtaken(Exception):
    """Somebody else was faster: the request is no longer what the page showed."""

    def __init__(self, request: ModificationRequest, event: ModificationRequestEvent | None) -> None:
        super().__init__("overtaken")
        self.state, self.event = RequestState(request.state), event


class Blocked(Exception):
    """A decision is not possible as it is given; ``obstacles`` say why."""

    def __init__(self, *found: Obstacle) -> None:
        super().__init__(", ".join(one.code for one in found))
        self.obstacles = found


@dataclass(frozen=True, slots=True)
class Asked:
    """What an organisation asks: new values by field, and why."""

    values: Mapping[Key, Value]
    motivation: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a validator decided, on the request as the page showed it."""

    event: RequestEvent
    version: int
    observations: str = ""
    amendment_number: str = ""
    #: ``domain.fingerprint`` of what moved since the request, which the validator saw and confirmed.
    confirmed: str = ""
    #: What is to be said of single lines of the MODIFICATIONS.
    notes: tuple[Note, ...] = ()
    #: The validator saw that no letter stands for the request, and validates it all the same.
    without_letter: bool = False


def over(action: Action) -> Problem | None:
    """Why the data of an action no longer change, if so."""
    if action.status in (ActionStatus.CLOSED, ActionStatus.CANCELLED):
        return Problem(None, ProblemCode.ACTION_OVER, {"status": action.status})
    return None


def judged(kind: ChangeKind, snapshot: Snapshot, changes: tuple[Change, ...]) -> tuple[Problem, ...]:
    """Everything that forbids asking, or applying, these changes now."""
    if (no_more := over(snapshot.action)) is not None:
        return (no_more,)
    if not changes:
        return (Problem(None, ProblemCode.NOTHING_CHANGED),)
    return kind.problems(snapshot, changes)


def objections(kind: ChangeKind, snapshot: Snapshot, changes: tuple[Change, ...], ruling: market_rules.Ruling) -> tuple[Problem, ...]:
    """Everything that forbids asking these changes now.  What the market forbids is said alone: nothing else that is mended makes it possible."""
    if ruling.problems and over(snapshot.action) is None:
        return ruling.problems
    return judged(kind, snapshot, changes)


def send(action_id: int, code: RequestKind, asked: Asked) -> int:
    """Ask for a modification: « En attente de validation », or recorded at once when a market rule says so.  Returns the request's id.

    Raises RequestNotFound outside the scope, AlreadyOpen, or Refused.
    """
    kind = KINDS[code]
    with transaction() as session:
        snapshot = _locked_snapshot(kind, action_id)
        already = queries.open_request(action_id, code)
        if already is not None:
            raise AlreadyOpen(already)
        changes = with_words(diff(snapshot.values, asked.values, snapshot.names))
        ruling = market_rules.rule_on(snapshot.action, code, changes)
        if found := objections(kind, snapshot, changes, ruling):
            raise Refused(*found)
        request = ModificationRequest(
            organisation_id=snapshot.action.organisation_id,
            action_id=action_id,
            kind=code.value,
            state=RequestState.PENDING.value,
            changes=dump(changes),
            motivation=asked.motivation.strip(),
            stated=stated(dump(changes), asked.motivation.strip(), ()),
            sender_id=context.actor_id(),
            sender_name=actor_name(context.actor_id()),
        )
        session.add(request)
        session.flush()
        _ruled(request, ruling)
        _log(request, RequestEvent.SEND, None, RequestState.PENDING, comment=request.motivation, changes=request.changes)
        _record_if_ruled(request, kind, snapshot, changes, ruling)
        recheck_declarations({action_id})
        return request.id


def send_again(request_id: int, asked: Asked, *, version: int) -> None:
    """Correct a request that was sent back, and send it again, with its new changes.

    Raises RequestNotFound, Overtaken when it was changed or withdrawn meanwhile, or Refused.
    """
    with transaction():
        request, kind, snapshot = _locked(request_id)
        if request.version != version:
            raise Overtaken(request, queries.last_event(request_id))
        changes = with_words(diff(snapshot.values, asked.values, snapshot.names))
        before = RequestState(request.state)
        ruling = market_rules.rule_on(snapshot.action, RequestKind(request.kind), changes)
        facts = DecisionFacts(problems=objections(kind, snapshot, changes, ruling))
        found = _obstacles(request, RequestEvent.SEND, facts)
        if found:
            raise Refused(*(one.problem for one in found if one.problem is not None))
        request.changes = dump(changes)
        request.motivation = asked.motivation.strip()
        restate(request)
        request.sender_id, request.sender_name = context.actor_id(), actor_name(context.actor_id())
        request.sent_at = clock.now()
        _move(request, RequestEvent.SEND)
        _ruled(request, ruling)
        _log(request, RequestEvent.SEND, before, RequestState(request.state), comment=request.motivation, changes=request.changes)
        _record_if_ruled(request, kind, snapshot, changes, ruling)


def restate(request: ModificationRequest) -> None:
    """Keep what the letter of the request says by now: its changes, its motivation and its pieces."""
    of_it = (RequestDocument.request_id == request.id) & (RequestDocument.role == DocumentRole.SUPPORTING.value)
    request.stated = stated(request.changes, request.motivation, db.session.scalars(select(RequestDocument.sha256).where(of_it)))


def withdraw(request_id: int, *, version: int) -> None:
    """Take back a request that is not decided.  Raises RequestNotFound, or Overtaken."""
    with transaction():
        request, _kind, _snapshot = _locked(request_id)
        if request.version != version:
            raise Overtaken(request, queries.last_event(request_id))
        _obstacles(request, RequestEvent.WITHDRAW, DecisionFacts())
        before = RequestState(request.state)
        _move(request, RequestEvent.WITHDRAW)
        _log(request, RequestEvent.WITHDRAW, before, RequestState(request.state))


def decide(request_id: int, decision: Decision) -> None:
    """Validate (and apply, all or nothing, to today's data), ask for a correction, or refuse; the organisation is told by mail.

    Two validators at once: the row lock lets one in, the other is told.  Raises RequestNotFound, Overtaken, or Blocked with all that
    stands in the way: a rule that today's data no longer keep, something that moved and was not confirmed, no observations.
    """
    with transaction():
        request, kind, snapshot = _locked(request_id)
        if request.version != decision.version:
            raise Overtaken(request, queries.last_event(request_id))
        changes = request.asked
        notes = cleaned(decision.notes, {change.key for change in changes})
        lacks_letter = decision.event is RequestEvent.VALIDATE and bool(queries.without_letter({request.id}))
        facts = _facts(request, kind, snapshot, decision, notes)
        found = _obstacles(request, decision.event, replace(facts, letter_missing=lacks_letter and not decision.without_letter))
        if found:
            raise Blocked(*found)
        before = RequestState(request.state)
        if decision.event is RequestEvent.VALIDATE:
            kind.apply(snapshot, changes)
            request.amendment_number = decision.amendment_number.strip() or None
        request.observations = decision.observations.strip()
        request.notes = dump_notes(notes)
        if decision.event is not RequestEvent.ASK_CORRECTION:
            request.decided_at = clock.now()
        _move(request, decision.event)
        _log(
            request, decision.event, before, RequestState(request.state), comment=request.observations, notes=request.notes or None,
            without_letter=lacks_letter,
        )  # fmt: skip
        notifications.decided(request, snapshot.action, decision.event)


def _ruled(request: ModificationRequest, ruling: market_rules.Ruling) -> None:
    """The request keeps the rule and the version that decide on it."""
    request.rule_version_id, request.rule_id = ruling.version_id, ruling.rule_id
    request.needs_amendment = ruling.verdict.needs_amendment


def _record_if_ruled(request: ModificationRequest, kind: ChangeKind, snapshot: Snapshot, changes: tuple[Change, ...], ruling: market_rules.Ruling) -> None:
    """Apply at once what a market rule leaves to the organisation; the rules of the kind were just asked of the same rows, locked since."""
    if ruling.verdict.outcome is not Outcome.RECORD:
        return
    kind.apply(snapshot, changes)
    request.treatment = Outcome.RECORD.value
    request.observations, request.notes = "", []
    request.decided_at = clock.now()
    _move(request, RequestEvent.RECORD)
    _log(request, RequestEvent.RECORD, RequestState.PENDING, RequestState(request.state))
    notifications.recorded(request, snapshot.action)


def _facts(request: ModificationRequest, kind: ChangeKind, snapshot: Snapshot, decision: Decision, notes: tuple[Note, ...]) -> DecisionFacts:
    changes = request.asked
    if decision.event is not RequestEvent.VALIDATE:
        return DecisionFacts(observations=decision.observations, notes=len(notes), amendment_number=bool(decision.amendment_number.strip()))
    shifted = moved(changes, snapshot.values)
    return DecisionFacts(
        observations=decision.observations,
        problems=judged(kind, snapshot, changes),
        unconfirmed=() if fingerprint(shifted) == decision.confirmed else shifted,
        amendment_missing=request.needs_amendment and not decision.amendment_number.strip(),
    )


def _obstacles(request: ModificationRequest, event: RequestEvent, facts: DecisionFacts) -> tuple[Obstacle, ...]:
    """Raises Overtaken when the state, which nobody else changes now, has no such event."""
    try:
        return obstacles(RequestState(request.state), event, facts)
    except ForbiddenTransition:
        raise Overtaken(request, queries.last_event(request.id)) from None


def _locked_snapshot(kind: ChangeKind, action_id: int) -> Snapshot:
    action = _lock_action(action_id)
    statement = select(Component).where(Component.action_id == action_id).order_by(Component.number, Component.id).options(*kind.options)
    components = list(db.session.scalars(statement.with_for_update(of=Component).execution_options(populate_existing=True)))
    return kind.snapshot(action, components)


def _lock_action(action_id: int) -> Action:
    try:
        return lock_action(action_id)
    except ActionNotFound:
        raise RequestNotFound(action_id) from None


def _locked(request_id: int) -> tuple[ModificationRequest, ChangeKind, Snapshot]:
    """The request, locked after its action and the components, all read fresh."""
    place = db.session.execute(
        select(ModificationRequest.action_id, ModificationRequest.kind).where(ModificationRequest.id == request_id)
    ).one_or_none()
    if place is None:
        raise RequestNotFound(request_id)
    kind = KINDS[RequestKind(place.kind)]
    snapshot = _locked_snapshot(kind, place.action_id)
    statement = select(ModificationRequest).where(ModificationRequest.id == request_id).with_for_update(of=ModificationRequest)
    request = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if request is None:
        raise RequestNotFound(request_id)
    return request, kind, snapshot


def _move(request: ModificationRequest, event: RequestEvent) -> None:
    request.state = LIFE.target(RequestState(request.state), event).value


def _log(
    request: ModificationRequest,
    event: RequestEvent,
    before: RequestState | None,
    after: RequestState,
    *,
    comment: str = "",
    changes: list[dict[str, object]] | None = None,
    notes: list[dict[str, object]] | None = None,
    without_letter: bool = False,
) -> None:
    actor_id, behalf_id = context.actor_id(), context.on_behalf_of()
    db.session.add(
        ModificationRequestEvent(
            organisation_id=request.organisation_id,
            request_id=request.id,
            event=event.value,
            from_state=None if before is None else before.value,
            to_state=after.value,
            actor_id=actor_id,
            actor_name=actor_name(actor_id),
            on_behalf_of_id=behalf_id,
            on_behalf_of_name=actor_name(behalf_id),
            comment=comment,
            changes=changes,
            notes=notes,
            without_letter=without_letter,
            rule_version_id=request.rule_version_id,
            rule_id=request.rule_id,
        )
    )
    db.session.flush()


__all__ = [
    "AlreadyOpen",
    "Asked",
    "Blocked",
    "Decision",
    "ObstacleCode",
    "Overtaken",
    "Refused",
    "RequestNotFound",
    "decide",
    "judged",
    "over",
    "restate",
    "send",
    "send_again",
    "withdraw",
]
