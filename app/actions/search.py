"""What the quick search finds among the actions."""

from __future__ import annotations

from flask import url_for

from app.core import clock
from app.core.ui import SearchHit

from . import labels, listing, queries


def find(text: str, limit: int) -> list[SearchHit]:
    """Actions by number, contract number or words of the title."""
    found = listing.find_by_number(text, limit=limit)
    shown = queries.shown_statuses(found, clock.today())
    return [
        SearchHit(
            title=action.number,
            href=url_for("ActionsView.show", action_id=action.id),
            detail=action.title,
            badge=str(labels.SHOWN_STATUS_LABELS[shown[action.id]]),
            tone=labels.STATUS_TONES[shown[action.id]],
        )
        for action in found
    ]


def all_url(text: str) -> str:
    """The list, narrowed to the same words."""
    return url_for("ActionsView.index", texte=text)
