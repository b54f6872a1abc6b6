"""Asking a worker to drain a partner's messages, soon. Only a hint: the sweeper finds whatever a lost nudge left."""

from __future__ import annotations

from typing import Final

import structlog

log = structlog.get_logger(__name__)

DRAIN: Final = "app.core.outbox.jobs:drain"
_COALESCE: Final = 10  # seconds; a nudge whose job got lost stands in the way no longer than this


def _key(partner: str) -> str:
    return f"portal:outbox:nudge:{partner}"


def nudge(partner: str) -> bool:
    """Queue a drain of ``partner`` unless one is already queued. Never raises. Returns whether a drain is on its way."""
    from app.core.jobs import enqueue
    from app.core.jobs.connection import nudging_client

    try:
        if nudging_client().set(_key(partner), 1, nx=True, ex=_COALESCE):
            enqueue(DRAIN, partner, queue="partners")
        return True
    except Exception as error:  # Redis is down, restarting or wiped: the committed row waits for the sweeper
        log.warning("outbox_nudge_failed", partner=partner, error=type(error).__name__)
        return False


def taken(partner: str) -> None:
    """A drain starts: from now on a nudge must queue another, because this one may already have looked. Never raises."""
    from app.core.jobs.connection import nudging_client

    try:
        nudging_client().delete(_key(partner))
    except Exception as error:
        log.warning("outbox_nudge_failed", partner=partner, error=type(error).__name__)
