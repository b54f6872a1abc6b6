"""Protection against forged requests: a token in every form, asked from every unsafe request (finding F8)."""

from __future__ import annotations

from flask import Flask
from flask_wtf.csrf import CSRFProtect

csrf = CSRFProtect()
"""``@csrf.exempt`` is for call-backs signed by other means, and for nothing else."""


def init_csrf(app: Flask) -> None:
    """Ask a token from every POST, PUT, PATCH and DELETE.

    The token lives as long as the session it is tied to: a shorter life would only make people lose forms.
    """
    from app.core.ui.security_headers import report

    app.config["WTF_CSRF_TIME_LIMIT"] = None
    app.config.setdefault("WTF_CSRF_HEADERS", ["X-CSRFToken", "X-CSRF-Token"])
    csrf.init_app(app)
    # Browsers send violation reports by themselves, without any token; they change nothing but the log.
    csrf.exempt(report)
