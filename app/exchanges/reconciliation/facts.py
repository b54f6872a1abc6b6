"""What a comparison reads in the portal's database; each statement looks at a bounded slice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.core.extensions import db
from app.partners.agora.port import FileStatus
from app.trainees.agora import NO_NUMBER
from app.trainees.domain import AgoraState
from app.trainees.services.enrolment import CREATE, PARTNER

from ..domain import Ours, Theirs

BATCH: Final = 500
#: Enrolments whose absence is looked for in one statement.
WINDOW: Final = 20_000

_HELD = """
    COALESCE((SELECT m.state FROM outbox_message m WHERE m.subject_type = 'enrolment' AND m.subject_id = e.id AND m.partner = :partner
              AND m.state IN ('pending', 'sending', 'rejected', 'dead') ORDER BY m.id LIMIT 1) IN ('pending', 'sending'), false) AS under_way,
    (SELECT m.operation FROM outbox_message m WHERE m.subject_type = 'enrolment' AND m.subject_id = e.id AND m.partner = :partner
            AND m.state IN ('rejected', 'dead') ORDER BY m.id LIMIT 1) AS held,
    EXISTS (SELECT FROM outbox_message m JOIN outbox_intervention i ON i.message_id = m.id AND i.kind = 'settle'
            WHERE m.subject_type = 'enrolment' AND m.subject_id = e.id AND m.partner = :partner AND m.operation = :create AND m.state = 'cancelled')
        AS settled_by_hand
"""
#: A cancelled exit is an exit for the comparison: AGORA's file stays at "sortie" (decision 36).
_OURS = (
    "e.id AS enrolment_id, e.organisation_id, e.external_reference AS uid, e.agora_number, e.agora_status, e.agora_version, e.agora_state, "
    "(e.actual_end IS NOT NULL OR EXISTS (SELECT FROM enrolment_act a WHERE a.enrolment_id = e.id AND a.kind = 'undo_exit')) AS gone, "
    "e.cancelled_at IS NOT NULL AS cancelled, " + _HELD
)

_STAGED = text(
    f"""
SELECT f.id, f.number, f.status, f.file_version,
       (SELECT count(*) FROM reconciliation_file g WHERE g.run_id = f.run_id AND g.uid = f.uid) AS copies, {_OURS}
FROM reconciliation_file f JOIN enrolment e ON e.external_reference = f.uid
WHERE f.run_id = :run AND f.id > :position ORDER BY f.id LIMIT :limit
"""  # noqa: S608 - constants
)
_UNKNOWN = text(
    """
SELECT f.id, f.reference, f.number, f.status, f.file_version FROM reconciliation_file f
WHERE f.run_id = :run AND f.id > :position AND NOT EXISTS (SELECT FROM enrolment e WHERE e.external_reference = f.uid)
ORDER BY f.id LIMIT :limit
"""
)
_MISSING = text(
    f"""
SELECT {_OURS} FROM enrolment e
WHERE e.id > :position AND e.id <= :end
  AND NOT EXISTS (SELECT FROM reconciliation_file f WHERE f.run_id = :run AND f.uid = e.external_reference)
  AND (e.agora_number IS NULL AND e.agora_state = 'waiting'
       OR e.agora_number IS NULL AND e.agora_state = 'rejected'  -- the portal refused for want of a number, and promised to look for it
          AND EXISTS (SELECT FROM outbox_message m WHERE m.subject_type = 'enrolment' AND m.subject_id = e.id AND m.partner = :partner
                      AND m.state = 'rejected' AND m.last_error_code = :no_number)
       OR e.agora_number IS NOT NULL
          AND (CAST(:since AS timestamptz) IS NULL
               OR EXISTS (SELECT FROM outbox_message m WHERE m.subject_type = 'enrolment' AND m.subject_id = e.id AND m.partner = :partner
                          AND m.state = 'done' AND m.done_at >= :since)))
ORDER BY e.id LIMIT :limit
"""  # noqa: S608 - constants
)
_LOCK_MESSAGES = text(
    """
SELECT m.id FROM outbox_message m WHERE m.subject_type = 'enrolment' AND m.subject_id = ANY(:ids) AND m.partner = :partner
   AND m.state IN ('rejected', 'dead') ORDER BY m.id FOR UPDATE
"""
)
_LOCK_ENROLMENTS = text("SELECT e.id FROM enrolment e WHERE e.id = ANY(:ids) ORDER BY e.id FOR UPDATE")
_THESE = text(f"SELECT {_OURS} FROM enrolment e WHERE e.id = ANY(:ids) ORDER BY e.id")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Known:
    """An enrolment as the comparison sees it."""

    enrolment_id: int
    organisation_id: int
    uid: UUID
    ours: Ours
    state: str
    under_way: bool
    held: str | None  # the first operation that is refused or given up
    settled_by_hand: bool

    @property
    def reference(self) -> str:
        """Its name at AGORA."""
        return str(self.uid)

    @property
    def told(self) -> bool:
        """Whether AGORA is to know of it at all."""
        return self.state in (AgoraState.WAITING, AgoraState.REGISTERED, AgoraState.REJECTED)

    @property
    def to_leave_alone(self) -> bool:
        """An exchange is under way, or held up in the console: it says itself what becomes of it. A number that is missing is looked for."""
        return self.under_way or (self.held is not None and self.ours.number is not None)


@dataclass(frozen=True, slots=True)
class Staged:
    """A file of the partner beside the enrolment that bears its reference; ``copies``: files there under this reference."""

    id: int
    known: Known
    theirs: Theirs
    copies: int


@dataclass(frozen=True, slots=True)
class Stranger:
    """A file of the partner that no enrolment bears."""

    id: int
    reference: str
    theirs: Theirs


def staged(run_id: int, position: int) -> list[Staged]:
    """The next files read, with their enrolments."""
    rows = db.session.execute(_STAGED, {"run": run_id, "position": position, "limit": BATCH, "partner": PARTNER, "create": CREATE})
    return [Staged(row.id, _known(row), _theirs(row), row.copies) for row in rows]


def strangers(run_id: int, position: int) -> list[Stranger]:
    """The next files read that no enrolment bears."""
    rows = db.session.execute(_UNKNOWN, {"run": run_id, "position": position, "limit": BATCH})
    return [Stranger(row.id, row.reference, _theirs(row)) for row in rows]


def missing(run_id: int, position: int, *, since: Any) -> tuple[list[Known], int]:
    """The next enrolments that the files read should hold and do not; and how far was looked."""
    end = position + WINDOW
    values = {"run": run_id, "position": position, "end": end, "since": since, "limit": BATCH, "partner": PARTNER, "create": CREATE, "no_number": NO_NUMBER}
    found = [_known(row) for row in db.session.execute(_MISSING, values)]
    return found, (found[-1].enrolment_id if len(found) == BATCH else end)


def last_enrolment() -> int:
    """Where the look for absences ends."""
    return int(db.session.scalar(text("SELECT COALESCE(max(id), 0) FROM enrolment")) or 0)


def now_of(ids: Collection[int]) -> dict[int, Known]:
    """These enrolments as they are now, locked in their order after what of theirs is held up: the order in which a drain and the console lock.

    Read once all is locked: what was committed while this waited is seen.
    """
    if not ids:
        return {}
    these = {"ids": sorted(set(ids))}
    db.session.execute(_LOCK_MESSAGES, {**these, "partner": PARTNER})
    db.session.execute(_LOCK_ENROLMENTS, these)
    rows = db.session.execute(_THESE, {**these, "partner": PARTNER, "create": CREATE})
    return {row.enrolment_id: _known(row) for row in rows}


def _known(row: Any) -> Known:
    status = FileStatus(row.agora_status) if row.agora_status is not None else None
    ours = Ours(row.agora_number, status, row.agora_version, row.gone, row.cancelled)
    return Known(row.enrolment_id, row.organisation_id, row.uid, ours, row.agora_state, row.under_way, row.held, row.settled_by_hand)


def _theirs(row: Any) -> Theirs:
    return Theirs(row.number, FileStatus(row.status), row.file_version)
