"""The sheets of a file taken back, in few statements, and what would stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, select

from app.actions.services import recheck_declarations
from app.core import clock
from app.core.extensions import db
from app.core.matrix.plan import Done, Kept, Progress
from app.core.matrix.rows import among, pieces, plain, update_rows
from app.core.tenancy import whole_organisation

from ..identity_models import IdentityCorrection
from ..models import Enrolment, Registration, Trainee
from ..repair.models import NumberRepairLine
from ..services.enrolment import hold_messages, resend_refused, tell_sheets
from .ground import Ground, ground_of
from .trainees_apply import REGISTRATION, TOGETHER, TRAINEE, WHO, who_digest
from .trainees_plan import COLUMNS

#: What may speak of a person besides the sheets (each foreign key, a test compares them), and why the sheet then stays: the person could not go with it.
SPEAKS_OF_PERSON: Final[Mapping[Any, Any]] = {
    IdentityCorrection.trainee_id: _l("A correction of the identity of the trainee has been asked for since: the sheet stays."),
    NumberRepairLine.trainee_id: _l("A file of NIRs has named the trainee since: the sheet stays."),
}
#: What may be built on a sheet, likewise.
BUILT_ON_SHEET: Final = (Enrolment.registration_id,)


def undo(done: list[Done], progress: Progress) -> list[Kept]:
    """See ``core.matrix.plan.Importer``.

    A sheet goes if nothing was built on it and nobody changed it, nor who the person is; a changed field, if it still says what the file said,
    and so do those that go with it.  On an action that is over, or that the account does not see, nothing is touched.
    """
    newcomers, made, changed = _sorted(done)
    ground = ground_of(Registration, [one.subject_id for one in (*made, *changed)], lock=True)
    stay: dict[int, str] = {}
    for some in pieces(newcomers):
        stay |= _people_who_stay(some, lock=True)
    total, ended = len(done), 0
    kept: list[Kept] = []
    actions: set[int] = set()
    for some in pieces(made):
        kept += _take_away(some, actions, stay, ground)
        ended += len(some)
        progress(ended, total)
    for some in pieces(changed):
        kept += _take_back(some, actions, ground)
        ended += len(some)
        progress(ended, total)
    for some in pieces(newcomers):
        _forget([one.subject_id for one in some if one.subject_id not in stay])
        ended += len(some)
        progress(ended, total)
    recheck_declarations(actions)
    return kept


def foresee(some_at_once: Iterable[Sequence[Done]]) -> list[Kept]:
    """See ``core.matrix.plan.Importer``."""
    kept: list[Kept] = []
    stay: dict[int, str] = {}
    for some in some_at_once:  # the people whom a file made come before the sheets
        newcomers, made, changed = _sorted(some)
        stay |= _people_who_stay(newcomers, lock=False)
        ground = ground_of(Registration, [one.subject_id for one in (*made, *changed)], lock=False)
        there, used = _made_sheets(made, lock=False)
        kept += [_kept(one, why) for one in made if (why := _why_it_stays(one, there.get(one.subject_id), used, stay, ground))]
        rows = _changed_sheets(changed, lock=False)
        for one in changed:
            if why := ground.refuses(one.subject_id):
                kept.append(_kept(one, why))
            elif why := _what_stays(one, rows.get(one.subject_id)):
                kept.append(_kept(one, why, whole=not (one.fields or {}).keys() - _edited(one, rows[one.subject_id])))
    return kept


def _sorted(done: Sequence[Done]) -> tuple[list[Done], list[Done], list[Done]]:
    """The people that the file made, the sheets that it made, and those that it changed."""
    sheets = [one for one in done if one.subject == REGISTRATION]
    return (
        [one for one in done if one.subject == TRAINEE], [one for one in sheets if one.fields is None], [one for one in sheets if one.fields is not None],
    )  # fmt: skip


def _kept(one: Done, why: str, *, whole: bool = True) -> Kept:
    return Kept(one.line, one.subject, one.subject_id, why, whole)


def _people_who_stay(newcomers: Sequence[Done], *, lock: bool) -> dict[int, str]:
    """The people whom the file made and who are no more its own, with why their sheet stays.

    ``lock``: nothing more comes to speak of them until the end of the transaction.
    """
    if not newcomers:
        return {}
    after = {one.subject_id: one.fields["who"][1] for one in newcomers if one.fields is not None}
    statement = select(Trainee.id, *(getattr(Trainee, name) for name in WHO)).where(among(Trainee.id, list(after)))
    stay: dict[int, str] = {}
    with whole_organisation():
        people = db.session.execute(statement.with_for_update() if lock else statement).all()
        for column, why in SPEAKS_OF_PERSON.items():
            stay |= dict.fromkeys(db.session.scalars(select(column).where(among(column, list(after))).distinct()), str(why))
    corrected = _("The identity of the trainee has been corrected since: the sheet stays.")
    return stay | {row.id: corrected for row in people if who_digest(row._asdict()) != after[row.id]}


def _made_sheets(made: Sequence[Done], *, lock: bool) -> tuple[dict[int, Any], set[int]]:
    """The sheets that the file made, as far as they are there and seen, and those on which something was built."""
    ids = [one.subject_id for one in made]
    statement = select(Registration.id, Registration.action_id, Registration.trainee_id, Registration.version).where(among(Registration.id, ids))
    there = {row.id: row for row in db.session.execute(statement.with_for_update() if lock else statement)}
    return there, {number for column in BUILT_ON_SHEET for number in db.session.scalars(select(column).where(among(column, ids)).distinct())}


def _why_it_stays(one: Done, row: Any, used: Collection[int], stay: Mapping[int, str], ground: Ground) -> str:
    """Why a sheet that the file made is not taken away; nothing when it is, or is gone already."""
    if (refused := ground.refuses(one.subject_id)) or row is None:
        return refused
    if one.subject_id in used:
        return _("The trainee has been enrolled on a component since: the sheet stays.")
    if row.trainee_id in stay:
        return stay[row.trainee_id]
    return _("The sheet has been changed since: it stays.") if row.version != one.version else ""


def _take_away(made: Sequence[Done], actions: set[int], stay: Mapping[int, str], ground: Ground) -> list[Kept]:
    there, used = _made_sheets(made, lock=True)
    kept, gone = [], []
    for one in made:
        row = there.get(one.subject_id)
        why = _why_it_stays(one, row, used, stay, ground)
        if why:
            kept.append(_kept(one, why))
        elif row is not None:
            gone.append(one.subject_id)
            actions.add(row.action_id)
    if gone:
        db.session.execute(delete(Registration).where(among(Registration.id, gone)).execution_options(synchronize_session=False))
    return kept


def _changed_sheets(changed: Sequence[Done], *, lock: bool) -> dict[int, Any]:
    """The sheets that the file changed, as they are now."""
    columns = [getattr(Registration, name) for name in COLUMNS]
    statement = select(Registration.id, Registration.action_id, *columns).where(among(Registration.id, [one.subject_id for one in changed]))
    return {row.id: row for row in db.session.execute(statement.with_for_update() if lock else statement)}


def _edited(one: Done, row: Any) -> set[str]:
    """The fields that say something else than the file did, and those that go with them."""
    edited = {name for name, (_before, after) in (one.fields or {}).items() if plain(getattr(row, name)) != after}
    return edited.union(*(together for together in TOGETHER if together & edited))


def _what_stays(one: Done, row: Any) -> str:
    """Why some of the fields that the file changed on a sheet are not taken back."""
    return _("Some of the fields have been changed since: these stay.") if row is not None and _edited(one, row) else ""


def _take_back(changed: Sequence[Done], actions: set[int], ground: Ground) -> list[Kept]:
    kept = [_kept(one, why) for one in changed if (why := ground.refuses(one.subject_id))]
    free = [one for one in changed if not ground.refuses(one.subject_id)]
    ids = [one.subject_id for one in free]
    enrolments = db.session.scalars(select(Enrolment.id).where(among(Enrolment.registration_id, ids))).all()
    messages = hold_messages(*enrolments) if enrolments else []
    there = _changed_sheets(free, lock=True)
    rows, now = [], clock.now()
    for one in free:
        row = there.get(one.subject_id)
        if row is None or one.fields is None:
            continue
        if why := _what_stays(one, row):
            kept.append(_kept(one, why))
        edited = _edited(one, row)
        back = {name: before for name, (before, _after) in one.fields.items() if name not in edited}
        if back:
            rows.append({"id": row.id, "updated_at": now, **{name: getattr(row, name) for name in COLUMNS}, **back})
            actions.add(row.action_id)
    update_rows(Registration, rows)
    tell_sheets(messages)
    resend_refused(*(row["id"] for row in rows))
    return kept


def _forget(people: Sequence[int]) -> None:
    """The people that the file made, unless a sheet speaks of them."""
    with whole_organisation():
        used = set(db.session.scalars(select(Registration.trainee_id).where(among(Registration.trainee_id, people)).distinct()))
        gone = [one for one in people if one not in used]
        if gone:
            db.session.execute(delete(Trainee).where(among(Trainee.id, gone)).execution_options(synchronize_session=False))


__all__ = ["BUILT_ON_SHEET", "SPEAKS_OF_PERSON", "foresee", "undo"]
