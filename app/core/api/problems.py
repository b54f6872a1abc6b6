"""Refusals of the programming interface: ``application/problem+json`` (RFC 9457), in French, with a ``code`` for programs."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, g, jsonify
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from app.core import context
from app.core.errors_db import HELD

MEDIA_TYPE = "application/problem+json"


def _words(code: str) -> tuple[str, str]:
    """Title and detail of a refusal, by its code."""
    table = {
        "bad_request": (_("The request could not be understood"), _("Something in the address or in the headers is not what the interface expects.")),
        "parameter_invalid": (_("A parameter is wrong"), _("A parameter of the address does not have a value that is allowed.")),
        "token_missing": (
            _("A token is needed"),
            _("Send the header « Authorization: Bearer » followed by a token made in « Mon compte ». A session of the portal opens nothing here."),
        ),
        "token_invalid": (
            _("The token is not valid"),
            _("It is unknown, expired or revoked, or its account is closed. Make another one in « Mon compte »."),
        ),
        "network_not_allowed": (_("The token may not be used from this address"), _("It is limited to networks; this request comes from another one.")),
        "scope_missing": (_("The token lacks a scope"), _("This token was not made for this resource: make one with the scope that is named.")),
        "permission_missing": (
            _("The account lacks the right"),
            _("The account of this token may not do this in the portal either: have its rights changed, or use a token of another account."),
        ),
        "second_factor_missing": (_("The account has no second factor"), _("It is mandatory for this account: sign in to the portal and set it up.")),
        "not_found": (_("There is nothing at this address"), _("The address is wrong, or what it names does not exist or is not yours to see.")),
        "method_not_allowed": (_("This method is not allowed"), _("This address does not answer this method: see the header « Allow ».")),
        "body_invalid": (_("What was sent could not be read"), _("Send a JSON object, with the header « Content-Type: application/json ».")),
        "fields_invalid": (_("Some fields are to be corrected"), _("« errors » says for each field what is wrong. Nothing was written.")),
        "refused": (_("This cannot be done"), _("The present state does not allow it. Nothing was written.")),
        "key_reused": (
            _("This key was used for something else"),
            _("« Idempotency-Key » came with other content before. Nothing was taken: send each new request with a new key."),
        ),
        "precondition_required": (
            _("The version is missing"),
            _("Send the header « If-Match » with the ETag of the object as you read it, so that nobody’s changes are overwritten."),
        ),
        "precondition_failed": (
            _("Somebody changed this meanwhile"),
            _("Nothing was written. Read the object again, then send your change with its new ETag."),
        ),
        "too_large": (_("What you sent is too large"), _("The request is larger than the interface accepts.")),
        "too_many_requests": (_("Too many requests"), _("Wait for the number of seconds of the header « Retry-After », then try again.")),
        "unavailable": (_("The portal is not available for the moment"), _("Part of it is being restarted or maintained. Try again in a few minutes.")),
        "busy": (_("Somebody else is writing this"), str(HELD)),
        "failure": (_("The portal has failed"), _("The mistake is ours. Try again later, or write to the assistance with the reference.")),
    }
    return table[code]


#: What a status is called when nothing more precise is known.
_BY_STATUS: dict[int, str] = {
    401: "token_invalid",
    403: "permission_missing",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    429: "too_many_requests",
    503: "unavailable",
}

#: Every code with its status, for the description of the interface.
CODES: dict[str, int] = {
    "bad_request": 400,
    "parameter_invalid": 400,
    "token_missing": 401,
    "token_invalid": 401,
    "network_not_allowed": 403,
    "scope_missing": 403,
    "permission_missing": 403,
    "second_factor_missing": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "refused": 409,
    "precondition_failed": 412,
    "too_large": 413,
    "body_invalid": 415,
    "fields_invalid": 422,
    "key_reused": 422,
    "precondition_required": 428,
    "too_many_requests": 429,
    "failure": 500,
    "unavailable": 503,
    "busy": 503,
}


class ApiProblem(HTTPException):
    """Refuse the request: ``raise ApiProblem("not_found")``. Members given by name stand in the answer as well."""

    def __init__(self, problem: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(response=_answer(CODES[problem], problem, headers, members))
        self.problem = problem
        self.code = CODES[problem]


def problem_response(status: int, headers: Mapping[str, str] | None = None, *, problem: str | None = None) -> Response:
    """The answer for a status that something else decided (no such route, a failure); ``problem``: its code, when it is known."""
    default = "failure" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "bad_request"
    return _answer(status, problem or _BY_STATUS.get(status, default), headers, {})


def _answer(status: int, problem: str, headers: Mapping[str, str] | None, members: Mapping[str, Any]) -> Response:
    title, detail = _words(problem)
    reference = g.get("request_id") or context.request_id() or "-"
    response = jsonify({"type": "about:blank", "status": status, "code": problem, "title": title, "detail": detail, "reference": reference, **members})
    response.status_code = status
    response.content_type = MEDIA_TYPE
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="api"'
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response
