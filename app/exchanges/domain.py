"""Words and rules of the partner console: what a failure is, who can act, and how the two copies of a file compare.

Pure: nothing here knows a database or a request. Sources: guide 000 ("Erreurs AGORA"), issue "Trainees and AGORA", DOMAIN §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.partners.agora.port import FileStatus


class Nature(StrEnum):
    """A technical failure leaves by itself or is the operators' affair; a functional one needs somebody to mend data."""

    TECHNICAL = "technical"
    FUNCTIONAL = "functional"


@dataclass(frozen=True, slots=True)
class CodeSet:
    """Codes of refusals: those listed, and with ``family`` every HTTP status that has no entry of its own (``but`` are those that have)."""

    codes: tuple[str, ...] = ()
    family: bool = False
    but: tuple[str, ...] = ()


class Actor(StrEnum):
    """Who can do something about it."""

    ORGANISATION = "organisation"
    REGION = "region"
    SUPPORT = "support"
    AGORA = "agora"
    NOBODY = "nobody"  # it leaves by itself


#: Who has to act before sending again helps, and is not the organisation.
NOT_THE_ORGANISATION_S: Final = (Actor.REGION, Actor.AGORA)


class Show(StrEnum):
    """What a list of exchanges is narrowed to by its state."""

    ALL = ""
    TO_MEND = "a-corriger"
    ELSEWHERE = "ailleurs"  # of an organisation's own: refused or given up, and somebody else acts
    WAITING = "en-attente"
    DONE = "recus"
    SETTLED = "regles"


class DifferenceKind(StrEnum):
    """How the partner's copy differs from the portal's."""

    UNKNOWN = "unknown"  # a file there that no enrolment bears
    ABSENT = "absent"  # an enrolment that was sent, and no file there
    STATUS = "status"
    NUMBER = "number"
    NEWER = "newer"  # a later version there


class DifferenceState(StrEnum):
    """Life of a difference."""

    OPEN = "open"
    HEALED = "healed"  # by the reconciliation itself
    GONE = "gone"  # found equal by a later run
    SETTLED = "settled"  # by somebody, with a reason


class Assignee(StrEnum):
    """Who has to look at an open difference."""

    ORGANISATION = "organisation"
    REGION = "region"


#: Days an open difference may wait.
DEADLINES: Final = {Assignee.ORGANISATION: 15, Assignee.REGION: 7}


class RunState(StrEnum):
    """Life of a reconciliation."""

    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"  # the partner's list could not be read to its end: what was read is compared, absences are not looked for
    FAILED = "failed"


class Phase(StrEnum):
    """Where a reconciliation is; each can be taken up again where it stopped."""

    READING = "reading"
    COMPARING = "comparing"
    UNKNOWN = "unknown"
    ABSENT = "absent"
    RECHECKING = "rechecking"
    OVER = "over"


class Trigger(StrEnum):
    """Who started it."""

    NIGHT = "night"
    DEMAND = "demand"


@dataclass(frozen=True, slots=True)
class Ours:
    """A file as the portal holds it."""

    number: str | None
    status: FileStatus | None
    version: int
    left: bool  # the exit of the trainee is entered, or was and is cancelled: AGORA's file stays at "sortie" (decision 36)
    cancelled: bool = False  # the enrolment was made by mistake


@dataclass(frozen=True, slots=True)
class Theirs:
    """A file as AGORA holds it."""

    number: str
    status: FileStatus
    version: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. ``heal``: take AGORA's number and status as if it had just answered. ``assignee``: who has to look at what is left."""

    kind: DifferenceKind
    heal: bool = False
    assignee: Assignee | None = None


_AFTER_EXIT: Final = frozenset({FileStatus.EXITED, FileStatus.CLOSED_FULL, FileStatus.CLOSED_PARTIAL, FileStatus.CLOSED_NOT_DONE})


def contradicts(status: FileStatus, ours: Ours) -> bool:
    """Whether AGORA's status says something that only the organisation can enter: the trainee left, or the file was cancelled."""
    return (status is FileStatus.CANCELLED and not ours.cancelled) or (status in _AFTER_EXIT and not ours.left and status is not FileStatus.CLOSED_NOT_DONE)


def compare(ours: Ours, theirs: Theirs) -> Finding | None:
    """What differs between the two copies of one file, and what may be done about it; None when they agree.

    A later version is AGORA's present word, and is taken like any answer. The same or an older version that says something else is no
    word to be taken: the Région looks. What AGORA knows of and the portal does not (an exit, a cancellation) is the organisation's.
    """
    if ours.number is None:
        return Finding(DifferenceKind.NUMBER, heal=True, assignee=Assignee.ORGANISATION if contradicts(theirs.status, ours) else None)
    newer = theirs.version > ours.version
    if ours.number != theirs.number:
        return Finding(DifferenceKind.NUMBER, heal=newer, assignee=None if newer else Assignee.REGION)
    if ours.status is not theirs.status:
        if not newer:
            return Finding(DifferenceKind.STATUS, assignee=Assignee.REGION)
        return Finding(DifferenceKind.STATUS, heal=True, assignee=Assignee.ORGANISATION if contradicts(theirs.status, ours) else None)
    if newer:
        return Finding(DifferenceKind.NEWER, heal=True)
    if theirs.version < ours.version:
        return Finding(DifferenceKind.STATUS, assignee=Assignee.REGION)
    if contradicts(theirs.status, ours):
        return Finding(DifferenceKind.STATUS, assignee=Assignee.ORGANISATION)
    return None
