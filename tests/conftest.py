"""Fixtures: a real PostgreSQL and a real Redis, one migrated template database with the demonstration world, and one
database for each parallel process of the tests. A test is rolled back; one that needs real commits asks for ``committed``.
"""

from __future__ import annotations

import gc
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask
import pytest
from hypothesis import HealthCheck, settings
from jinja2 import BytecodeCache

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

TEMPLATE = "portal_template"
_ENV = "PORTAL_TEST_ENGINES"
DEMO_PASSWORD = "Portail-demo-2026"

#: How long an example takes says how busy the machine is, not whether a property holds.
settings.register_profile("portal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("portal")

_handles: list[Any] = []
_folder: str | None = None

# ---- hundreds of applications in one process ---------------------------------------------------------------------------

gc.set_threshold(100_000, 50, 100)  # an application is many objects that live as long as the tests: looking them through is time lost


class _Compiled(BytecodeCache):
    """Templates compiled once for all the applications that the tests make."""

    kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Any) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Any) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


flask.Flask.jinja_options = {"bytecode_cache": _Compiled()}


# ---- no socket but loopback ------------------------------------------------------------------------------------------

_connect = socket.socket.connect


def _guarded_connect(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = str(address[0])
        if not (host.startswith("127.") or host in ("::1", "localhost")):
            raise RuntimeError(f"a test tried to reach {host}: tests stay on this machine")
    _connect(self, address)


# ---- engines ---------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """The controlling process starts nothing yet; it only closes the network."""
    socket.socket.connect = _guarded_connect  # type: ignore[method-assign]  # the guard has the same signature


def _start_engines() -> None:
    """Start both engines once for all parallel processes, and build the template database."""
    global _folder
    from app.core import schema
    from config import TestSettings
    from launcher import embedded

    _folder = tempfile.mkdtemp(prefix="portal-tests-")
    postgres = embedded.start_postgres(Path(_folder) / "postgres", durable=False)
    _handles.append(postgres)
    redis = embedded.start_redis(Path(_folder) / "redis", durable=False)
    _handles.append(redis)
    template = _with_database(postgres.app_url, TEMPLATE)
    template_owner = _with_database(postgres.owner_url, TEMPLATE)
    _admin(postgres.superuser_url, f"CREATE DATABASE {TEMPLATE} OWNER {_user(postgres.owner_url)}")
    settings = TestSettings.for_tests(database_url=template, database_owner_url=template_owner, redis_url=redis.url, demo=True)
    schema.upgrade(settings)
    _load_world(settings)
    os.environ[_ENV] = "\n".join([postgres.superuser_url, postgres.owner_url, postgres.app_url, redis.url])


def _load_world(settings: Any) -> None:
    from app import create_app
    from app.core.extensions import db

    app = create_app(settings)
    runner = app.test_cli_runner()
    for command in ("sync-security", "load-demo"):
        result = runner.invoke(args=[command], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process more than there are processors: each of them waits, now for the database, now for a process it has started."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else len(os.sched_getaffinity(0)) + 1


def _cost(item: pytest.Item) -> int:
    """How long a test may take, roughly: 0 for the longest."""
    if item.get_closest_marker("slow") or item.get_closest_marker("processes"):
        return 0
    fixtures = set(getattr(item, "fixturenames", ()))
    return 1 if fixtures & {"committed", "limited", "databases"} else 2 if "app" in fixtures else 3


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first, so that none is left for the end when the other processes have nothing more to do."""
    longest: dict[Path, int] = {}
    for item in items:
        longest[item.path] = min(longest.get(item.path, 9), _cost(item))
    items.sort(key=lambda item: longest[item.path])


@pytest.hookimpl(tryfirst=True)
def pytest_configure_node(node: Any) -> None:
    """Parallel run: hand the engines of the controlling process to each worker."""
    if _ENV not in os.environ:
        _start_engines()
    node.workerinput[_ENV] = os.environ[_ENV]


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    os.environ.pop(_ENV, None)
    while _handles:
        handle = _handles.pop()
        handle.stop(remove=True) if hasattr(handle, "superuser_url") else handle.stop()
    if _folder:
        shutil.rmtree(_folder, ignore_errors=True)


def _with_database(url: str, name: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _user(url: str) -> str:
    from sqlalchemy.engine import make_url

    return str(make_url(url).username)


def _admin(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture(scope="session")
def engines(request: pytest.FixtureRequest) -> dict[str, str]:
    """Addresses of the two engines: superuser, owner, app, redis."""
    worker = getattr(request.config, "workerinput", None)
    if worker is not None:
        os.environ.setdefault(_ENV, worker[_ENV])
    elif _ENV not in os.environ:
        _start_engines()
    superuser, owner, app, redis = os.environ[_ENV].split("\n")
    return {"superuser": superuser, "owner": owner, "app": app, "redis": redis}


class Databases:
    """Copies of the template database, made and dropped at will."""

    def __init__(self, engines: dict[str, str], worker: str) -> None:
        self.engines = engines
        self.worker = worker

    def create(self, name: str) -> tuple[str, str]:
        """A fresh copy of the template; gives the addresses (application, owner)."""
        full = f"portal_{name}_{self.worker}"
        self.drop(name)
        _admin(
            self.engines["superuser"],
            f"CREATE DATABASE {full} TEMPLATE {TEMPLATE} OWNER {_user(self.engines['owner'])} STRATEGY FILE_COPY",
        )
        return _with_database(self.engines["app"], full), _with_database(self.engines["owner"], full)

    def create_empty(self, name: str) -> tuple[str, str]:
        """An empty database; gives the addresses (application, owner)."""
        full = f"portal_{name}_{self.worker}"
        self.drop(name)
        _admin(self.engines["superuser"], f"CREATE DATABASE {full} OWNER {_user(self.engines['owner'])}")
        return _with_database(self.engines["app"], full), _with_database(self.engines["owner"], full)

    def drop(self, name: str) -> None:
        _admin(self.engines["superuser"], f"DROP DATABASE IF EXISTS portal_{name}_{self.worker} WITH (FORCE)")


@pytest.fixture(scope="session")
def databases(engines: dict[str, str], request: pytest.FixtureRequest) -> Databases:
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    return Databases(engines, worker)


def _redis_url(engines: dict[str, str], worker: str) -> str:
    """One Redis database for each parallel process (a server has sixteen)."""
    index = int(worker.removeprefix("gw")) % 15 + 1 if worker.startswith("gw") else 0
    url = engines["redis"].partition("?")[0]
    return f"{url}?db={index}" if url.startswith("unix://") else f"{url.rstrip('/')}/{index}"


@pytest.fixture(scope="session")
def make_settings(engines: dict[str, str], databases: Databases) -> Callable[..., Any]:
    """Settings for one database: ``make_settings(database_url, database_owner_url, **changes)``."""
    from config import TestSettings

    def make(database_url: str, database_owner_url: str, **changes: Any) -> Any:
        return TestSettings.for_tests(
            database_url=database_url,
            database_owner_url=database_owner_url,
            redis_url=_redis_url(engines, databases.worker),
            **({"demo": True} | changes),
        )

    return make


def _fresh_context_client() -> type[FlaskClient]:
    """A browser whose requests each have an application context of their own, as in production.

    The database fixture keeps one open; without this, what a request leaves on ``flask.g`` would outlive it.
    """
    from flask import has_app_context
    from flask.testing import FlaskClient as Client

    from app.core import tenancy
    from app.core.extensions import db

    class FreshContextClient(Client):
        def open(self, *args: Any, **kwargs: Any) -> Any:
            scope = tenancy.current_scope()
            with self.application.app_context():
                answer = super().open(*args, **kwargs)
            if has_app_context():
                tenancy.bind(scope)
                db.session.expire_all()
            return answer

    return FreshContextClient


@pytest.fixture(scope="session")
def app(databases: Databases, make_settings: Callable[..., Any]) -> Iterator[Flask]:
    """The application on this process's own copy of the demonstration world."""
    from app import create_app
    from app.core.extensions import db

    application = create_app(make_settings(*databases.create("shared")))
    application.test_client_class = _fresh_context_client()
    yield application
    with application.app_context():
        db.session.remove()
        db.engine.dispose()
    databases.drop("shared")


def _nobody_is_editing(app: Flask) -> None:
    """Forget who had which edit page open in former tests: Redis is not rolled back."""
    from redis import Redis

    with Redis.from_url(app.config["REDIS_URL"]) as client:
        known = client.keys("presence:*")
        if known:
            client.delete(*known)


@pytest.fixture
def db_session(app: Flask) -> Iterator[Session]:
    """The session in the system's scope; everything, commits included, is rolled back after the test."""
    from sqlalchemy import event

    _nobody_is_editing(app)

    from app.core import tenancy
    from app.core.extensions import db
    from app.core.tenancy import Scope

    with app.app_context():
        engine = db.engine
        connection = engine.connect()
        outer = connection.begin()
        engines_of_app = db.engines
        engines_of_app[None] = connection  # type: ignore[index]  # every session of the test joins this connection
        db.session.remove()
        db.session.configure(join_transaction_mode="create_savepoint")

        def apply_scope(_session: Any, _transaction: Any, given: Any) -> None:
            tenancy.apply_to(given)

        event.listen(db.session, "after_begin", apply_scope)
        tenancy.bind(Scope.system())
        try:
            yield db.session()
        finally:
            tenancy.reset()
            db.session.remove()
            event.remove(db.session, "after_begin", apply_scope)
            db.session.configure(join_transaction_mode="conditional_savepoint")
            engines_of_app[None] = engine  # type: ignore[index]
            outer.rollback()
            connection.close()


@pytest.fixture
def client(app: Flask, db_session: Session) -> FlaskClient:
    """A signed-out browser."""
    return app.test_client()


@pytest.fixture
def as_user(app: Flask, db_session: Session) -> Callable[..., FlaskClient]:
    """``as_user("principal")``: a browser signed in as that demonstration account (CSRF tokens are checked as in production)."""
    from app.accounts.testing import sign_in

    def make(identifier: str) -> FlaskClient:
        browser = app.test_client()
        sign_in(app, browser, identifier)
        return browser

    return make


@pytest.fixture
def committed(databases: Databases, make_settings: Callable[..., Any]) -> Iterator[Flask]:
    """An application on a database of its own, where commits are real: for races, threads and processes."""
    from app import create_app
    from app.core.extensions import db

    application = create_app(make_settings(*databases.create("own")))
    _nobody_is_editing(application)
    yield application
    with application.app_context():
        db.session.remove()
        db.engine.dispose()
    databases.drop("own")


@pytest.fixture
def limited(databases: Databases, make_settings: Callable[..., Any]) -> Iterator[Flask]:
    """An application with the limits of production, on a database of its own."""
    from app import create_app
    from app.core.extensions import db

    application = create_app(make_settings(*databases.create("limited"), ratelimit_enabled=True))
    with application.app_context():
        application.appbuilder.sm.limiter.reset()  # type: ignore[attr-defined]  # set by Flask-AppBuilder
    yield application
    with application.app_context():
        application.appbuilder.sm.limiter.reset()  # type: ignore[attr-defined]
        db.session.remove()
        db.engine.dispose()
    databases.drop("limited")
