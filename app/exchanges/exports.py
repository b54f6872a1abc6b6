"""What leaves of the exchanges with partners: what, for which action, where it stands and why; neither content nor name of a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, select
from werkzeug.datastructures import MultiDict

from app.core.exports.registry import Asked, ListColumn, NotUnderstood, RowList, of_row, words
from app.core.outbox.models import MessageState, OutboxMessage
from app.core.outbox.registry import partner_label
from app.core.tabular.writing import ColumnKind
from app.core.tenancy import current_scope
from app.core.ui.search import private_answer

from . import labels, presenters, queries
from .catalogue import catalogue
from .domain import DifferenceKind, DifferenceState, Show
from .models import ReconciliationDifference
from .permissions import OWN, SUPERVISE
from .queries import ExchangeFilter

_OVER: Final = (MessageState.DONE, MessageState.CANCELLED)


def _why(line: presenters.Line) -> presenters.Explanation | None:
    """As the list: nothing is said of what is over."""
    return line.explanation if line.message.state not in _OVER else None


class _Exchanges(RowList):
    """What both lists show of an exchange."""

    #: The names of people are searched by, though none is in the file.
    private_words = frozenset({"texte"})

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the lists, without the names."""
        holder = (of_row("organisme", _l("Training organisation"), lambda line: line.organisation, width=30),) if current_scope().sees_all else ()
        return (
            of_row("echange", _l("Exchange (number)"), lambda line: line.message.id, ColumnKind.NUMBER),
            of_row("demande_le", _l("Asked on"), lambda line: line.message.created_at, width=18),
            of_row("partenaire", _l("Partner (of exchanges)"), lambda line: str(partner_label(line.message.partner)), width=14),
            of_row("operation", _l("What"), lambda line: line.what, width=30),
            *holder,
            of_row("action", _l("N° Action"), lambda line: line.action_number, width=18),
            of_row("numero_agora", _l("N° Agora"), lambda line: line.number),
            of_row("etat", _l("State"), lambda line: str(line.state[0]), width=20),
            of_row("essais", _l("Tries"), lambda line: line.message.attempts, ColumnKind.NUMBER, 8),
            of_row("code", _l("Code"), lambda line: why.code if (why := _why(line)) else None, width=20),
            of_row("cause", _l("Cause"), lambda line: why.cause if (why := _why(line)) else None, width=40),
            of_row("remede", _l("What to do"), lambda line: why.remedy if (why := _why(line)) else None, width=40),
            of_row("qui", _l("Who can act"), lambda line: str(labels.ACTORS[why.actor]) if (why := _why(line)) else None, width=20),
        )

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """The latest first, as the list."""
        return select(OutboxMessage).where(*queries.conditions(asked.narrowed)).order_by(OutboxMessage.id.desc())

    def prepared(self, rows: Sequence[Any], asked: Asked) -> Sequence[Any]:
        """The lines of the screen."""
        return presenters.lines(rows, catalogue())


class ConsoleList(_Exchanges):
    """« Échanges avec les partenaires », narrowed as it is."""

    key = "echanges"
    title = _l("Export of the exchanges with partners")
    permission = SUPERVISE
    menu = "ExchangesView.index"
    lead = _l("One line for each exchange, the latest first; neither its content nor the names of people are in the file.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The filter of the console."""
        from .views import filter_of, filter_words, said_of

        narrowed = filter_of(args)
        if private_answer(narrowed.text):
            raise NotUnderstood(url_for("ExchangesView.index"))
        kept = filter_words(narrowed)
        return Asked(narrowed, words(**kept), said_of(narrowed), url_for("ExchangesView.index", **kept))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the console."""
        return [(_("Exchanges with partners"), asked.back)]


class OwnList(_Exchanges):
    """« Suivi des échanges avec AGORA » of the organisation."""

    key = "echanges-a-suivre"
    title = _l("Export of the follow-up of the exchanges")
    permission = OWN
    menu = "ExchangesView.own"
    lead = _l("One line for each exchange, the latest first; neither its content nor the names of people are in the file.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The tab and the search."""
        from .views import own_filter

        narrowed: ExchangeFilter = own_filter(args)
        if private_answer(narrowed.text):
            raise NotUnderstood(url_for("ExchangesView.own"))
        kept: dict[str, Any] = {"etat": narrowed.show.value, "texte": narrowed.text or None}
        said = [(_("State"), {Show.TO_MEND: _("To mend"), Show.WAITING: _("On the way"), Show.DONE: _("Done")}[narrowed.show])]
        said += [(_("Search"), narrowed.text)] if narrowed.text else []
        return Asked(narrowed, words(**kept), said, url_for("ExchangesView.own", **kept))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the list."""
        return [(_("Follow-up of the exchanges with AGORA"), asked.back)]


class DifferenceList(RowList):
    """« Rapprochement avec AGORA »: what the portal and AGORA do not say alike, narrowed as it is; without the names."""

    key = "ecarts-agora"
    title = _l("Export of the differences with AGORA")
    permission = SUPERVISE
    menu = "ExchangesView.index"
    lead = _l("One line for each difference, the latest first; the names of people are not in the file.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The filter of the page."""
        from .reconciliation_views import kind_of, state_of

        kind, state = kind_of(args), state_of(args)
        kept: dict[str, Any] = {"type": kind or None, "etat": state or "tous"}
        said: list[tuple[Any, Any]] = [(_("Kind"), labels.KINDS[DifferenceKind(kind)])] if kind else []
        said += [(_("State"), labels.DIFFERENCE_STATES[DifferenceState(state)][0])] if state else []
        return Asked({"kind": kind, "state": state}, words(**kept), said, url_for("ReconciliationView.index", **kept))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the page."""
        return [(_("Exchanges with partners"), url_for("ExchangesView.index")), (_("Comparison with AGORA"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the page, the action in the place of the person."""
        return (
            of_row("ecart", _l("Difference (number)"), lambda line: line["difference"].id, ColumnKind.NUMBER),
            of_row("trouve_le", _l("Found on"), lambda line: line["difference"].found_at, width=18),
            of_row("action", _l("N° Action"), lambda line: line["action"], width=18),
            of_row("organisme", _l("Training organisation"), lambda line: line["organisation"], width=30),
            of_row("type", _l("Kind"), lambda line: str(line["kind"]), width=30),
            of_row("portail", _l("In the portal"), lambda line: line["ours"], width=40),
            of_row("agora", _l("At AGORA"), lambda line: line["theirs"], width=40),
            of_row("etat", _l("State"), lambda line: str(line["state"][0]), width=18),
            of_row("motif", _l("Reason"), lambda line: line["difference"].reason, width=30),
            of_row("qui", _l("Who looks at it"), lambda line: str(line["assignee"]) if line["assignee"] else None, width=24),
            of_row("avant_le", _l("To be looked at before"), lambda line: line["difference"].due_on, ColumnKind.DATE),
            of_row("en_retard", _l("Late"), lambda line: line["late"], width=10),
        )

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """The latest first, as the page."""
        return select(ReconciliationDifference).where(*queries.differences_where(**asked.narrowed)).order_by(ReconciliationDifference.id.desc())

    def prepared(self, rows: Sequence[Any], asked: Asked) -> Sequence[Any]:
        """The lines of the page."""
        from .reconciliation_views import difference_lines

        return difference_lines(rows)


LISTS: Final = (ConsoleList(), OwnList(), DifferenceList())
