"""Connections to Redis. Redis only carries nudges: losing it loses no work."""

from __future__ import annotations

import os
import sys
from functools import lru_cache

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"


def redis_url() -> str:
    """Address of Redis: the running application's setting, else the environment's."""
    flask = sys.modules.get("flask")  # the scheduler has no application, and does not load Flask to find that out
    given = flask.current_app.config.get("REDIS_URL") if flask is not None and flask.has_app_context() else None
    return str(given or os.environ.get("REDIS_URL") or DEFAULT_REDIS_URL)


@lru_cache(maxsize=8)
def _nudging_client(url: str, _pid: int) -> Redis:
    return Redis.from_url(url, socket_connect_timeout=1, socket_timeout=2, retry=Retry(NoBackoff(), 1))


def nudging_client() -> Redis:
    """Client for short commands from requests and jobs: it gives up within two seconds rather than hold a page."""
    return _nudging_client(redis_url(), os.getpid())  # one pool per process: sockets must not be shared over a fork


def working_client() -> Redis:
    """Client for a worker or the scheduler, which may wait: a few patient retries bridge a restart of Redis."""
    url = redis_url()
    over_network = {} if url.startswith("unix:") else {"socket_keepalive": True}
    return Redis.from_url(url, socket_connect_timeout=5, health_check_interval=15, retry=Retry(ExponentialBackoff(cap=2, base=0.1), 3), **over_network)
