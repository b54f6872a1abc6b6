"""What leaves of the journal of accounts: the sentences of the page, one line for each entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, ClassVar, Final

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select
from werkzeug.datastructures import MultiDict

from app.accounts import history
from app.core.exports.registry import Asked, ListColumn, NotUnderstood, SystemList, of_row, words
from app.core.tabular.writing import ColumnKind


def _changes(line: history.Line) -> str:
    """« Courriel : a@exemple.fr → b@exemple.fr »."""
    return " ; ".join(_("%(field)s: %(before)s → %(after)s", field=field, before=before or "—", after=after or "—") for field, before, after in line.details)


class _History(SystemList):
    """The journal, of which that of roles has no organisation of its own."""

    personal = True
    lead = _l("One line for each entry of the journal, the newest first; what one act wrote several times has as many lines.")
    staff: ClassVar[bool]

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The filter of the page."""
        from app.accounts.views.history import narrowed_of

        narrowed = narrowed_of(args, staff=self.staff)
        back = url_for(str(self.menu), **narrowed.address)
        if any(narrowed.errors.values()):
            raise NotUnderstood(back)
        return Asked(narrowed.asked, words(**narrowed.address), [(name, value) for name, value, _key in narrowed.said], back)

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the page."""
        return [(_("Security") if self.staff else _("Organisation management"), None), (_("Account history"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """The number and the moment of the entry, what happened, what changed."""
        holder = (of_row("organisme", _l("Organisation"), lambda line: line.note, width=30),) if self.staff else ()
        return (
            of_row("numero", _l("Entry (of the journal)"), lambda line: line.entry_id, ColumnKind.NUMBER, 12),
            of_row("le", _l("Date and time"), lambda line: line.at, width=18),
            of_row("fait", _l("What happened"), lambda line: line.text, width=60),
            of_row("modifications", _l("What changed"), _changes, width=40),
            *holder,
        )

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """The newest first, as the page."""
        return history.entries(asked.narrowed)

    def told(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Their sentences."""
        return history.told(rows)


class HistoryList(_History):
    """« Historique des comptes » of every organisation, narrowed as it is."""

    key = "historique-comptes"
    title = _l("Export of the account history")
    permission = ("can_read", "AccountHistory")
    menu = "AccountHistoryView.list"
    staff = True


class OrganisationHistoryList(_History):
    """« Historique des comptes » of one's own organisation."""

    key = "historique-organisme"
    title = _l("Export of the account history")
    permission = ("can_read", "OrganisationHistory")
    menu = "OrganisationHistoryView.list"
    staff = False


LISTS: Final = (HistoryList(), OrganisationHistoryList())
