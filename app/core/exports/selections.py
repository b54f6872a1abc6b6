"""Selections of columns that an account keeps under a name: its own only, some for each list."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core import context
from app.core.extensions import db
from app.core.locks import Lock
from app.core.tenancy import current_scope
from app.core.transaction import transaction

from .domain import MOST_SELECTIONS
from .models import ExportSelection


class SelectionNotFound(LookupError):
    """No such selection of this account."""


class NameTaken(ValueError):
    """The account has a selection of this name already for this list."""


class TooManySelections(ValueError):
    """The account keeps as many as it may for this list."""


class RenamedMeanwhile(Exception):
    """The selection got another name since the form was shown: in another tab, say."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__("renamed")
        self.name = name
        self.version = version


def of_list(list_name: str) -> list[ExportSelection]:
    """The selections of the account at work for a list, by name."""
    statement = select(ExportSelection).where(ExportSelection.user_id == context.actor_id(), ExportSelection.list_name == list_name)
    statement = statement.order_by(func.lower(ExportSelection.name), ExportSelection.id).execution_options(populate_existing=True)
    return list(db.session.scalars(statement))


def of_account() -> list[ExportSelection]:
    """All selections of the account at work, by list and name."""
    statement = select(ExportSelection).where(ExportSelection.user_id == context.actor_id())
    return list(db.session.scalars(statement.order_by(ExportSelection.list_name, func.lower(ExportSelection.name), ExportSelection.id)))


def one(selection_id: int) -> ExportSelection:
    """A selection of the account at work. Raises SelectionNotFound."""
    statement = select(ExportSelection).where(ExportSelection.id == selection_id, ExportSelection.user_id == context.actor_id())
    found = db.session.scalars(statement).one_or_none()
    if found is None:
        raise SelectionNotFound
    return found


def save(list_name: str, name: str, columns: Sequence[str], *, replace: bool) -> ExportSelection:
    """Keep columns under a name; one of this name is changed if ``replace`` says so. Raises NameTaken, TooManySelections."""
    try:
        with transaction() as session:
            kept = _locked(session, list_name)
            selection = _of_name(kept, name)
            if selection is not None and not replace:
                raise NameTaken
            if selection is None:
                free = next((slot for slot in range(1, MOST_SELECTIONS + 1) if slot not in {known.slot for known in kept}), None)
                if free is None:
                    raise TooManySelections
                selection = ExportSelection(
                    organisation_id=current_scope().organisation_id, user_id=context.actor_id(), list_name=list_name, slot=free, name=name
                )
                session.add(selection)
            selection.name, selection.columns = name, list(columns)
            session.flush()
            return selection
    except IntegrityError as error:
        raise _told(error) from error


def rename(selection_id: int, name: str, *, version: int) -> ExportSelection:
    """Give a selection another name. Raises SelectionNotFound, NameTaken, RenamedMeanwhile."""
    try:
        with transaction() as session:
            kept = _locked(session, one(selection_id).list_name)
            selection = next((known for known in kept if known.id == selection_id), None)
            if selection is None:
                raise SelectionNotFound
            if selection.version != version and selection.name != name:
                raise RenamedMeanwhile(selection.name, selection.version)
            same = _of_name(kept, name)
            if same is not None and same.id != selection_id:
                raise NameTaken
            selection.name = name
            session.flush()
            return selection
    except IntegrityError as error:
        raise _told(error) from error


def delete(selection_id: int) -> None:
    """Forget a selection, once, whatever is clicked twice; the columns it names stay where they are. Raises SelectionNotFound."""
    with transaction() as session:
        kept = _locked(session, one(selection_id).list_name)
        selection = next((known for known in kept if known.id == selection_id), None)
        if selection is None:
            raise SelectionNotFound
        session.delete(selection)


def _locked(session: Session, list_name: str) -> list[ExportSelection]:
    """The account's selections for a list; whoever else writes some of the same account waits."""
    session.execute(text("SELECT pg_advisory_xact_lock(:lock, :account)"), {"lock": Lock.SAVED_COLUMNS.value, "account": context.actor_id()})
    return of_list(list_name)


def _of_name(kept: Sequence[ExportSelection], name: str) -> ExportSelection | None:
    return next((known for known in kept if known.name.lower() == name.lower()), None)


def _told(error: IntegrityError) -> Exception:
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", "")
    return {"uq_export_selection_name": NameTaken(), "uq_export_selection_slot": TooManySelections()}.get(constraint or "", error)


__all__ = ["NameTaken", "RenamedMeanwhile", "SelectionNotFound", "TooManySelections", "delete", "of_account", "of_list", "one", "rename", "save"]
