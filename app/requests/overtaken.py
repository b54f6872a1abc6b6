"""Somebody else sent the request that one was making or correcting: who, when, what it asks beside one's own, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import request, url_for
from flask_babel import gettext as _

from app.core.people import account_names

from . import labels
from .domain import Change
from .models import ModificationRequest


def told_text(already: ModificationRequest) -> str:
    """Who sent it."""
    names = account_names((already.sender_id,))
    return (names.get(already.sender_id) if already.sender_id is not None else None) or already.sender_name or _("another user")


def compared(theirs: Sequence[Change], mine: Sequence[Change]) -> list[dict[str, str]]:
    """Rows label, before, mine, theirs: every field that one of the two asks to change."""
    asked = {change.key: change for change in theirs}
    own = {change.key: change for change in mine}
    return [
        {
            "label": labels.field_label(asked.get(key) or own[key]),
            "before": labels.before_text(asked.get(key) or own[key]),
            "mine": labels.after_text(own[key]) if key in own else "",
            "theirs": labels.after_text(asked[key]) if key in asked else "",
        }
        for key in dict.fromkeys([*own, *asked])
    ]


def page_values(already: ModificationRequest, mine: Sequence[Change], motivation: str, *, urls: Mapping[str, str]) -> dict[str, Any]:
    """What ``requests/overtaken.html`` shows."""
    return {
        "found": already,
        "kind_label": labels.kind_label(already.kind),
        "sender": told_text(already),
        "rows": compared(already.asked, mine),
        "motivation": motivation,
        "show_url": url_for("RequestsView.show", request_id=already.id),
        "menu_current": "ActionsView.index",
        **urls,
    }


def posted_step() -> str | None:
    """The step whose values the request of the web brings, if any."""
    return (request.view_args or {}).get("step_name") if request.method == "POST" else None


__all__ = ["compared", "page_values", "posted_step", "told_text"]
