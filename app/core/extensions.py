"""The extensions shared by all modules, created without an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask_appbuilder import Model
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy

if TYPE_CHECKING:
    from flask import Flask

# Set before Flask-AppBuilder's security models are imported, else their constraints have no name
# and no migration can drop them.
Model.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# Flask-SQLAlchemy's class with Flask-AppBuilder's Model: one metadata, which Alembic sees whole.
db = SQLAlchemy(model_class=Model)
babel = Babel()

#: Seconds after which a process that has had nothing to do gives its connections to PostgreSQL back.
IDLE: Final = 5.0


def give_connections_back(app: Flask) -> None:
    """Close the connections that the pool keeps for later.

    The server holds some 20 MB for each, whether it is used or not; opening one again takes a few milliseconds. For processes that
    do one thing at a time, between two of them.
    """
    with app.app_context():
        db.engine.dispose()
