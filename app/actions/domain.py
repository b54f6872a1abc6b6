"""Rules of a training action (bon de commande): statuses, events, and what stands in their way.

Pure: nothing here knows a database or a request.  Source: guide 003 (opening), guide 001 (sessions, closing asked for), DOMAIN §3.
Guards answer with *reasons* (a code and its values); the words shown are made in ``labels``.
"""

from __future__ import annotations

import dataclasses
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
    #: The organisation says that everything is entered: a dated fact, the status stays.
    DECLARE = "declare"
    #: FORPRO SUP: the establishment asks the Région to close (``programme.closing_on_request``).
    ASK_CLOSING = "ask_closing"
    #: The declaration no longer holds: something is missing again.
    WITHDRAW = "withdraw"
    #: An act of the Région, with its reason.
    REOPEN = "reopen"


class StatusFilter(StrEnum):
    """What is shown of an action, and the choices of the list's filter; "late" and "declared finished" are computed, not stored (``shown_status``)."""

    WAITING = "AO"
    RUNNING = "EC"
    LATE = "late"
    DECLARED = "finished"
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
    """What is exported: one line an action, or one line a session of its components (guide 001)."""

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
    REQUESTS_WAIT = "requests_wait"
    ACTION_OVER = "action_over"
    NOT_CLOSED = "not_closed"
    SOMETHING_MISSING = "something_missing"
    NOBODY_TO_DECLARE = "nobody_to_declare"
    ALREADY_DECLARED = "already_declared"
    NOT_DECLARED = "not_declared"
    ALREADY_ASKED = "already_asked"
    CLOSING_NOT_ON_REQUEST = "closing_not_on_request"
    REASON_REQUIRED = "reason_required"
    OUTCOMES_CHANGED = "outcomes_changed"


class MissingKind(StrEnum):
    """What an action may still lack before it can be declared finished."""

    EXIT = "exit"
    AGORA_REFUSED = "agora_refused"
    AGORA_NUMBER = "agora_number"
    NIR = "nir"
    ESF = "esf"
    #: Modification requests that nobody decided: once the action is closed, nobody could any more.
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing missing, and of how many trainees (or requests)."""

    kind: MissingKind
    count: int


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
    #: What is missing before the action can be declared finished, in the order of ``MissingKind``.
    missing: tuple[Missing, ...] = ()
    #: The declaration in force, and whether the closing was asked for with it.
    declared: bool = False
    closing_asked: bool = False
    #: Whether the programme lets the establishment ask for the closing.
    closing_on_request: bool = False
    #: Modification requests that wait, for a decision or for a correction; they are in ``missing`` too.
    requests: tuple[int, ...] = ()


def is_late(status: str, planned_end: date, today: date) -> bool:
    """« En retard de fermeture »: running, and the planned end has passed."""
    return status == ActionStatus.RUNNING and planned_end < today


def shown_status(status: str, planned_end: date, today: date, *, declared: bool) -> StatusFilter:
    """What is said of an action at a glance.  One that its organisation declared finished is late no longer: the Région closes it."""
    if status != ActionStatus.RUNNING:
        return StatusFilter(status)
    if declared:
        return StatusFilter.DECLARED
    return StatusFilter.LATE if is_late(status, planned_end, today) else StatusFilter.RUNNING


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


def no_request_waits(facts: EntryFacts) -> tuple[Reason, ...]:
    """Guard of the closing: the data of a closed action no longer change, so that what was asked would stay without an answer."""
    return (Reason(ReasonCode.REQUESTS_WAIT, {"count": len(facts.requests)}),) if facts.requests else ()


def nothing_missing(facts: EntryFacts) -> tuple[Reason, ...]:
    """Guard of the declaration: everything is entered, and there is somebody to have entered it for."""
    if facts.missing:
        return (Reason(ReasonCode.SOMETHING_MISSING, {"count": sum(one.count for one in facts.missing)}),)
    return () if facts.enrolled else (Reason(ReasonCode.NOBODY_TO_DECLARE),)


def not_declared_yet(facts: EntryFacts) -> tuple[Reason, ...]:
    """Guard of the declaration: it is made once."""
    return (Reason(ReasonCode.ALREADY_DECLARED),) if facts.declared else ()


def is_declared(facts: EntryFacts) -> tuple[Reason, ...]:
    """Guard of what follows a declaration."""
    return () if facts.declared else (Reason(ReasonCode.NOT_DECLARED),)


def closing_may_be_asked(facts: EntryFacts) -> tuple[Reason, ...]:
    """Guard of the request: a rule of the programme (DOMAIN §3: FORPRO SUP, the establishment may ask), and once."""
    if not facts.closing_on_request:
        return (Reason(ReasonCode.CLOSING_NOT_ON_REQUEST),)
    return (Reason(ReasonCode.ALREADY_ASKED),) if facts.closing_asked else ()


#: The only way from one status to another.  There is no way back to AO (guide 003 §1).
LIFE: Workflow[ActionStatus, ActionEvent, EntryFacts] = Workflow(
    "action",
    (
        Transition(ActionStatus.WAITING, ActionEvent.OPEN, ActionStatus.RUNNING, (someone_has_entered,)),
        Transition(ActionStatus.WAITING, ActionEvent.CANCEL, ActionStatus.CANCELLED),
        Transition(ActionStatus.RUNNING, ActionEvent.DECLARE, ActionStatus.RUNNING, (not_declared_yet, nothing_missing)),
        Transition(ActionStatus.RUNNING, ActionEvent.ASK_CLOSING, ActionStatus.RUNNING, (closing_may_be_asked, is_declared, nothing_missing)),
        Transition(ActionStatus.RUNNING, ActionEvent.WITHDRAW, ActionStatus.RUNNING, (is_declared,)),
        Transition(ActionStatus.RUNNING, ActionEvent.CLOSE, ActionStatus.CLOSED, (everyone_has_left, no_request_waits)),
        Transition(ActionStatus.CLOSED, ActionEvent.REOPEN, ActionStatus.RUNNING),
    ),
)


def blockers(status: str, event: ActionEvent, facts: EntryFacts) -> tuple[Reason, ...]:
    """Everything that forbids ``event`` now, a status that does not allow it included."""
    try:
        return tuple(reason for reason in LIFE.blockers(ActionStatus(status), event, facts) if isinstance(reason, Reason))
    except ForbiddenTransition:
        code = {ActionEvent.OPEN: ReasonCode.NOT_WAITING, ActionEvent.CANCEL: ReasonCode.NOT_WAITING, ActionEvent.REOPEN: ReasonCode.NOT_CLOSED}.get(
            event, ReasonCode.NOT_RUNNING
        )
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


# ---- sessions ----------------------------------------------------------------------------------------------------------


class SessionEvent(StrEnum):
    """What happens to a session, for the history of its action."""

    CREATED = "session_created"
    CHANGED = "session_changed"
    #: « Session créée par erreur »: 0 places, with the reason; there is no way back.
    CANCELLED = "session_cancelled"
    MEETING_ADDED = "meeting_added"
    MEETING_CHANGED = "meeting_changed"
    MEETING_REMOVED = "meeting_removed"


class DataEvent(StrEnum):
    """A change of the data of an action of which nothing that stays tells: it is told to the history as it happens."""

    SITE_ADDED = "site_added"
    SITE_REMOVED = "site_removed"
    COMPONENT_REMOVED = "component_removed"


class FaultCode(StrEnum):
    """What can be wrong with a session or an information meeting."""

    END_BEFORE_START = "end_before_start"
    BEFORE_COMPONENT = "before_component"
    AFTER_COMPONENT = "after_component"
    BEFORE_ACTION = "before_action"
    AFTER_ACTION = "after_action"
    SITE_NOT_OF_COMPONENT = "site_not_of_component"
    TOO_MANY_PLACES = "too_many_places"
    MEETING_AFTER_SESSION = "meeting_after_session"
    MEETING_TOO_EARLY = "meeting_too_early"
    SESSION_CANCELLED = "session_cancelled"
    ACTION_OVER = "action_over"
    REASON_REQUIRED = "reason_required"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend: the field, the code, and the values of its sentence."""

    field: str
    code: FaultCode
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Period:
    """Two days, both included."""

    start: date
    end: date


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """What is typed of a session (guide 001: dates, site, places)."""

    starts_on: date
    ends_on: date
    site_id: int
    places: int


#: More places than any session has: surely a slip of the keyboard.
MAX_PLACES = 1_000


def session_faults(plan: SessionPlan, *, component: Period, action: Period, site_ids: frozenset[int]) -> tuple[Fault, ...]:
    """Everything wrong with ``plan``: a session lies within its component and its action, on one of the component's sites."""
    faults: list[Fault] = []
    if plan.ends_on < plan.starts_on:
        faults.append(Fault("ends_on", FaultCode.END_BEFORE_START))
    for name, day in (("starts_on", plan.starts_on), ("ends_on", plan.ends_on)):
        fault = _day_fault(name, day, component=component, action=action)
        if fault is not None:
            faults.append(fault)
    if plan.site_id not in site_ids:
        faults.append(Fault("site_id", FaultCode.SITE_NOT_OF_COMPONENT))
    if plan.places > MAX_PLACES:
        faults.append(Fault("places", FaultCode.TOO_MANY_PLACES, {"max": MAX_PLACES}))
    return tuple(faults)


def _day_fault(name: str, day: date, *, component: Period, action: Period) -> Fault | None:
    if day < component.start:
        return Fault(name, FaultCode.BEFORE_COMPONENT, {"date": component.start})
    if day > component.end:
        return Fault(name, FaultCode.AFTER_COMPONENT, {"date": component.end})
    if day < action.start:
        return Fault(name, FaultCode.BEFORE_ACTION, {"date": action.start})
    return Fault(name, FaultCode.AFTER_ACTION, {"date": action.end}) if day > action.end else None


#: A meeting more than so many days before its session is a slip of the year.
MEETING_AHEAD = 366


def meeting_faults(held_on: date, *, session_start: date, session_end: date) -> tuple[Fault, ...]:
    """People are informed before the session is over, and not years before it starts."""
    if (session_start - held_on).days > MEETING_AHEAD:
        return (Fault("held_on", FaultCode.MEETING_TOO_EARLY, {"date": session_start}),)
    return (Fault("held_on", FaultCode.MEETING_AFTER_SESSION, {"date": session_end}),) if held_on > session_end else ()


def planning_faults(status: str, *, cancelled: bool) -> tuple[Fault, ...]:
    """What forbids any change of a session: the action is over, or the session was cancelled."""
    if status in (ActionStatus.CLOSED, ActionStatus.CANCELLED):
        return (Fault("", FaultCode.ACTION_OVER, {"status": status}),)
    return (Fault("", FaultCode.SESSION_CANCELLED),) if cancelled else ()
