"""Periodic work of the modification requests."""

from __future__ import annotations

from . import reminders


def remind() -> int:
    """Tell those whom a request waits for; gives how many messages were written."""
    return reminders.remind()
