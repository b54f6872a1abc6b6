"""Nobody overwrites anybody, for programs: ``ETag``, ``If-None-Match`` and ``If-Match`` (RFC 9110 §13).

The tag is a digest of what is answered, so that it is strong by construction and also moves with what has no version column; it is
compared again under the lock of the row, so that of two writes at once one is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flask import Response, request

from app.core.api.problems import ApiProblem


def etag_of(shown: Mapping[str, Any]) -> str:
    """The tag, without quotes, of an object as it is answered."""
    return hashlib.sha256(json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()[:32]


def require_version() -> None:
    """Refuse (428) a write that does not name the version it was made from; "*" names none."""
    if not request.if_match or request.if_match.star_tag:
        raise ApiProblem("precondition_required")


def check_etag(shown: Mapping[str, Any]) -> None:
    """Refuse (412), with the present tag, a write made from another version. To be called with the row locked."""
    present = etag_of(shown)
    if not request.if_match.contains(present):
        raise ApiProblem("precondition_failed", headers={"ETag": f'"{present}"'})


def with_etag(response: Response, shown: Mapping[str, Any]) -> Response:
    """The answer with its tag; 304 without a body when the caller has that version already, 412 when it reads another one than it asked for."""
    if request.method in ("GET", "HEAD") and request.if_match:
        check_etag(shown)
    response.set_etag(etag_of(shown))
    response.headers["Cache-Control"] = "private, no-cache"
    # Werkzeug would answer the object itself with 412, also to "*".
    response.make_conditional({name: value for name, value in request.environ.items() if name != "HTTP_IF_MATCH"})
    return response
