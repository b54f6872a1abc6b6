"""The sheets of a file, written in few statements, and taken back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import select

from app.actions.services import recheck_declarations
from app.core import clock, crypto
from app.core.extensions import db
from app.core.matrix.plan import Act, Done, Outdated, Plan, Progress, Step
from app.core.matrix.rows import among, insert_made, new_ids, pieces, plain, update_rows
from app.core.nir import Nir
from app.core.nir.storage import nir_aad, nir_index
from app.core.tenancy import whole_organisation
from app.core.textsearch import fold

from ..domain import IdentitySource
from ..models import Enrolment, Registration, Trainee
from ..services.enrolment import hold_messages, resend_refused, tell_sheets
from ..services.identity import Person
from .trainees import CIVIL
from .trainees_plan import COLUMNS, Change, Sheet

TRAINEE, REGISTRATION = "trainee", "registration"
#: Columns that say one thing together: taken back together, or not at all.
TOGETHER: Final = (
    frozenset({"postal_code", "town", "insee_code", "cedex"}),
    frozenset({"ft_registered", "ft_number", "ft_registered_on", "ft_agency_code"}),
    frozenset({"esf_state", "esf_parent_abroad", "esf_birth_postal_code", "esf_homeless"}),
)
#: What tells whether somebody changed who a person is; the check with AGORA changes none of it.
WHO: Final = (*CIVIL, "nir_kind", "nir_masked")


def apply(plan: Plan, progress: Progress) -> list[Done]:
    """See ``core.matrix.plan.Importer``."""
    made = [step for step in plan.steps if step.act is Act.CREATE]
    changed = [step for step in plan.steps if step.act is Act.CHANGE]
    total = 2 * len(made) + len(changed)
    done, names = _people([step for step in made if step.data.trainee_id is None], lambda count: progress(count, total))
    done += _sheets(made, names, lambda count: progress(len(made) + count, total))
    done += _change(changed)
    recheck_declarations({step.data.where.id for step in (*made, *changed)})
    progress(total, total)
    return done


def _people(newcomers: Sequence[Step], progress: Callable[[int], None]) -> tuple[list[Done], dict[int, str]]:
    """Whom the organisation does not know yet, and how lists sort each by id; somebody who is new on two actions of the file is one person."""
    first: dict[Any, Step] = {}
    for step in newcomers:
        first.setdefault(_essence(step.data), step)
    with whole_organisation():  # a newcomer has no registration yet: an account limited to some actions would not see it
        for step, trainee_id in zip(first.values(), new_ids(Trainee, len(first)), strict=True):
            step.data.trainee_id = trainee_id
        now = clock.now().isoformat()
        done: list[Done] = []
        names: dict[int, str] = {}

        def made() -> Iterator[list[dict[str, Any]]]:
            for some in pieces(list(first.values())):
                rows = [_trainee_row(step.data, now) for step in some]
                yield rows
                done.extend(Done(step.line, TRAINEE, row["id"], 1, {"who": (None, who_digest(row))}) for step, row in zip(some, rows, strict=True))
                names.update((row["id"], row["sort_name"]) for row in rows)

        insert_made(Trainee, made(), progress)
    for step in newcomers:
        step.data.trainee_id = first[_essence(step.data)].data.trainee_id
    return done, names


def who_digest(row: Mapping[str, Any]) -> str:
    """A digest of who a person is, to be compared later."""
    return hashlib.sha256("\x1f".join(str(plain(row[name]) or "") for name in WHO).encode()).hexdigest()


def _sheets(steps: Sequence[Step], names: dict[int, str], progress: Callable[[int], None]) -> list[Done]:
    now, done = clock.now().isoformat(), []
    ids = iter(new_ids(Registration, len(steps)))
    with whole_organisation():
        known = sorted({step.data.trainee_id for step in steps} - names.keys())
        for some in pieces(known):
            names |= {row.id: row.sort_name for row in db.session.execute(select(Trainee.id, Trainee.sort_name).where(among(Trainee.id, some)))}

    def made() -> Iterator[list[dict[str, Any]]]:
        for some in pieces(steps):
            rows = []
            for step, registration_id in zip(some, ids, strict=False):  # ids of the pieces to come follow
                sheet: Sheet = step.data
                rows.append(
                    {
                        "id": registration_id, "organisation_id": sheet.where.organisation_id, "action_id": sheet.where.id,
                        "trainee_id": sheet.trainee_id, "sort_name": names[sheet.trainee_id or 0], "version": 1, "created_at": now, "updated_at": now,
                        **dict(zip(COLUMNS, sheet.new, strict=True)),
                    }
                )  # fmt: skip
                done.append(Done(step.line, REGISTRATION, registration_id, 1))
            yield rows

    insert_made(Registration, made(), progress)
    return done


def _essence(sheet: Sheet) -> Any:
    """What tells one newcomer of the file from another."""
    if sheet.nir is not None or sheet.person is None:
        return sheet.nir.value if sheet.nir is not None else None
    return _sort_name(sheet.person), sheet.person.birth_date, sheet.person.gender


def _sort_name(person: Person) -> str:
    return fold(f"{person.usual_name or person.birth_name} {person.first_name}")[:130]


def _trainee_row(sheet: Sheet, now: Any) -> dict[str, Any]:
    person, nir = sheet.person, sheet.nir
    assert person is not None  # noqa: S101 - a line that makes somebody says who
    seal_uid = uuid4()
    return {
        "id": sheet.trainee_id, "organisation_id": sheet.where.organisation_id, "seal_uid": seal_uid, "civility": person.civility.value,
        "birth_name": person.birth_name, "usual_name": person.usual_name, "first_name": person.first_name, "birth_date": person.birth_date,
        "gender": person.gender.value, "identity_source": IdentitySource.TYPED.value, "sort_name": _sort_name(person),
        "nir_kind": nir.kind.value if nir else None, "nir_masked": nir.masked if nir else "",
        "nir_hash": nir_index(nir) if nir else None, "nir_ciphertext": _sealed(nir, seal_uid) if nir else None,
        "version": 1, "created_at": now, "updated_at": now,
    }  # fmt: skip


def _sealed(nir: Nir, seal_uid: Any) -> bytes:
    return crypto.cipher().encrypt(nir.value, nir_aad(Trainee.__tablename__, seal_uid))


def _change(steps: Sequence[Step]) -> list[Done]:
    """The sheets that are there; what AGORA was told of them, or refused, is told again."""
    if not steps:
        return []
    now = clock.now()
    changes: list[Change] = [step.data.change for step in steps]
    ids = [one.registration_id for one in changes]
    enrolments = db.session.scalars(select(Enrolment.id).where(among(Enrolment.registration_id, ids))).all()
    messages = hold_messages(*enrolments) if enrolments else []
    held = select(Registration.id, Registration.version, *(getattr(Registration, name) for name in COLUMNS)).where(among(Registration.id, ids))
    there = {row.id: row for row in db.session.execute(held.with_for_update())}
    for step, one in zip(steps, changes, strict=True):  # a page may change a sheet while the plan is made: nobody overwrites anybody
        row, expected = there.get(one.registration_id), one.whole | one.before
        if row is None or any(getattr(row, name) != expected[name] for name in COLUMNS):
            raise Outdated(step.line)
    update_rows(Registration, [{"id": one.registration_id, "updated_at": now, **one.whole} for one in changes])
    tell_sheets(messages)
    resend_refused(*ids)
    return [
        Done(step.line, REGISTRATION, one.registration_id, there[one.registration_id].version + 1, _pairs(one))
        for step, one in zip(steps, changes, strict=True)
    ]


def _pairs(change: Change) -> dict[str, tuple[Any, Any]]:
    """Before and after, of what changes and of what goes with it."""
    names = set(change.values).union(*(together for together in TOGETHER if together & change.values.keys()))
    return {name: (change.before[name] if name in change.before else change.whole[name], change.whole[name]) for name in sorted(names)}


__all__ = ["TOGETHER", "WHO", "apply", "who_digest"]
