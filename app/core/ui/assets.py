"""Static files under an address that carries a hash of their content, so that browsers may keep them for good.

They are sent before the application begins a request: no session, no account, no database for a style sheet.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, abort, current_app, request, url_for
from werkzeug.http import parse_accept_header
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STATIC_ROOT = Path(__file__).resolve().parent.parent / "static"
PREFIX = "/assets/"
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"
_COMPRESSED_TYPES = {"text/css", "text/javascript", "application/javascript", "image/svg+xml", "text/plain"}

bp = Blueprint("assets", __name__)


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file as it is sent."""

    digest: str
    content: bytes
    compressed: bytes | None
    mimetype: str
    modified: float


_cache: dict[str, Asset] = {}
_lock = Lock()


def load_asset(name: str, *, fresh: bool = False) -> Asset | None:
    """The file ``name`` below the static folder, read once; with ``fresh``, again when it has changed. None if absent."""
    known = _cache.get(name)
    if known is not None and not fresh:
        return known
    if "\0" in name:
        return None
    path = (STATIC_ROOT / name).resolve()
    if not path.is_relative_to(STATIC_ROOT) or not path.is_file():
        return None
    modified = path.stat().st_mtime
    if known is not None and known.modified == modified:
        return known
    content = path.read_bytes()
    mimetype = guess_type(path.name)[0] or "application/octet-stream"
    compressed = gzip.compress(content, 9, mtime=0) if mimetype in _COMPRESSED_TYPES else None
    asset = Asset(sha256(content).hexdigest()[:12], content, compressed, mimetype, modified)
    with _lock:
        _cache[name] = asset
    return asset


def static_url(name: str) -> str:
    """The address of a static file, with the hash of its content; without a hash when the file is not there."""
    asset = load_asset(name, fresh=current_app.debug)
    return url_for("assets.file", digest=asset.digest if asset else "0", name=name)


def _respond(asset: Asset, digest: str, environ: WSGIEnvironment) -> Response:
    """The file, compressed if the browser can; a hash of another version gets the present content, not to be kept."""
    response = Response(mimetype=asset.mimetype)
    response.set_etag(asset.digest)
    response.headers["Cache-Control"] = (
        "public, max-age=31536000, immutable" if digest == asset.digest else "public, max-age=60"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    if environ.get("wsgi.url_scheme") == "https":
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    if asset.compressed is not None:
        response.vary.add("Accept-Encoding")
    accepted = parse_accept_header(environ.get("HTTP_ACCEPT_ENCODING"))
    if asset.compressed is not None and accepted.quality("gzip") > 0:
        response.data = asset.compressed
        response.content_encoding = "gzip"
    else:
        response.data = asset.content
    response.make_conditional(environ)
    return response


class AssetsMiddleware:
    """Answers for static files; everything else, absent files included, goes to the application."""

    def __init__(self, app: Flask, inner: WSGIApplication) -> None:
        self.app = app
        self.inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Send the file, or let the application answer."""
        path = environ.get("PATH_INFO", "")
        if path.startswith(PREFIX) and environ.get("REQUEST_METHOD") in {"GET", "HEAD"}:
            digest, _slash, name = path[len(PREFIX) :].partition("/")
            asset = load_asset(name, fresh=self.app.debug) if name else None
            if asset is not None:
                return _respond(asset, digest, environ)(environ, start_response)
        return self.inner(environ, start_response)


@bp.get("/assets/<digest>/<path:name>")
def file(digest: str, name: str) -> Response:
    """The same without the middleware (another server in front); an absent file gets the page of that error."""
    asset = load_asset(name)
    if asset is None:
        abort(404)
    return _respond(asset, digest, request.environ)


def init_app(app: Flask) -> None:
    """Register the address and put the middleware in front."""
    app.register_blueprint(bp)
    app.wsgi_app = AssetsMiddleware(app, app.wsgi_app)  # type: ignore[method-assign]
