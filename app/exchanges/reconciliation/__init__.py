"""The comparison of the portal's files with AGORA's own copy: started at night or by the Région, one at a time.

``start`` makes the run, ``work`` carries it on for a while and can be killed at any point: each step writes what it did together with
where it stands. The copy is read page by page into a table, never into memory.
"""

from __future__ import annotations

from .engine import work
from .starting import AlreadyRunning, PartnerStopped, nightly, start

__all__ = ["AlreadyRunning", "PartnerStopped", "nightly", "start", "work"]
