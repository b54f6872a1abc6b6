"""What supervisors and Prometheus read."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import RedisError

from app.core import health, metrics


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    return app.test_client()


def test_alive_looks_at_nothing_else(app: Flask, visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, "health.redis", None)
    answer = visitor.get("/healthz")
    assert answer.status_code == 200
    assert answer.json == {"status": "ok"}


def test_ready_when_database_queue_and_schema_are(visitor: FlaskClient) -> None:
    answer = visitor.get("/readyz")
    assert answer.json == {"status": "ok", "checks": {"database": "ok", "redis": "ok", "schema": "ok"}}
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_not_ready_without_redis(app: Flask, visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def ping(self) -> None:
            raise RedisError("connection to 10.1.2.3 refused")

    monkeypatch.setitem(app.extensions, "health.redis", Down())
    answer = visitor.get("/readyz")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["checks"]["redis"] == "unavailable"
    assert "10.1.2.3" not in answer.text


def test_not_ready_with_another_schema(visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "expected_heads", lambda: frozenset({"another"}))
    answer = visitor.get("/readyz")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["checks"]["schema"] == "other version"


def get(visitor: FlaskClient, address: str = "127.0.0.1", **headers: str) -> Any:
    return visitor.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})


def test_metrics_are_for_this_machine_or_the_token(app: Flask, visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "METRICS_TOKEN", "")
    assert get(visitor).status_code == 200
    assert get(visitor, "::1").status_code == 200
    assert get(visitor, "192.0.2.1").status_code == 404
    assert get(visitor, **{"X-Forwarded-For": "192.0.2.1"}).status_code == 404
    assert get(visitor, "192.0.2.1", Authorization="Bearer ").status_code == 404
    monkeypatch.setitem(app.config, "METRICS_TOKEN", "un-jeton")
    assert get(visitor, "192.0.2.1", Authorization="Bearer un-jeton").status_code == 200
    assert get(visitor, "192.0.2.1", Authorization="Bearer autre").status_code == 404
    assert get(visitor, "192.0.2.1", Authorization="Basic " + base64.b64encode(b"a:un-jeton").decode()).status_code == 404


def test_requests_are_timed_by_page_never_by_address(visitor: FlaskClient) -> None:
    visitor.get("/healthz")
    visitor.get("/healthz?nir=162071315508982")
    visitor.get("/no/such/page/162071315508982")
    body = get(visitor).text
    assert 'portal_request_duration_seconds_count{endpoint="health.healthz",method="GET",status="200"}' in body
    assert 'endpoint="unmatched"' in body
    assert "162071315508982" not in body


def test_a_failing_gauge_does_not_take_the_others(visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_gauges", {})
    metrics.register_gauge("portal_test_broken", "fails", lambda: 1 / 0)
    metrics.register_gauge("portal_test_plain", "works", lambda: 3)
    metrics.register_gauge("portal_test_labelled", "works", lambda: {("a",): 1, ("b",): 2.5}, labels=("kind",))
    body = get(visitor).text
    assert "portal_test_plain 3.0" in body
    assert 'portal_test_labelled{kind="b"} 2.5' in body
    assert "portal_test_broken" not in body.replace('portal_gauge_failures_total{gauge="portal_test_broken"}', "").replace('portal_gauge_failures_created{gauge="portal_test_broken"}', "")
