"""What still depends on a row, in words: why it cannot be deleted and what to do instead."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from sqlalchemy import and_, func, inspect, or_, select

from app.core.extensions import db
from app.core.fab import names


def dependents(item: Any) -> list[tuple[str, int]]:
    """(table, number of rows) for each table whose rows hold ``item``, the most numerous first.

    Counted foreign key by foreign key, among the rows the reader may see; rows that would go with it are not obstacles.
    """
    mapper = inspect(item).mapper
    classes = {one.local_table: one.class_ for one in mapper.registry.mappers}
    found: list[tuple[str, int]] = []
    for table in db.metadata.tables.values():
        links = [
            and_(*(element.parent == getattr(item, mapper.get_property_by_column(element.column).key) for element in key.elements))
            for key in table.foreign_key_constraints
            if key.referred_table is mapper.local_table and key.ondelete not in ("CASCADE", "SET NULL")
        ]
        if not links:
            continue
        # Through the class when there is one: the wall of the session narrows it as well as that of the database.
        count = db.session.scalar(select(func.count()).select_from(classes.get(table, table)).where(or_(*links))) or 0
        if count:
            found.append((table.name, count))
    return sorted(found, key=lambda one: (-one[1], one[0]))


def still_used(name: str, item: Any) -> str | None:
    """The sentence for a deletion refused because other rows hold ``item``; None when none of them may be seen."""
    found = dependents(item)
    if not found:
        return None
    uses = ", ".join(names.counted(table, count) for table, count in found)
    said = _("“%(name)s” cannot be deleted: still in use by %(uses)s.", name=name, uses=uses)
    if hasattr(type(item), "valid_to"):
        instead = _("End its validity instead: it is no longer offered, and nothing changes for what uses it already.")
        return f"{said} {instead}"
    return str(said)


__all__ = ["dependents", "still_used"]
