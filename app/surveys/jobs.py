"""Periodic work of the situation surveys."""

from __future__ import annotations

from . import asking


def ask_trainees() -> int:
    """Write to the trainees whose survey waits; gives how many messages were written."""
    return asking.ask_trainees()
