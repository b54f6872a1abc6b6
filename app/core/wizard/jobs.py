"""Periodic work on drafts."""

from __future__ import annotations


def purge() -> None:
    """Delete the drafts that have expired."""
    from app.core.wizard.drafts import purge as purge_drafts

    purge_drafts()
