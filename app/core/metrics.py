"""``/metrics`` for Prometheus: request durations over all web processes, and gauges computed when they are asked for.

The web processes share their figures through files (PROMETHEUS_MULTIPROC_DIR, set by ``gunicorn.conf.py``). Whatever has its
truth in the database or in Redis (outbox, queues) is a gauge: a function given to :func:`register_gauge`.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import structlog
from flask import Blueprint, Flask, Response, abort, current_app, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)
blueprint = Blueprint("metrics", __name__)

GaugeValue = float | Mapping[tuple[str, ...], float]

_registry = CollectorRegistry()
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUESTS = Histogram("portal_request_duration_seconds", "Time to answer a request", ("endpoint", "method", "status"), buckets=_BUCKETS, registry=_registry)
FAILED_GAUGES = Counter("portal_gauge_failures", "Gauges that could not be computed", ("gauge",), registry=_registry)


@dataclass(frozen=True)
class _Gauge:
    help: str
    labels: tuple[str, ...]
    compute: Callable[[], GaugeValue]


_gauges: dict[str, _Gauge] = {}


def register_gauge(name: str, help: str, fn: Callable[[], GaugeValue], *, labels: tuple[str, ...] = ()) -> None:  # noqa: A002 - Prometheus' own word
    """Declares a gauge; `fn` is called at each scrape, in the system scope, and must cost at most a few indexed reads.

    It returns a number, or, when `labels` are given, a number per tuple of label values. Registering a name again replaces it.
    """
    _gauges[name] = _Gauge(help, labels, fn)


class _Gauges(Collector):
    """Computes the registered gauges; one that fails is left out and counted."""

    def collect(self) -> Iterator[Metric]:
        from app.core.extensions import db
        from app.core.tenancy import Scope, bound_scope

        for name, gauge in sorted(_gauges.items()):
            family = GaugeMetricFamily(name, gauge.help, labels=gauge.labels)
            try:
                with bound_scope(Scope.system()):
                    value = gauge.compute()
                    db.session.rollback()
                for labels, number in value.items() if isinstance(value, Mapping) else [((), value)]:
                    family.add_metric([str(label) for label in labels], float(number))
            except Exception as error:  # a gauge must never take the others with it
                db.session.rollback()
                FAILED_GAUGES.labels(name).inc()
                log.warning("gauge_failed", gauge=name, error=type(error).__name__)
                continue
            yield family


@blueprint.get("/metrics")
def metrics() -> Response:
    """Figures for Prometheus, for this machine or for whoever holds METRICS_TOKEN; for anybody else the address does not exist."""
    if not _allowed():
        abort(404)
    registry = _registry
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    own = CollectorRegistry()
    own.register(_Gauges())
    body = generate_latest(own) + generate_latest(registry)
    return Response(body, content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _allowed() -> bool:
    token = current_app.config.get("METRICS_TOKEN") or ""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return True
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return False  # a proxy of this machine speaks for somebody else
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def init_app(app: Flask) -> None:
    """Times every request and adds ``/metrics``."""

    @app.before_request
    def _start() -> None:
        g.metrics_started = time.perf_counter()

    @app.after_request
    def _observe(response: Response) -> Response:
        if "metrics_started" in g:
            endpoint = request.endpoint or "unmatched"
            method = request.method if request.method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
            REQUESTS.labels(endpoint, method, str(response.status_code)).observe(time.perf_counter() - g.metrics_started)
        return response

    app.register_blueprint(blueprint)
