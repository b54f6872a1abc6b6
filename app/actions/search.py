"""What the quick search finds among the actions."""

from __future__ import annotations

from flask import url_for

from app.core.ui import SearchHit

from . import labels, listing


def find(text: str, limit: int) -> list[SearchHit]:
    """Actions by number, contract number or words of the title."""
    return [
        SearchHit(
            title=action.number,
            href=url_for("ActionsView.show", action_id=action.id),
            detail=action.title,
            badge=str(labels.SHOWN_STATUS_LABELS[shown]),
            tone=labels.STATUS_TONES[shown],
        )
        for action, shown in listing.find_by_number(text, limit=limit)
    ]


def all_url(text: str) -> str:
    """The list, narrowed to the same words."""
    return url_for("ActionsView.index", texte=text)
