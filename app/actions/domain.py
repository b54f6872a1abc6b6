"""Rules of a training action (bon de commande): statuses, events, and what stands in their way.

Pure: nothing here knows a database or a request.  Source: guide 003 (opening), DOMAIN §3.
Guards answer with *reasons* (a code and its values); the words shown are made in ``labels``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from app.core.workflow import ForbiddenTransition, Transition, Workflow


class ActionStatus(StrEnum):
    """Status of an action, under the codes users know (guide 003)."""

    WAITING = "AO"
    RUNNING = "EC"
    CLOSED = "CL"
    CANCELLED = "AN"


class ActionEvent(StrEnum):
    """What may happen to an action as a whole."""

    OPEN = "open"
    CLOSE = "close"
    CANCEL = "cancel"


class StatusFilter(StrEnum):
    """Choices of the status filter of the list; "late" is computed, not stored."""

    WAITING = "AO"
    RUNNING = "EC"
    LATE = "late"
    CLOSED = "CL"
    CANCELLED = "AN"


class ContractKind(StrEnum):
    """Public market, or convention (FORPRO SUP establishments)."""

    MARKET = "market"
    CONVENTION = "convention"


class DeclarationFrequency(StrEnum):
    """How often attendance is declared; chosen at opening."""

    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"


class BillingPeriod(StrEnum):
    """How often invoices are drawn up; chosen at opening."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    END = "end"


class ExportKind(StrEnum):
    """What is exported: one line an action, or one line a component and site (guide 001)."""

    ACTIONS = "actions"
    COMPONENTS = "composantes"


class SortKey(StrEnum):
    """Columns the list sorts by (guide 003 §1: those with arrows), as they stand in the address."""

    CONTRACT = "contrat"
    NUMBER = "action"
    TITLE = "intitule"
    STATUS = "statut"
    YEAR = "annee"
    START = "debut"
    END = "fin"


#: Searches an account may keep.
MAX_SAVED_SEARCHES = 20


class ReasonCode(StrEnum):
    """Why something cannot be done now."""

    NOT_WAITING = "not_waiting"
    NOT_RUNNING = "not_running"
    NOBODY_ENROLLED = "nobody_enrolled"
    NOBODY_ENTERED = "nobody_entered"
    START_IS_NOT_FIRST_ENTRY = "start_is_not_first_entry"
    START_IN_FUTURE = "start_in_future"
    TRAINEES_STILL_IN = "trainees_still_in"
    ACTION_OVER = "action_over"


@dataclass(frozen=True, slots=True)
class Reason:
    """One obstacle: its code and the values its sentence needs."""

    code: ReasonCode
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What the opening and the closing need to know about the trainees of an action."""

    enrolled: int = 0
    entered: int = 0
    first_entry: date | None = None
    still_in: int = 0
    #: People registered, enrolled or not.
    registered: int = 0


def is_late(status: str, planned_end: date, today: date) -> bool:
    """« En retard de fermeture »: running, and the planned end has passed."""
    return status == ActionStatus.RUNNING and planned_end < today


def someone_has_entered(facts: EntryFacts) -> tuple[Reason, ...]:
    """Guard of the opening.

    Opening triggers the advance invoice, which cannot be processed if nobody has entered (guide 003, warning of §1).
    """
    if facts.first_entry is None:
        return (Reason(ReasonCode.NOBODY_ENROLLED, {"registered": facts.registered}),)
    if not facts.entered:
        return (Reason(ReasonCode.NOBODY_ENTERED, {"date": facts.first_entry}),)
    return ()


def everyone_has_left(facts: EntryFacts) -> tuple[Reason, ...]:
    """Guard of the closing: an AGORA file goes through its exit before it is closed (guide 000, life of a file)."""
    if facts.still_in:
        return (Reason(ReasonCode.TRAINEES_STILL_IN, {"count": facts.still_in}),)
    return ()


#: The only way from one status to another.  There is no way back to AO (guide 003 §1).
LIFE: Workflow[ActionStatus, ActionEvent, EntryFacts] = Workflow(
    "action",
    (
        Transition(ActionStatus.WAITING, ActionEvent.OPEN, ActionStatus.RUNNING, (someone_has_entered,)),
        Transition(ActionStatus.WAITING, ActionEvent.CANCEL, ActionStatus.CANCELLED),
        Transition(ActionStatus.RUNNING, ActionEvent.CLOSE, ActionStatus.CLOSED, (everyone_has_left,)),
    ),
)


def blockers(status: str, event: ActionEvent, facts: EntryFacts) -> tuple[Reason, ...]:
    """Everything that forbids ``event`` now, a status that does not allow it included."""
    try:
        return tuple(reason for reason in LIFE.blockers(ActionStatus(status), event, facts) if isinstance(reason, Reason))
    except ForbiddenTransition:
        code = ReasonCode.NOT_WAITING if event is ActionEvent.OPEN else ReasonCode.NOT_RUNNING
        return (Reason(code, {"status": status}),)


def opening_date_errors(actual_start: date, facts: EntryFacts, today: date) -> tuple[Reason, ...]:
    """What is wrong with the actual start: it is the entry date of the first trainee (guide 003 §1, reminder)."""
    if actual_start > today:
        return (Reason(ReasonCode.START_IN_FUTURE, {"date": actual_start}),)
    if facts.first_entry is not None and actual_start != facts.first_entry:
        return (Reason(ReasonCode.START_IS_NOT_FIRST_ENTRY, {"date": actual_start, "first": facts.first_entry}),)
    return ()


def registration_blockers(status: str) -> tuple[Reason, ...]:
    """What forbids registering a trainee: a closed or cancelled action takes nobody."""
    if status in (ActionStatus.CLOSED, ActionStatus.CANCELLED):
        return (Reason(ReasonCode.ACTION_OVER, {"status": status}),)
    return ()


def outside(start: date, end: date, outer_start: date, outer_end: date) -> str | None:
    """Which bound of a period lies outside another: ``planned_start``, ``planned_end``, or None when it lies within."""
    if not outer_start <= start <= outer_end:
        return "planned_start"
    return None if outer_start <= end <= outer_end else "planned_end"
