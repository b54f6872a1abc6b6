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


@contextmanager
def part() -> Iterator[Session]:
    """A part of the open transaction that may fail by itself: what it did is taken back, and the rest goes on.

    For lists of acts of which each may be refused.  The exception leaves the block; the one who catches it decides.  Raises RuntimeError
    outside a transaction.
    """
    state: _State | None = db.session().info.get(_KEY)
    if state is None:
        raise RuntimeError("part belongs inside transaction()")
    with _savepoint(state, keep=True) as session:
        yield session


@contextmanager
def rehearsal() -> Iterator[Session]:
    """Run use cases to see what they would do: all that the block writes is taken back, nothing it asked for after the commit is run.

    It neither commits nor ends the transaction it is part of, if there is one.  Its locks go with it.
    """
    session = db.session()
    alone = _KEY not in session.info
    state: _State = session.info.setdefault(_KEY, _State(depth=1))
    try:
        with _savepoint(state, keep=False):
            yield session
    finally:
        if alone:
            session.info.pop(_KEY, None)


@contextmanager
def _savepoint(state: _State, *, keep: bool) -> Iterator[Session]:
    """A block whose writes, callbacks and notes are taken back if it fails, or, without ``keep``, always."""
    session = db.session()
    noted, count, failed = dict(session.info), len(state.callbacks), state.failed
    nested = session.begin_nested()
    kept = False
    try:
        yield session
        if keep:
            if state.failed and not failed:
                raise RuntimeError("an inner block of this part failed: nothing of it is kept")
            nested.commit()
            kept = True
    finally:
        if not kept:
            nested.rollback()
            session.expire_all()
            del state.callbacks[count:]
            state.failed = failed
            session.info.clear()
            session.info.update(noted)


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
