"""Words for the codes of this feature."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.outbox.breaker import BreakerState
from app.core.outbox.models import InterventionKind, MessageState
from app.core.ui.format import fr_number
from app.trainees.domain import IdentityState

from .domain import Actor, Assignee, DifferenceKind, DifferenceState, Nature, Phase, RunState, Show, Trigger

STATES: dict[MessageState, tuple[Any, str]] = {
    MessageState.PENDING: (_l("Waiting"), "info"),
    MessageState.SENDING: (_l("Being sent"), "info"),
    MessageState.DONE: (_l("Received by the partner"), "success"),
    MessageState.REJECTED: (_l("Refused by the partner"), "danger"),
    MessageState.DEAD: (_l("Given up"), "danger"),
    MessageState.CANCELLED: (_l("Settled, not sent"), "neutral"),
}
NATURES: dict[Nature, Any] = {Nature.FUNCTIONAL: _l("Functional"), Nature.TECHNICAL: _l("Technical")}
ACTORS: dict[Actor, Any] = {
    Actor.ORGANISATION: _l("The training organisation"),
    Actor.REGION: _l("The Région"),
    Actor.SUPPORT: _l("The assistance"),
    Actor.AGORA: _l("AGORA itself"),
    Actor.NOBODY: _l("Nobody: it is tried again by itself"),
}
#: What became of a search of an identity.
SEARCHES: dict[IdentityState, tuple[Any, str]] = {
    IdentityState.PENDING: (_l("Under way"), "info"),
    IdentityState.FOUND: (_l("Found"), "success"),
    IdentityState.UNKNOWN: (_l("Unknown to AGORA"), "warning"),
    IdentityState.MISMATCH: (_l("Another birth name"), "warning"),
    IdentityState.UNAVAILABLE: (_l("AGORA did not answer"), "danger"),
}
SHOWS: dict[Show, Any] = {
    Show.ALL: _l("All states"),
    Show.TO_MEND: _l("Refused or given up"),
    Show.WAITING: _l("On the way"),
    Show.DONE: _l("Received by the partner"),
    Show.SETTLED: _l("Settled, not sent"),
}
BREAKERS: dict[BreakerState, tuple[Any, str]] = {
    BreakerState.CLOSED: (_l("Answers"), "success"),
    BreakerState.HALF_OPEN: (_l("Being tried"), "warning"),
    BreakerState.OPEN: (_l("Does not answer"), "danger"),
}
KINDS: dict[DifferenceKind, Any] = {
    DifferenceKind.UNKNOWN: _l("File at AGORA unknown to the portal"),
    DifferenceKind.ABSENT: _l("Enrolment sent, absent at AGORA"),
    DifferenceKind.STATUS: _l("The status differs"),
    DifferenceKind.NUMBER: _l("The number differs"),
    DifferenceKind.NEWER: _l("Later version at AGORA"),
}
DIFFERENCE_STATES: dict[DifferenceState, tuple[Any, str]] = {
    DifferenceState.OPEN: (_l("To look at"), "warning"),
    DifferenceState.HEALED: (_l("Healed by itself"), "success"),
    DifferenceState.GONE: (_l("No longer there"), "neutral"),
    DifferenceState.SETTLED: (_l("Settled by hand"), "neutral"),
}
ASSIGNEES: dict[Assignee, Any] = {Assignee.ORGANISATION: _l("The training organisation"), Assignee.REGION: _l("The Région")}
RUN_STATES: dict[RunState, tuple[Any, str]] = {
    RunState.RUNNING: (_l("Under way"), "info"),
    RunState.DONE: (_l("Complete"), "success"),
    RunState.PARTIAL: (_l("Incomplete"), "warning"),
    RunState.FAILED: (_l("Failed"), "danger"),
}
PHASES: dict[Phase, Any] = {
    Phase.READING: _l("Reading AGORA’s files"),
    Phase.COMPARING: _l("Comparing the files"),
    Phase.UNKNOWN: _l("Looking for files that the portal does not know"),
    Phase.ABSENT: _l("Looking for enrolments without a file"),
    Phase.RECHECKING: _l("Looking again at the former differences"),
    Phase.OVER: _l("Over"),
}
TRIGGERS: dict[Trigger, Any] = {Trigger.NIGHT: _l("The night’s"), Trigger.DEMAND: _l("Asked for")}


def difference_text(kind: DifferenceKind, assignee: Assignee | None) -> str:
    """What to do about an open difference."""
    match kind:
        case DifferenceKind.UNKNOWN:
            return _("AGORA holds a file under a reference that no enrolment of the portal bears: ask AGORA where it comes from.")
        case DifferenceKind.ABSENT:
            return _("AGORA does not hold the file any more, or the creation was settled by hand: agree with AGORA on what to do, then settle the difference.")
        case DifferenceKind.NUMBER:
            return _("AGORA gives another number to this enrolment: agree with AGORA on the one to keep, then settle the difference.")
        case DifferenceKind.STATUS if assignee is Assignee.ORGANISATION:
            return _(
                "At AGORA the trainee has left, or the file was cancelled, and the portal knows of no exit: enter the exit. "
                "If AGORA is wrong, tell the assistance."
            )
        case DifferenceKind.STATUS:
            return _("AGORA’s status is not what the portal last told it: ask AGORA for the right one, then settle the difference.")
        case _:
            return _("AGORA holds a later version of this file.")


def search_badge(state: IdentityState, *, lost: bool) -> tuple[Any, str]:
    """What became of a search; one that nobody answered in time is waited for no more."""
    return (_("Without answer"), "danger") if lost else SEARCHES[state]


def short_duration(seconds: float) -> str:
    """A short delay with its tenths: "0,4 s"."""
    return _("%(count)s s", count=fr_number(round(max(seconds, 0.0), 1)))


def duration(seconds: float) -> str:
    """A delay in words: "12 seconds", "3 minutes", "2 hours", "4 days"."""
    if seconds < 1:
        return _("less than a second")
    if seconds < 90:
        return ngettext("%(count)s second", "%(count)s seconds", round(seconds), count=fr_number(round(seconds)))
    if seconds < 90 * 60:
        return ngettext("%(count)s minute", "%(count)s minutes", round(seconds / 60), count=fr_number(round(seconds / 60)))
    if seconds < 48 * 3600:
        return ngettext("%(count)s hour", "%(count)s hours", round(seconds / 3600), count=fr_number(round(seconds / 3600)))
    return ngettext("%(count)s day", "%(count)s days", round(seconds / 86400), count=fr_number(round(seconds / 86400)))


def intervention_text(kind: InterventionKind, amount: int | None) -> str:
    """What an operator did."""
    match kind:
        case InterventionKind.REPLAY:
            return _("Sent again")
        case InterventionKind.SETTLE:
            return _("Declared settled")
        case InterventionKind.PAUSE:
            return _("Sending stopped")
        case InterventionKind.RESUME:
            return _("Sending resumed")
        case _ if amount is None:
            return _("Rate limit lifted")
        case _:
            return _("Rate limited to %(count)s messages a minute", count=fr_number(amount))
