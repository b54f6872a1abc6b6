"""What every web request has: a reference, a closed scope until the account is known, and nothing left behind."""

from __future__ import annotations

from flask import Flask, Response, g, request
from werkzeug.routing import IntegerConverter, ValidationError

from app.core import context, tenancy
from app.core.cookies import SealedSessions

REQUEST_ID_HEADER = "X-Request-ID"
#: How long a page waits for what somebody else is writing: a web process serves nobody else meanwhile, and is ended after a minute.
PATIENCE = "8s"
#: The largest value of an integer column: a greater number in an address names nothing, and would make PostgreSQL fail.
LARGEST_NUMBER = 2**31 - 1


class RowNumber(IntegerConverter):
    """``<int:…>`` in an address: a number that may be a row's; any other answers 404."""

    def to_python(self, value: str) -> int:
        """The number; Python itself refuses to read thousands of digits."""
        if len(value) > len(str(LARGEST_NUMBER)):
            raise ValidationError
        number: int = super().to_python(value)
        if number > LARGEST_NUMBER:
            raise ValidationError
        return number


def row_number(text: str | None) -> int | None:
    """The number of a row, or of its version, that a form or an address names; None for anything that cannot be one."""
    if not text or not (text.isascii() and text.isdecimal()) or len(text) > len(str(LARGEST_NUMBER)):
        return None
    number = int(text)
    return number if number <= LARGEST_NUMBER else None


#: Endpoint → how many bytes a request to it may have, where files larger than ``MAX_CONTENT_LENGTH`` are taken.
_bodies: dict[str, int] = {}


def allow_body(endpoint: str, size: int) -> None:
    """Let requests to ``endpoint`` be larger than others; it is known before anything reads the body."""
    _bodies[endpoint] = size


def init_app(app: Flask) -> None:
    """Bind the reference of the request and close the scope before anything else runs; read addresses and cookies safely."""
    app.url_map.converters["int"] = RowNumber
    app.session_interface = SealedSessions()

    @app.before_request
    def _open() -> None:
        context.set_request_id(context.accept_request_id(request.headers.get(REQUEST_ID_HEADER)))
        context.set_actor_id(None)
        context.set_on_behalf_of(None)
        context.set_patience(PATIENCE)
        tenancy.bind(tenancy.Scope.nothing())
        g.request_id = context.request_id()
        if request.endpoint in _bodies:
            request.max_content_length = _bodies[request.endpoint]

    @app.after_request
    def _echo(response: Response) -> Response:
        response.headers[REQUEST_ID_HEADER] = context.request_id() or ""
        return response

    @app.teardown_request
    def _close(_error: BaseException | None) -> None:
        context.set_actor_id(None)
        context.set_on_behalf_of(None)
        context.set_patience("")
        tenancy.reset()
