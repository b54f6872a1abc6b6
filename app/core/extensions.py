"""The extensions shared by all modules, created without an application."""

from __future__ import annotations

from flask_appbuilder import Model
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy

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
