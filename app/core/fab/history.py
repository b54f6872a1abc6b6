"""Where "back" leads, without any history in the session cookie.

Stock FAB keeps the last five full addresses, search terms included, in the client-side session: personal data in a cookie that
outgrows 4 kB and is then dropped by browsers. Here nothing is stored: a form carries the address it came from, checked.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request
from flask_appbuilder.baseviews import BaseView

#: Name of the parameter that carries the address to return to.
NEXT = "next"


def safe_target(candidate: str | None) -> str | None:
    """``candidate`` when it is an address inside this portal, written from the root; else None (no open redirect)."""
    if not candidate or len(candidate) > 2000 or not candidate.startswith("/"):
        return None
    if candidate.startswith("//") or "\\" in candidate or any(ord(c) < 32 or ord(c) == 127 for c in candidate):
        return None
    parts = urlsplit(candidate)
    return candidate if not parts.scheme and not parts.netloc else None


def _same_host_referrer() -> str | None:
    parts = urlsplit(request.referrer or "")
    if parts.netloc != request.host:
        return None
    here = parts.path + (f"?{parts.query}" if parts.query else "")
    return safe_target(here) if parts.path != request.path else None


def previous_address(default: str) -> str:
    """The address to go back to: the one the form carried, else the page the person came from, else ``default``."""
    return safe_target(request.values.get(NEXT)) or _same_host_referrer() or default


def forget_history() -> None:
    """Make every FAB view, whatever its class, leave the session alone. Idempotent."""

    def update_redirect(self: BaseView) -> None:
        """Nothing is remembered."""

    def get_redirect(self: BaseView) -> str:
        return previous_address(self.appbuilder.get_url_for_index)

    BaseView.update_redirect = update_redirect
    BaseView.get_redirect = get_redirect
