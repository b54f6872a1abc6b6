"""From a code of a partner to what people need to know: cause, who can act, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from flask import g
from flask_babel import gettext as _
from sqlalchemy import select

from app.core.extensions import db
from app.core.outbox.models import ErrorKind
from app.core.outbox.registry import partner_label

from .codes import ANY_FAULT, ANY_HTTP
from .domain import Actor, CodeSet, Nature
from .models import PartnerCode

_HTTP: Final = re.compile(r"HTTP_4\d\d")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is said of one code. An unknown one is said to be so."""

    code: str
    known: bool
    nature: Nature
    actor: Actor
    cause: str
    remedy: str
    replay: bool
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All entries, read once per request."""

    entries: dict[tuple[str, str], Explanation]

    def explain(self, partner: str, code: str, kind: ErrorKind | None) -> Explanation:
        """What is known of ``code``; the family of an HTTP status or of a fault of the portal's own speaks for those without entry."""
        entry = self.entries.get((partner, code))
        if entry is None and kind is ErrorKind.FAULT:
            entry = self.entries.get((partner, ANY_FAULT))
        if entry is None and _HTTP.fullmatch(code):
            entry = self.entries.get((partner, ANY_HTTP))
        if entry is None:
            return _unknown(partner, code, kind)
        return entry if entry.code == code else replace(entry, code=code)

    def technical(self) -> CodeSet:
        """Codes of refusals that nobody mends by mending data."""
        return self._codes(lambda entry: entry.nature is Nature.TECHNICAL)

    def without_replay(self) -> CodeSet:
        """Codes for which sending the same again helps nobody."""
        return self._codes(lambda entry: not entry.replay)

    def of(self, *actors: Actor) -> CodeSet:
        """Codes about which these can do something."""
        return self._codes(lambda entry: entry.actor in actors)

    def _codes(self, chosen: Callable[[Explanation], bool]) -> CodeSet:
        """As ``explain`` finds them: the entry of the family speaks for the HTTP statuses without their own."""
        codes = {entry.code for entry in self.entries.values() if chosen(entry)}
        own = {code for _partner, code in self.entries if _HTTP.fullmatch(code)}
        return CodeSet(tuple(sorted(codes)), ANY_HTTP in codes, tuple(sorted(own)))


def _unknown(partner: str, code: str, kind: ErrorKind | None) -> Explanation:
    """The honest answer: the code as it came, and whom to give it to."""
    refused = kind is ErrorKind.REJECTED
    name = partner_label(partner)
    return Explanation(
        code=code,
        known=False,
        nature=Nature.FUNCTIONAL if refused else Nature.TECHNICAL,
        actor=Actor.SUPPORT,
        cause=_("%(partner)s answered with the code %(code)s, which the portal does not know: its meaning is not in the catalogue.", partner=name, code=code),
        remedy=_(
            "Write to the assistance, whose address is at the foot of the page, with this code and the number of the exchange: "
            "they ask %(partner)s what it means, and the Région adds it to the catalogue.",
            partner=name,
        ),
        replay=True,
    )


def catalogue() -> Catalogue:
    """The catalogue, in one statement a request."""
    found: Catalogue | None = g.get("partner_catalogue")
    if found is None:
        found = g.partner_catalogue = read()
    return found


def read() -> Catalogue:
    """The catalogue as it is now."""
    entry = PartnerCode
    columns = (entry.partner, entry.code, entry.nature, entry.actor, entry.cause, entry.remedy, entry.replay, entry.path)
    return Catalogue(
        {
            (row.partner, row.code): Explanation(row.code, True, Nature(row.nature), Actor(row.actor), row.cause, row.remedy, row.replay, row.path)
            for row in db.session.execute(select(*columns))
        }
    )


def missing(codes: Iterable[str], *, partner: str = "agora") -> set[str]:
    """Those of ``codes`` that have no entry."""
    known = {code for one, code in read().entries if one == partner}
    return set(codes) - known
