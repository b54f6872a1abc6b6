"""The secret of a link sent by mail: it stands in the address of one request only, which moves it into the sealed cookie.

So no page, history, log or referrer holds it.
"""

from __future__ import annotations

from typing import Final

from flask import redirect, session, url_for
from flask.typing import ResponseReturnValue

#: A longer one is none of ours, and would not fit into a cookie.
_LONGEST: Final = 128


def into_cookie(name: str, secret: str, endpoint: str) -> ResponseReturnValue:
    """Keep the secret of a link that was opened under ``name``, and go on to the page that uses it."""
    session[name] = secret if len(secret) <= _LONGEST else ""
    return redirect(url_for(endpoint), 303)


def secret_of(name: str) -> str:
    """The secret kept under ``name``; empty when no link was opened, or one that is none of ours."""
    return str(session.get(name) or "")
