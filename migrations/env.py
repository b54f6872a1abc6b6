"""How Alembic reaches the database: through the connection it was handed, else as the owner of the environment's settings."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, NullPool, create_engine

from app.core.extensions import db
from app.core.schema import load_models

load_models()


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        compare_type=True,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


handed: Connection | None = context.config.attributes.get("connection")
if handed is not None:
    _run(handed)
else:
    from config import Settings

    engine = create_engine(Settings.from_env().sqlalchemy_owner_url, poolclass=NullPool)
    with engine.connect() as own:
        _run(own)
    engine.dispose()
