"""The data access of FAB screens, without the traps of the stock one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask_appbuilder.models.sqla.interface import SQLAInterface
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Query, Session
from sqlalchemy.orm.exc import StaleDataError

from app.core import errors_db
from app.core.extensions import db
from app.core.transaction import transaction

log = logging.getLogger(__name__)


class Refused(Exception):
    """A save or a deletion that is refused, with the sentence to show.

    Raise it from the hooks of a view (``pre_add``, ``pre_update``, ``pre_delete``, an action): nothing is written and what was
    typed stays on screen. ``field`` names the form field the sentence belongs to, if any. ``in_use`` tells that the database
    refused because other rows depend on it. ``also`` are more sentences of the same refusal, each with its field: all are said at once.
    """

    def __init__(self, message: Any, *, field: str | None = None, in_use: bool = False, also: Sequence[tuple[str | None, Any]] = ()) -> None:
        super().__init__(str(message))
        self.message = message
        self.field = field
        self.in_use = in_use
        self.said = ((field, message), *also)


class StaleRow(Exception):
    """Somebody else saved the row meanwhile: the caller shows what differs."""


class SafeInterface(SQLAInterface):
    """``SQLAInterface`` that writes inside the service transaction and never lets SQL reach the screen.

    A violated constraint becomes ``Refused`` with its sentence (stock FAB flashes the statement and its parameters, which are
    personal data); a lost race becomes ``StaleRow``; every failure is rolled back before the caller goes on.
    """

    @property
    def session(self) -> Session:
        """The scoped session of the application, whatever FAB was given."""
        return self._session or db.session  # type: ignore[return-value]  # scoped_session quacks like Session

    def rows(self) -> Query[Any]:
        """All rows this scope may see (both tenancy walls apply)."""
        return self.session.query(self.obj)

    def add(self, item: Any, commit: bool = True) -> None:
        """Insert ``item``. Raises Refused when a constraint is violated."""
        with guarded_write():
            self.session.add(item)
            self.session.flush()

    def edit(self, item: Any, commit: bool = True) -> None:
        """Write the changes of ``item``. Raises Refused, or StaleRow when somebody else saved first."""
        with guarded_write():
            self.session.flush()

    def delete(self, item: Any, commit: bool = True) -> None:
        """Delete ``item``. Raises Refused when other rows depend on it."""
        with guarded_write():
            self.session.delete(item)
            self.session.flush()

    def delete_all(self, items: list[Any]) -> None:
        """Delete all of ``items`` or none."""
        with guarded_write():
            for item in items:
                self.session.delete(item)
            self.session.flush()


@contextmanager
def guarded_write() -> Iterator[Session]:
    """One transaction whose database errors come out as sentences.

    It joins the service transaction (``core.transaction``); a refusal from a hook, a violated constraint or a lost race leaves
    nothing behind, not even on the objects in memory.
    """
    try:
        with transaction() as session:
            yield session
    except StaleDataError as stale:
        raise StaleRow from stale
    except DBAPIError as refused:
        # The class and the constraint only: the statement and its parameters may hold personal data.
        log.info("write refused by the database: %s (%s)", type(refused).__name__, errors_db.constraint_name(refused))
        raise Refused(errors_db.translate(refused), field=errors_db.field_of(refused), in_use=errors_db.is_foreign_key(refused)) from None
