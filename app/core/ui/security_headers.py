"""What every answer says to the browser, and what every state-changing request must say to us (DESIGN rule 12, bar B7)."""

from __future__ import annotations

import json
import logging
import secrets
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, current_app, request

from app.core.logs import holds_secret
from app.core.ui.assets import STRICT_TRANSPORT
from app.core.ui.store import request_store

log = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
REPORT_LIMIT = 8_192
_REPORTED = (
    "document-uri", "documentURL", "effective-directive", "effectiveDirective", "violated-directive",
    "blocked-uri", "blockedURL", "line-number", "lineNumber",
)  # fmt: skip

bp = Blueprint("csp", __name__)

_PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation",
        "gyroscope", "magnetometer", "microphone", "midi", "payment", "picture-in-picture", "publickey-credentials-get",
        "screen-wake-lock", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip


def csp_nonce() -> str:
    """The nonce of this answer: the same in the whole page, new for each request."""
    nonce: str = request_store().setdefault("nonce", secrets.token_urlsafe(18))
    return nonce


def content_security_policy(nonce: str, *, secure: bool) -> str:
    """Nothing but what this server sends, no inline script or style without the nonce, no eval, no frame around us."""
    parts = [
        "default-src 'none'",
        f"script-src 'nonce-{nonce}'",
        f"style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "report-uri /csp-report",
        "report-to csp",
    ]
    if secure:
        parts.append("upgrade-insecure-requests")
    return "; ".join(parts)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def allowed_origins() -> set[str]:
    """Our own origins: the address the request came in by, and the public one (behind a proxy that ends TLS)."""
    origins = {_origin(request.host_url)}
    if public := current_app.config.get("PUBLIC_URL"):
        origins.add(_origin(public))
    return origins


def from_our_pages() -> bool:
    """True when the browser itself says that one of our own pages sent this request (or a form typed by the user)."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    if origin is not None:
        return origin.lower() in allowed_origins()
    return True


def browser_vouches() -> bool:
    """As ``from_our_pages``, but silence is not enough: used before offering to send a form again."""
    if not from_our_pages():
        return False
    if request.headers.get("Origin") or request.headers.get("Sec-Fetch-Site") == "same-origin":
        return True
    return bool(request.referrer) and _origin(request.referrer or "") in allowed_origins()


def _check_origin() -> None:
    if request.method in SAFE_METHODS:
        return
    if not from_our_pages():
        log.warning("request from another site refused", extra={"origin": request.headers.get("Origin", "")[:200], "path": request.path})
        abort(403)


def _secure(response: Response) -> Response:
    headers = response.headers
    headers["Content-Security-Policy"] = content_security_policy(csp_nonce(), secure=request.is_secure)
    headers["Reporting-Endpoints"] = 'csp="/csp-report"'
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    # "no-referrer" would make browsers send "Origin: null" with forms and no Referer over https, which the checks on
    # unsafe methods need; "same-origin" tells other sites nothing either.
    # An address that holds a secret is never told to anyone: no form stands at it.
    headers["Referrer-Policy"] = "no-referrer" if holds_secret(request.path) else "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Cross-Origin-Embedder-Policy"] = "require-corp"
    headers["Permissions-Policy"] = _PERMISSIONS_POLICY
    headers["X-Permitted-Cross-Domain-Policies"] = "none"
    headers["X-Robots-Tag"] = "noindex, nofollow"
    if request.is_secure:
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    if request.endpoint != "assets.file" or response.status_code >= 400:
        headers["Cache-Control"] = "no-store"
    headers.pop("Server", None)
    headers.pop("X-Powered-By", None)
    return response


@bp.post("/csp-report")
def report() -> tuple[str, int]:
    """Take a violation report of a browser into the log: directive and addresses only, without their query."""
    if (request.content_length or REPORT_LIMIT + 1) > REPORT_LIMIT:
        return "", 413
    try:
        body = json.loads(request.get_data(cache=False) or b"{}")
    except ValueError:
        return "", 400
    reports = body if isinstance(body, list) else [body]
    for item in reports[:5]:
        facts = (item.get("csp-report") or item.get("body") or {}) if isinstance(item, dict) else {}
        if isinstance(facts, dict):
            kept = {key: str(facts[key]).split("?")[0][:200] for key in _REPORTED if key in facts}
            log.warning("content security policy violated", extra={"violation": kept})
    return "", 204


def init_app(app: Flask) -> None:
    """Check the origin of unsafe requests and put the headers on every answer, errors included."""
    app.register_blueprint(bp)
    app.before_request(_check_origin)
    app.after_request(_secure)
