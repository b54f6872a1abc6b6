"""The words and the limits of exports."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

#: A file of more lines than this is prepared in the background.
LONG: Final = 20_000
#: At most so many numbers (NIR, NIA) leave in clear at once: each reading is a line of the journal.
MOST_NUMBERS: Final = 2_000
#: The reason of such a reading says something (as on the sheet of a trainee).
SHORTEST_REASON: Final = 10
LONGEST_REASON: Final = 200
#: How long a prepared file is kept.
KEPT: Final = timedelta(hours=48)
#: A worker that has written nothing for so long is taken for dead, and its file begun again.
LEASE: Final = timedelta(minutes=2)
MAX_ATTEMPTS: Final = 3
#: Files that an account may have at a time, being prepared or kept.
MOST_FILES: Final = 10
#: Selections of columns that an account keeps under a name, for each list.
MOST_SELECTIONS: Final = 20
#: Bytes of a file that are encrypted, and read again, at a time.
CHUNK: Final = 1 << 20
#: Counting for the progress stops here.
COUNTED: Final = 5_000_000


class Way(StrEnum):
    """How lines left the portal: at once, into a file prepared in the background, or by downloading such a file."""

    DIRECT = "direct"
    PREPARED = "prepared"
    FETCHED = "fetched"


class FileState(StrEnum):
    """Where a prepared file stands."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
