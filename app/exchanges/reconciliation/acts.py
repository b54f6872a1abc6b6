"""What a comparison does about a difference: heals it through the handler of ordinary answers, or gives it to somebody."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app.core import clock
from app.core.extensions import db
from app.core.outbox import Message, console, publish
from app.core.outbox.models import MessageState, OutboxMessage
from app.partners.agora.port import AgoraFileState
from app.trainees.agora import apply_states
from app.trainees.services.enrolment import CREATE, PARTNER, ordering_key

from ..domain import DEADLINES, Assignee, DifferenceKind, DifferenceState, Finding, Ours, Theirs
from ..models import ReconciliationDifference
from .facts import Known

#: Beyond, differences are counted and not written: a partner gone mad must not fill the database.
MOST_WRITTEN: Final = 5_000


@dataclass(slots=True)
class Tally:
    """What a step found, to be added to the report."""

    numbers: Counter[str] = field(default_factory=Counter)

    def note(self, kind: DifferenceKind, what: str) -> None:
        """One difference of this kind: ``found``, ``healed`` or ``assigned``."""
        self.numbers[f"{kind.value}.{what}"] += 1

    def add(self, what: str, count: int = 1) -> None:
        """Files read, compared, left alone…"""
        self.numbers[what] += count

    def onto(self, counts: dict[str, Any]) -> dict[str, Any]:
        """The report with these."""
        return dict(Counter(counts) + self.numbers)


def side(one: Ours | Theirs) -> dict[str, Any]:
    """One side of a difference, to be kept and shown."""
    return {"number": one.number, "status": one.status.value if one.status else None, "version": one.version}


def take(known: Known, theirs: Theirs) -> bool:
    """Keep AGORA's number, status and version as if it had just answered; False when the database refuses (a number that another bears)."""
    message = Message(
        id=0, partner=PARTNER, operation="reconcile", subject_type="enrolment", subject_id=known.enrolment_id, organisation_id=known.organisation_id,
        ordering_key=ordering_key(known.enrolment_id), idempotency_key=uuid4(), params={}, attempts=0,
    )  # fmt: skip
    state = AgoraFileState(number=theirs.number, external_reference=known.reference, status=theirs.status, version=theirs.version, modified_at=clock.now())
    try:
        with db.session.begin_nested():
            apply_states([(message, state)])
    except IntegrityError:
        return False
    if known.held == CREATE:
        _settle_creation(known, theirs)
    return True


def _settle_creation(known: Known, theirs: Theirs) -> None:
    """AGORA has the file after all: what waits behind its creation goes on."""
    stuck = select(OutboxMessage.id).where(
        OutboxMessage.partner == PARTNER,
        OutboxMessage.subject_type == "enrolment",
        OutboxMessage.subject_id == known.enrolment_id,
        OutboxMessage.operation == CREATE,
        OutboxMessage.state.in_((MessageState.REJECTED, MessageState.DEAD)),
    )
    console.mark_settled(list(db.session.scalars(stuck)), reason=f"rapprochement : AGORA tient le dossier {theirs.number}")


def create_again(known: Known) -> None:
    """Put a lost creation in the outbox again: the same reference never makes a second file at AGORA."""
    publish(
        partner=PARTNER, operation=CREATE, subject_type="enrolment", subject_id=known.enrolment_id, ordering_key=ordering_key(known.enrolment_id),
        organisation_id=known.organisation_id,
    )  # fmt: skip


def healed(run_id: int, known: Known, kind: DifferenceKind, theirs: Theirs | None, tally: Tally) -> None:
    """Write down what was healed; a difference that was open about this file is over."""
    tally.note(kind, "found")
    tally.note(kind, "healed")
    now = clock.now()
    former = _open(known.reference)
    if former is not None:
        former.state, former.closed_at, former.last_run_id = DifferenceState.HEALED.value, now, run_id
        former.theirs = side(theirs) if theirs else {}
        return
    _write(
        tally,
        run_id=run_id, last_run_id=run_id, partner=PARTNER, kind=kind.value, organisation_id=known.organisation_id, enrolment_id=known.enrolment_id,
        reference=known.reference, ours=side(known.ours), theirs=side(theirs) if theirs else {},
        state=DifferenceState.HEALED.value, found_at=now, closed_at=now,
    )  # fmt: skip


def assigned(
    run_id: int, kind: DifferenceKind, assignee: Assignee, tally: Tally, *, reference: str, known: Known | None = None, theirs: Theirs | None = None
) -> None:
    """Give a difference to somebody, with a day; one that is open already keeps its day."""
    tally.note(kind, "found")
    tally.note(kind, "assigned")
    former = _open(reference)
    ours = side(known.ours) if known else {}
    if former is not None:
        former.kind, former.last_run_id, former.ours, former.theirs = kind.value, run_id, ours, side(theirs) if theirs else {}
        former.assignee = assignee.value
        return
    _write(
        tally,
        run_id=run_id, last_run_id=run_id, partner=PARTNER, kind=kind.value, organisation_id=known.organisation_id if known else None,
        enrolment_id=known.enrolment_id if known else None, reference=reference, ours=ours, theirs=side(theirs) if theirs else {},
        state=DifferenceState.OPEN.value, assignee=assignee.value, due_on=clock.today() + timedelta(days=DEADLINES[assignee]), found_at=clock.now(),
    )  # fmt: skip


def _open(reference: str) -> ReconciliationDifference | None:
    difference = ReconciliationDifference
    statement = select(difference).where(difference.partner == PARTNER, difference.reference == reference, difference.state == DifferenceState.OPEN.value)
    return db.session.scalars(statement.with_for_update()).one_or_none()


def _write(tally: Tally, **values: Any) -> None:
    if tally.numbers["written"] >= MOST_WRITTEN:
        tally.add("untold")
        return
    tally.add("written")
    db.session.execute(insert(ReconciliationDifference).values(**values))


def treat(run_id: int, known: Known, theirs: Theirs, finding: Finding, tally: Tally) -> None:
    """Heal one difference, or give it to somebody, or both: what AGORA knows is taken, what only people know is asked of them."""
    if finding.heal and known.told:
        if take(known, theirs):
            healed(run_id, known, finding.kind, theirs, tally)
            if finding.assignee is not None:
                assigned(run_id, DifferenceKind.STATUS, finding.assignee, tally, reference=known.reference, known=known, theirs=theirs)
            return
        assigned(run_id, DifferenceKind.NUMBER, Assignee.REGION, tally, reference=known.reference, known=known, theirs=theirs)
        return
    assigned(run_id, finding.kind, finding.assignee or Assignee.REGION, tally, reference=known.reference, known=known, theirs=theirs)


__all__ = ["MOST_WRITTEN", "Tally", "assigned", "create_again", "healed", "side", "take", "treat"]
