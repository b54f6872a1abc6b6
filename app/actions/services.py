"""Use cases on actions: each function is one transaction.

Source: guide 003 §1 (opening), DOMAIN §3 and §4 (closing).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select

from app.core import clock, context
from app.core.extensions import db
from app.core.transaction import transaction

from . import domain, ports
from .domain import ActionEvent, ActionStatus, BillingPeriod, DeclarationFrequency, Reason
from .models import Action, ActionHistory, AdvanceInvoiceRequest


class ActionNotFound(LookupError):
    """No such action within the scope."""


class Refused(Exception):
    """The use case is not possible now; ``reasons`` say why."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__(", ".join(reason.code for reason in reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Opening:
    """What the opening wizard asks (guide 003, "Détail de l'ouverture")."""

    actual_start: date
    declaration_frequency: DeclarationFrequency
    billing_period: BillingPeriod


@dataclass(frozen=True, slots=True)
class OpeningResult:
    """``opened`` is False when the action was open already: somebody, or the same double click, was faster."""

    action: Action
    opened: bool


def lock_action(action_id: int, *, share: bool = False) -> Action:
    """The action, locked until the end of the transaction and read fresh.  Raises ActionNotFound.

    ``share``: for those who add trainees; it keeps the opening and the closing away, not one another.
    """
    statement = select(Action).where(Action.id == action_id).with_for_update(read=share).execution_options(populate_existing=True)
    action = db.session.scalars(statement).one_or_none()
    if action is None:
        raise ActionNotFound(action_id)
    return action


def open_action(action_id: int, opening: Opening) -> OpeningResult:
    """AO → EC, and the one request for the advance invoice.

    However often it is clicked, and from however many windows: the row lock lets one in, the others find the action open
    and change nothing.  Raises ActionNotFound, or Refused with what stands in the way.
    """
    today = clock.today()
    with transaction():
        action = lock_action(action_id)
        if action.status == ActionStatus.RUNNING:
            return OpeningResult(action, opened=False)
        facts = ports.trainee_side().facts(action_id, today)
        reasons = domain.blockers(action.status, ActionEvent.OPEN, facts)
        reasons = reasons or domain.opening_date_errors(opening.actual_start, facts, today)
        if reasons:
            raise Refused(*reasons)
        action.actual_start = opening.actual_start
        action.declaration_frequency = opening.declaration_frequency.value
        action.billing_period = opening.billing_period.value
        _move(action, ActionEvent.OPEN)
        db.session.add(AdvanceInvoiceRequest(organisation_id=action.organisation_id, action_id=action.id))
    return OpeningResult(action, opened=True)


def close_action(action_id: int) -> bool:
    """EC → CL by the Région: the AGORA files of all enrolments are closed with it.

    Returns False when the action was closed already.  Raises ActionNotFound, or Refused.
    """
    with transaction():
        action = lock_action(action_id)
        if action.status == ActionStatus.CLOSED:
            return False
        today = clock.today()
        reasons = domain.blockers(action.status, ActionEvent.CLOSE, ports.trainee_side().facts(action_id, today))
        if reasons:
            raise Refused(*reasons)
        action.closed_at = clock.now()
        _move(action, ActionEvent.CLOSE)
        db.session.flush()
        ports.trainee_side().action_closed(action, today)
    return True


def _move(action: Action, event: ActionEvent) -> None:
    """Change the status along the table and write the line of history; the guards were asked by the caller."""
    before = ActionStatus(action.status)
    after = domain.LIFE.target(before, event)
    action.status = after.value
    actor_id, behalf_id = context.actor_id(), context.on_behalf_of()
    db.session.add(
        ActionHistory(
            organisation_id=action.organisation_id,
            action_id=action.id,
            event=event.value,
            from_status=before.value,
            to_status=after.value,
            actor_id=actor_id,
            actor_name=actor_name(actor_id),
            on_behalf_of_id=behalf_id,
            on_behalf_of_name=actor_name(behalf_id),
        )
    )


def actor_name(actor_id: int | None) -> str:
    """The name to leave in the history; empty for the system itself."""
    if actor_id is None:
        return ""
    row = db.session.execute(select(User.first_name, User.last_name).where(User.id == actor_id)).one_or_none()
    return f"{row.first_name} {row.last_name}".strip() if row else ""
