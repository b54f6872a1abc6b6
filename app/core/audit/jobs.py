"""Periodic work on the journal."""

from __future__ import annotations


def seal() -> None:
    """Seal what was written since the last time."""
    from app.core.audit.sealing import seal_entries

    seal_entries()
