"""What can be done with an enrolment, where, and why not: links beside it, and the reasons in words (guide 000, column « Gestion »)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from flask import url_for
from flask_babel import gettext as _

from app.actions.domain import registration_blockers
from app.actions.labels import told_actor
from app.actions.models import Action
from app.core.tenancy import current_scope
from app.core.ui import allowed
from app.core.ui.format import fr_date, fr_long_date

from . import labels, standing
from .domain import Problem, ProblemCode
from .life import EnrolmentEvent, LifeFacts
from .models import Enrolment, EnrolmentAct
from .permissions import VIEW

#: The page of each act, and the permission it asks.  An exit is corrected on the page where it is entered.
PAGES: Mapping[EnrolmentEvent, tuple[str, str]] = {
    EnrolmentEvent.CHANGE: ("EnrolmentView.change", "can_enrol"),
    EnrolmentEvent.INTERRUPT: ("EnrolmentLifeView.interrupt", "can_exit"),
    EnrolmentEvent.RESUME: ("EnrolmentLifeView.resume", "can_exit"),
    EnrolmentEvent.LEAVE: ("EnrolmentView.leave", "can_exit"),
    EnrolmentEvent.MEND_EXIT: ("EnrolmentView.leave", "can_exit"),
    EnrolmentEvent.UNDO_EXIT: ("EnrolmentLifeView.undo_exit", "can_exit"),
    EnrolmentEvent.MOVE: ("EnrolmentLifeView.choose", "can_enrol"),
    EnrolmentEvent.CANCEL: ("EnrolmentLifeView.cancel", "can_enrol"),
    EnrolmentEvent.JUDGE: ("EnrolmentLifeView.judge", "can_judge"),
}
#: Acts that depend on nothing but the enrolment and the status of its action.
_NEED_ONLY_THE_ROW = frozenset(PAGES) - {EnrolmentEvent.CANCEL, EnrolmentEvent.JUDGE}
#: Said of what nobody would look for.
_BESIDE_THE_POINT = frozenset({ProblemCode.NOT_LEFT, ProblemCode.NOT_INTERRUPTED})
#: The remedy is not here: somebody is to be asked.
_ASK = frozenset(
    {
        ProblemCode.NO_MORE_TRAINEE, ProblemCode.FILE_CLOSED, ProblemCode.DECLARED_FINISHED, ProblemCode.OPENS_ACTION,
        ProblemCode.ENROLMENT_CANCELLED,
    }
)  # fmt: skip


def life_of(enrolments: Sequence[Enrolment], action: Action) -> dict[int, LifeFacts]:
    """The facts of enrolments of one action, for a page: two statements."""
    return standing.facts_of(enrolments, action, region=current_scope().sees_all)


def who_of(act: EnrolmentAct) -> str:
    """Who did it, as histories say it."""
    return told_actor(act.actor_name, act.on_behalf_of_name) or ""


def links(enrolment: Enrolment, facts: LifeFacts) -> list[tuple[str, str]]:
    """The acts that are free and allowed: label and address."""
    found: list[tuple[str, str]] = []
    for event, (endpoint, permission) in PAGES.items():
        if allowed(permission, VIEW) and not standing.obstacles(enrolment, event, enrolment.action, facts):
            found.append((str(labels.EVENT_LABELS[event]), url_for(endpoint, enrolment_id=enrolment.id)))
    return found


def why_not(enrolment: Enrolment, event: EnrolmentEvent) -> str | None:
    """Why an act is not possible now, and whom to ask; None when it is."""
    if event in _NEED_ONLY_THE_ROW:
        known = LifeFacts(action_status=enrolment.action.status, exit_mendable=standing.may_mend_exit(enrolment))
    else:
        known = life_of([enrolment], enrolment.action)[enrolment.id]
    problems = standing.obstacles(enrolment, event, enrolment.action, known)
    return " ".join(_sentence(enrolment, problem) for problem in problems) or None


def _sentence(enrolment: Enrolment, problem: Problem) -> str:
    from .presenters import whom_to_ask

    text = labels.problem_text(problem)
    if problem.code is ProblemCode.HAS_LEFT and enrolment.actual_end is not None:
        text = _("The trainee left on %(date)s: if that is a mistake, cancel the exit first.", date=fr_long_date(enrolment.actual_end))
    return f"{text} {whom_to_ask(enrolment.action, enrolment.agora_number)}" if problem.code in _ASK else text


def reasons(enrolments: Sequence[Enrolment], life: Mapping[int, LifeFacts]) -> list[tuple[str, str]]:
    """For each enrolment, the acts that are not possible now with the reason: one line for acts that share theirs."""
    found: list[tuple[str, str]] = []
    for enrolment in enrolments:
        by_reason: dict[str, list[str]] = {}
        for event, (_endpoint, permission) in PAGES.items():
            problems = standing.obstacles(enrolment, event, enrolment.action, life[enrolment.id])
            if not allowed(permission, VIEW) or not problems or problems[0].code in _BESIDE_THE_POINT:
                continue
            text = " ".join(_sentence(enrolment, problem) for problem in problems)
            by_reason.setdefault(text, []).append(str(labels.EVENT_LABELS[event]))
        for text, acts in by_reason.items():
            over = registration_blockers(enrolment.action.status)
            found.append((enrolment.component.number, text if over else _("%(acts)s: %(reason)s", acts=", ".join(acts), reason=text)))
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the life of an enrolment."""

    text: str
    reason: str
    who: str


def story(enrolment: Enrolment, beside: Sequence[Enrolment] = ()) -> list[Told]:
    """Interruptions, then the acts that were given a reason, or that link two components.

    ``beside``: the enrolments of the same sheet, by which a change of component is told as it stands now: whoever left for another one and
    whose exit was cancelled since did not go on to it.
    """
    found = [Told(_pause(one.interrupted_on, one.resumed_on), str(labels.PAUSE_LABELS[one.reason]), "") for one in enrolment.interruptions]
    gone: tuple[Told, str] | None = None  # the change of component by which the trainee left, and where to
    for act in enrolment.acts:
        told = _told(act, beside)
        if told is None:
            continue
        if act.kind == EnrolmentEvent.UNDO_EXIT and gone is not None:
            found.remove(gone[0])
            text = _("Exit to the component %(number)s cancelled on %(date)s", number=gone[1], date=fr_date(act.happened_at))
            told, gone = Told(text, told.reason, told.who), None
        elif act.kind == EnrolmentEvent.MOVE and "to" in (act.details or {}):
            gone = told, str((act.details or {})["to"])
        found.append(told)
    return found


def _pause(start: date, end: date | None) -> str:
    if end is None:
        return _("Interrupted since %(date)s", date=fr_date(start))
    return _("Interrupted from %(start)s, back on %(end)s", start=fr_date(start), end=fr_date(end))


def _told(act: EnrolmentAct, beside: Sequence[Enrolment]) -> Told | None:
    details = act.details or {}
    match act.kind:
        case EnrolmentEvent.UNDO_EXIT:
            text = _("Exit cancelled on %(date)s", date=fr_date(act.happened_at))
        case EnrolmentEvent.CANCEL:
            text = _("Enrolled by mistake: cancelled on %(date)s", date=fr_date(act.happened_at))
        case EnrolmentEvent.JUDGE:
            text = _("Outcome corrected on %(date)s: %(outcome)s", date=fr_date(act.happened_at), outcome=labels.OUTCOME_LABELS[details["outcome"]])
        case EnrolmentEvent.MOVE if "to" in details:
            there = [one for one in beside if one.component.number == details["to"]]
            text = _("Went on to the component %(number)s", number=details["to"])
            if there and not standing.standing(there):
                text = _("Went on to the component %(number)s, where the enrolment was cancelled", number=details["to"])
        case EnrolmentEvent.MOVE:
            number = details.get("from", "")
            text = _("Came from the component %(number)s", number=number)
            if any(one.component.number == number and standing.is_in(one) for one in beside):
                text = _("Came from the component %(number)s, whose exit was cancelled since: the trainee is on both", number=number)
        case _:
            return None
    return Told(text, act.reason, who_of(act))
