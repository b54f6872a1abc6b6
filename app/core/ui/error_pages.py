"""Error pages in plain words: what happened, what to do, and a reference that is found in the logs.

An expired form (419), or one that somebody else's work kept from being saved (503), is shown with what was typed still in it, ready to be sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, jsonify, make_response, redirect, render_template, request
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, generate_csrf
from sqlalchemy.exc import OperationalError
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException, InternalServerError

from app.core import context
from app.core.errors_db import HELD, is_held, is_passing
from app.core.extensions import db
from app.core.ui.paths import login_url, sign_in_and_resume_url
from app.core.ui.permissions import signed_in
from app.core.ui.security_headers import SAFE_METHODS, browser_vouches
from app.core.ui.store import request_store

log = logging.getLogger(__name__)

EXPIRED = 419
#: Seconds after which what somebody else held is asked for again: most acts are over by then.
_HELD_AGAIN = "10"
_KEPT_BYTES = 1_000_000
_LEFT = "portal.left"
#: Nor is a password ever written into a page: sent without it, the form asks for it again.
NOT_KEPT = frozenset({"csrf_token", "password", "current", "new", "confirmation", "otp", "recovery"})

#: What pages carry along without showing it: it goes with the form, and is not counted among what people typed.
_CARRIED = frozenset({"go", "next", "version", "moved", "shown", "changements", "town_listed", "resolve"})
_CARRIED_BEGINS = ("row_", "wizard_", "conflict-", "_")


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """What one error page says."""

    title: str
    message: str
    advice: str | None = None


def _words(code: int) -> ErrorWords:
    """The words of an error, in the language of the page; an unlisted code gets those of its family."""
    table = {
        400: ErrorWords(
            _("The request could not be understood"),
            _("Something in the address or in the form is not what the portal expects."),
            _("Go back to the previous page and try again."),
        ),
        401: ErrorWords(
            _("You have to sign in"),
            _("Your session has ended or you have not signed in yet."),
            _("Sign in, then open this page again."),
        ),
        403: ErrorWords(
            _("You may not do this"),
            _("Your account does not have the right this page or this action asks for."),
            _("If you need it for your work, ask the person who manages the accounts of your organisation, or the assistance."),
        ),
        404: ErrorWords(
            _("This page does not exist"),
            _("The address is wrong, or what it showed has been removed or is not yours to see."),
            _("Check the address, or start again from the home page."),
        ),
        405: ErrorWords(
            _("This action cannot be done this way"),
            _("The page was asked for in a way it does not accept."),
            _("Go back to the previous page and use its buttons."),
        ),
        409: ErrorWords(
            _("Someone else changed this in the meantime"),
            _("What you wanted to do no longer fits the present state."),
            _("Open the page again to see where things stand, then do it again if it still makes sense."),
        ),
        413: ErrorWords(
            _("What you sent is too large"),
            _("The files or the form are larger than the portal accepts at once."),
            _(
                "Go back to the previous page, then send lighter files or one file at a time: those attached before are kept. "
                "Shorten what you typed if it is very long."
            ),
        ),
        429: ErrorWords(
            _("Too many requests"),
            _("You have sent many requests in a short time, and the portal has paused yours."),
            _("Wait one minute, then try again."),
        ),
        500: ErrorWords(
            _("The portal has failed"),
            _("The mistake is ours, not yours. What was already saved is safe."),
            _("Try again in a few minutes. If it happens again, write to the assistance with the reference below."),
        ),
        503: ErrorWords(
            _("The portal is not available for the moment"),
            _("Part of it is being restarted or maintained. What was already saved is safe."),
            _("Try again in a few minutes."),
        ),
        EXPIRED: ErrorWords(
            _("The form was no longer valid"),
            _("Your session had ended, or you signed in again, since the form was opened: it was not saved."),
        ),
    }
    return table.get(code) or (table[500] if code >= 500 else table[400])


_refusals: list[Callable[[], tuple[str, str] | None]] = []


def register_refusal(reader: Callable[[], tuple[str, str] | None]) -> None:
    """Let a feature say why a page is refused and what to do, when it knows better than "you may not do this"."""
    if reader not in _refusals:
        _refusals.append(reader)


def _words_of_refusal() -> ErrorWords | None:
    told = next((told for reader in _refusals if (told := reader()) is not None), None)
    return None if told is None else ErrorWords(_("You may not do this"), *told)


def reference() -> str:
    """The number to give to the assistance: the id of the request, found on every log line of it."""
    return g.get("request_id") or context.request_id() or "-"


def wants_json() -> bool:
    """True for the API and for callers who prefer JSON to HTML."""
    if request.path.startswith("/api/") or request.is_json:
        return True
    best = request.accept_mimetypes.best_match(["text/html", "application/json", "application/problem+json"], default="text/html")
    return best != "text/html"


def is_htmx() -> bool:
    """True when a part of a page is asked for, not a page."""
    return request.headers.get("HX-Request") == "true"


def _problem(code: int, words: ErrorWords) -> Response:
    response = jsonify(type="about:blank", status=code, title=words.title, detail=words.message, reference=reference())
    response.status_code = code
    response.content_type = "application/problem+json"
    return response


def _bare(code: int) -> bool:
    """Failures of the portal get a page that asks nothing of the database: it may be what has failed."""
    return code >= 500


def error_response(code: int, *, headers: dict[str, str] | None = None, words: ErrorWords | None = None, problem: str | None = None) -> Response:
    """The answer for ``code`` in the form the caller reads: page, part of a page, or JSON. Never a trace."""
    from app.core.api.caller import is_api_request
    from app.core.api.problems import problem_response

    if is_api_request():
        return problem_response(code, headers, problem=problem)
    words = words or (_words_of_refusal() if code == 403 else None) or _words(code)
    if wants_json() and not is_htmx():
        response = _problem(code, words)
    elif is_htmx():
        response = make_response(render_template("portal/fragment_error.html", title=words.title, message=words.advice or words.message, reference=reference()))
    else:
        response = make_response(render_template("portal/error.html", code=code, words=words, reference=reference(), bare=_bare(code)))
    response.status_code = code
    if code == EXPIRED:
        response.status = "419 Page Expired"
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def _kept_fields() -> list[tuple[str, str]] | None:
    """What was typed, if it may be shown again: only when the browser says that our own page sent it.

    Without that, a page of another site could put its own data behind a button of ours.
    """
    if request.method != "POST" or not browser_vouches():
        return None
    if (request.content_length or 0) > _KEPT_BYTES:
        return None
    return [(name, value) for name, value in request.form.items(multi=True) if name not in NOT_KEPT and not name.endswith("-csrf_token")]


def _typed_count(fields: list[tuple[str, str]]) -> int:
    """How many of the fields people see were filled in."""
    return len({name for name, value in fields if value and name not in _CARRIED and not name.startswith(_CARRIED_BEGINS)})


def expired_form() -> Response:
    """The page of an expired form: the same fields, a fresh token, one button."""
    if is_htmx() or wants_json():
        return error_response(EXPIRED)
    response = _to_send_again(_words(EXPIRED), expired=True)
    response.status = "419 Page Expired"
    return response


def _to_send_again(words: ErrorWords, *, expired: bool) -> Response:
    """The fields of the form, with the button that sends them again."""
    fields = _kept_fields()
    return make_response(
        render_template(
            "portal/expired.html",
            words=words,
            expired=expired,
            reference=reference(),
            fields=fields,
            typed=_typed_count(fields or []),
            files=sorted(name for name, item in request.files.items() if item.filename) if fields is not None else [],
            action=request.full_path.rstrip("?"),
            token=generate_csrf(),
            login=None if signed_in() else sign_in_and_resume_url(),
        )
    )


def _handle_database(error: OperationalError) -> Response:
    """Somebody else's work held what this one waited for: nothing of it was saved, and what was typed is there to be sent again.

    Whatever else the database says is a failure like another.
    """
    from app.core.api.caller import is_api_request

    if not is_held(error):
        raise error
    log.warning("somebody else wrote too long", extra={"reference": reference(), "path": request.path, "status": 503})
    db.session.rollback()
    words = ErrorWords(_("Somebody else is writing this"), str(HELD))
    headers = {"Retry-After": _HELD_AGAIN}
    if request.method in SAFE_METHODS or is_api_request() or is_htmx() or wants_json():
        return error_response(503, headers=headers, words=words, problem="busy")
    response = _to_send_again(words, expired=False)
    response.status_code = 503
    response.headers.update(headers)
    return response


def _handle_csrf(error: CSRFError) -> Response:
    log.warning("form refused: %s", error.description, extra={"reference": reference(), "path": request.path})
    return expired_form()


def _leave_body() -> None:
    """A form that is too large is not read, and each look at it would refuse it again: to the page that says so, it is empty."""
    if "form" not in request.__dict__:
        request.__dict__.update(form=ImmutableMultiDict(), files=ImmutableMultiDict())


def _handle_http(error: HTTPException) -> Response | HTTPException:
    code = error.code or 500
    if error.response is not None:
        return error
    if code < 400:
        return error
    log.log(
        logging.ERROR if code >= 500 else logging.INFO,
        "error page %s",
        code,
        extra={"reference": reference(), "path": request.path, "status": code},
    )
    if code == 413:
        _leave_body()
    kept = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After", "WWW-Authenticate"}}
    if code in {429, 503}:
        kept.setdefault("Retry-After", "60")
    return error_response(code, headers=kept)


def _handle_failure(error: InternalServerError) -> Response:
    cause = error.original_exception
    code = 503 if is_passing(cause) else 500
    # Flask has logged the exception with its trace; this line ties the reference on the screen to it.
    log.error("error page %s", code, extra={"reference": reference(), "path": request.path, "status": code, "cause": type(cause).__name__})
    try:
        return error_response(code, headers={"Retry-After": "60"} if code == 503 else None)
    except Exception:
        log.exception("the error page itself failed")
        text = f"{_words(code).title}\n{reference()}\n"
        return Response(text, status=code, mimetype="text/plain")


def _is_login(location: str) -> bool:
    address = login_url()
    return bool(address) and urlsplit(location).path == urlsplit(address or "").path


def leave_to_sign_in() -> Response:
    """Send to the sign-in page on purpose, once an act is done: not to be taken for a session that has expired."""
    request_store()[_LEFT] = True
    answer: Response = make_response(redirect(login_url() or "/", 303))
    return answer


def _recover_session_expiry(response: Response) -> Response:
    """A form sent after the session ended is kept, and a part of a page asked then does not become the sign-in page.

    The views answer both with a redirect to the sign-in page, which would lose what was typed.
    """
    if response.status_code not in {301, 302, 303, 307} or not _is_login(response.location or "") or signed_in():
        return response
    if _is_login(request.path) or request_store().get(_LEFT):
        return response
    if is_htmx() or wants_json():
        answer = error_response(401)
        answer.headers["X-Session-Expired"] = "1"
    elif request.method not in SAFE_METHODS and request.form and any(name not in NOT_KEPT for name in request.form):
        answer = expired_form()
    else:
        return response
    for name, value in response.headers.items(lower=False):
        if name == "Set-Cookie":
            answer.headers.add(name, value)
    return answer


def init_app(app: Flask) -> None:
    """Register the handlers. A failure in a test that asks for it (``PROPAGATE_EXCEPTIONS``) is still raised."""
    app.register_error_handler(CSRFError, _handle_csrf)
    app.register_error_handler(HTTPException, _handle_http)
    app.register_error_handler(OperationalError, _handle_database)
    app.register_error_handler(InternalServerError, _handle_failure)
    app.after_request(_recover_session_expiry)


__all__ = [
    "EXPIRED",
    "NOT_KEPT",
    "ErrorWords",
    "current_app",
    "error_response",
    "expired_form",
    "init_app",
    "is_htmx",
    "leave_to_sign_in",
    "reference",
    "wants_json",
]
