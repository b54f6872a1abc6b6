"""Real engines, a migrated database with the demonstration world, and applications on it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class World:
    """Addresses of the engines and the settings on them."""

    settings: Any
    superuser_url: str
    owner_url: str
    app_url: str
    redis_url: str

    def app(self) -> Flask:
        """A new application."""
        from app import create_app

        return create_app(self.settings)

    def environment(self, **more: str) -> Mapping[str, str]:
        """The environment of a process of its own on the same engines."""
        from dataclasses import asdict

        values = {name.upper(): str(value) for name, value in asdict(self.settings).items() if value not in ("", False)}
        values.pop("PROCESS", None)
        return {**os.environ, **values, "DEMO": "1", "PORTAL_ENV": "test", "PYTHONPATH": str(ROOT), "LOG_LEVEL": "WARNING", **more}


@contextmanager
def open_world() -> Iterator[World]:
    """Engines that write to disk as in production, in a folder thrown away at the end."""
    from app import create_app
    from app.core import schema
    from app.core.extensions import db
    from config import TestSettings
    from launcher import embedded

    folder = tempfile.mkdtemp(prefix="portal-bench-")
    postgres = embedded.start_postgres(Path(folder) / "postgres")
    redis = embedded.start_redis(Path(folder) / "redis")
    try:
        settings = TestSettings.for_tests(
            database_url=postgres.app_url,
            database_owner_url=postgres.owner_url,
            redis_url=redis.url,
            demo=True,
        )
        schema.upgrade(settings)
        app = create_app(settings)
        runner = app.test_cli_runner()
        for command in ("sync-security", "load-demo"):
            result = runner.invoke(args=[command], catch_exceptions=False)
            if result.exit_code:
                raise RuntimeError(f"{command}: {result.output}")
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
        yield World(settings, postgres.superuser_url, postgres.owner_url, postgres.app_url, redis.url)
    finally:
        redis.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
