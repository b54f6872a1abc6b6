"""What the quick search finds among the actions."""

from __future__ import annotations

from flask import url_for

from app.core import clock
from app.core.ui import SearchHit

from . import labels, listing


def find(text: str, limit: int) -> list[SearchHit]:
    """Actions by number, contract number or words of the title."""
    today = clock.today()
    return [
        SearchHit(
            title=action.number,
            href=url_for("ActionsView.show", action_id=action.id),
            detail=action.title,
            badge=str(labels.LATE_LABEL) if action.is_late(today) else labels.status_label(action.status),
            tone="warning" if action.is_late(today) else labels.STATUS_TONES[action.status],
        )
        for action in listing.find_by_number(text, limit=limit)
    ]


def all_url(text: str) -> str:
    """The list, narrowed to the same words."""
    return url_for("ActionsView.index", texte=text)
