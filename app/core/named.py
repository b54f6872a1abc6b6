"""What an account keeps under a name (searches, selections of columns): its own only, so many at most, no two of one name."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core import context
from app.core.extensions import db
from app.core.locks import Lock
from app.core.tenancy import current_scope
from app.core.transaction import transaction

#: Characters of a name.
LONGEST_NAME = 80

Row = TypeVar("Row", bound=Any)


class NotKept(LookupError):
    """The account keeps no such row."""


class NameTaken(ValueError):
    """The account keeps something of this name already."""


class TooMany(ValueError):
    """The account keeps as many as it may."""


class RenamedMeanwhile(Exception):
    """It got another name since the form was shown: in another tab, say."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__("renamed")
        self.name = name
        self.version = version


class Shelf(Generic[Row]):
    """The rows of a model that the account at work keeps.

    The model has ``user_id``, ``organisation_id``, ``name``, ``version`` and ``slot``, and says in the database that no two have one name
    (``uq_<table>_name``) nor one slot (``uq_<table>_slot``).  ``part``: the column within which names and slots count, if any.
    """

    def __init__(self, model: type[Row], *, lock: Lock, most: int, part: str = "") -> None:
        self._model: Any = model
        self._lock = lock
        self._most = most
        self._part = part

    def kept(self, part: str | None = None) -> list[Row]:
        """All of them (those of one part), by part and name."""
        model = self._model
        statement = select(model).where(model.user_id == context.actor_id())
        if part is not None:
            statement = statement.where(getattr(model, self._part) == part)
        order = [getattr(model, self._part)] if self._part else []
        return list(db.session.scalars(statement.order_by(*order, func.lower(model.name), model.id).execution_options(populate_existing=True)))

    def one(self, row_id: int) -> Row:
        """One of them.  Raises NotKept."""
        found: Row | None = db.session.scalars(
            select(self._model).where(self._model.id == row_id, self._model.user_id == context.actor_id())
        ).one_or_none()
        if found is None:
            raise NotKept(row_id)
        return found

    def keep(self, name: str, *, part: str | None = None, replace: bool = False, **values: Any) -> Row:
        """Keep values under a name; what has this name is changed if ``replace`` says so.  Raises NameTaken or TooMany."""
        try:
            with transaction() as session:
                kept = self._locked(session, part)
                row = _of_name(kept, name)
                if row is not None and not replace:
                    raise NameTaken(name)
                if row is None:
                    free = next((slot for slot in range(1, self._most + 1) if slot not in {known.slot for known in kept}), None)
                    if free is None:
                        raise TooMany(self._most)
                    own = {"organisation_id": current_scope().organisation_id, "user_id": context.actor_id(), "slot": free}
                    row = self._new(**own, **({self._part: part} if self._part else {}))
                    session.add(row)
                for column, value in {"name": name, **values}.items():
                    setattr(row, column, value)
                session.flush()
        except IntegrityError as error:
            raise self._told(error) from error
        return row

    def rename(self, row_id: int, name: str, *, version: int) -> Row:
        """Give one of them another name.  Raises NotKept, NameTaken, RenamedMeanwhile."""
        try:
            with transaction() as session:
                kept, row = self._with_its_part(session, row_id)
                if row.version != version and row.name != name:
                    raise RenamedMeanwhile(row.name, row.version)
                same = _of_name(kept, name)
                if same is not None and same.id != row_id:
                    raise NameTaken(name)
                row.name = name
                session.flush()
                return row
        except IntegrityError as error:
            raise self._told(error) from error

    def delete(self, row_id: int) -> None:
        """Forget one of them; done once, whatever is clicked twice.  Raises NotKept."""
        with transaction() as session:
            _kept, row = self._with_its_part(session, row_id)
            session.delete(row)

    def _new(self, **values: Any) -> Row:
        made: Row = self._model(**values)
        return made

    def _with_its_part(self, session: Session, row_id: int) -> tuple[list[Row], Row]:
        """One of them, locked with those that its name is told from."""
        kept = self._locked(session, getattr(self.one(row_id), self._part) if self._part else None)
        row = next((known for known in kept if known.id == row_id), None)
        if row is None:
            raise NotKept(row_id)
        return kept, row

    def _locked(self, session: Session, part: str | None) -> list[Row]:
        """Those of a part; whoever else writes some of the same account waits."""
        session.execute(text("SELECT pg_advisory_xact_lock(:lock, :account)"), {"lock": self._lock.value, "account": context.actor_id()})
        return self.kept(part)

    def _told(self, error: IntegrityError) -> Exception:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", "") or ""
        table = self._model.__tablename__
        return {f"uq_{table}_name": NameTaken(), f"uq_{table}_slot": TooMany()}.get(constraint, error)


def _of_name(kept: list[Row], name: str) -> Row | None:
    return next((known for known in kept if known.name.lower() == name.lower()), None)


__all__ = ["LONGEST_NAME", "NameTaken", "NotKept", "RenamedMeanwhile", "Shelf", "TooMany"]
