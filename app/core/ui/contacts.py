""""Contacts et assistance" of the footer: whom to ask, by subject. The reference data provides them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


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
#: The last known ones, for pages that must not touch the database.
_kept: tuple[Contact, ...] = ()


def register_contacts(provider: Callable[[], Sequence[Contact]]) -> None:
    """Set the function that gives the contacts, in the order to show. One only: the last one declared wins."""
    global _provider, _kept
    _provider, _kept = provider, ()


def footer_contacts(*, known_only: bool = False) -> tuple[Contact, ...]:
    """The contacts as they are now: one short query a page, so that a change shows at once in every process.

    A provider that fails costs the page its contacts, not its content. ``known_only`` asks nobody: an error page must not
    touch the database that may have failed, yet has to say whom to write to.
    """
    global _kept
    if known_only:
        return _kept
    if _provider is None:
        return ()
    try:
        _kept = tuple(_provider())
    except Exception:
        log.exception("the contacts of the footer could not be read")
    return _kept
