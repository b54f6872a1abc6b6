"""Interruption, return, cancelled exit, enrolment made by mistake, change of component, corrected outcome: one transaction and one event each.

Source: guides 000 and 002; decision 36.  What AGORA is told of each act depends on where its file stands when the message leaves (``agora``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import structlog
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.exc import IntegrityError

from app.actions.models import Action
from app.actions.services import actor_name, lock_action, recheck_declarations
from app.core import clock, context
from app.core.concurrency import check_version
from app.core.extensions import db
from app.core.outbox.console import mark_settled
from app.core.outbox.models import OutboxMessage
from app.core.tenancy import Scope, bound_scope, current_scope
from app.core.transaction import part, transaction
from app.partners.agora.port import FileStatus, Outcome

from .. import standing
from ..domain import AgoraState, EnrolmentPlan, Problem, ProblemCode, Refused
from ..life import KNOWN_TO_AGORA, EnrolmentEvent, InterruptionReason, interruption_problems, resumption_problems
from ..models import Enrolment, EnrolmentAct, Interruption, Registration
from . import enrolment as services
from .enrolment import CANCEL, CHANGE, CREATE, EXIT, INTERRUPT, RESUME, UNDO_EXIT, Held
from .locking import locked

log = structlog.get_logger(__name__)


def interrupt(enrolment_id: int, *, interrupted_on: date, reason: InterruptionReason, version: int) -> None:
    """The trainee is away from ``interrupted_on``.  Raises LookupError, ``core.concurrency.StaleError``, or Refused."""
    with transaction():
        action, enrolment, _messages = _begin(enrolment_id, EnrolmentEvent.INTERRUPT, version)
        _refuse(interruption_problems(interrupted_on, standing.path_of(enrolment), clock.today()))
        pause = Interruption(
            organisation_id=action.organisation_id, enrolment_id=enrolment_id, interrupted_on=interrupted_on, reason=reason.value
        )
        enrolment.interruptions.append(pause)
        _note(enrolment, EnrolmentEvent.INTERRUPT, details={"date": interrupted_on.isoformat()})
        services.tell(enrolment, INTERRUPT, {"date": interrupted_on.isoformat(), "reason": reason.value, "planned_end": enrolment.planned_end.isoformat()})


def resume(enrolment_id: int, *, resumed_on: date, version: int) -> None:
    """The trainee is back on ``resumed_on``.  Raises LookupError, ``core.concurrency.StaleError``, or Refused."""
    with transaction():
        _action, enrolment, _messages = _begin(enrolment_id, EnrolmentEvent.RESUME, version)
        _refuse(resumption_problems(resumed_on, standing.path_of(enrolment), clock.today()))
        pause = next(one for one in enrolment.interruptions if one.resumed_on is None)
        pause.resumed_on = resumed_on
        _note(enrolment, EnrolmentEvent.RESUME, details={"date": resumed_on.isoformat()})
        services.tell(enrolment, RESUME, {"date": resumed_on.isoformat(), "planned_end": enrolment.planned_end.isoformat()})


def undo_exit(enrolment_id: int, *, reason: str, version: int) -> None:
    """The trainee has not left after all: the enrolment goes on, an interruption that was open at the exit too.

    An exit that has not left for AGORA is taken back and nothing is told; one that AGORA has, or may have, is told cancelled by a
    modification, since a file "sortie" never goes back (decision 36).  What the organisation declared finished falls, since an exit is
    missing again.  Raises LookupError, ``core.concurrency.StaleError``, or Refused.
    """
    with transaction() as session:
        action, enrolment, messages = _begin(enrolment_id, EnrolmentEvent.UNDO_EXIT, version, reason=reason)
        component = services.component_of(action, enrolment.component_id)
        _refuse(going_on_problems(enrolment, component.planned_end, current=services.is_current(enrolment.registration_id, component.id)))
        left_on = enrolment.actual_end
        enrolment.actual_end = enrolment.exit_reason_id = enrolment.early_exit = None
        enrolment.outcome, enrolment.outcome_corrected = None, False
        _note(enrolment, EnrolmentEvent.UNDO_EXIT, reason=reason, details={"actual_end": left_on.isoformat() if left_on else None})
        session.flush()
        recheck_declarations([action.id])
        if enrolment.agora_state not in KNOWN_TO_AGORA:
            return
        taken_back = [one.id for one in messages if one.operation == EXIT and one.not_taken]
        if taken_back:
            _settle(taken_back, "sortie annulée")
        elif enrolment.agora_status == FileStatus.EXITED or any(one.operation == EXIT for one in messages):
            services.tell(enrolment, UNDO_EXIT, {"date": clock.today().isoformat(), "planned_end": enrolment.planned_end.isoformat()})


def going_on_problems(enrolment: Enrolment, component_end: date, *, current: bool) -> tuple[Problem, ...]:
    """Why who left does not go on: meanwhile the component may have become shorter, or the trainee been enrolled on it again (``current``)."""
    if current:
        return (Problem("", ProblemCode.ALREADY_ENROLLED),)
    if enrolment.planned_end > component_end:
        return (Problem("", ProblemCode.ENDS_AFTER_COMPONENT, {"date": component_end, "planned": enrolment.planned_end}),)
    return ()


def cancel(enrolment_id: int, *, reason: str, version: int) -> None:
    """« Inscrit par erreur »: the registration stays, the enrolment counts for nothing any more, and may be made again.

    A creation that has not left is taken back; a file that AGORA has, or may have, is cancelled there.
    Raises LookupError, ``core.concurrency.StaleError``, or Refused.
    """
    with transaction() as session:
        _action, enrolment, messages = _begin(enrolment_id, EnrolmentEvent.CANCEL, version, reason=reason)
        enrolment.cancelled_at = clock.now()
        _note(enrolment, EnrolmentEvent.CANCEL, reason=reason)
        session.flush()
        if enrolment.agora_state not in KNOWN_TO_AGORA:
            enrolment.agora_state = AgoraState.NOT_CONCERNED.value
            return
        idle = [one.id for one in messages if one.not_taken]
        created = enrolment.agora_number is not None or any(one.operation == CREATE and one.id not in idle for one in messages)
        changes = [one.id for one in messages if one.operation == CHANGE and one.id in idle]
        if created:
            _settle(changes, "inscription annulée")
            services.tell(enrolment, CANCEL, {"date": clock.today().isoformat()})
        else:
            _settle(idle, "inscription annulée")
            enrolment.agora_state, enrolment.agora_refusal = AgoraState.NOT_CONCERNED.value, None


def take_away(enrolment_id: int, *, reason: str, version: int) -> bool:
    """Take back an enrolment made by an import that is undone: while AGORA has not heard of it, it goes with its message, as if it had never been.

    One that AGORA has heard of is cancelled as « Inscrit par erreur ».  The same conditions hold for both.  Returns whether it is gone.
    Raises LookupError, ``core.concurrency.StaleError``, or Refused.
    """
    with transaction() as session:
        _action, enrolment, _messages = _begin(enrolment_id, EnrolmentEvent.CANCEL, version, reason=reason)
        if not _heard_of(enrolment):
            try:
                with part():
                    _forget_messages(enrolment_id)
                    session.delete(enrolment)
                return True
            except IntegrityError:  # something was built on it
                log.info("enrolment_not_taken_away", enrolment=enrolment_id)
        session.flush()
        cancel(enrolment_id, reason=reason, version=enrolment.version)
        return False


def move(enrolment_id: int, component_id: int, plan: EnrolmentPlan, *, actual_end: date, exit_reason_id: int, version: int) -> int:
    """From one component to another of the same action: exit and enrolment in one act; returns the new enrolment's id.

    Each file has its own events, in order.  Raises LookupError, ``core.concurrency.StaleError``, or Refused.
    """
    with transaction() as session:
        action = lock_action(services.action_of(enrolment_id), share=True)
        registration_id = session.scalar(select(Enrolment.registration_id).where(Enrolment.id == enrolment_id))
        if registration_id is None:
            raise LookupError(enrolment_id)
        services.hold_messages(enrolment_id)
        locked(Registration, registration_id)
        leaving = locked(Enrolment, enrolment_id)
        check_version(leaving, version)
        _refuse(standing.obstacles(leaving, EnrolmentEvent.MOVE, action))
        if leaving.component_id == component_id:
            raise Refused(Problem("", ProblemCode.SAME_COMPONENT))
        if plan.planned_start < actual_end:
            raise Refused(Problem("planned_start", ProblemCode.START_BEFORE_EXIT, {"date": actual_end}))
        target = services.component_of(action, component_id).number
        left = services.record_exit(enrolment_id, actual_end=actual_end, exit_reason_id=exit_reason_id, version=version)
        source = services.component_of(action, left.component_id).number
        entered_id = services.enrol(registration_id, component_id, plan)
        _note(left, EnrolmentEvent.MOVE, details={"to": target})
        _note(session.get_one(Enrolment, entered_id), EnrolmentEvent.MOVE, details={"from": source})
        return entered_id


def judge(enrolment_id: int, *, outcome: Outcome, reason: str, version: int) -> None:
    """Correct the outcome computed for an enrolment, with the reason; it stands until the exit changes.

    By the organisation until it declares the action finished, by the Région until the closing.
    Raises LookupError, ``core.concurrency.StaleError``, or Refused.
    """
    with transaction():
        _action, enrolment, _messages = _begin(enrolment_id, EnrolmentEvent.JUDGE, version, reason=reason)
        before, computed = standing.outcome_of(enrolment), standing.completion_of(enrolment).outcome
        enrolment.outcome, enrolment.outcome_corrected = outcome.value, outcome is not computed
        _note(enrolment, EnrolmentEvent.JUDGE, reason=reason, details={"outcome": outcome.value, "before": before.value, "computed": computed.value})
        if not enrolment.outcome_corrected:
            enrolment.outcome = None  # back to what is computed


# ---- parts -----------------------------------------------------------------------------------------------------------------


def _begin(enrolment_id: int, event: EnrolmentEvent, version: int, *, reason: str | None = None) -> tuple[Action, Enrolment, list[Held]]:
    """The action, the enrolment and its messages under way, locked in the order everybody locks them; the act is asked of the table."""
    # Two entries of the day on which the action opened are not cancelled together: one of them has to stay.
    action = lock_action(services.action_of(enrolment_id), share=event is not EnrolmentEvent.CANCEL)
    messages = services.hold_messages(enrolment_id)
    services.hold_registration(enrolment_id)
    enrolment = locked(Enrolment, enrolment_id)
    check_version(enrolment, version)
    facts = standing.facts_of([enrolment], action, region=current_scope().sees_all)[enrolment_id]
    _refuse(standing.obstacles(enrolment, event, action, facts) or services.closing_left(messages))
    if reason is not None and not reason.strip():
        raise Refused(Problem("reason", ProblemCode.REASON_REQUIRED))
    enrolment.updated_at = clock.now()  # the version moves with each act, whatever it writes: a second click finds a newer one
    return action, enrolment, messages


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Refused(*problems)


def _note(enrolment: Enrolment, kind: EnrolmentEvent, *, reason: str = "", details: dict[str, Any] | None = None) -> None:
    """One line of the life of the enrolment: who, when and why."""
    actor_id, behalf_id = context.actor_id(), context.on_behalf_of()
    enrolment.acts.append(
        EnrolmentAct(
            organisation_id=enrolment.organisation_id,
            enrolment_id=enrolment.id,
            kind=kind.value,
            reason=reason.strip()[:1000],
            details=details,
            actor_id=actor_id,
            actor_name=actor_name(actor_id),
            on_behalf_of_id=behalf_id,
            on_behalf_of_name=actor_name(behalf_id),
        )
    )


def _of(enrolment_id: int) -> tuple[ColumnElement[bool], ...]:
    return OutboxMessage.partner == services.PARTNER, OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == enrolment_id


def _heard_of(enrolment: Enrolment) -> bool:
    """Whether AGORA knows of this enrolment, or may: one of its messages left."""
    with bound_scope(Scope.system()):
        left = db.session.scalar(select(OutboxMessage.id).where(*_of(enrolment.id), OutboxMessage.sent_at.is_not(None)).limit(1))
    return left is not None or enrolment.agora_number is not None


def _forget_messages(enrolment_id: int) -> None:
    """Messages that never left, of an enrolment that goes; they are held (``hold_messages``)."""
    with bound_scope(Scope.system()):
        db.session.execute(delete(OutboxMessage).where(*_of(enrolment_id)).execution_options(synchronize_session=False))


def _settle(message_ids: Sequence[int], reason: str) -> None:
    """Take messages back; what the enrolment awaits of AGORA is said again with it (``outbox.registry.register_subject``)."""
    if message_ids:
        with bound_scope(Scope.system()):
            mark_settled(message_ids, reason=reason)
