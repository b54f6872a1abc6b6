"""Embedded PostgreSQL and Redis for whoever needs them in one line: the test suite, the benches.

    postgres = start_postgres(folder)       # postgres.owner_url, .app_url, .superuser_url
    redis = start_redis(folder)             # redis.url
    ...
    redis.stop(); postgres.stop()

Both are children of this process and die with it. A folder holds one server of each kind; two processes cannot open the
same folder (LaunchError).
"""

from __future__ import annotations

from pathlib import Path

from launcher import postgres, redis_server
from launcher.errors import LaunchError
from launcher.place import open_place
from launcher.postgres import Postgres
from launcher.redis_server import Redis

__all__ = ["LaunchError", "Postgres", "Redis", "start_postgres", "start_redis"]


def start_postgres(data_dir: Path | str, *, durable: bool = True) -> Postgres:
    """A PostgreSQL whose data live in `data_dir`, with the portal's roles and its (empty) database, ready to answer.

    `durable=False` trades safety against a power cut for speed: tests only.
    """
    place = open_place(data_dir)
    server = postgres.prepare(place, postgres.load_keys(place), durable=durable)
    try:
        server.start()
        server.wait_ready()
        server.provision()
    except BaseException:
        server.stop()
        raise
    return server


def start_redis(data_dir: Path | str, *, durable: bool = True) -> Redis:
    """A Redis whose data live in `data_dir`, ready to answer; `durable=False` keeps nothing on disk."""
    server = redis_server.prepare(open_place(data_dir), durable=durable)
    try:
        server.start()
        server.wait_ready()
    except BaseException:
        server.stop()
        raise
    return server
