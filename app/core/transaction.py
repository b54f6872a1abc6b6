"""The transaction owner: services open it, nothing else commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy.orm import Session

from app.core.extensions import db

log = structlog.get_logger(__name__)

_KEY = "portal_transaction"


@dataclass
class _State:
    depth: int = 0
    failed: bool = False
    callbacks: list[Callable[[], object]] = field(default_factory=list)


def in_transaction() -> bool:
    """Whether a service transaction is open."""
    return _KEY in db.session().info


@contextmanager
def transaction() -> Iterator[Session]:
    """Open the service transaction, or join the one already open; only the outermost block commits.

    An exception rolls all of it back. A failure of an inner block that the outer one swallowed still refuses the commit
    (RuntimeError): half of a use case is never kept. What ``after_commit`` collected runs once the commit is real.
    """
    session = db.session()
    state: _State = session.info.setdefault(_KEY, _State())
    state.depth += 1
    outermost = state.depth == 1
    try:
        yield session
        if outermost:
            if state.failed:
                raise RuntimeError("an inner block of this transaction failed: nothing of it is kept")
            session.commit()
    except BaseException:
        state.failed = True
        if outermost:
            session.rollback()
        raise
    finally:
        state.depth -= 1
        if outermost:
            session.info.pop(_KEY, None)
    if outermost:
        _run(state.callbacks)


def after_commit(callback: Callable[[], object]) -> None:
    """Run ``callback`` after the commit of the open transaction; never if it rolls back.

    For nudges only (a job put on a queue): a failure is logged and swallowed, because the committed row is the truth and a
    sweeper finds it. Raises RuntimeError outside a transaction.
    """
    state: _State | None = db.session().info.get(_KEY)
    if state is None:
        raise RuntimeError("after_commit belongs inside transaction()")
    state.callbacks.append(callback)


def _run(callbacks: list[Callable[[], object]]) -> None:
    for callback in callbacks:
        try:
            callback()
        except Exception as error:  # the row is committed: losing the nudge costs seconds, raising would tell the user a lie
            log.warning("after_commit_failed", error=type(error).__name__)
