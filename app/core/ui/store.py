"""What is worked out once per request. Kept on the request, not on ``flask.g``: an application context may outlive it."""

from __future__ import annotations

from typing import Any

from flask import has_request_context, request

_KEY = "portal.ui"


def request_store() -> dict[Any, Any]:
    """A place for this request; outside of any request, a new one each time."""
    if not has_request_context():
        return {}
    store: dict[Any, Any] = request.environ.setdefault(_KEY, {})
    return store
