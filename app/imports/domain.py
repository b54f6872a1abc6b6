"""The life of a file that was sent, from its arrival to its undoing.  Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from app.core.workflow import Transition, Workflow


class FileState(StrEnum):
    """Where a file stands."""

    #: Kept as it came, to be read by a job.
    RECEIVED = "received"
    #: It cannot be read as a table, or nearly all of it is wrong: why is said.
    REFUSED = "refused"
    #: Some of its columns have to be named by somebody.
    TO_MAP = "to_map"
    #: Its lines are compared with what is there, by a job.
    CHECKING = "checking"
    #: What it would do is known; somebody decides.
    READY = "ready"
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"
    #: A defect, or the death of its workers, ended the work several times over: nothing was written, somebody takes it up again or forgets it.
    FAILED = "failed"


class FileEvent(StrEnum):
    """What happens to a file."""

    REFUSE = "refuse"
    ASK_COLUMNS = "ask_columns"
    READ = "read"
    CHECK = "check"
    MEND = "mend"
    CONFIRM = "confirm"
    #: What it would do, or what who decided it may do, changed between the look and the act: nothing was written.
    HOLD = "hold"
    APPLY = "apply"
    UNDO = "undo"
    UNDONE = "undone"
    #: The work ended by a defect as often as it is tried (``MOST_TRIES``), or its workers died (``MOST_DEATHS``).
    FAIL = "fail"
    #: Take it up where it ended.
    READ_AGAIN = "read_again"
    CHECK_AGAIN = "check_again"
    APPLY_AGAIN = "apply_again"


S, E = FileState, FileEvent

LIFE: Final[Workflow[FileState, FileEvent, None]] = Workflow(
    "import_file",
    (
        Transition(S.RECEIVED, E.REFUSE, S.REFUSED),
        Transition(S.RECEIVED, E.ASK_COLUMNS, S.TO_MAP),
        Transition(S.RECEIVED, E.READ, S.CHECKING),
        Transition(S.TO_MAP, E.MEND, S.CHECKING),
        Transition(S.CHECKING, E.CHECK, S.READY),
        Transition(S.CHECKING, E.REFUSE, S.REFUSED),  # too much is wrong to be mended here
        Transition(S.READY, E.ASK_COLUMNS, S.TO_MAP),
        Transition(S.READY, E.MEND, S.CHECKING),
        Transition(S.READY, E.CONFIRM, S.APPLYING),
        Transition(S.APPLYING, E.HOLD, S.CHECKING),
        Transition(S.APPLYING, E.APPLY, S.APPLIED),
        Transition(S.APPLIED, E.UNDO, S.UNDOING),
        Transition(S.UNDOING, E.UNDONE, S.UNDONE),
        Transition(S.UNDOING, E.HOLD, S.APPLIED),  # who decided it may not any more
        Transition(S.RECEIVED, E.FAIL, S.FAILED),
        Transition(S.CHECKING, E.FAIL, S.FAILED),
        Transition(S.APPLYING, E.FAIL, S.FAILED),
        Transition(S.UNDOING, E.FAIL, S.APPLIED),  # nothing was taken back: what was applied stands
        Transition(S.FAILED, E.READ_AGAIN, S.RECEIVED),
        Transition(S.FAILED, E.CHECK_AGAIN, S.CHECKING),
        Transition(S.FAILED, E.APPLY_AGAIN, S.APPLYING),
    ),
)

#: States in which a job has something to do.
AT_WORK: Final = (S.RECEIVED, S.CHECKING, S.APPLYING, S.UNDOING)
#: States in which nobody has decided: the file is forgotten after a while, with the data that it holds.
UNDECIDED: Final = (S.REFUSED, S.TO_MAP, S.READY, S.FAILED)
#: States in which somebody may give a file up: nothing of it was written, and nothing will be before a decision.
FORGETTABLE: Final = (*UNDECIDED, S.RECEIVED, S.CHECKING)
#: What takes up a file that failed, by where it did (an undoing that failed leaves the file applied).
AGAIN: Final = {S.RECEIVED: E.READ_AGAIN, S.CHECKING: E.CHECK_AGAIN, S.APPLYING: E.APPLY_AGAIN}
#: How long a file is a worker's after each word of its progress, longer than any silence of a job at work; a dead one's is taken up after that.
LEASE: Final = timedelta(seconds=120)
#: After so long without a word, whoever waits is told how it goes on.
QUIET: Final = timedelta(seconds=30)
#: How often a work that ends by a defect is tried, a minute between two.
MOST_TRIES: Final = 3
#: How often a work is taken up from a worker that died at it (killed, or for want of memory), with none of its steps ended in between.  Workers die for
#: other reasons than the file, so often only for the file's: about an hour, since each death is known by the end of its lease.
MOST_DEATHS: Final = 24

#: A file about which nothing was decided is forgotten after that.
UNDECIDED_KEPT: Final = timedelta(days=7)
#: An import is undone until then; afterwards what it held of people is dropped, its report stays.
UNDO_KEPT: Final = timedelta(days=30)


class Phase(StrEnum):
    """What a job is at, as the bar says it."""

    READING = "reading"
    CHECKING = "checking"
    COMPARING = "comparing"
    WRITING = "writing"
    UNDOING = "undoing"


class Wish(StrEnum):
    """What is to be applied of a file as soon as it is checked, without anybody looking at it."""

    ALL = "all"  # the whole file, if nothing in it is to be mended
    VALID = "valid"  # its right lines


class PartKind(StrEnum):
    """What a sealed part of a file holds."""

    FILE = "file"  # the file as it came, until it is read
    ROWS = "rows"  # its lines
    STEPS = "steps"  # what each line would do
    DONE = "done"  # what was done, to be undone
    KEPT = "kept"  # what undoing left


class Origin(StrEnum):
    """Where a file came from."""

    PAGE = "page"
    API = "api"


__all__ = [
    "AGAIN", "AT_WORK", "FORGETTABLE", "LEASE", "LIFE", "MOST_DEATHS", "MOST_TRIES", "QUIET", "UNDECIDED", "UNDECIDED_KEPT", "UNDO_KEPT", "FileEvent",
    "FileState", "Origin", "PartKind", "Phase", "Wish",
]  # fmt: skip
