"""Where enrolments stand and what may be done with them, from their rows: the bridge between ``life`` and the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, func, select

from app.actions.models import Action
from app.actions.queries import declarations_in_force
from app.core.extensions import db
from app.core.matrix.rows import among
from app.partners.agora.port import FileStatus, Outcome

from . import life
from .domain import AgoraState, Problem
from .life import Completion, EnrolmentEvent, EnrolmentState, LifeFacts, Path, Pause
from .models import Enrolment

#: What counts: an enrolment made by mistake counts for nothing any more.
STANDING: ColumnElement[bool] = Enrolment.cancelled_at.is_(None)


def may_mend_exit(enrolment: Enrolment) -> bool:
    """An exit that AGORA does not hold: never told (outside the flow, NIR awaited), refused, or of a file it refused before.

    Once AGORA has it the exit is cancelled, then entered again: a file "sortie" takes no second exit.
    """
    if enrolment.actual_end is not None and enrolment.agora_state in (AgoraState.NOT_CONCERNED, AgoraState.WAITING_NIR):
        return True
    refused = (enrolment.agora_refusal or {}).get("operation")
    return enrolment.actual_end is not None and enrolment.agora_state == AgoraState.REJECTED and refused in ("create_file", "exit_file")


def path_of(enrolment: Enrolment) -> Path:
    """The dates of an enrolment, interruptions included."""
    pauses = tuple(Pause(one.interrupted_on, one.resumed_on) for one in enrolment.interruptions)
    return Path(enrolment.planned_start, enrolment.planned_end, enrolment.actual_end, pauses)


def state_of(enrolment: Enrolment, action_status: str) -> EnrolmentState:
    """Where one enrolment stands."""
    return life.state_of(
        action_status=action_status,
        agora_status=enrolment.agora_status,
        actual_end=enrolment.actual_end,
        cancelled=enrolment.cancelled_at is not None,
        interrupted=any(one.resumed_on is None for one in enrolment.interruptions),
    )


def file_status(enrolment: Enrolment) -> FileStatus:
    """Where the file stands, as AGORA last said; a number without status is a file just entered."""
    return FileStatus(enrolment.agora_status) if enrolment.agora_status is not None else FileStatus.ENTERED


def completion_of(enrolment: Enrolment) -> Completion:
    """How much of the training was done."""
    return life.completion(path_of(enrolment), enrolment.hours_centre + enrolment.hours_company)


def outcome_of(enrolment: Enrolment) -> Outcome:
    """The réalisation that stands: as corrected, or as it was told; else computed."""
    return Outcome(enrolment.outcome) if enrolment.outcome is not None else completion_of(enrolment).outcome


def facts_of(enrolments: Sequence[Enrolment], action: Action, *, region: bool = False) -> dict[int, LifeFacts]:
    """What the acts on enrolments of one action depend on: two statements, whatever their number."""
    return facts_on(enrolments, {action.id: action}, region=region)


def facts_on(enrolments: Sequence[Enrolment], actions: Mapping[int, Action], *, region: bool = False) -> dict[int, LifeFacts]:
    """The same on several actions."""
    if not enrolments:
        return {}
    declared = {one.action_id for one in declarations_in_force(actions.keys())}
    alone = _only_entries({one.id: one.actual_start for one in actions.values() if one.actual_start is not None})
    return {
        one.id: LifeFacts(
            action_status=actions[one.action_id].status,
            declared=one.action_id in declared,
            interruptions=len(one.interruptions),
            exit_undone=any(act.kind == EnrolmentEvent.UNDO_EXIT for act in one.acts),
            exit_mendable=may_mend_exit(one),
            opens_action=actions[one.action_id].actual_start if one.id in alone else None,
            region=region,
        )
        for one in enrolments
    }


#: Entries of the action under way that the database does not show: enrolment → its planned start.
_rehearsed: ContextVar[Mapping[int, date]] = ContextVar("rehearsed_entries", default={})  # noqa: B039 - read only, so safe to share


@contextmanager
def rehearsed_entries(entries: Mapping[int, date]) -> Iterator[None]:
    """Judge acts on one action as if these of its enrolments, made or moved by acts taken back since, started on these days.

    An action is opened by its entries: it is all by which an act on one enrolment bears on those of another trainee.
    """
    token = _rehearsed.set(entries)
    try:
        yield
    finally:
        _rehearsed.reset(token)


def _only_entries(starts: Mapping[int, date]) -> set[int]:
    """The enrolments by which actions (with their day of opening) are open, when no other entered as early: on that day, or first of all since."""
    if not starts:
        return set()
    rehearsed = _rehearsed.get()
    place = func.row_number().over(partition_by=Enrolment.action_id, order_by=(Enrolment.planned_start, Enrolment.id)).label("place")
    standing = select(Enrolment.action_id, Enrolment.planned_start, Enrolment.id, place).where(among(Enrolment.action_id, starts), STANDING)
    if rehearsed:
        standing = standing.where(~among(Enrolment.id, rehearsed))
    earliest = standing.subquery()
    # What is rehearsed is all of one action.
    entries: dict[int, list[tuple[date, int]]] = {one: [(day, enrolment) for enrolment, day in rehearsed.items()] for one in starts}
    for row in db.session.execute(select(earliest).where(earliest.c.place <= 2)):
        entries[row.action_id].append((row.planned_start, row.id))
    first = {one: sorted(days)[:2] for one, days in entries.items()}
    return {days[0][1] for one, days in first.items() if len(days) == 1 or (len(days) == 2 and days[1][0] > max(days[0][0], starts[one]))}


def obstacles(enrolment: Enrolment, event: EnrolmentEvent, action: Action, facts: LifeFacts | None = None) -> tuple[Problem, ...]:
    """Everything that forbids an act now."""
    known = facts if facts is not None else facts_of([enrolment], action)[enrolment.id]
    return life.obstacles(state_of(enrolment, action.status), event, known)


def is_in(enrolment: Enrolment) -> bool:
    """Whether the trainee is on the component: no exit, and not enrolled by mistake."""
    return enrolment.actual_end is None and enrolment.cancelled_at is None


def standing(enrolments: Sequence[Any]) -> list[Any]:
    """Those that count."""
    return [one for one in enrolments if one.cancelled_at is None]
