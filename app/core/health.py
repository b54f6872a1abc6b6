"""Is it alive (``/healthz``), can it serve (``/readyz``)? For supervisors, load balancers and the launcher."""

from __future__ import annotations

from functools import cache
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, current_app, jsonify
from redis import Redis, RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.extensions import db

log = structlog.get_logger(__name__)
blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """This process answers; nothing else is looked at, so that a lost database does not have every process restarted."""
    return _answer({"status": "ok"}, 200)


@blueprint.get("/readyz")
def readyz() -> Response:
    """Database, queue and schema are as the code needs them: 200, else 503. The reason is in the logs, not in the answer."""
    checks = {"redis": _redis(), **_database()}
    ready = all(state == "ok" for state in checks.values())
    return _answer({"status": "ok" if ready else "unavailable", "checks": checks}, 200 if ready else 503)


def _database() -> dict[str, str]:
    try:
        with db.engine.connect() as connection:
            found = set(connection.scalars(text("SELECT version_num FROM alembic_version")))
    except SQLAlchemyError as error:
        known = "UndefinedTable" in type(getattr(error, "orig", None)).__name__
        log.warning("not_ready", check="schema" if known else "database", error=type(getattr(error, "orig", None) or error).__name__)
        return {"database": "ok", "schema": "missing"} if known else {"database": "unavailable", "schema": "unknown"}
    if found != expected_heads():
        log.warning("not_ready", check="schema", found=sorted(found), expected=sorted(expected_heads()))
        return {"database": "ok", "schema": "other version"}
    return {"database": "ok", "schema": "ok"}


def _redis() -> str:
    client: Redis = current_app.extensions["health.redis"]
    try:
        client.ping()
    except (RedisError, OSError) as error:
        log.warning("not_ready", check="redis", error=type(error).__name__)
        return "unavailable"
    return "ok"


@cache
def expected_heads() -> frozenset[str]:
    """The schema revisions this code was written for; read from disk once per process."""
    from app.core.schema import heads

    return frozenset(heads())


def _answer(body: dict[str, Any], status: int) -> Response:
    response = jsonify(body)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def init_app(app: Flask) -> None:
    """Adds the two addresses; nothing is contacted yet."""
    app.extensions["health.redis"] = Redis.from_url(app.config["REDIS_URL"], socket_connect_timeout=1, socket_timeout=1)
    app.register_blueprint(blueprint)
