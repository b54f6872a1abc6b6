"""Background work: queues, the declared list of periodic jobs, the worker and the scheduler.

Light on purpose: the scheduler and the launcher import this package without the application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.jobs.queues import QUEUES, enqueue
from app.core.jobs.schedule import PERIODIC, Periodic, register_periodic

if TYPE_CHECKING:
    from flask import Flask
    from flask_appbuilder import AppBuilder

#: The same function under the name that reads well in a feature's ``register``.
periodic = register_periodic

__all__ = ["PERIODIC", "QUEUES", "Periodic", "enqueue", "init_app", "periodic", "register", "register_periodic"]


def register(_builder: AppBuilder) -> None:
    """Declare the figures for /metrics."""
    from app.core.jobs import figures

    figures.register()


def init_app(app: Flask) -> None:
    """Add the command that publishes the declared list (workers do it at their start, too)."""

    @app.cli.command("declare-periodic")
    def declare_periodic() -> None:
        """Write the declared list of periodic jobs where the scheduler reads it."""
        from app.core.jobs import heartbeat

        heartbeat.declare()
