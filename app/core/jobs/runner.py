"""Runs one job inside the application: what RQ calls."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from flask import Flask

log = structlog.get_logger(__name__)

_app: Flask | None = None
_app_pid: int | None = None


def _never() -> bool:
    return False


_interrupted: Callable[[], bool] = _never


def application() -> Flask:
    """The application of this worker process, made once."""
    global _app, _app_pid
    if _app is None or _app_pid != os.getpid():
        from app import create_app

        _app = create_app()
        _app_pid = os.getpid()
    return _app


def set_application(app: Flask | None) -> None:
    """Use ``app`` instead of making one (tests)."""
    global _app, _app_pid
    _app, _app_pid = app, os.getpid()


def set_interruption(check: Callable[[], bool]) -> None:
    """Tell long jobs how to know that they should stop at the next good moment."""
    global _interrupted
    _interrupted = check


def interrupted() -> bool:
    """Whether the worker is asked to stop, or more urgent work waits for it: a long job should leave the rest to a new one."""
    return _interrupted()


def load(func_path: str) -> Callable[..., Any]:
    """The function named ``"package.module:function"``."""
    module, _, name = func_path.partition(":")
    function = getattr(import_module(module), name)
    if not callable(function):
        raise TypeError(f"{func_path} is not a function")
    return function  # type: ignore[no-any-return]  # getattr of a checked callable


def perform(func_path: str, arguments: list[int | str], request_id: str | None, actor_id: int | None) -> None:
    """Call the job in an application context, in the system scope, as the actor and under the request id that queued it.

    A failure is logged and goes no further: RQ would keep the text of the exception in Redis, and what must be tried again has
    a row and a sweeper.
    """
    try:
        _call(func_path, arguments, request_id, actor_id)
    except Exception:
        return


def perform_periodic(name: str, _arguments: list[int | str], request_id: str | None, actor_id: int | None) -> None:
    """Call a declared periodic job and keep its heartbeat."""
    from app.core.jobs import heartbeat
    from app.core.jobs.schedule import PERIODIC

    app = application()
    entry = next((item for item in PERIODIC if item.name == name), None)
    if entry is None:  # queued by a scheduler that still has the former declarations
        log.warning("periodic_unknown", periodic=name)
        return
    with app.app_context():
        heartbeat.started(name)
    begin = time.monotonic()
    error: Exception | None = None
    try:
        _call(entry.func, [], request_id, actor_id, periodic=True)
    except Exception as raised:  # logged by _call
        error = raised
    with app.app_context():
        heartbeat.ended(name, seconds=time.monotonic() - begin, error=error)


def _call(func_path: str, arguments: list[int | str], request_id: str | None, actor_id: int | None, *, periodic: bool = False) -> None:
    from app.core import context
    from app.core.tenancy import Scope, bound_scope

    app = application()
    with (
        app.app_context(),
        context.acting(actor=actor_id, reference=request_id),
        bound_scope(Scope.system()),
    ):
        begin = time.monotonic()
        try:
            load(func_path)(*arguments)
        except BaseException as error:
            log.error("job_failed", job=func_path, error=type(error).__name__, ms=round((time.monotonic() - begin) * 1000), exc_info=True)
            raise
        done = log.debug if periodic else log.info  # a line every few seconds for "nothing to do" would bury the rest
        done("job_done", job=func_path, ms=round((time.monotonic() - begin) * 1000))
