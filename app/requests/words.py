"""Values that are ids, in words: a request keeps them, so that its history says what was meant whatever becomes of the lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import select

from app.core.extensions import db
from app.reference.models import Level, Site

from .domain import Change, Field, Value


def words_for(pairs: Iterable[tuple[Field, Value]]) -> dict[tuple[Field, Value], str]:
    """Field and value → words, for levels and sites, in a statement each at most."""
    pairs = set(pairs)
    levels = {value for field, value in pairs if field is Field.LEVEL and value is not None}
    sites = {site for field, value in pairs if field is Field.SITES and isinstance(value, tuple) for site in value}
    level_names = {row.id: str(row) for row in db.session.scalars(select(Level).where(Level.id.in_(levels)))} if levels else {}
    site_names = {row.id: str(row) for row in db.session.scalars(select(Site).where(Site.id.in_(sites)))} if sites else {}
    found: dict[tuple[Field, Value], str] = {}
    for field, value in pairs:
        if field is Field.LEVEL and isinstance(value, int):
            found[field, value] = level_names.get(value, "")
        elif field is Field.SITES and isinstance(value, tuple):
            found[field, value] = ", ".join(site_names.get(site, "?") for site in value)
    return found


def with_words(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes with both values in words where they are ids."""
    changes = tuple(changes)
    words = words_for([(one.key.field, value) for one in changes for value in (one.before, one.after)])
    return tuple(replace(one, said=(words.get((one.key.field, one.before), ""), words.get((one.key.field, one.after), ""))) for one in changes)
