"""The database schema: loading every model, moving the schema up and down, comparing it with the code."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.engine import make_url

from app.core.locks import Lock
from app.features import FEATURES

if TYPE_CHECKING:
    from config import Settings

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"

_CORE_MODELS = ("app.core.audit.models", "app.core.jobs.models", "app.core.mail.models", "app.core.outbox.models", "app.core.wizard.models")


def load_models() -> None:
    """Import every model, so that the metadata is whole."""
    import_module("flask_appbuilder.security.sqla.models")
    for name in _CORE_MODELS:
        import_module(name)
    for feature in FEATURES:
        for name in ("models", "journal"):
            if find_spec(f"{feature}.{name}") is not None:
                import_module(f"{feature}.{name}")


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; ``connection`` is the one to migrate through."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(rev)s_%%(slug)s")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def heads() -> tuple[str, ...]:
    """The newest revisions of the code; more than one is a defect."""
    return tuple(ScriptDirectory(str(MIGRATIONS)).get_heads())


def current(connection: Connection) -> str | None:
    """The revision the database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(settings: Settings, revision: str = "head") -> None:
    """Bring the schema to ``revision`` as the owner, and let the application's role take the scope roles.

    Raises ``core.rls.RoleSetupError`` when the database roles cannot be made.
    """
    from app.core.rls import ensure_roles

    engine = create_engine(settings.sqlalchemy_owner_url, poolclass=NullPool)
    app_role = make_url(settings.sqlalchemy_url).username or "portal_app"
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": int(Lock.MIGRATE)})
            connection.commit()
            ensure_roles(connection, app_role=app_role)
            connection.commit()
            if current(connection) not in heads() or revision != "head":
                load_models()
                command.upgrade(alembic_config(connection), revision)
            connection.commit()
    finally:
        engine.dispose()


def downgrade(settings: Settings, revision: str) -> None:
    """Take the schema back to ``revision`` (``base``: nothing left)."""
    engine = create_engine(settings.sqlalchemy_owner_url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            load_models()
            command.downgrade(alembic_config(connection), revision)
            connection.commit()
    finally:
        engine.dispose()
