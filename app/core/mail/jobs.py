"""Jobs of the mail queue; they run in the system's scope."""

from __future__ import annotations

import time
from typing import Final
from uuid import UUID

import structlog

log = structlog.get_logger(__name__)

#: A server that hangs costs each message its time limit: the rest waits for the next run rather than for the end of this job.
SWEEP_SECONDS: Final = 30.0


def deliver(message_id: str) -> None:
    """Send one message if it is due."""
    from app.core.mail import services

    services.deliver(UUID(message_id))


def deliver_due() -> None:
    """Take up what a lost nudge, a failure or a killed worker left. A message that cannot be written holds back no other."""
    from flask import current_app
    from rq.timeouts import JobTimeoutException

    from app.core.mail import services

    if current_app.config.get("DEMO") or not current_app.config.get("SMTP_URL"):
        return
    end = time.monotonic() + SWEEP_SECONDS
    for message_id in services.due_messages():
        if time.monotonic() >= end:
            return
        try:
            services.deliver(message_id)
        except JobTimeoutException:
            raise
        except Exception as error:
            log.error("mail_fault", mail=str(message_id), error=type(error).__name__, exc_info=True)


def purge() -> None:
    """Delete old messages."""
    from app.core.mail import services

    services.purge()
