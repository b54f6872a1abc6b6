""""Contacts et assistance" of the footer: whom to ask, by subject. The reference data provides them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from flask import current_app

log = logging.getLogger(__name__)
KEPT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Contact:
    """One line: a subject and how to reach those who deal with it."""

    subject: str
    email: str | None = None
    phone: str | None = None
    hours: str | None = None
    url: str | None = None
    note: str | None = None


_provider: Callable[[], Sequence[Contact]] | None = None
_kept: tuple[float, tuple[Contact, ...]] | None = None


def register_contacts(provider: Callable[[], Sequence[Contact]]) -> None:
    """Set the function that gives the contacts, in the order to show. One only: the last one declared wins."""
    global _provider, _kept
    _provider, _kept = provider, None


def forget_contacts() -> None:
    """Ask the provider again at the next page: to call once contacts have changed."""
    global _kept
    _kept = None


def footer_contacts(*, known_only: bool = False) -> tuple[Contact, ...]:
    """The contacts, kept for a minute in each process (they are on every page and the same for all).

    A provider that fails costs the page its contacts, not its content. ``known_only`` asks nobody: an error page must not
    touch the database that may have failed, yet has to say whom to write to.
    """
    global _kept
    if known_only:
        return _kept[1] if _kept else ()
    if _provider is None:
        return ()
    if _kept is not None and not current_app.testing and monotonic() - _kept[0] < KEPT_SECONDS:
        return _kept[1]
    try:
        contacts = tuple(_provider())
    except Exception:
        log.exception("the contacts of the footer could not be read")
        return _kept[1] if _kept else ()
    _kept = (monotonic(), contacts)
    return contacts
