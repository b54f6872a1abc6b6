"""Background work of imports.  Jobs take ids only."""

from __future__ import annotations

import structlog

from app.core.extensions import db
from app.core.jobs import enqueue

log = structlog.get_logger(__name__)


def work(file_id: int) -> None:
    """Do what a file waits for."""
    from . import work as working

    working.run(file_id)


def sweep() -> None:
    """Take up the files whose job was lost, and forget those about which nobody decided."""
    from . import services

    purged = services.purge()
    if purged:
        log.info("imports_purged", count=purged)
    due = services.due()
    db.session.rollback()
    for file_id in due:
        enqueue(services.JOB, file_id)
