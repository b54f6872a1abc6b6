"""The same browsers as the tests of FAB screens."""

from __future__ import annotations

from tests.fab.conftest import browse, statements

__all__ = ["browse", "statements"]
