"""Searches an account keeps under a name: its own only, twenty at most."""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core import context
from app.core.extensions import db
from app.core.locks import Lock
from app.core.tenancy import current_scope
from app.core.transaction import transaction

from .domain import MAX_SAVED_SEARCHES
from .models import SavedSearch

LONGEST_NAME = 80


class SearchNotFound(LookupError):
    """No such search of this account."""


class NameTaken(ValueError):
    """The account has a search of this name already."""


class TooManySearches(ValueError):
    """The account keeps as many as it may."""


class RenamedMeanwhile(Exception):
    """The search got another name since the form was shown: in another tab, say."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__("renamed")
        self.name = name
        self.version = version


class NothingToSave(ValueError):
    """The search narrows nothing."""


def of_account() -> list[SavedSearch]:
    """The searches of the account at work, by name."""
    statement = select(SavedSearch).where(SavedSearch.user_id == context.actor_id()).order_by(text("lower(name)"), SavedSearch.id)
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


def one(search_id: int) -> SavedSearch:
    """A search of the account at work. Raises SearchNotFound."""
    found = db.session.scalars(select(SavedSearch).where(SavedSearch.id == search_id, SavedSearch.user_id == context.actor_id())).one_or_none()
    if found is None:
        raise SearchNotFound
    return found


def save(name: str, query: str) -> SavedSearch:
    """Keep a search under a name. Raises NameTaken, TooManySearches, NothingToSave."""
    if not query:
        raise NothingToSave
    try:
        with transaction() as session:
            kept = _locked(session)
            _check_name(kept, name, None)
            free = next((slot for slot in range(1, MAX_SAVED_SEARCHES + 1) if slot not in {search.slot for search in kept}), None)
            if free is None:
                raise TooManySearches
            search = SavedSearch(organisation_id=current_scope().organisation_id, user_id=context.actor_id(), slot=free, name=name, query=query)
            session.add(search)
            session.flush()
            return search
    except IntegrityError as error:
        raise _told(error) from error


def rename(search_id: int, name: str, *, version: int) -> SavedSearch:
    """Give a search another name. Raises SearchNotFound, NameTaken, RenamedMeanwhile."""
    try:
        with transaction() as session:
            kept = _locked(session)
            search = next((found for found in kept if found.id == search_id), None)
            if search is None:
                raise SearchNotFound
            if search.version != version and search.name != name:
                raise RenamedMeanwhile(search.name, search.version)
            _check_name(kept, name, search_id)
            search.name = name
            session.flush()
            return search
    except IntegrityError as error:
        raise _told(error) from error


def delete(search_id: int) -> None:
    """Forget a search; done once, whatever is clicked twice. Raises SearchNotFound."""
    with transaction() as session:
        search = next((found for found in _locked(session) if found.id == search_id), None)
        if search is None:
            raise SearchNotFound
        session.delete(search)


def _locked(session: Session) -> list[SavedSearch]:
    """The account's searches; whoever else writes some of the same account waits."""
    session.execute(text("SELECT pg_advisory_xact_lock(:lock, :account)"), {"lock": Lock.SAVED_SEARCHES.value, "account": context.actor_id()})
    return of_account()


def _check_name(kept: list[SavedSearch], name: str, but: int | None) -> None:
    if any(search.name.lower() == name.lower() and search.id != but for search in kept):
        raise NameTaken


def _told(error: IntegrityError) -> Exception:
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", "")
    return {"uq_saved_search_name": NameTaken(), "uq_saved_search_slot": TooManySearches()}.get(constraint or "", error)
