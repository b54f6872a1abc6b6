"""Commands that run over all features: reference values and the demonstration world."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import click
from flask import Flask, current_app

from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.features import FEATURES


def _seeds(function: str) -> None:
    for feature in FEATURES:
        if find_spec(f"{feature}.seeds") is None:
            continue
        load = getattr(import_module(f"{feature}.seeds"), function, None)
        if load is not None:
            with bound_scope(Scope.system()):
                load()


def init_app(app: Flask) -> None:
    """Register ``flask load-reference``, ``flask load-demo`` and, on a command line, ``flask db``."""
    if click.get_current_context(silent=True) is not None:  # Alembic is large: the processes that serve do without it
        from flask_migrate import Migrate

        Migrate(app, db, directory="migrations")

    @app.cli.command("load-reference")
    def load_reference() -> None:
        """Load the reference values that are missing; what was edited on screen is left alone."""
        _seeds("load_reference")

    @app.cli.command("load-demo")
    def load_demo() -> None:
        """Load the demonstration world; refused outside the demonstration mode."""
        if not current_app.config["DEMO"]:
            raise click.ClickException("The demonstration world is only for the demonstration mode (DEMO=1).")
        _seeds("load_reference")
        _seeds("load_demo")
