"""The job that applies a confirmed file: each number is checked against AGORA's identity, at a measured pace, then given; what waited for it leaves.

Nothing is asked of AGORA inside a transaction.  Killed, it is taken up where it stopped; silent AGORA, it waits and tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import undefer

from app.accounts.models import Organisation
from app.actions.models import Action, Contract
from app.core import clock
from app.core.extensions import db
from app.core.jobs import enqueue
from app.core.jobs.runner import interrupted
from app.core.nir import Nir, parse
from app.core.nir.storage import nir_candidates
from app.core.outbox import circuit
from app.core.outbox.breaker import Permission
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.partners.agora.port import Caller, IdentityQuery
from app.reference.models import Programme

from ..domain import IdentitySource, IdentityState, Refused
from ..models import Registration, Trainee
from ..services.correction import settle
from ..services.identity import Person, same_person
from .models import NumberRepair, NumberRepairLine
from .rules import Outcome, Problem, RepairState
from .service import JOB, finish_if_done, opened_content

log = structlog.get_logger(__name__)

#: Searches of identities a file may ask of AGORA in a second: people in front of their screens go first.  Each worker that applies one
#: counts for itself (docs/operations.md).
SEARCHES_PER_SECOND: Final = 5
#: Longer than the slowest line; another worker takes a silent one's file up after that.
LEASE: Final = timedelta(seconds=90)
#: How long to wait when AGORA is silent.
PAUSE: Final = timedelta(seconds=60)
#: A job makes room after that, and goes on in another.
PORTION: Final = 45.0
#: Beyond, what AGORA never answered is given back to the organisation, and the numbers are dropped.
GIVEN_UP: Final = timedelta(days=7)

Ask = Callable[[IdentityQuery], tuple[IdentityState, Person | None]]


class _AlreadyGiven(Exception):
    """The trainee has this very number meanwhile."""


class _HasAnother(Exception):
    """The trainee was given another number meanwhile."""


@dataclass(frozen=True, slots=True, repr=False)
class _Task:
    """One line to apply, as read before AGORA is asked."""

    line_id: int
    trainee_id: int
    nir: Nir
    person: Person
    asks: bool
    #: An operator paused AGORA, or AGORA asked everybody to be silent (429): a file can wait.
    barred: bool


def run(repair_id: int, ask: Ask) -> None:
    """Apply what is left of a file."""
    found = _taken(repair_id)
    if found is None:
        return
    organisation_id, account_id, siret, numbers = found
    begin = last = time.monotonic()
    while (task := _next(repair_id, numbers)) is not None:
        state, person = IdentityState.FOUND, None
        if task.asks:
            if task.barred:
                _wait(repair_id)
                return
            time.sleep(pause(last, time.monotonic()))
            last = time.monotonic()
            caller = Caller(actor_id=str(account_id or "system"), siret=siret)
            state, person = ask(IdentityQuery(nir=task.nir.number, key=task.nir.key, birth_name=task.person.birth_name, caller=caller))
            if state is IdentityState.UNAVAILABLE:
                _wait(repair_id)
                return
        _settle(repair_id, task, state, person, organisation_id=organisation_id, account_id=account_id)
        if interrupted() or time.monotonic() - begin > PORTION:
            _hold(repair_id, None)
            enqueue(JOB, repair_id)
            return
    if finish_if_done(repair_id):
        log.info("number_repair_done", repair=repair_id)


def pause(last: float, now: float) -> float:
    """How long to wait before asking AGORA again, ``last`` being when it was asked."""
    return max(0.0, last + 1 / SEARCHES_PER_SECOND - now)


def due() -> list[int]:
    """Files whose job was lost, or that waited for AGORA long enough."""
    statement = select(NumberRepair.id).where(NumberRepair.state == RepairState.RUNNING.value, _free())
    return list(db.session.scalars(statement.order_by(NumberRepair.id).limit(50)))


def give_up_old() -> int:
    """End the files that AGORA left without an answer for too long; gives how many lines are given back."""
    with transaction() as session:
        old = select(NumberRepair.id).where(NumberRepair.state == RepairState.RUNNING.value, NumberRepair.confirmed_at < clock.now() - GIVEN_UP)
        ids = session.scalars(old).all()
        given_back = session.execute(
            update(NumberRepairLine)
            .where(NumberRepairLine.repair_id.in_(ids), NumberRepairLine.outcome == Outcome.PENDING.value)
            .values(outcome=Outcome.REFUSED.value, problem=Problem.AGORA_SILENT.value)
            .execution_options(synchronize_session=False)
        )
        for repair_id in ids:
            finish_if_done(repair_id)
    return int(given_back.rowcount)  # type: ignore[attr-defined]


# ---- parts -------------------------------------------------------------------------------------------------------------


def _free() -> Any:
    return or_(NumberRepair.leased_until.is_(None), NumberRepair.leased_until < clock.now())


def _taken(repair_id: int) -> tuple[int, int | None, str, dict[int, str]] | None:
    """Take the file for this worker: organisation, account, SIRET, and the numbers by line.  None when another has it, or nothing is left."""
    with transaction() as session:
        mine = session.scalar(
            update(NumberRepair)
            .where(NumberRepair.id == repair_id, NumberRepair.state == RepairState.RUNNING.value, _free())
            .values(leased_until=clock.now() + LEASE)
            .returning(NumberRepair.id)
            .execution_options(synchronize_session=False)
        )
        if mine is None:
            return None
        repair = session.scalars(select(NumberRepair).where(NumberRepair.id == repair_id).options(undefer(NumberRepair.content))).one()
        siret = session.scalars(select(Organisation.siret).where(Organisation.id == repair.organisation_id)).one()
        return repair.organisation_id, repair.account_id, siret, {int(number): text for number, text in opened_content(repair) or ()}


def _wait(repair_id: int) -> None:
    _hold(repair_id, clock.now() + PAUSE)
    log.info("number_repair_waits", repair=repair_id)


def _hold(repair_id: int, until: Any) -> None:
    with transaction() as session:
        held = update(NumberRepair).where(NumberRepair.id == repair_id, NumberRepair.state == RepairState.RUNNING.value).values(leased_until=until)
        session.execute(held.execution_options(synchronize_session=False))


def _next(repair_id: int, numbers: dict[int, str]) -> _Task | None:
    """The next line to apply; its transaction ends before AGORA is asked."""
    flow = (
        select(func.bool_or(Programme.agora_enabled))
        .select_from(Registration)
        .join(Action, Action.id == Registration.action_id)
        .join(Contract, Contract.id == Action.contract_id)
        .join(Programme, Programme.id == Contract.programme_id)
        .where(Registration.trainee_id == Trainee.id)
        .scalar_subquery()
    )
    with bound_scope(Scope.system()), transaction() as session:
        row = session.execute(
            select(NumberRepairLine.id, NumberRepairLine.number, Trainee, flow)
            .join(Trainee, Trainee.id == NumberRepairLine.trainee_id)
            .where(NumberRepairLine.repair_id == repair_id, NumberRepairLine.outcome == Outcome.PENDING.value)
            .order_by(NumberRepairLine.number)
            .limit(1)
        ).one_or_none()
        if row is None:
            return None
        line_id, number, trainee, asks = row
        barred = bool(asks) and circuit.read(session, "agora").permission is Permission.NOTHING
        return _Task(line_id, trainee.id, parse(numbers[number]), Person.of(trainee), bool(asks), barred)


#: What AGORA's answer means for a line.
_SAID: Final = {IdentityState.MISMATCH: Problem.AGORA_NAME, IdentityState.UNKNOWN: Problem.AGORA_UNKNOWN}


def _settle(
    repair_id: int, task: _Task, state: IdentityState, found: Person | None, *, organisation_id: int, account_id: int | None
) -> None:
    """Give the number and note it, in one transaction; or note why not."""
    problem = _SAID.get(state)
    if problem is None and found is not None and not same_person(task.person, found):
        problem = Problem.AGORA_DIFFERENT
    if problem is None:
        try:
            _give(repair_id, task, found, organisation_id=organisation_id, account_id=account_id)
        except _AlreadyGiven:
            pass
        except _HasAnother:
            problem = Problem.HAS_NUMBER
        except Refused:
            problem = Problem.TAKEN
        except LookupError:
            problem = Problem.GONE
        else:
            return
    with transaction():
        _note(repair_id, task.line_id, problem)


def _give(repair_id: int, task: _Task, found: Person | None, *, organisation_id: int, account_id: int | None) -> None:
    def write(trainee: Trainee) -> None:
        if trainee.nir_kind == "NIR":
            raise _AlreadyGiven if trainee.nir_hash in nir_candidates(task.nir) else _HasAnother
        if found is not None:
            trainee.identity_source, trainee.identity_finding, trainee.identity_checked_at = IdentitySource.AGORA.value, "same", clock.now()
        else:
            trainee.identity_finding = trainee.identity_checked_at = None

    with bound_scope(Scope.organisation(organisation_id), actor_id=account_id), transaction():
        if _note(repair_id, task.line_id, None):
            settle(organisation_id, task.trainee_id, task.nir, write)


def _note(repair_id: int, line_id: int, problem: Problem | None) -> bool:
    """Mark the line, once, and keep the file for this worker: whether the line still waited."""
    outcome = Outcome.REFUSED if problem else Outcome.SAVED
    noted = db.session.execute(
        update(NumberRepairLine)
        .where(NumberRepairLine.id == line_id, NumberRepairLine.outcome == Outcome.PENDING.value)
        .values(outcome=outcome.value, problem=problem.value if problem else None)
        .execution_options(synchronize_session=False)
    )
    if not noted.rowcount:  # type: ignore[attr-defined]
        return False
    counted = update(NumberRepair).where(NumberRepair.id == repair_id).values(done=NumberRepair.done + 1, leased_until=clock.now() + LEASE)
    db.session.execute(counted.execution_options(synchronize_session=False))
    return True
