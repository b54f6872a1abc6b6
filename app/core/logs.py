"""Structured logs: one JSON object per line, with the request's reference and the actor's id, and no personal data.

Whatever reaches a log passes through :func:`protect`: values under a personal or secret name are struck out, and anything
that looks like a NIR, an e-mail address or a value quoted by the database is masked wherever it stands, tracebacks included.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import structlog

from app.core import context

if TYPE_CHECKING:
    from flask import Flask, Response

MASK = "[masqué]"

#: Words that make the name of a value personal or secret.
_PRIVATE_WORDS = frozenset(
    {
        "nir",
        "nia",
        "password",
        "passwd",
        "pwd",
        "secret",
        "token",
        "authorization",
        "cookie",
        "cookies",
        "csrf",
        "session",
        "birthname",
        "usualname",
        "firstname",
        "lastname",
        "surname",
        "fullname",
        "username",
        "identifiant",
        "login",
        "email",
        "mail",
        "phone",
        "mobile",
        "address",
        "street",
        "birthdate",
        "birthplace",
        "iban",
        "bic",
        "rib",
        "params",
        "parameters",
        "body",
        "payload",
        "form",
        "ciphertext",
        "plaintext",
    }
)
#: Names made of such words that say nothing about anybody.
_HARMLESS = frozenset({"mail_id", "session_epoch", "token_id", "login_id", "nir_kind", "nir_key_id", "mail_count", "payload_bytes", "mail_status"})

# 13 or 15 digits that begin as a NIR or NIA does, however they are spaced. Fourteen digits are a SIRET and stay readable.
_GAP = r"[\s.\-/_]?"
_FIGURES = rf"[1-478](?:{_GAP}[0-9]){{4}}{_GAP}(?:[0-9]{{2}}|2[ABab])(?:{_GAP}[0-9]){{6}}(?:(?:{_GAP}[0-9]){{2}})?"
#: In a text, where codes of letters and digits are no such number; in the name of a file, where it may follow a word without a space.
NUMBER_IN_TEXT = re.compile(rf"(?<![0-9A-Za-z]){_FIGURES}(?![0-9A-Za-z])")
NUMBER_IN_NAME = re.compile(rf"(?<![0-9]){_FIGURES}(?![0-9])")
_MAIL = re.compile(r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+")
# What PostgreSQL and SQLAlchemy quote of a row in their messages.
_QUOTED = re.compile(
    r"\[parameters: .*?\](?=\s*(?:\n|$|\())|(?<=DETAIL:).*?(?=\n(?:HINT|CONTEXT|QUERY|STATEMENT|WHERE):|\n\n|\n\[|$)|=\(.*?\)(?= (?:already|is not|is still))",
    re.DOTALL,
)
# Addresses that hold a secret (a link to choose one's password): begin → what stands in them openly.
_secret_addresses: dict[str, frozenset[str]] = {}
_secret_address: re.Pattern[str] | None = None
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def register_secret_address(prefix: str, *, public: tuple[str, ...] = ()) -> None:
    """Say that what follows ``prefix`` in an address is a secret, but for the parts named ``public``: no log shows it."""
    global _secret_address
    _secret_addresses[prefix] = frozenset(public)
    parts = []
    for begin, open_parts in _secret_addresses.items():
        spared = "".join(rf"(?!{re.escape(part)}(?![\w-]))" for part in sorted(open_parts))
        parts.append(rf"(?<={re.escape(begin)}){spared}[^\s?#\"'<>]+")
    _secret_address = re.compile("|".join(parts))


def holds_secret(path: str) -> bool:
    """Whether this address holds a secret."""
    return _secret_address is not None and _secret_address.search(path) is not None


def mask_text(text: str) -> str:
    """`text` without anything that looks like a NIR, an e-mail address, the secret of an address or a database value."""
    if _secret_address is not None:
        text = _secret_address.sub(MASK, text)
    text = _QUOTED.sub(f" {MASK}", text)
    text = NUMBER_IN_TEXT.sub(MASK, text)
    return _MAIL.sub(MASK, text) if "@" in text else text


def is_private(name: str) -> bool:
    """True when the name of a value says that it is personal or secret."""
    lowered = _CAMEL.sub("_", name).lower()
    if lowered in _HARMLESS:
        return False
    words = re.split(r"[^a-z0-9]+", lowered)
    pairs = {first + second for first, second in pairwise(words)}
    return bool(_PRIVATE_WORDS & (pairs | set(words)))


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 10**12 else mask_text(str(value))
    if depth > 6:
        return MASK
    if isinstance(value, Mapping):
        return {str(key): MASK if is_private(str(key)) else _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, depth + 1) for item in value]
    return mask_text(str(value))


def protect(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The processor that lets nothing personal through."""
    for key, value in event.items():
        if not key.startswith("_"):
            event[key] = MASK if is_private(key) else _clean(value)
    return event


def _add_context(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in (("request_id", context.request_id()), ("actor_id", context.actor_id()), ("on_behalf_of_id", context.on_behalf_of())):
        if value is not None:
            event.setdefault(name, value)
    return event


def configure(*, level: str = "INFO", process: str = "web", output: str = "json") -> None:
    """Sends structlog's and the standard library's logs the same way, to standard output. May be called again.

    `output` is ``json`` or ``console`` (one readable line, for development).
    """

    def add_process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_context,
        add_process,
        structlog.processors.format_exc_info,
        protect,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Any = structlog.dev.ConsoleRenderer(colors=False) if output == "console" else structlog.processors.JSONRenderer(ensure_ascii=False)
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer])
    root = logging.getLogger()
    for handler in list(root.handlers):
        if getattr(handler, "portal", False):
            root.removeHandler(handler)
    handler = _CurrentOutput()
    handler.setFormatter(formatter)
    handler.portal = True  # type: ignore[attr-defined]  # how a second call finds it
    root.addHandler(handler)
    root.setLevel(level.upper())
    # These repeat every request, statement or address they handle.
    for name in (
        "werkzeug",
        "httpx",
        "httpcore",
        "urllib3",
        "sqlalchemy.engine",
        "flask_appbuilder.security",
        "flask_appbuilder.base",
        "rq.worker",
        "rq.scheduler",
    ):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    logging.captureWarnings(True)


class MaskingFilter(logging.Filter):
    """For loggers that have an output of their own (the web server's): what they write is masked, too."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record through, its text masked."""
        record.msg, record.args = mask_text(record.getMessage()), ()
        return True


class _CurrentOutput(logging.StreamHandler[Any]):
    """Writes to what standard output is at that moment: it may be replaced (tests, command runners)."""

    @property
    def stream(self) -> Any:
        return sys.stdout

    @stream.setter
    def stream(self, _value: Any) -> None:
        return


def init_app(app: Flask) -> None:
    """Configures the logs and writes one line per request: route, status, time. Never the query string or a form."""
    from flask import g, has_request_context, request  # here, for the scheduler logs without Flask

    if not app.testing:
        configure(level=app.config["LOG_LEVEL"], process=app.config["PORTAL_PROCESS"], output=app.config["LOG_FORMAT"])
    log = structlog.get_logger("portal.request")

    @app.before_request
    def _start() -> None:
        g.request_started = time.perf_counter()

    @app.after_request
    def _line(response: Response) -> Response:
        if has_request_context() and request.endpoint not in _QUIET:
            elapsed = time.perf_counter() - g.get("request_started", time.perf_counter())
            rule = request.url_rule.rule if request.url_rule else None
            log.info(
                "request", method=request.method, route=rule, endpoint=request.endpoint, status=response.status_code,
                duration_ms=round(elapsed * 1000, 1), request_id=context.request_id() or g.get("request_id"),
            )  # fmt: skip
        return response


_QUIET = frozenset({"health.healthz", "health.readyz", "metrics.metrics", "static", "appbuilder.static", "portal.static"})
