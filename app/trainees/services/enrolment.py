"""Enrolment on a component, and exit: the row and what AGORA must learn of it share one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import selectinload

from app.actions.domain import ActionStatus
from app.actions.models import Action, Component, ComponentSite
from app.actions.services import lock_action, recheck_declarations
from app.core import clock
from app.core.concurrency import check_version, save_versioned
from app.core.extensions import db
from app.core.matrix.rows import among, pieces
from app.core.outbox import publish
from app.core.outbox.console import mark_settled
from app.core.outbox.models import SEALED, MessageState, OutboxMessage
from app.core.outbox.publishing import NewMessage, publish_many
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.reference.models import ExitReason

from .. import standing
from ..domain import (
    AgoraState,
    EnrolmentPlan,
    Problem,
    ProblemCode,
    Refused,
    enrolment_problems,
    exit_problems,
    initial_agora_state,
    is_early,
)
from ..life import KNOWN_TO_AGORA, EnrolmentEvent, LifeFacts, exit_after_pauses, plan_around_pauses
from ..models import Enrolment, Registration
from ..standing import may_mend_exit
from .awaiting import say_again
from .locking import locked

PARTNER = "agora"
CREATE, CHANGE, EXIT, CLOSE = "create_file", "change_file", "exit_file", "close_file"
INTERRUPT, RESUME, UNDO_EXIT, CANCEL = "interrupt_file", "resume_file", "undo_exit_file", "cancel_file"
#: A message that is not settled: AGORA has it not, or nobody knows whether it has.
UNFINISHED = (MessageState.PENDING, MessageState.SENDING, MessageState.REJECTED, MessageState.DEAD)


def ordering_key(enrolment_id: int) -> str:
    """The dossier: what concerns one enrolment leaves in order."""
    return f"enrolment:{enrolment_id}"


def enrol(registration_id: int, component_id: int, plan: EnrolmentPlan) -> int:
    """Enrol a registered trainee on a component; returns the enrolment's id.

    The message to AGORA is written with it when the programme is in the flow and the NIR is known: never for an NIA, never for
    a programme outside it (guide 000).  Raises LookupError outside the scope, Refused with what to mend.
    """
    with transaction() as session:
        action_id = session.scalar(select(Registration.action_id).where(Registration.id == registration_id))
        if action_id is None:
            raise LookupError(registration_id)
        action = lock_action(action_id, share=True)
        registration = locked(Registration, registration_id)  # a second click waits here, then sees what the first did
        component = component_of(action, component_id)
        _check_open(action)
        problems = _problems(plan, component, _sites_of(component), action)
        if is_current(registration_id, component_id):
            problems = (Problem("component_id", ProblemCode.ALREADY_ENROLLED), *problems)
        if problems:
            raise Refused(*problems)
        state = initial_agora_state(agora_enabled=action.contract.programme.agora_enabled, nir_kind=registration.trainee.nir_kind)
        enrolment = Enrolment(
            organisation_id=action.organisation_id,
            registration_id=registration_id,
            component_id=component_id,
            action_id=action.id,
            external_reference=uuid4(),
            agora_state=state.value,
        )
        _apply(enrolment, plan)
        session.add(enrolment)
        session.flush()
        if state is AgoraState.WAITING:
            _publish(enrolment, CREATE)
        recheck_declarations([action.id])
        return enrolment.id


PLAN_FIELDS = ("planned_start", "planned_end", "site_id", "hours_centre", "hours_company")


def change_plan(enrolment_id: int, form: Any) -> set[str]:
    """Change the dates, site or hours of an enrolment; AGORA is told of it in one event, and a refused file is sent again.

    A creation that left already may have arrived with the old values: what changed is told in an event behind it.
    ``form`` is a validated ``VersionedForm``.  Raises LookupError, ``core.concurrency.StaleError``, or Refused.
    """
    with transaction():
        known = db.session.execute(select(Enrolment.action_id, Enrolment.planned_start).where(Enrolment.id == enrolment_id)).one_or_none()
        if known is None:
            raise LookupError(enrolment_id)
        # Two entries of the day on which the action opened do not move together to a day to come: one of them has to have entered.
        action = lock_action(known.action_id, share=form.planned_start.data == known.planned_start)
        messages = hold_messages(enrolment_id)
        underway = creations_underway(messages)
        enrolment = locked(Enrolment, enrolment_id)
        facts = standing.facts_of([enrolment], action)[enrolment.id]
        obstacles = standing.obstacles(enrolment, EnrolmentEvent.CHANGE, action, facts) or closing_left(messages)
        if obstacles:
            raise Refused(*obstacles)
        changed = save_versioned(enrolment, form, PLAN_FIELDS)
        plan = EnrolmentPlan(enrolment.planned_start, enrolment.planned_end, enrolment.site_id, enrolment.hours_centre, enrolment.hours_company)
        component = component_of(action, enrolment.component_id)
        problems = changed_plan_problems(plan, enrolment, component=component, site_ids=_sites_of(component), action=action, facts=facts)
        if problems:
            raise Refused(*problems)
        if changed:
            tell_changes(underway, messages)
        resend_refused(enrolment.registration_id)
        # A refused change that goes again says what stands now, unless what waits behind it says the end of before.
        carried = bool(messages) and messages[-1].operation == CHANGE and messages[-1].state is MessageState.REJECTED
        if changed and not underway and enrolment.agora_number is not None and not carried:
            tell(enrolment, CHANGE, change_params())
    return changed


def changed_plan_problems(
    plan: EnrolmentPlan, enrolment: Enrolment, *, component: Component, site_ids: frozenset[int], action: Action, facts: LifeFacts
) -> tuple[Problem, ...]:
    """What is wrong with another plan for an enrolment."""
    pauses = standing.path_of(enrolment).pauses
    problems = (*_problems(plan, component, site_ids, action), *plan_around_pauses(plan.planned_start, plan.planned_end, pauses))
    if facts.opens_action is not None and plan.planned_start > clock.today():  # nobody would have entered any more
        problems = (*problems, Problem("planned_start", ProblemCode.OPENS_ACTION, {"date": facts.opens_action}))
    return problems


def change_params() -> dict[str, str]:
    """The day of a change: the same however often its message is tried."""
    return {"date": clock.today().isoformat()}


def record_exit(enrolment_id: int, *, actual_end: date, exit_reason_id: int, version: int) -> Enrolment:
    """Enter the exit (normal or early); AGORA's file goes to "Sortie de formation" under the same number.

    An exit entered before is corrected as long as AGORA does not hold it; one that AGORA refused is sent again.
    Raises LookupError, ``core.concurrency.StaleError`` when somebody changed the enrolment meanwhile, or Refused.
    """
    with transaction() as session:
        action = lock_action(action_of(enrolment_id), share=True)
        messages = hold_messages(enrolment_id)
        hold_registration(enrolment_id)
        enrolment = locked(Enrolment, enrolment_id)
        check_version(enrolment, version)
        again = may_mend_exit(enrolment)
        if enrolment.actual_end is not None and not again:
            raise Refused(Problem("actual_end", ProblemCode.ALREADY_LEFT, {"date": enrolment.actual_end}))
        obstacles = standing.obstacles(enrolment, EnrolmentEvent.MEND_EXIT if again else EnrolmentEvent.LEAVE, action) or closing_left(messages)
        if obstacles:
            raise Refused(*obstacles)
        component = component_of(action, enrolment.component_id)
        problems = exit_problems(
            actual_end,
            planned_start=enrolment.planned_start,
            planned_end=enrolment.planned_end,
            reason_early=_is_early_reason(exit_reason_id),
            component_end=max(component.planned_end, enrolment.planned_end),
            today=clock.today(),
        ) or exit_after_pauses(actual_end, standing.path_of(enrolment))  # fmt: skip
        if problems:
            raise Refused(*problems)
        enrolment.actual_end = actual_end
        enrolment.exit_reason_id = exit_reason_id
        enrolment.early_exit = is_early(actual_end, enrolment.planned_end)
        enrolment.outcome, enrolment.outcome_corrected = None, False  # what was said of the former exit does not hold for this one
        session.flush()
        params = _exit_params(enrolment)
        if again:
            _correct_exit(enrolment.id, params)
            _send_again([enrolment])
            return enrolment
        tell(enrolment, EXIT, params)
    return enrolment


def _exit_params(enrolment: Enrolment) -> dict[str, str]:
    reason = db.session.get_one(ExitReason, enrolment.exit_reason_id)
    return {"date": _iso(enrolment.actual_end), "reason": reason.agora_code or reason.code}


def _iso(day: date | None) -> str:
    return day.isoformat() if day is not None else ""


def _correct_exit(enrolment_id: int, params: dict[str, str]) -> None:
    """The exit that AGORA refused, or that waits behind a refused file, says the corrected date and reason."""
    with bound_scope(Scope.system()):
        db.session.execute(
            update(OutboxMessage)
            .where(
                OutboxMessage.partner == PARTNER,
                OutboxMessage.operation == EXIT,
                OutboxMessage.subject_type == "enrolment",
                OutboxMessage.subject_id == enrolment_id,
                not_taken(),
            )
            .values(params=params)
            .execution_options(synchronize_session=False)
        )


def _is_early_reason(exit_reason_id: int) -> bool:
    return bool(db.session.scalar(select(ExitReason.early).where(ExitReason.id == exit_reason_id)))


def close_files(action: Action, on: date) -> int:
    """Every enrolment keeps the outcome that was shown, and AGORA is told of it: one message per enrolment it knows of.

    In a constant number of statements, whatever the number of enrolments.  Each message leaves after what its dossier still has to send:
    the sequence entry, exit, closing always holds.  A file whose closing was told before the action was reopened is not told again,
    and keeps the outcome it was closed with.
    """
    with bound_scope(Scope.system()):
        told = _closings().where(OutboxMessage.subject_id == Enrolment.id, OutboxMessage.state != MessageState.CANCELLED)
        of_action = select(Enrolment).where(Enrolment.action_id == action.id, standing.STANDING, ~told.exists())
        of_action = of_action.options(selectinload(Enrolment.interruptions)).order_by(Enrolment.id)
        rows = db.session.scalars(of_action.execution_options(populate_existing=True)).all()
        outcomes = {one.id: standing.outcome_of(one) for one in rows}
        left = [one.id for one in rows if one.actual_end is not None]
        known = [one.id for one in rows if one.agora_state in KNOWN_TO_AGORA]
    for outcome in sorted(set(outcomes.values())):
        _update_quietly(Enrolment.id.in_([one for one in left if outcomes[one] is outcome]), outcome=outcome.value)
    _update_quietly(Enrolment.id.in_(known), Enrolment.agora_state == AgoraState.REGISTERED.value, agora_state=AgoraState.WAITING.value)
    day = on.isoformat()
    messages = [
        NewMessage(CLOSE, "enrolment", one, ordering_key(one), action.organisation_id, {"date": day, "outcome": outcomes[one].value}) for one in known
    ]
    publish_many(PARTNER, messages)
    return len(messages)


def _update_quietly(*where: Any, **values: Any) -> None:
    """Change enrolments in one statement: their version, which people edit against, does not move."""
    db.session.execute(update(Enrolment).where(*where).values(**values).execution_options(synchronize_session=False))


def _closings() -> Any:
    return select(OutboxMessage.id).where(
        OutboxMessage.partner == PARTNER, OutboxMessage.operation == CLOSE, OutboxMessage.subject_type == "enrolment"
    )


def hold_back_closings(action: Action) -> int:
    """The action is reopened: its closings that have not left are cancelled, and outcomes are computed anew; returns how many.

    What AGORA has taken stays: nothing in the exchange reopens a file.  A closing that left and whose answer is not known goes on until it
    is: AGORA may have taken it, and would refuse a second one.
    """
    with bound_scope(Scope.system()):
        of_action = select(Enrolment.id).where(Enrolment.action_id == action.id)
        _forget_outcomes(action.id)
        messages = db.session.scalars(_closings().where(OutboxMessage.subject_id.in_(of_action), not_taken())).all()
        if not messages:
            return 0
        mark_settled(messages, reason="action rouverte")
    return len(messages)


def _forget_outcomes(action_id: int) -> None:
    """Outcomes that nobody corrected follow the exits and interruptions again, but for files whose closing left for AGORA."""
    taken = _closings().where(OutboxMessage.subject_id == Enrolment.id, OutboxMessage.state != MessageState.CANCELLED, ~not_taken())
    _update_quietly(Enrolment.action_id == action_id, Enrolment.outcome.is_not(None), ~Enrolment.outcome_corrected, ~taken.exists(), outcome=None)


def not_taken() -> ColumnElement[bool]:
    """A message that AGORA surely has not: it never left, or was refused."""
    unsent = OutboxMessage.sent_at.is_(None) & OutboxMessage.state.in_((MessageState.PENDING, MessageState.DEAD))
    return unsent | (OutboxMessage.state == MessageState.REJECTED)


class Held(NamedTuple):
    """A message that is not settled."""

    id: int
    enrolment_id: int
    organisation_id: int
    operation: str
    state: MessageState
    sent: bool
    params: dict[str, Any]

    @property
    def not_taken(self) -> bool:
        """As ``not_taken``, for one message."""
        return self.state is MessageState.REJECTED or (not self.sent and self.state in (MessageState.PENDING, MessageState.DEAD))


def hold_messages(*enrolment_ids: int) -> list[Held]:
    """The messages of enrolments that are not settled, locked until the end of the transaction: no drain takes one meanwhile.

    Called before the enrolments are locked, because a drain locks the message first.
    """
    with bound_scope(Scope.system()):
        rows = db.session.execute(
            select(
                OutboxMessage.id, OutboxMessage.subject_id, OutboxMessage.organisation_id, OutboxMessage.operation, OutboxMessage.state,
                OutboxMessage.sent_at, OutboxMessage.params,
            )
            .where(
                OutboxMessage.partner == PARTNER,
                OutboxMessage.subject_type == "enrolment",
                among(OutboxMessage.subject_id, enrolment_ids),
                OutboxMessage.state.in_(UNFINISHED),
            )
            .order_by(OutboxMessage.id)
            .with_for_update()
        ).all()
    return [Held(row.id, row.subject_id, row.organisation_id, row.operation, row.state, row.sent_at is not None, row.params) for row in rows]


def closing_left(messages: Sequence[Held]) -> tuple[Problem, ...]:
    """The action was reopened after a closing had left: AGORA has it or may have it, and then takes nothing more of this file."""
    return (Problem("", ProblemCode.CLOSING_AWAITED),) if _closings_awaited(messages) else ()


def _closings_awaited(messages: Sequence[Held]) -> frozenset[int]:
    """The enrolments whose closing left, with its answer awaited."""
    return frozenset(one.enrolment_id for one in messages if one.operation == CLOSE and not one.not_taken)


def closings_awaited(enrolment_ids: Collection[int]) -> set[int]:
    """The enrolments whose closing left, with its answer awaited; nothing is held."""
    with bound_scope(Scope.system()):
        left = _closings().where(among(OutboxMessage.subject_id, enrolment_ids), OutboxMessage.state.in_(UNFINISHED), ~not_taken())
        return set(db.session.scalars(left.with_only_columns(OutboxMessage.subject_id)))


def closing_awaited(trainee_id: int) -> bool:
    """Whether a closing of this trainee left and its answer is awaited: a change made now is not told for its file (``tell_changes``)."""
    of_trainee = select(Enrolment.id).join(Registration, Registration.id == Enrolment.registration_id).where(Registration.trainee_id == trainee_id)
    left = _closings().where(OutboxMessage.subject_id.in_(of_trainee), OutboxMessage.state.in_(UNFINISHED), ~not_taken())
    return db.session.scalar(left.limit(1)) is not None


def resend_refused(*registration_ids: int) -> int:
    """Send again what AGORA refused for these registrations, now that something was mended; returns how many."""
    refused = select(Enrolment).where(among(Enrolment.registration_id, registration_ids), Enrolment.agora_state == AgoraState.REJECTED.value)
    return _send_again(db.session.scalars(refused.with_for_update()).all())


def _send_again(refused: Sequence[Enrolment]) -> int:
    """Replay the refused messages; an enrolment without any (settled by hand meanwhile) awaits nothing more."""
    from ..agora import replay_refused

    return len(replay_refused([enrolment.id for enrolment in refused]))


def creations_underway(messages: Sequence[Held]) -> list[NewMessage]:
    """The events to publish if these enrolments change now: their creation left and its answer is not known.

    ``messages`` are those that ``hold_messages`` locked: a drain cannot take one while its subject changes.
    """
    underway = (MessageState.PENDING, MessageState.SENDING, MessageState.DEAD)
    created = [one for one in messages if one.operation == CREATE and one.sent and one.state in underway]
    return [NewMessage(CHANGE, "enrolment", one.enrolment_id, ordering_key(one.enrolment_id), one.organisation_id, change_params()) for one in created]


def tell_sheets(messages: Sequence[Held]) -> None:
    """The sheets of these enrolments changed: a creation that left already is followed by an event that says so."""
    tell_changes(creations_underway(messages), messages)


def tell_changes(changes: Sequence[NewMessage], messages: Sequence[Held]) -> None:
    """Publish changes of files, each ahead of the closing that waits: behind it AGORA would take none.

    A closing that AGORA has not is taken back, and says the same behind the change.  After one that left AGORA takes nothing more: the change
    is not published.  A creation tried again says what stands now, under another key (``outbox.keys``): AGORA answers that the file exists,
    and the event brings the change.  ``messages``: those of these enrolments, held.
    """
    over = _closings_awaited(messages)
    told = {change.subject_id: change for change in changes if change.subject_id not in over}
    waiting = [one for one in messages if one.operation == CLOSE and one.enrolment_id in told]
    if waiting:
        with bound_scope(Scope.system()):
            for some in pieces(waiting):  # one act takes so many at most
                mark_settled([one.id for one in some], reason="données corrigées : la clôture repart après la modification")
    again = [
        NewMessage(CLOSE, "enrolment", one.enrolment_id, ordering_key(one.enrolment_id), one.organisation_id, _unsealed(one.params)) for one in waiting
    ]
    if told:
        publish_many(PARTNER, [*told.values(), *again])
        with bound_scope(Scope.system()):
            say_again(list(told))


def _unsealed(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != SEALED}


def action_of(enrolment_id: int) -> int:
    """The action is locked before the enrolment, always in this order."""
    action_id = db.session.scalar(select(Enrolment.action_id).where(Enrolment.id == enrolment_id))
    if action_id is None:
        raise LookupError(enrolment_id)
    return action_id


def hold_registration(enrolment_id: int) -> None:
    """Lock the registration before the enrolment: exits and entries of one person come one after the other, for the last exit brings the survey."""
    of_enrolment = select(Enrolment.registration_id).where(Enrolment.id == enrolment_id).scalar_subquery()
    db.session.execute(select(Registration.id).where(Registration.id == of_enrolment).with_for_update(key_share=True))


def _check_open(action: Action) -> None:
    if action.status in (ActionStatus.CLOSED, ActionStatus.CANCELLED):
        raise Refused(Problem("", ProblemCode.NO_MORE_TRAINEE, {"status": action.status}))


def component_of(action: Action, component_id: int) -> Component:
    """A component of the action.  Raises LookupError."""
    component = db.session.scalars(select(Component).where(Component.id == component_id, Component.action_id == action.id)).one_or_none()
    if component is None:
        raise LookupError(component_id)
    return component


def _sites_of(component: Component) -> frozenset[int]:
    return frozenset(db.session.scalars(select(ComponentSite.site_id).where(ComponentSite.component_id == component.id)))


def _problems(plan: EnrolmentPlan, component: Component, site_ids: frozenset[int], action: Action) -> tuple[Problem, ...]:
    return enrolment_problems(
        plan,
        component_start=component.planned_start,
        component_end=component.planned_end,
        site_ids=site_ids,
        actual_start=action.actual_start,
    )


def is_current(registration_id: int, component_id: int) -> bool:
    """Whether the trainee is on the component now."""
    on_component = (Enrolment.registration_id == registration_id, Enrolment.component_id == component_id)
    statement = select(Enrolment.id).where(*on_component, Enrolment.actual_end.is_(None), standing.STANDING)
    return db.session.scalar(statement.limit(1)) is not None


def _apply(enrolment: Enrolment, plan: EnrolmentPlan) -> None:
    enrolment.planned_start = plan.planned_start
    enrolment.planned_end = plan.planned_end
    enrolment.site_id = plan.site_id
    enrolment.hours_centre = plan.hours_centre
    enrolment.hours_company = plan.hours_company


def since_entry(enrolment: Enrolment) -> list[tuple[str, dict[str, str]]]:
    """What happened since the entry, in order, for AGORA that learns of it only now."""
    told: list[tuple[str, dict[str, str]]] = []
    end = {"planned_end": _iso(enrolment.planned_end)}
    for pause in enrolment.interruptions:
        told.append((INTERRUPT, {"date": _iso(pause.interrupted_on), "reason": pause.reason, **end}))
        if pause.resumed_on is not None:
            told.append((RESUME, {"date": _iso(pause.resumed_on), **end}))
    if enrolment.actual_end is not None:
        told.append((EXIT, _exit_params(enrolment)))
    return told


def tell(enrolment: Enrolment, operation: str, params: dict[str, str] | None = None) -> None:
    """Tell AGORA of an act, when it knows the enrolment or will; the page follows until it has taken it."""
    if enrolment.agora_state not in KNOWN_TO_AGORA:
        return
    if enrolment.agora_state == AgoraState.REGISTERED:
        enrolment.agora_state = AgoraState.WAITING.value
    db.session.flush()
    _publish(enrolment, operation, params)


def _publish(enrolment: Enrolment, operation: str, params: dict[str, str] | None = None) -> None:
    publish(
        partner=PARTNER,
        operation=operation,
        subject_type="enrolment",
        subject_id=enrolment.id,
        ordering_key=ordering_key(enrolment.id),
        organisation_id=enrolment.organisation_id,
        params=params,
    )
