"""What accounts are called in histories. The kernel knows their rows; the feature of accounts knows what to call them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import select

from app.core.extensions import db

Naming = Callable[[set[int]], dict[int, str]]

_namings: list[Naming] = []


def register_account_names(naming: Naming) -> None:
    """Have accounts named by ``naming`` (ids → names of those the reader may see) from now on."""
    _namings[:] = [naming]


def account_names(ids: Iterable[int | None]) -> dict[int, str]:
    """Account → name, for those the reader may see, in one statement."""
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    return _namings[0](wanted) if _namings else _plain_names(wanted)


def _plain_names(ids: set[int]) -> dict[int, str]:
    from flask_appbuilder.security.sqla.models import User

    rows = db.session.execute(select(User.id, User.first_name, User.last_name).where(User.id.in_(ids)))
    return {key: f"{first or ''} {last or ''}".strip() for key, first, last in rows}
