"""Rows read anew and locked, whatever the page had loaded of them."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm.util import identity_key

from app.core.extensions import db

R = TypeVar("R")


def locked(model: type[R], identifier: int) -> R:
    """The row ``identifier``, locked until the end of the transaction.  Raises LookupError outside the scope.

    What a page loaded is let go first: it came with outer joins, which a later ``FOR UPDATE`` of the same object would repeat and
    PostgreSQL refuses.
    """
    held = db.session.identity_map.get(identity_key(model, identifier))
    if held is not None:
        db.session.expunge(held)
    entity: Any = model
    row = db.session.scalars(select(model).where(entity.id == identifier).with_for_update()).one_or_none()
    if row is None:
        raise LookupError(identifier)
    return row
