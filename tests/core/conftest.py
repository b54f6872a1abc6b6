"""One application with a database of its own, where commits are real, shared by the tests of one module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask import Flask


@dataclass
class Kernel:
    """The application, and its database seen by the owner of the schema and by the superuser."""

    app: Flask
    owner_url: str
    superuser_url: str

    def as_owner(self, *statements: str) -> None:
        """Run statements as the owner of the schema."""
        _run(self.owner_url, statements)

    def as_intruder(self, *statements: str) -> None:
        """Run statements as someone who holds the whole server: no trigger fires."""
        _run(self.superuser_url, ("SET session_replication_role = replica", *statements))

    @contextmanager
    def working(self, scope: Any, *, actor: int | None = None) -> Iterator[Any]:
        """An application context in a scope, with the session closed behind it."""
        from app.core import context
        from app.core.extensions import db
        from app.core.tenancy import bound_scope

        with self.app.app_context(), context.acting(actor=actor, reference="0123456789abcdef"), bound_scope(scope):
            try:
                yield db.session
            finally:
                db.session.rollback()
                db.session.remove()

    @contextmanager
    def requesting(self, path: str = "/") -> Iterator[None]:
        """A request context; what its end closes (scope, actor) is bound again."""
        from app.core import context, tenancy

        scope, actor = tenancy.current_scope(), context.actor_id()
        with self.app.test_request_context(path):
            yield
        context.set_actor_id(actor)
        tenancy.bind(scope)


def _run(url: str, statements: tuple[str, ...]) -> None:
    import psycopg

    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture(scope="module")
def kernel(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Kernel]:
    from sqlalchemy.engine import make_url

    from app import create_app
    from app.core.extensions import db

    name = request.module.__name__.rsplit(".", 1)[-1].removeprefix("test_")
    app_url, owner_url = databases.create(name)
    application = create_app(make_settings(app_url, owner_url))
    database = make_url(app_url).database
    superuser = make_url(engines["superuser"]).set(database=database).render_as_string(hide_password=False)
    yield Kernel(application, owner_url, superuser)
    with application.app_context():
        db.session.remove()
        db.engine.dispose()
    databases.drop(name)
