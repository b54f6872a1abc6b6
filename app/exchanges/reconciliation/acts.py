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
from app.trainees.agora import NO_NUMBER, apply_states
from app.trainees.services.enrolment import CREATE, PARTNER, ordering_key

from ..domain import DEADLINES, Assignee, DifferenceKind, DifferenceState, Finding, Ours, Theirs
from ..models import ReconciliationDifference
from .facts import Known

#: Beyond, differences are counted and not written: a partner gone mad must not fill the database.
MOST_WRITTEN: Final = 5_000


@dataclass(slots=True)
class Tally:
    """What a step found, to be added to the report. ``before``: differences that the run had written down already."""

    before: int = 0
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
            # first, so that the answer finds nothing more ahead than what really follows
            _free_what_waits(known, theirs)
            apply_states([(message, state)])
    except IntegrityError:
        return False
    return True


def _free_what_waits(known: Known, theirs: Theirs) -> None:
    """AGORA has the file after all: its creation is settled, and what the portal refused for want of a number leaves again."""
    if known.held is None or known.ours.number is not None:
        return
    of_file = (OutboxMessage.partner == PARTNER, OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == known.enrolment_id)
    reason = f"rapprochement : AGORA tient le dossier {theirs.number}"
    stuck = (MessageState.REJECTED, MessageState.DEAD)
    creations = select(OutboxMessage.id).where(*of_file, OutboxMessage.operation == CREATE, OutboxMessage.state.in_(stuck))
    console.mark_settled(list(db.session.scalars(creations)), reason=reason)
    unnamed = select(OutboxMessage.id).where(*of_file, OutboxMessage.state == MessageState.REJECTED, OutboxMessage.last_error_code == NO_NUMBER)
    console.replay_those(unnamed, reason=reason)


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
    former = _latest(known.reference)
    if former is not None and former.state == DifferenceState.OPEN.value:
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
    """Give a difference to somebody, with a day; one that is open already keeps its day, and one settled by hand comes back only as another."""
    ours, others = side(known.ours) if known else {}, side(theirs) if theirs else {}
    former = _latest(reference)
    if (
        former is not None
        and former.state == DifferenceState.SETTLED.value
        and (former.kind, former.theirs) == (kind.value, others)
        and ours in (former.ours, others)  # the portal's side as it was, or once AGORA's was taken
    ):
        return
    tally.note(kind, "found")
    tally.note(kind, "assigned")
    if former is not None and former.state == DifferenceState.OPEN.value:
        former.kind, former.last_run_id, former.ours, former.theirs = kind.value, run_id, ours, others
        former.assignee = assignee.value
        return
    _write(
        tally,
        run_id=run_id, last_run_id=run_id, partner=PARTNER, kind=kind.value, organisation_id=known.organisation_id if known else None,
        enrolment_id=known.enrolment_id if known else None, reference=reference, ours=ours, theirs=others,
        state=DifferenceState.OPEN.value, assignee=assignee.value, due_on=clock.today() + timedelta(days=DEADLINES[assignee]), found_at=clock.now(),
    )  # fmt: skip


def _latest(reference: str) -> ReconciliationDifference | None:
    """The last difference about a file: an open one is always the last."""
    difference = ReconciliationDifference
    statement = select(difference).where(difference.partner == PARTNER, difference.reference == reference).order_by(difference.id.desc()).limit(1)
    return db.session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one_or_none()


def _write(tally: Tally, **values: Any) -> None:
    if tally.before + tally.numbers["written"] >= MOST_WRITTEN:
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
