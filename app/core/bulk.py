"""Long work over very many small objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for cycles, which goes again and again through objects that hold none: a third of the time of such work.

    What nothing holds any more is freed at once all the same.  For a process that does one thing at a time.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


__all__ = ["uncollected"]
