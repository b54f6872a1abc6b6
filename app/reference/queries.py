"""Reads of the value lists."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import or_, select

from app.core import clock
from app.core.extensions import db
from app.core.matrix.rows import among
from app.core.textsearch import fold
from app.reference.models import Contact, Programme, Town

V = TypeVar("V")

#: Postal codes of one statement.
_CODES: Final = 5_000


def active(model: type[V], *, on: date | None = None, including: Any = None) -> Sequence[V]:
    """The values of ``model`` that may be chosen ``on`` a day (today), in their order.

    ``including``: a value, or its id, that stays in the list although its validity ended (the row being edited holds it).
    """
    day = on or clock.today()
    listed: Any = model
    condition = (listed.valid_from <= day) & (or_(listed.valid_to.is_(None), listed.valid_to >= day))
    held = getattr(including, "id", including)
    if held is not None:
        condition = or_(condition, listed.id == held)
    order = [listed.position, listed.label, listed.id] if hasattr(model, "position") else [listed.town, listed.name, listed.id]
    return db.session.scalars(select(model).where(condition).order_by(*order)).all()


def choices(model: type[Any], *, on: date | None = None, including: Any = None) -> list[tuple[int, str]]:
    """The same as (id, words) pairs for a form."""
    return [(value.id, str(value)) for value in active(model, on=on, including=including)]


def by_code(model: type[V], code: str) -> V | None:
    """The value whose code is ``code``."""
    listed: Any = model
    return db.session.scalars(select(model).where(listed.code == code)).one_or_none()


def same_code(model: type[V], code: str, *, other_than: int | None = None) -> V | None:
    """The value whose code reads like ``code`` (case, blanks and accents aside), other than the row ``other_than``."""
    listed: Any = model
    wanted = _as_read(code)
    with db.session.no_autoflush:
        rows = db.session.execute(select(listed.id, listed.code)).all()
        twin = next((key for key, known in rows if key != other_than and _as_read(known) == wanted), None)
        return db.session.get(model, twin) if twin is not None else None


def _as_read(code: str) -> str:
    lowered = "".join(code.split()).casefold()
    return "".join(one for one in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(one))


def programme(code: str) -> Programme | None:
    """The programme (dispositif) whose code is ``code``."""
    return by_code(Programme, code)


def is_postal_code(text: str) -> bool:
    """Whether these are five digits."""
    return len(text) == 5 and text.isascii() and text.isdigit()


def towns_for_postal_code(postal_code: str) -> Sequence[Town]:
    """The towns that ``postal_code`` serves, CEDEX last; nothing when it is not five digits."""
    wanted = postal_code.strip().replace(" ", "")
    if not is_postal_code(wanted):
        return []
    return db.session.scalars(select(Town).where(Town.postal_code == wanted).order_by(Town.cedex, Town.name, Town.id)).all()


class NamedTown(NamedTuple):
    """A town as an address names it, read for many at once."""

    name: str
    insee_code: str


def towns_for_postal_codes(postal_codes: Collection[str]) -> dict[str, list[NamedTown]]:
    """The same of many codes, in one statement for thousands; each code has its entry, also one that serves no town."""
    found: dict[str, list[NamedTown]] = {code: [] for code in postal_codes}
    wanted = sorted(code for code in found if is_postal_code(code))
    for start in range(0, len(wanted), _CODES):
        statement = select(Town.postal_code, Town.name, Town.insee_code).where(among(Town.postal_code, wanted[start : start + _CODES]))
        for code, name, insee_code in db.session.execute(statement.order_by(Town.cedex, Town.name, Town.id)):
            found[code].append(NamedTown(name, insee_code))
    return found


def named_town(postal_code: str, name: str) -> Town | None:
    """The town of this postal code whose name reads like ``name``; None for another one, and for a CEDEX that is not known."""
    return next((one for one in towns_for_postal_code(postal_code) if fold(one.name) == fold(name)), None)


def town(postal_code: str, insee_code: str) -> Town | None:
    """The town of this pair of codes; None when they do not go together."""
    statement = select(Town).where(Town.postal_code == postal_code, Town.insee_code == insee_code).order_by(Town.id).limit(1)
    return db.session.scalars(statement).first()


def contact_of_programme(programme_id: int) -> Contact | None:
    """Whom to ask about the data of a programme ("Données QUALIF PRO"), as the foot of the pages says."""
    statement = select(Contact).where(Contact.shown, Contact.programme_id == programme_id).order_by(Contact.position, Contact.id).limit(1)
    return db.session.scalars(statement).one_or_none()


def shown_contacts() -> Sequence[Contact]:
    """Contacts et assistance of the footer, in their order."""
    return db.session.scalars(select(Contact).where(Contact.shown).order_by(Contact.position, Contact.id)).all()
