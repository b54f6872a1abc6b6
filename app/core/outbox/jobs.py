"""Jobs of the outbox: the drain of a partner and the sweeper."""

from __future__ import annotations

import structlog

from app.core.jobs.runner import interrupted
from app.core.outbox import circuit, registry, store
from app.core.outbox import drain as engine
from app.core.outbox.breaker import Permission
from app.core.outbox.nudge import nudge, taken
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

log = structlog.get_logger(__name__)


def drain(partner: str) -> None:
    """Send everything due for ``partner``; after 45 seconds, or when more urgent work waits, leave the rest to a new job."""
    taken(partner)
    if not engine.drain(partner, interrupted=interrupted).finished:
        nudge(partner)


def sweep() -> None:
    """Pick up what was left behind: leases of dead workers, and due messages whose nudge was lost."""
    with bound_scope(Scope.system()):
        with transaction() as session:
            freed = store.free_expired(session)
        if freed:
            log.warning("outbox_leases_expired", partners=sorted(freed))
        for partner in registry.partners():
            with transaction() as session:
                permission = circuit.read(session, partner).permission
                waiting = permission is not Permission.NOTHING and store.any_due(session, partner, early=permission is Permission.PROBE)
            if waiting:
                nudge(partner)


def purge() -> None:
    """Forget the tries of messages that are over for long, a batch in each transaction."""
    forgotten = 0
    with bound_scope(Scope.system()):
        while True:
            with transaction() as session:
                count = store.purge_attempts(session)
            forgotten += count
            if count < store.PURGED_AT_ONCE or interrupted():
                break
    if forgotten:
        log.info("outbox_attempts_purged", count=forgotten)
