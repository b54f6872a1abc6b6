"""Taking back what a file did to enrolments, by the portal's own acts: AGORA is told of each as when it is done by hand, never passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
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
from app.core.transaction import part
from app.partners.agora.port import Outcome

from .. import labels
from ..domain import EnrolmentPlan, Refused
from ..models import Enrolment, Registration
from ..services import life
from ..services.enrolment import PLAN_FIELDS, hold_messages, record_exit
from .deeds import ChangePlan, Enrol, Interrupt, JudgeOutcome, Leave, Resume, change_plan, version_of
from .lines import batches

#: What a Kept is about: the sheet, on which the enrolment is.
_SHEET: Final = "registration"


def undo(done: list[Done], progress: Progress) -> list[Kept]:
    """The last act first.  Kept: what somebody changed since, what the rules of the day refuse, and what nothing takes back."""
    rows = _held(done)
    kept: list[Kept] = []
    with subjects_held():
        for count, one in enumerate(reversed(done)):
            progress(count, len(done))
            row = rows.get(one.subject_id)
            if row is None:  # gone meanwhile
                continue
            why = _why_it_stays(one, row) or _take_back(one)
            if why:
                kept.append(Kept(one.line, _SHEET, row.registration_id, why))
    progress(len(done), len(done))
    return sorted(kept, key=lambda one: one.line)


def foresee(pieces: Iterable[Sequence[Done]]) -> list[Kept]:
    """What somebody changed since, and what nothing takes back; the rules of the day are asked when it is undone."""
    kept: list[Kept] = []
    for some in pieces:
        statement = select(Enrolment.id, Enrolment.registration_id, Enrolment.version).where(among(Enrolment.id, {one.subject_id for one in some}))
        rows = {row.id: row for row in db.session.execute(statement)}
        for one in some:
            row = rows.get(one.subject_id)
            if row is None:
                continue
            why = _why_it_stays(one, row)
            if why:
                kept.append(Kept(one.line, _SHEET, row.registration_id, why))
    return kept


def _why_it_stays(one: Done, row: Any) -> str:
    """Why an act is not even tried to be taken back; nothing when it is."""
    if row.version != one.version:
        return _("The enrolment has been changed since: it stays as it is.")
    if one.subject in _FOR_GOOD:
        return _("Nothing takes back an interruption or a return: if it is wrong, ask the assistance, which settles it with AGORA.")
    return ""


def _held(done: list[Done]) -> dict[int, Any]:
    """The enrolments as they are, with all they depend on, locked in the order in which the use cases lock."""
    ids = sorted({one.subject_id for one in done})
    alone = {one.subject_id for one in done if one.subject in (Enrol.subject, ChangePlan.subject)}
    actions: dict[int, bool] = {}
    for some in batches(ids):
        for enrolment_id, action_id in db.session.execute(select(Enrolment.id, Enrolment.action_id).where(Enrolment.id.in_(some))):
            actions[action_id] = actions.get(action_id, False) or enrolment_id in alone
    for action_id, exclusive in sorted(actions.items()):
        lock_action(action_id, share=not exclusive)
    rows: dict[int, Any] = {}
    for some in batches(ids):
        hold_messages(*some)
    sheets = {one for some in batches(ids) for one in db.session.scalars(select(Enrolment.registration_id).where(among(Enrolment.id, some)))}
    for some in batches(sorted(sheets)):
        db.session.execute(select(Registration.id).where(among(Registration.id, some)).order_by(Registration.id).with_for_update()).all()
    for some in batches(ids):
        statement = select(Enrolment.id, Enrolment.registration_id, Enrolment.version).where(Enrolment.id.in_(some)).order_by(Enrolment.id)
        rows |= {row.id: row for row in db.session.execute(statement.with_for_update())}
    return rows


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
    values = {name: _BEFORE[name](fields[name][0]) if name in fields else getattr(held, name) for name in PLAN_FIELDS}
    change_plan(enrolment_id, EnrolmentPlan(**values), held.version)


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
#: Values of the plan as they were, from JSON.
_BEFORE: Final[Mapping[str, Any]] = {
    "planned_start": date.fromisoformat, "planned_end": date.fromisoformat, "site_id": int, "hours_centre": Decimal, "hours_company": Decimal,
}  # fmt: skip

__all__ = ["foresee", "undo"]
