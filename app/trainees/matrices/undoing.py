"""Taking back what a file did to enrolments, by the portal's own acts: AGORA is told of each as when it is done by hand, never passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.actions.services import lock_action
from app.core.errors_db import translate
from app.core.extensions import db
from app.core.matrix.plan import Done, Kept, Progress
from app.core.matrix.rows import among
from app.core.outbox.publishing import subjects_held
from app.core.tenancy import whole_organisation
from app.core.transaction import part
from app.partners.agora.port import Outcome

from .. import labels
from ..domain import Refused
from ..models import Enrolment, Registration
from ..services import life
from ..services.enrolment import hold_messages, record_exit
from .deeds import ChangePlan, Enrol, Interrupt, JudgeOutcome, Leave, Resume, change_plan, version_of
from .ground import Ground, ground_of
from .lines import batches
from .prospects import plan_before, prospects_of

#: What a Kept is about: the sheet, on which the enrolment is.
_SHEET: Final = "registration"


def undo(done: list[Done], progress: Progress) -> list[Kept]:
    """The last act first.  Kept: what somebody changed since, what the rules of the day refuse, and what nothing takes back."""
    ground = _hold(done)
    rows = _rows(done)
    kept: list[Kept] = []
    with subjects_held():
        for count, one in enumerate(reversed(done)):
            progress(count, len(done))
            row = rows.get(one.subject_id)
            if row is None:  # gone meanwhile
                continue
            why = _why_it_stays(one, row, ground) or _take_back(one)
            if why:
                kept.append(Kept(one.line, _SHEET, row.registration_id, why))
    progress(len(done), len(done))
    return sorted(kept, key=lambda one: one.line)


def foresee(pieces: Iterable[Sequence[Done]]) -> list[Kept]:
    """The same without doing it: the rules are asked as the acts would, one after the other."""
    done = [one for some in pieces for one in some]
    ground = ground_of(Enrolment, {one.subject_id for one in done}, lock=False)
    rows = _rows(done)
    prospects = prospects_of({one.subject_id for one in done if one.subject_id in rows and not _why_it_stays(one, rows[one.subject_id], ground)})
    kept: list[Kept] = []
    for one in reversed(done):
        row = rows.get(one.subject_id)
        if row is None:
            continue
        why = _why_it_stays(one, row, ground) or prospects[one.subject_id].why_not(one)
        if why:
            kept.append(Kept(one.line, _SHEET, row.registration_id, why))
    return sorted(kept, key=lambda one: one.line)


def _why_it_stays(one: Done, row: Any, ground: Ground) -> str:
    """Why an act is not even tried to be taken back; nothing when it is."""
    if refused := ground.refuses(one.subject_id):
        return refused
    if row.version != one.version:
        return _("The enrolment has been changed since: it stays as it is.")
    if one.subject in _FOR_GOOD:
        return _("Nothing takes back an interruption or a return: if it is wrong, ask the assistance, which settles it with AGORA.")
    return ""


def _rows(done: Sequence[Done]) -> dict[int, Any]:
    """The enrolments that are there, also those that the account does not see: it is said of them that they stay."""
    rows: dict[int, Any] = {}
    with whole_organisation():
        for some in batches(sorted({one.subject_id for one in done})):
            statement = select(Enrolment.id, Enrolment.registration_id, Enrolment.version).where(among(Enrolment.id, some))
            rows |= {row.id: row for row in db.session.execute(statement)}
    return rows


def _hold(done: list[Done]) -> Ground:
    """Lock the enrolments that may be touched, with all they depend on, in the order in which the use cases lock."""
    ids = {one.subject_id for one in done}
    alone = {one.subject_id for one in done if one.subject in (Enrol.subject, ChangePlan.subject)}
    seen = ground_of(Enrolment, ids, lock=False)
    exclusive = {seen.actions[number] for number in alone if number in seen.actions}
    for action_id in sorted(seen.statuses):
        lock_action(action_id, share=action_id not in exclusive)
    ground = ground_of(Enrolment, ids, lock=False)
    free = sorted(number for number in ground.actions if not ground.refuses(number))
    for some in batches(free):
        hold_messages(*some)
    sheets = {one for some in batches(free) for one in db.session.scalars(select(Enrolment.registration_id).where(among(Enrolment.id, some)))}
    for some in batches(sorted(sheets)):
        db.session.execute(select(Registration.id).where(among(Registration.id, some)).order_by(Registration.id).with_for_update()).all()
    for some in batches(free):
        db.session.execute(select(Enrolment.id).where(among(Enrolment.id, some)).order_by(Enrolment.id).with_for_update()).all()
    return ground


def _take_back(one: Done) -> str:
    """Take one act back; why it stays, if it does."""
    try:
        with part():
            _BACK[one.subject](one.subject_id, one.fields or {})
    except Refused as refused:
        return " ".join(str(labels.problem_text(problem)) for problem in refused.problems)
    except IntegrityError as error:
        return translate(error)
    return ""


def _reason() -> str:
    return _("Undoing of an import")


def _new(enrolment_id: int, _fields: Mapping[str, Any]) -> None:
    life.take_away(enrolment_id, reason=_reason(), version=version_of(enrolment_id))


def _plan(enrolment_id: int, fields: Mapping[str, Any]) -> None:
    held = db.session.get_one(Enrolment, enrolment_id, populate_existing=True)
    change_plan(enrolment_id, plan_before(held, fields), held.version)


def _exit(enrolment_id: int, fields: Mapping[str, Any]) -> None:
    day, reason = fields["actual_end"][0], fields["exit_reason_id"][0]
    if day is None:
        life.undo_exit(enrolment_id, reason=_reason(), version=version_of(enrolment_id))
        return
    record_exit(enrolment_id, actual_end=date.fromisoformat(day), exit_reason_id=reason, version=version_of(enrolment_id))
    if fields.get("outcome"):
        _outcome(enrolment_id, fields)


def _outcome(enrolment_id: int, fields: Mapping[str, Any]) -> None:
    life.judge(enrolment_id, outcome=Outcome(fields["outcome"][0]), reason=_reason(), version=version_of(enrolment_id))


_BACK: Final = {
    Enrol.subject: _new,
    ChangePlan.subject: _plan,
    Leave.subject: _exit,
    JudgeOutcome.subject: _outcome,
}
#: What the exchange does not let take back.
_FOR_GOOD: Final = frozenset({Interrupt.subject, Resume.subject})

__all__ = ["foresee", "undo"]
