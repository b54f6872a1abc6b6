"""The life of an enrolment: what may happen to it and when, what AGORA is told of each act, and how it ends.

Pure, as ``domain``.  Source: guide 000 ("Sortie des stagiaires", statuses of a file), guide 002 (interruptions, closing), domain-facts §2;
decision 36 says what becomes of an exit that is cancelled after AGORA took it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from app.actions.domain import ActionStatus
from app.core.workflow import ForbiddenTransition, Transition, Workflow
from app.partners.agora.port import EventKind, FileStatus, Outcome

from .domain import AgoraState, Problem, ProblemCode


class EnrolmentState(StrEnum):
    """Where an enrolment stands; computed from its row, never stored."""

    IN = "in"
    INTERRUPTED = "interrupted"
    LEFT = "left"
    #: Left while interrupted: the interruption ends with the exit, and goes on should the exit be cancelled.
    LEFT_INTERRUPTED = "left_interrupted"
    #: Enrolled by mistake.
    CANCELLED = "cancelled"
    #: The action is closed, or AGORA closed the file before the action was reopened.
    CLOSED = "closed"


class EnrolmentEvent(StrEnum):
    """What may happen to an enrolment."""

    CHANGE = "change"
    INTERRUPT = "interrupt"
    RESUME = "resume"
    LEAVE = "leave"
    #: The exit is corrected before AGORA holds it.
    MEND_EXIT = "mend_exit"
    UNDO_EXIT = "undo_exit"
    #: Exit of one component and enrolment on another, in one act.
    MOVE = "move"
    CANCEL = "cancel"
    #: The computed outcome is corrected, with a reason.
    JUDGE = "judge"
    CLOSE = "close"


class InterruptionReason(StrEnum):
    """Why somebody is away for a time.  A closed list: AGORA is told the code, and nothing personal is typed."""

    HEALTH = "SANTE"
    PERSONAL = "PERSONNEL"
    WORK = "EMPLOI"
    ORGANISATION = "ORGANISME"
    FORCE_MAJEURE = "FORCE_MAJEURE"


#: Words of ``motif`` at AGORA for what has no code of the reference lists.
UNDONE_EXIT, ENROLLED_BY_MISTAKE = "SORTIE_ANNULEE", "ERREUR_INSCRIPTION"
#: The exit reason of who goes to another component.
MOVE_REASON = "CHANGEMENT_COMPOSANTE"


@dataclass(frozen=True, slots=True)
class LifeFacts:
    """What the acts depend on besides the state."""

    action_status: str = ActionStatus.RUNNING.value
    #: The organisation declared the action finished, and the declaration stands.
    declared: bool = False
    #: Interruptions, open or over.
    interruptions: int = 0
    #: An exit was entered, then cancelled.
    exit_undone: bool = False
    #: AGORA does not hold the exit: it is still corrected in place.
    exit_mendable: bool = False
    #: The actual start of the action when this is the only entry of that day, by which the action was opened.
    opens_action: date | None = None
    #: Whether somebody of the Région acts.
    region: bool = False


def _action_goes_on(facts: LifeFacts) -> tuple[Problem, ...]:
    over = facts.action_status in (ActionStatus.CLOSED, ActionStatus.CANCELLED)
    return (Problem("", ProblemCode.NO_MORE_TRAINEE, {"status": facts.action_status}),) if over else ()


def _not_declared(facts: LifeFacts) -> tuple[Problem, ...]:
    """An outcome that was declared is corrected by the Région: nothing is missing again, and the declaration stands."""
    return (Problem("", ProblemCode.DECLARED_FINISHED),) if facts.declared and not facts.region else ()


def _nothing_declared(facts: LifeFacts) -> tuple[Problem, ...]:
    """« Inscrit par erreur »: nothing was said of the training yet."""
    return (Problem("", ProblemCode.SOMETHING_DECLARED),) if facts.interruptions or facts.exit_undone else ()


def _not_the_opening(facts: LifeFacts) -> tuple[Problem, ...]:
    """The action opens with its first entry (guide 003 §1), by which the advance was invoiced."""
    return (Problem("", ProblemCode.OPENS_ACTION, {"date": facts.opens_action}),) if facts.opens_action is not None else ()


def _mendable(facts: LifeFacts) -> tuple[Problem, ...]:
    return () if facts.exit_mendable else (Problem("", ProblemCode.EXIT_HELD),)


S, E = EnrolmentState, EnrolmentEvent
_ON: tuple[Callable[[LifeFacts], Sequence[object]], ...] = (_action_goes_on,)

#: What is not here is impossible.  CLOSE is the Région's, with the action: its guards are the action's.
LIFE: Workflow[EnrolmentState, EnrolmentEvent, LifeFacts] = Workflow(
    "enrolment",
    (
        Transition(S.IN, E.CHANGE, S.IN, _ON),
        Transition(S.IN, E.INTERRUPT, S.INTERRUPTED, _ON),
        Transition(S.IN, E.LEAVE, S.LEFT, _ON),
        Transition(S.IN, E.MOVE, S.LEFT, _ON),
        Transition(S.IN, E.CANCEL, S.CANCELLED, (*_ON, _nothing_declared, _not_the_opening)),
        Transition(S.INTERRUPTED, E.CHANGE, S.INTERRUPTED, _ON),
        Transition(S.INTERRUPTED, E.RESUME, S.IN, _ON),
        Transition(S.INTERRUPTED, E.LEAVE, S.LEFT_INTERRUPTED, _ON),
        Transition(S.INTERRUPTED, E.MOVE, S.LEFT_INTERRUPTED, _ON),
        Transition(S.LEFT, E.MEND_EXIT, S.LEFT, (*_ON, _mendable)),
        Transition(S.LEFT, E.UNDO_EXIT, S.IN, _ON),
        Transition(S.LEFT, E.JUDGE, S.LEFT, (*_ON, _not_declared)),
        Transition(S.LEFT, E.CLOSE, S.CLOSED),
        Transition(S.LEFT_INTERRUPTED, E.MEND_EXIT, S.LEFT_INTERRUPTED, (*_ON, _mendable)),
        Transition(S.LEFT_INTERRUPTED, E.UNDO_EXIT, S.INTERRUPTED, _ON),
        Transition(S.LEFT_INTERRUPTED, E.JUDGE, S.LEFT_INTERRUPTED, (*_ON, _not_declared)),
        Transition(S.LEFT_INTERRUPTED, E.CLOSE, S.CLOSED),
    ),
)


def state_of(*, action_status: str, agora_status: str | None, actual_end: date | None, cancelled: bool, interrupted: bool) -> EnrolmentState:
    """The state of an enrolment from its row; ``interrupted`` when an interruption has no end."""
    if cancelled:
        return S.CANCELLED
    if action_status == ActionStatus.CLOSED or (agora_status is not None and FileStatus(agora_status).is_closed):
        return S.CLOSED
    if actual_end is None:
        return S.INTERRUPTED if interrupted else S.IN
    return S.LEFT_INTERRUPTED if interrupted else S.LEFT


def obstacles(state: EnrolmentState, event: EnrolmentEvent, facts: LifeFacts) -> tuple[Problem, ...]:
    """Everything that forbids ``event`` now; nothing when it is free."""
    try:
        return tuple(one for one in LIFE.blockers(state, event, facts) if isinstance(one, Problem))
    except ForbiddenTransition:
        return _action_goes_on(facts) or (Problem("", _not_from(state, event)),)


def _not_from(state: EnrolmentState, event: EnrolmentEvent) -> ProblemCode:
    """Why the table has no such move."""
    if state is S.CANCELLED:
        return ProblemCode.ENROLMENT_CANCELLED
    if state is S.CLOSED:
        return ProblemCode.FILE_CLOSED
    if state in (S.LEFT, S.LEFT_INTERRUPTED):
        return ProblemCode.HAS_LEFT
    if event in (E.UNDO_EXIT, E.MEND_EXIT, E.JUDGE, E.CLOSE):
        return ProblemCode.NOT_LEFT
    if event is E.RESUME:
        return ProblemCode.NOT_INTERRUPTED
    return ProblemCode.SOMETHING_DECLARED if event is E.CANCEL else ProblemCode.INTERRUPTED


# ---- dates ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pause:
    """An interruption: the first day away, and the day of the return once there is one."""

    interrupted_on: date
    resumed_on: date | None


@dataclass(frozen=True, slots=True)
class Path:
    """The dates of an enrolment."""

    planned_start: date
    planned_end: date
    actual_end: date | None = None
    pauses: tuple[Pause, ...] = ()

    @property
    def last_told(self) -> date:
        """The last day something was declared: nothing may come before it any more."""
        return max([self.planned_start, *(pause.resumed_on or pause.interrupted_on for pause in self.pauses)])


def interruption_problems(interrupted_on: date, path: Path, today: date) -> tuple[Problem, ...]:
    """An interruption lies within the path, after the one before, and is entered on the day or later."""
    return _day_problems("interrupted_on", interrupted_on, path, today)


def resumption_problems(resumed_on: date, path: Path, today: date) -> tuple[Problem, ...]:
    """The day of the return comes after the first day away, within the path."""
    pause = next((one for one in path.pauses if one.resumed_on is None), None)
    if pause is not None and resumed_on <= pause.interrupted_on:
        return (Problem("resumed_on", ProblemCode.RESUMED_TOO_EARLY, {"date": pause.interrupted_on}),)
    return _day_problems("resumed_on", resumed_on, path, today)


def _day_problems(name: str, day: date, path: Path, today: date) -> tuple[Problem, ...]:
    if day > today:
        return (Problem(name, ProblemCode.DAY_IN_FUTURE),)
    if day < path.planned_start:
        return (Problem(name, ProblemCode.BEFORE_ENTRY, {"date": path.planned_start}),)
    if day > path.planned_end:
        return (Problem(name, ProblemCode.AFTER_PATH, {"date": path.planned_end}),)
    if day < path.last_told:
        return (Problem(name, ProblemCode.BEFORE_LAST_TOLD, {"date": path.last_told}),)
    return ()


def exit_after_pauses(actual_end: date, path: Path) -> tuple[Problem, ...]:
    """Nobody leaves before the last interruption or return that was declared."""
    return (Problem("actual_end", ProblemCode.BEFORE_LAST_TOLD, {"date": path.last_told}),) if path.pauses and actual_end < path.last_told else ()


def plan_around_pauses(planned_start: date, planned_end: date, pauses: Sequence[Pause]) -> tuple[Problem, ...]:
    """New dates leave no interruption outside."""
    problems: list[Problem] = []
    first = min((pause.interrupted_on for pause in pauses), default=None)
    last = max((pause.resumed_on or pause.interrupted_on for pause in pauses), default=None)
    if first is not None and planned_start > first:
        problems.append(Problem("planned_start", ProblemCode.LEAVES_PAUSE_OUT, {"date": first}))
    if last is not None and planned_end < last:
        problems.append(Problem("planned_end", ProblemCode.LEAVES_PAUSE_OUT, {"date": last}))
    return tuple(problems)


# ---- the outcome ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Completion:
    """How much of the training was done, from the dates: days of the path, days present, and hours in the same proportion."""

    planned_days: int
    present_days: int
    away_days: int
    planned_hours: Decimal
    done_hours: Decimal
    outcome: Outcome


def completion(path: Path, hours: Decimal) -> Completion:
    """Réalisation from planned hours, exit and interruptions (domain-facts §2).

    Whole when as many days were attended as planned: days after the planned end make up for an interruption.  Nothing for who left
    early on the day of the entry: they never came.  Somebody still in training is reckoned up to the planned end.
    """
    one = timedelta(days=1)
    last = path.actual_end or path.planned_end
    planned = (path.planned_end - path.planned_start).days + 1
    away = sum(((min(pause.resumed_on or last + one, last + one)) - pause.interrupted_on).days for pause in path.pauses if pause.interrupted_on <= last)
    present = max(0, min(planned, (last - path.planned_start).days + 1 - away))
    never = present == 0 or (last <= path.planned_start and last < path.planned_end)
    done = Decimal(0) if never else (hours * present / planned).quantize(Decimal("0.01"), ROUND_HALF_UP)
    if never:
        present, outcome = 0, Outcome.NOT_DONE
    else:
        outcome = Outcome.FULL if present >= planned else Outcome.PARTIAL
    return Completion(planned, present, away, hours, done, outcome)


# ---- what AGORA is told ---------------------------------------------------------------------------------------------------

_MODIFIES = EventKind.MODIFICATION

#: (status of the file, act) → event.  A file "sortie" takes neither a second exit nor an interruption: once an exit was cancelled, what
#: follows is told as a modification (decision 36).  What is not here is never sent.
TOLD_AS: Mapping[tuple[FileStatus, EnrolmentEvent], EventKind] = {
    **{(status, E.CHANGE): _MODIFIES for status in (FileStatus.DRAFT, FileStatus.VALIDATED, FileStatus.ENTERED, FileStatus.EXITED)},
    **{
        (status, E.CANCEL): EventKind.CANCELLATION for status in (FileStatus.DRAFT, FileStatus.VALIDATED, FileStatus.ENTERED, FileStatus.EXITED)
    },
    (FileStatus.ENTERED, E.INTERRUPT): EventKind.INTERRUPTION,
    (FileStatus.ENTERED, E.RESUME): EventKind.RESUMPTION,
    (FileStatus.ENTERED, E.LEAVE): EventKind.EXIT,
    (FileStatus.EXITED, E.INTERRUPT): _MODIFIES,
    (FileStatus.EXITED, E.RESUME): _MODIFIES,
    (FileStatus.EXITED, E.LEAVE): _MODIFIES,
    (FileStatus.EXITED, E.UNDO_EXIT): _MODIFIES,
    (FileStatus.EXITED, E.CLOSE): EventKind.CLOSING,
}


def told_as(status: FileStatus, event: EnrolmentEvent, outcome: Outcome | None = None) -> EventKind | None:
    """The event that tells AGORA of an act, given where its file stands; None for what it would refuse.

    Who never came is closed without an exit; the other outcomes need one.
    """
    if event is E.CLOSE and status is FileStatus.ENTERED and outcome is Outcome.NOT_DONE:
        return EventKind.CLOSING
    return TOLD_AS.get((status, event))


#: Acts that are told to AGORA when the file is there, or will be.
KNOWN_TO_AGORA = frozenset({AgoraState.WAITING, AgoraState.REGISTERED, AgoraState.REJECTED})
