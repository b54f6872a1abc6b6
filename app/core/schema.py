"""The database schema: loading every model, moving the schema up and down, comparing it with the code."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.engine import make_url

from app.core.locks import Lock
from app.features import FEATURES

if TYPE_CHECKING:
    from alembic.config import Config

    from config import Settings

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"

_CORE_MODELS = tuple(f"app.core.{name}.models" for name in ("audit", "exports", "jobs", "mail", "outbox", "wizard"))

_REVISION: Final = re.compile(r"""^revision(?:: str)? = ["'](\w+)["']""", re.MULTILINE)
_FOLLOWS: Final = re.compile(r"^down_revision(?:: [^=]+)? = (.+)$", re.MULTILINE)
_NAME: Final = re.compile(r"""["'](\w+)["']""")


def load_models() -> None:
    """Import every model, so that the metadata is whole."""
    import_module("flask_appbuilder.security.sqla.models")
    for name in _CORE_MODELS:
        import_module(name)
    for feature in FEATURES:
        for name in _model_modules(feature):
            import_module(name)


def _model_modules(feature: str) -> list[str]:
    """``models``, ``…_models``, ``journal`` and what a package of models holds, wherever they stand in a feature."""
    found = find_spec(feature)
    folder = Path(found.submodule_search_locations[0]) if found is not None and found.submodule_search_locations else None
    if folder is None:
        return []
    modules = (path.relative_to(folder).with_suffix("") for path in sorted(folder.rglob("*.py")))
    names = (module.parent if module.name == "__init__" else module for module in modules)
    return [".".join((feature, *name.parts)) for name in names if name.parts and (name.name == "journal" or name.name.endswith("models"))]


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; ``connection`` is the one to migrate through."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(rev)s_%%(slug)s")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def heads() -> tuple[str, ...]:
    """The newest revisions of the code; more than one is a defect.

    Read without Alembic: the processes that serve ask for it, and need nothing else of that library.
    """
    texts = [file.read_text(encoding="utf-8") for file in (MIGRATIONS / "versions").glob("*.py")]
    revisions = {found[1] for text in texts if (found := _REVISION.search(text))}
    followed = {name for text in texts if (found := _FOLLOWS.search(text)) for name in _NAME.findall(found[1])}
    return tuple(sorted(revisions - followed))


def current(connection: Connection) -> str | None:
    """The revision the database is at; None for an empty one."""
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def upgrade(settings: Settings, revision: str = "head") -> None:
    """Bring the schema to ``revision`` as the owner, and let the application's role take the scope roles.

    Raises ``core.rls.RoleSetupError`` when the database roles cannot be made.
    """
    from alembic import command

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
    from alembic import command

    engine = create_engine(settings.sqlalchemy_owner_url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            load_models()
            command.downgrade(alembic_config(connection), revision)
            connection.commit()
    finally:
        engine.dispose()
