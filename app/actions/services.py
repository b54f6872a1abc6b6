"""Use cases on actions: each function is one transaction.

Source: guide 003 §1 (opening), DOMAIN §3 and §4 (closing).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select

from app.core import clock, context
from app.core.extensions import db
from app.core.transaction import transaction

from . import domain, ports, queries
from .domain import ActionEvent, ActionStatus, BillingPeriod, DeclarationFrequency, EntryFacts, Missing, MissingKind, Reason, ReasonCode
from .models import Action, ActionHistory, AdvanceInvoiceRequest, FinishDeclaration

#: What is left of a reason longer than this would not be read.
MAX_REASON = 1_000


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
        _move(action, ActionEvent.OPEN, details={"opening": _kept(opening)})
        db.session.add(AdvanceInvoiceRequest(organisation_id=action.organisation_id, action_id=action.id))
    return OpeningResult(action, opened=True)


def _kept(opening: Opening) -> dict[str, str]:
    """What the opening set, as the history keeps it: a request may change the date later."""
    return {
        "actual_start": opening.actual_start.isoformat(),
        "declaration_frequency": opening.declaration_frequency.value,
        "billing_period": opening.billing_period.value,
    }


def facts_of(action: Action, today: date, declaration: FinishDeclaration | None) -> EntryFacts:
    """What the moves of the action depend on: its trainees, the declaration in force, the rule of its programme."""
    return replace(
        _entry_facts(action.id, today),
        declared=declaration is not None,
        closing_asked=declaration is not None and declaration.closing_asked_at is not None,
        closing_on_request=action.contract.programme.closing_on_request,
    )


def _entry_facts(action_id: int, today: date) -> EntryFacts:
    """What the trainees and the modification requests of the action leave to do."""
    facts = ports.trainee_side().facts(action_id, today)
    waiting = ports.request_side().under_way(action_id)
    return replace(facts, requests=waiting, missing=(*facts.missing, Missing(MissingKind.REQUEST, len(waiting)))) if waiting else facts


def declare_finished(action_id: int, *, ask_closing: bool = False) -> bool:
    """« Déclarer l'action terminée »: the organisation says that everything is entered; with ``ask_closing``, it asks the Région to close.

    Returns False when all of it was said already.  Raises ActionNotFound, or Refused with what is missing.
    """
    with transaction():
        action = lock_action(action_id)
        facts = facts_of(action, clock.today(), queries.declaration_of(action.id))
        wanted = ((ActionEvent.DECLARE, not facts.declared), (ActionEvent.ASK_CLOSING, ask_closing and not facts.closing_asked))
        events = [event for event, new in wanted if new]
        if not events and action.status == ActionStatus.RUNNING:
            return False
        for event in events or [ActionEvent.DECLARE]:
            _allow(action, event, facts)
            if event is ActionEvent.DECLARE:
                db.session.add(_declaration(action))
                facts = replace(facts, declared=True)
            else:
                db.session.flush()
                declaration = queries.declaration_of(action.id)
                if declaration is not None:
                    declaration.closing_asked_at = clock.now()
            _move(action, event)
    return True


def _declaration(action: Action) -> FinishDeclaration:
    actor_id = context.actor_id()
    return FinishDeclaration(
        organisation_id=action.organisation_id, action_id=action.id, declared_by_id=actor_id, declared_by_name=actor_name(actor_id)
    )


def recheck_declarations(action_ids: Iterable[int]) -> int:
    """Withdraw the declarations of these actions if something is missing again; returns how many were.

    Called, in the transaction under way, by whoever may have made something missing: an enrolment, a sheet to complete, a refusal of
    AGORA, a modification request.  One statement when nothing was declared, which is nearly always.
    """
    withdrawn = 0
    with transaction():
        for declaration in queries.declarations_in_force(set(action_ids)):
            facts = _entry_facts(declaration.action_id, clock.today())
            if facts.missing and _withdraw(declaration):
                action = db.session.get_one(Action, declaration.action_id)
                _move(action, ActionEvent.WITHDRAW, details=_told(facts))
                withdrawn += 1
    return withdrawn


def _withdraw(declaration: FinishDeclaration) -> bool:
    """End a declaration; False when somebody else was faster."""
    mine = select(FinishDeclaration.id).where(FinishDeclaration.id == declaration.id, FinishDeclaration.withdrawn_at.is_(None)).with_for_update()
    if db.session.scalar(mine) is None:
        return False
    declaration.withdrawn_at = clock.now()
    return True


def close_action(action_id: int, *, comment: str = "", shown: str | None = None) -> bool:
    """EC → CL by the Région: the AGORA files of all enrolments are closed with it.

    What was still missing, and whether the organisation had declared the end, stays in the history with ``comment``.
    ``shown`` is the word of the outcomes that the page showed: others are not sent unseen.
    Returns False when the action was closed already.  Raises ActionNotFound, or Refused.
    """
    with transaction():
        action = lock_action(action_id)
        if action.status == ActionStatus.CLOSED:
            return False
        today = clock.today()
        facts = facts_of(action, today, queries.declaration_of(action.id))
        _allow(action, ActionEvent.CLOSE, facts)
        if shown is not None and shown != ports.trainee_side().outcomes_mark(action):
            raise Refused(Reason(ReasonCode.OUTCOMES_CHANGED))
        action.closed_at = clock.now()
        _move(action, ActionEvent.CLOSE, comment=comment, details={**_told(facts), "declared": facts.declared})
        db.session.flush()
        ports.trainee_side().action_closed(action, today)
    return True


def reopen_action(action_id: int, *, reason: str) -> bool:
    """CL → EC by the Région, with its reason: what was entered wrong or too late can be mended, then declared and closed again.

    Files that AGORA holds as closed stay so there: nothing in the exchange reopens them.
    Returns False when the action runs already.  Raises ActionNotFound, or Refused.
    """
    with transaction():
        action = lock_action(action_id)
        if action.status == ActionStatus.RUNNING:
            return False
        _allow(action, ActionEvent.REOPEN, EntryFacts())
        if not reason.strip():
            raise Refused(Reason(ReasonCode.REASON_REQUIRED))
        action.closed_at = None
        _move(action, ActionEvent.REOPEN, comment=reason)
        for declaration in queries.declarations_in_force({action.id}):
            _withdraw(declaration)
        db.session.flush()
        ports.trainee_side().action_reopened(action)
    return True


def _allow(action: Action, event: ActionEvent, facts: EntryFacts) -> None:
    """Ask the table and its guards.  Raises Refused."""
    reasons = domain.blockers(action.status, event, facts)
    if reasons:
        raise Refused(*reasons)


def _told(facts: EntryFacts) -> dict[str, Any]:
    """What was missing, as the history keeps it."""
    return {"missing": {one.kind.value: one.count for one in facts.missing}}


def _move(action: Action, event: ActionEvent, *, comment: str = "", details: Mapping[str, Any] | None = None) -> None:
    """Change the status along the table and write the line of history; the guards were asked by the caller."""
    before = ActionStatus(action.status)
    after = domain.LIFE.target(before, event)
    if after is not before:
        action.status = after.value
    write_history(action, event.value, before=before.value, comment=comment, details=details)


def write_history(
    action: Action, event: str, *, before: str | None = None, comment: str = "", session_id: int | None = None, details: Mapping[str, Any] | None = None
) -> None:
    """One line of the history of ``action``: who, when, from, to and why."""
    actor_id, behalf_id = context.actor_id(), context.on_behalf_of()
    db.session.add(
        ActionHistory(
            organisation_id=action.organisation_id,
            action_id=action.id,
            event=event,
            from_status=before or action.status,
            to_status=action.status,
            actor_id=actor_id,
            actor_name=actor_name(actor_id),
            on_behalf_of_id=behalf_id,
            on_behalf_of_name=actor_name(behalf_id),
            comment=comment.strip()[:MAX_REASON],
            session_id=session_id,
            details=dict(details) if details else None,
        )
    )


def actor_name(actor_id: int | None) -> str:
    """The name to leave in the history; empty for the system itself."""
    if actor_id is None:
        return ""
    row = db.session.execute(select(User.first_name, User.last_name).where(User.id == actor_id)).one_or_none()
    return f"{row.first_name} {row.last_name}".strip() if row else ""
