"""A file of NIRs sent in: checked whole, kept encrypted until confirmed, then applied by a job, a line at a time.

The row of each line is the truth: it is written in the transaction that gives the number, so that a job killed at any moment, or run twice,
gives each number once.  The numbers are dropped with the last line; the report stays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import undefer

from app.actions.services import actor_name
from app.core import clock, context, crypto
from app.core.extensions import db
from app.core.jobs import enqueue
from app.core.nir import NirKind
from app.core.nir.storage import nir_candidates
from app.core.tabular import CellKind, Limits, MissingColumns, read_table
from app.core.tenancy import current_scope, whole_organisation
from app.core.transaction import after_commit, transaction

from ..models import Registration, Trainee
from ..queries import without_nir
from . import rules
from .models import NumberRepair, NumberRepairLine
from .rules import Column, Known, Outcome, Plan, Problem, RepairState, Typed

log = structlog.get_logger(__name__)

#: A file that nobody confirmed is forgotten after that.
LIFETIME: Final = timedelta(hours=2)
LIMITS: Final = Limits(lines=rules.MAX_LINES)
JOB: Final = "app.trainees.jobs:repair_numbers"


class RepairGone(Exception):
    """The file is not there: another organisation's, forgotten, or confirmed already."""


class RepairChanged(Exception):
    """What the file does has changed since the preview: nothing was written."""


def repair_aad(seal_uid: Any) -> bytes:
    """The place of the content of a file."""
    return crypto.column_aad("number_repair", "content", seal_uid)


def check_file(content: bytes) -> int:
    """Read a file, keep what is read of it encrypted and give its id; nothing else is written.  Raises ``tabular.Refused`` and MissingColumns."""
    table = read_table(content, LIMITS)
    places, missing = rules.columns_of(table.header)
    if missing:
        raise MissingColumns(missing)
    kept = {column: place for column, place in places.items() if column in rules.READ}
    lines = [
        [row.number, {column.value: [row.cells[place].text, row.cells[place].kind.value] for column, place in kept.items()}]
        for row in table.rows
    ]
    actor = context.actor_id()
    with transaction() as session:
        mine = NumberRepair.account_id == actor
        session.execute(delete(NumberRepair).where(mine, NumberRepair.state == RepairState.CHECKED.value))
        repair = NumberRepair(
            organisation_id=current_scope().organisation_id, account_id=actor, account_name=actor_name(actor), lines=len(lines)
        )
        session.add(repair)
        session.flush()
        repair.content = _sealed(repair, lines)
        session.flush()
        number = repair.id
    log.info("number_repair_checked", repair=number, lines=len(lines))
    return number


def preview(repair_id: int) -> tuple[NumberRepair, Plan]:
    """What the file would do now.  Raises RepairGone."""
    repair = _checked(repair_id)
    return repair, _plan(repair)


def confirm(repair_id: int, *, expected: int, partial: bool) -> None:
    """Let the job apply the file: as a whole, or (``partial``) the lines that are right; ``expected`` of them, as the preview said.

    Raises RepairGone, or RepairChanged.
    """
    with transaction() as session:
        repair = _checked(repair_id, lock=True)
        plan = _plan(repair)
        if len(plan.apply) != expected or not plan.apply or (plan.wrong and not partial):
            raise RepairChanged(repair_id)
        session.add_all(_rows(repair, plan))
        repair.content = _sealed(repair, [[line.number, line.nir.value] for line in plan.apply if line.nir is not None])
        repair.state, repair.confirmed_at = RepairState.RUNNING.value, clock.now()
        repair.valid = len(plan.apply)
        session.flush()
        after_commit(lambda: enqueue(JOB, repair_id))
    log.info("number_repair_confirmed", repair=repair_id, valid=expected)


def forget(repair_id: int) -> None:
    """Give a checked file up.  Raises RepairGone."""
    with transaction() as session:
        session.delete(_checked(repair_id, lock=True))


def purge_unconfirmed() -> int:
    """Forget the files that nobody confirmed: they hold numbers."""
    with transaction() as session:
        old = delete(NumberRepair).where(NumberRepair.state == RepairState.CHECKED.value, NumberRepair.created_at < clock.now() - LIFETIME)
        return int(session.execute(old).rowcount)  # type: ignore[attr-defined]


def opened_content(repair: NumberRepair) -> Any:
    """What ``_sealed`` kept; None when it was dropped."""
    if repair.content is None:
        return None
    return json.loads(crypto.cipher().decrypt_text(repair.content, repair_aad(repair.seal_uid)))


# ---- parts -------------------------------------------------------------------------------------------------------------


def _sealed(repair: NumberRepair, lines: Any) -> bytes:
    return crypto.cipher().encrypt(json.dumps(lines), repair_aad(repair.seal_uid))


def _checked(repair_id: int, *, lock: bool = False) -> NumberRepair:
    """A file that waits for its confirmation, of whoever sent it: nobody confirms what somebody else has on the screen."""
    statement = (
        select(NumberRepair)
        .where(
            NumberRepair.id == repair_id,
            NumberRepair.state == RepairState.CHECKED.value,
            NumberRepair.account_id == context.actor_id(),
            NumberRepair.created_at > clock.now() - LIFETIME,
        )
        .options(undefer(NumberRepair.content))
        .execution_options(populate_existing=True)
    )
    repair: NumberRepair | None = db.session.scalar(statement.with_for_update() if lock else statement)
    if repair is None:
        raise RepairGone(repair_id)
    return repair


def _plan(repair: NumberRepair) -> Plan:
    lines = [
        rules.read_line(number, {Column(name): Typed(text, kind == CellKind.NUMBER, kind == CellKind.DATE) for name, (text, kind) in cells.items()})
        for number, cells in opened_content(repair) or ()
    ]
    hashes = {line.number: nir_candidates(line.nir) for line in lines if line.nir is not None}
    known = _known({line.trainee_id for line in lines if line.trainee_id is not None}, lines, hashes)
    return rules.plan_of(lines, known, _bearers(lines, hashes))


def _known(ids: set[int], lines: Sequence[rules.Line], hashes: dict[int, tuple[bytes, ...]]) -> dict[int, Known]:
    """The trainees of these references that the account may see: those of its own file (``queries.without_nir``), or that have their number already.

    Nobody else: where no number may be asked (AVENIR) none is taken.
    """
    given = {line.trainee_id: hashes[line.number] for line in lines if line.number in hashes}
    columns = (Trainee.id, Trainee.birth_name, Trainee.birth_date, Trainee.gender, Trainee.nir_kind, Trainee.nir_hash)
    asked = or_(Trainee.nir_kind == NirKind.NIR.value, Trainee.id.in_(select(Registration.trainee_id).where(without_nir())))
    rows = db.session.execute(select(*columns).where(Trainee.id.in_(ids or {-1}), asked))
    return {
        row.id: Known(row.birth_name, row.birth_date, row.gender, row.nir_kind == NirKind.NIR, row.nir_hash in given.get(row.id, ()))
        for row in rows
    }


def _bearers(lines: Sequence[rules.Line], hashes: dict[int, tuple[bytes, ...]]) -> dict[str, int]:
    """Who has these numbers already in the whole organisation, whatever actions the account is limited to."""
    numbers = {digest: line.nir.value for line in lines if line.nir is not None for digest in hashes[line.number]}
    with whole_organisation():
        rows = db.session.execute(select(Trainee.id, Trainee.nir_hash).where(Trainee.nir_hash.in_(numbers or {b""}))).all()
    return {numbers[row.nir_hash]: row.id for row in rows}


def _rows(repair: NumberRepair, plan: Plan) -> list[NumberRepairLine]:
    """The report as it stands at the confirmation; lines left blank are no part of it."""

    def row(number: int, outcome: Outcome, trainee_id: int | None, problem: Problem | None = None, detail: str = "") -> NumberRepairLine:
        return NumberRepairLine(
            organisation_id=repair.organisation_id, repair_id=repair.id, number=number, trainee_id=trainee_id, outcome=outcome.value,
            problem=problem.value if problem else None, detail=detail,
        )  # fmt: skip

    references = {line.number: line.trainee_id for line in plan.lines}
    found = [row(line.number, Outcome.PENDING, line.trainee_id) for line in plan.apply]
    for finding in plan.wrong:
        whose = references[finding.line] if references[finding.line] in plan.known else None
        found.append(row(finding.line, Outcome.WRONG, whose, finding.problem, finding.detail))
    return found


# ---- reading the report ------------------------------------------------------------------------------------------------

SHOWN: Final = 200


def get_repair(repair_id: int) -> NumberRepair | None:
    """A file that was confirmed; None outside the scope."""
    return db.session.scalar(
        select(NumberRepair).where(NumberRepair.id == repair_id, NumberRepair.state != RepairState.CHECKED.value).execution_options(populate_existing=True)
    )


def list_repairs(limit: int = 50) -> list[NumberRepair]:
    """The files of the scope, latest first."""
    statement = select(NumberRepair).where(NumberRepair.state != RepairState.CHECKED.value).order_by(NumberRepair.id.desc()).limit(limit)
    return list(db.session.scalars(statement))


def counts_of(repair_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many lines of each outcome, in one statement."""
    statement = select(NumberRepairLine.repair_id, NumberRepairLine.outcome, func.count()).where(NumberRepairLine.repair_id.in_(repair_ids or [-1]))
    found: dict[int, dict[str, int]] = {}
    for repair_id, outcome, count in db.session.execute(statement.group_by(NumberRepairLine.repair_id, NumberRepairLine.outcome)):
        found.setdefault(repair_id, {})[outcome] = count
    return found


def report_lines(repair_id: int, *, limit: int = SHOWN) -> list[tuple[NumberRepairLine, Trainee | None]]:
    """The lines that gave no number, with the person when the account may see it."""
    statement = (
        select(NumberRepairLine, Trainee)
        .outerjoin(Trainee, Trainee.id == NumberRepairLine.trainee_id)
        .where(NumberRepairLine.repair_id == repair_id, NumberRepairLine.problem.is_not(None))
        .order_by(NumberRepairLine.number)
        .limit(limit)
    )
    return [(line, trainee) for line, trainee in db.session.execute(statement)]


def finish_if_done(repair_id: int) -> bool:
    """Drop the numbers when no line is left to apply; whether it ended."""
    with transaction() as session:
        left = select(NumberRepairLine.id).where(NumberRepairLine.repair_id == NumberRepair.id, NumberRepairLine.outcome == Outcome.PENDING.value)
        ended = session.execute(
            update(NumberRepair)
            .where(NumberRepair.id == repair_id, NumberRepair.state == RepairState.RUNNING.value, ~left.exists())
            .values(state=RepairState.DONE.value, content=None, finished_at=clock.now(), leased_until=None)
            .execution_options(synchronize_session=False)
        )
    return bool(ended.rowcount)  # type: ignore[attr-defined]


__all__ = [
    "JOB", "LIMITS", "SHOWN", "RepairChanged", "RepairGone", "check_file", "confirm", "counts_of", "finish_if_done", "forget",
    "get_repair", "list_repairs", "opened_content", "preview", "purge_unconfirmed", "repair_aad", "report_lines",
]  # fmt: skip

