"""Enrolment on a component, and exit: the row and what AGORA must learn of it share one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select, update

from app.actions.domain import ActionStatus
from app.actions.models import Action, Component, ComponentSite
from app.actions.services import lock_action, recheck_declarations
from app.core import clock
from app.core.concurrency import check_version, save_versioned
from app.core.extensions import db
from app.core.outbox import publish
from app.core.outbox.console import mark_settled
from app.core.outbox.models import MessageState, OutboxMessage
from app.core.outbox.publishing import NewMessage, publish_many
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.reference.models import ExitReason

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
from ..models import Enrolment, Registration
from .locking import locked

PARTNER = "agora"
CREATE, CHANGE, EXIT, CLOSE = "create_file", "change_file", "exit_file", "close_file"


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
        component = _component_of(action, component_id)
        _check_open(action)
        problems = _problems(plan, component, action)
        if _is_current(registration_id, component_id):
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
    """Mend the dates, site or hours of an enrolment whose number AGORA has not given yet; a refused file is sent again.

    A creation that left already may have arrived with the old values: what changed is told in an event behind it.
    ``form`` is a validated ``VersionedForm``.  Raises LookupError, ``core.concurrency.StaleError``, or Refused.
    """
    with transaction():
        action = lock_action(_action_of(enrolment_id), share=True)
        underway = creations_underway([enrolment_id])
        enrolment = locked(Enrolment, enrolment_id)
        _check_open(action)
        if not may_change_plan(enrolment):
            raise Refused(Problem("", ProblemCode.NOT_CHANGEABLE))
        changed = save_versioned(enrolment, form, PLAN_FIELDS)
        plan = EnrolmentPlan(enrolment.planned_start, enrolment.planned_end, enrolment.site_id, enrolment.hours_centre, enrolment.hours_company)
        problems = _problems(plan, _component_of(action, enrolment.component_id), action)
        if problems:
            raise Refused(*problems)
        if changed:
            tell_changes(underway)
        resend_refused(enrolment.registration_id)
    return changed


def may_change_plan(enrolment: Enrolment) -> bool:
    """Until AGORA holds a number, or the trainee has left; or while AGORA refuses what was changed meanwhile."""
    refused = enrolment.agora_state == AgoraState.REJECTED and (enrolment.agora_refusal or {}).get("operation") == CHANGE
    return enrolment.actual_end is None and (enrolment.agora_number is None or refused)


def record_exit(enrolment_id: int, *, actual_end: date, exit_reason_id: int, version: int) -> Enrolment:
    """Enter the exit (normal or early); AGORA's file goes to "Sortie de formation" under the same number.

    An exit entered before is corrected as long as AGORA does not hold it; one that AGORA refused is sent again.
    Raises LookupError, ``core.concurrency.StaleError`` when somebody changed the enrolment meanwhile, or Refused.
    """
    with transaction() as session:
        action = lock_action(_action_of(enrolment_id), share=True)
        enrolment = locked(Enrolment, enrolment_id)
        _check_open(action)
        check_version(enrolment, version)
        again = may_mend_exit(enrolment)
        component = _component_of(action, enrolment.component_id)
        problems = exit_problems(
            actual_end,
            planned_start=enrolment.planned_start,
            planned_end=enrolment.planned_end,
            reason_early=_is_early_reason(exit_reason_id),
            component_end=max(component.planned_end, enrolment.planned_end),
            already=None if again else enrolment.actual_end,
            today=clock.today(),
        )
        if problems:
            raise Refused(*problems)
        enrolment.actual_end = actual_end
        enrolment.exit_reason_id = exit_reason_id
        enrolment.early_exit = is_early(actual_end, enrolment.planned_end)
        if again:
            session.flush()
            _send_again([enrolment])
            return enrolment
        told = enrolment.agora_state in (AgoraState.WAITING, AgoraState.REGISTERED, AgoraState.REJECTED)
        if enrolment.agora_state == AgoraState.REGISTERED:
            enrolment.agora_state = AgoraState.WAITING.value  # the page follows until AGORA has taken the exit
        session.flush()
        if told:
            _publish(enrolment, EXIT)
    return enrolment


def _is_early_reason(exit_reason_id: int) -> bool:
    return bool(db.session.scalar(select(ExitReason.early).where(ExitReason.id == exit_reason_id)))


def may_mend_exit(enrolment: Enrolment) -> bool:
    """An exit that AGORA does not hold: never told (outside the flow, NIR awaited), refused, or of a file it refused before.

    Once AGORA has it there is no way back in the exchange: a file "sortie" takes no second exit, and a modification carries neither
    the date nor the reason of an exit.
    """
    if enrolment.actual_end is not None and enrolment.agora_state in (AgoraState.NOT_CONCERNED, AgoraState.WAITING_NIR):
        return True
    refused = (enrolment.agora_refusal or {}).get("operation")
    return enrolment.actual_end is not None and enrolment.agora_state == AgoraState.REJECTED and refused in (CREATE, EXIT)


def close_files(action: Action, on: date) -> int:
    """Tell AGORA that the action is closed: one message per enrolment it knows of, in a constant number of statements.

    Each leaves after what its dossier still has to send: the sequence entry, exit, closing always holds.  A file whose closing was
    told before the action was reopened is not told again.
    """
    known = (AgoraState.WAITING.value, AgoraState.REGISTERED.value, AgoraState.REJECTED.value)
    with bound_scope(Scope.system()):
        told = _closings().where(OutboxMessage.subject_id == Enrolment.id, OutboxMessage.state != MessageState.CANCELLED)
        of_action = select(Enrolment.id).where(Enrolment.action_id == action.id, Enrolment.agora_state.in_(known), ~told.exists())
        rows = db.session.scalars(of_action.order_by(Enrolment.id)).all()
    messages = [NewMessage(CLOSE, "enrolment", identifier, ordering_key(identifier), action.organisation_id, {"date": on.isoformat()}) for identifier in rows]
    publish_many(PARTNER, messages)
    db.session.execute(
        update(Enrolment)
        .where(Enrolment.id.in_(rows), Enrolment.agora_state == AgoraState.REGISTERED.value)
        .values(agora_state=AgoraState.WAITING.value)
        .execution_options(synchronize_session=False)
    )
    return len(messages)


def _closings() -> Any:
    return select(OutboxMessage.id).where(
        OutboxMessage.partner == PARTNER, OutboxMessage.operation == CLOSE, OutboxMessage.subject_type == "enrolment"
    )


def hold_back_closings(action: Action) -> int:
    """The action is reopened: its closings that have not left are cancelled; returns how many.

    What AGORA has taken stays: nothing in the exchange reopens a file.
    """
    with bound_scope(Scope.system()):
        of_action = select(Enrolment.id).where(Enrolment.action_id == action.id)
        waiting = (MessageState.PENDING, MessageState.REJECTED, MessageState.DEAD)
        messages = db.session.scalars(_closings().where(OutboxMessage.subject_id.in_(of_action), OutboxMessage.state.in_(waiting))).all()
        if not messages:
            return 0
        mark_settled(messages, reason="action rouverte")
        cancelled = select(OutboxMessage.subject_id).where(OutboxMessage.id.in_(messages), OutboxMessage.state == MessageState.CANCELLED)
        ahead = select(OutboxMessage.id).where(
            OutboxMessage.partner == PARTNER,
            OutboxMessage.subject_type == "enrolment",
            OutboxMessage.subject_id == Enrolment.id,
            OutboxMessage.state.not_in((MessageState.DONE, MessageState.CANCELLED)),
        )
        db.session.execute(
            update(Enrolment)
            .where(
                Enrolment.id.in_(cancelled),
                Enrolment.agora_number.is_not(None),
                Enrolment.agora_state.in_((AgoraState.WAITING.value, AgoraState.REJECTED.value)),
                ~ahead.exists(),
            )
            .values(agora_state=AgoraState.REGISTERED.value, agora_refusal=None)
            .execution_options(synchronize_session=False)
        )
    return len(messages)


def resend_refused(registration_id: int) -> int:
    """Send again what AGORA refused for this registration, now that something was mended; returns how many."""
    refused = select(Enrolment).where(Enrolment.registration_id == registration_id, Enrolment.agora_state == AgoraState.REJECTED.value)
    return _send_again(db.session.scalars(refused.with_for_update()).all())


def _send_again(refused: Sequence[Enrolment]) -> int:
    """Replay the refused messages; an enrolment without any (settled by hand meanwhile) awaits nothing more."""
    from ..agora import replay_refused

    replayed = replay_refused([enrolment.id for enrolment in refused])
    for enrolment in refused:
        if enrolment.id in replayed:
            enrolment.agora_state = AgoraState.WAITING.value
            enrolment.agora_refusal = None
    db.session.flush()
    return len(replayed)


def creations_underway(enrolment_ids: Sequence[int]) -> list[NewMessage]:
    """The events to publish if these enrolments change now: their creation left and its answer is not known.

    The messages are locked: a drain cannot take one while its subject changes.  Called before the enrolments are locked, because
    a drain locks the message first.
    """
    if not enrolment_ids:
        return []
    with bound_scope(Scope.system()):
        rows = db.session.execute(
            select(OutboxMessage.subject_id, OutboxMessage.organisation_id, OutboxMessage.sent_at)
            .where(
                OutboxMessage.partner == PARTNER,
                OutboxMessage.operation == CREATE,
                OutboxMessage.subject_type == "enrolment",
                OutboxMessage.subject_id.in_(enrolment_ids),
                OutboxMessage.state.in_((MessageState.PENDING, MessageState.SENDING, MessageState.DEAD)),
            )
            .order_by(OutboxMessage.id)
            .with_for_update()
        ).all()
    return [NewMessage(CHANGE, "enrolment", row.subject_id, ordering_key(row.subject_id), row.organisation_id) for row in rows if row.sent_at is not None]


def tell_changes(underway: Sequence[NewMessage]) -> None:
    """Publish what ``creations_underway`` found.

    A creation tried again says something else now: under its old key AGORA would refuse it as another request.  Under a new one
    it answers that the file exists, and the event brings the change.
    """
    if not underway:
        return
    with bound_scope(Scope.system()):
        db.session.execute(
            update(OutboxMessage)
            .where(
                OutboxMessage.partner == PARTNER,
                OutboxMessage.operation == CREATE,
                OutboxMessage.subject_type == "enrolment",
                OutboxMessage.subject_id.in_([message.subject_id for message in underway]),
                OutboxMessage.state.in_((MessageState.PENDING, MessageState.SENDING, MessageState.DEAD)),
            )
            .values(idempotency_key=func.gen_random_uuid())
            .execution_options(synchronize_session=False)
        )
    publish_many(PARTNER, underway)


def _action_of(enrolment_id: int) -> int:
    """The action is locked before the enrolment, always in this order."""
    action_id = db.session.scalar(select(Enrolment.action_id).where(Enrolment.id == enrolment_id))
    if action_id is None:
        raise LookupError(enrolment_id)
    return action_id


def _check_open(action: Action) -> None:
    if action.status in (ActionStatus.CLOSED, ActionStatus.CANCELLED):
        raise Refused(Problem("", ProblemCode.NO_MORE_TRAINEE, {"status": action.status}))


def _component_of(action: Action, component_id: int) -> Component:
    component = db.session.scalars(select(Component).where(Component.id == component_id, Component.action_id == action.id)).one_or_none()
    if component is None:
        raise LookupError(component_id)
    return component


def _problems(plan: EnrolmentPlan, component: Component, action: Action) -> tuple[Problem, ...]:
    sites = db.session.scalars(select(ComponentSite.site_id).where(ComponentSite.component_id == component.id))
    return enrolment_problems(
        plan,
        component_start=component.planned_start,
        component_end=component.planned_end,
        site_ids=frozenset(sites),
        actual_start=action.actual_start,
    )


def _is_current(registration_id: int, component_id: int) -> bool:
    statement = select(Enrolment.id).where(Enrolment.registration_id == registration_id, Enrolment.component_id == component_id, Enrolment.actual_end.is_(None))
    return db.session.scalar(statement.limit(1)) is not None


def _apply(enrolment: Enrolment, plan: EnrolmentPlan) -> None:
    enrolment.planned_start = plan.planned_start
    enrolment.planned_end = plan.planned_end
    enrolment.site_id = plan.site_id
    enrolment.hours_centre = plan.hours_centre
    enrolment.hours_company = plan.hours_company


def _publish(enrolment: Enrolment, operation: str) -> None:
    publish(
        partner=PARTNER,
        operation=operation,
        subject_type="enrolment",
        subject_id=enrolment.id,
        ordering_key=ordering_key(enrolment.id),
        organisation_id=enrolment.organisation_id,
    )
