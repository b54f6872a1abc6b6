"""What leaves of the modification requests (guide 003 §2): the queue of the Région, and the follow-up of one action."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from flask import abort, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload
from werkzeug.datastructures import MultiDict

from app.actions.queries import get_action
from app.actions.views import crumbs
from app.core import clock
from app.core.exports.registry import Asked, ListColumn, RowList, of_row, words
from app.core.requests import row_number
from app.core.tenancy import current_scope

from . import labels, presenters
from .domain import StateFilter
from .models import ModificationRequest
from .permissions import QUEUE, READ
from .queries import MOST_OF_ACTION, queue_where


class _Requests(RowList):
    """What both lists show of a request: kind, sender, what it asks, where it stands."""

    #: Senders and observations.
    personal = True

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the lists."""
        holder = (of_row("organisme", _l("Organisation"), lambda line: str(line.request.organisation), width=30),) if current_scope().sees_all else ()
        return (
            of_row("envoyee_le", _l("Sent on"), lambda line: line.request.sent_at, width=18),
            of_row("action", _l("N° Action"), lambda line: line.request.action.number, width=18),
            *holder,
            of_row("type", _l("Kind of the modification"), lambda line: line.kind, width=30),
            of_row("resume", _l("What is asked"), lambda line: line.summary, width=50),
            of_row("emetteur", _l("Sender"), lambda line: line.sender, width=24),
            of_row("etat", _l("State"), lambda line: str(labels.state_label(line.request.state)), width=24),
            of_row("courrier_attendu", _l("Letter awaited"), lambda line: line.letter_awaited, width=10),
            of_row("decidee_le", _l("Decided on"), lambda line: line.request.decided_at, width=18),
            of_row("observations", _l("Observations"), lambda line: line.request.observations, width=40),
            of_row("avenant", _l("Amendment"), lambda line: line.request.amendment_number),
        )

    def loads(self) -> Sequence[Any]:
        """The action and the organisation."""
        return (joinedload(ModificationRequest.action), joinedload(ModificationRequest.organisation))

    def prepared(self, rows: Sequence[Any], asked: Asked) -> Sequence[Any]:
        """The lines of the screen."""
        return presenters.lines(rows, now=clock.now())


class QueueList(_Requests):
    """« Demandes de modification »: the queue of the Région, narrowed as it is."""

    key = "demandes-de-modification"
    title = _l("Export of the modification requests")
    permission = QUEUE
    menu = "RequestsView.queue"
    lead = _l("One line for each request, the oldest first.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The filter of the queue."""
        from .views import filter_of, said_of, words_of

        narrowed = filter_of(args)
        kept = words_of(narrowed)
        said = said_of(narrowed) or [(_("State"), str(labels.STATE_FILTERS[StateFilter.PENDING]))]
        return Asked(narrowed, words(**kept), said, url_for("RequestsView.queue", **kept))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the queue."""
        return [(_("Modification requests"), asked.back)]

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """The oldest first."""
        found = select(ModificationRequest).where(*queue_where(asked.narrowed, clock.now()))
        return found.order_by(ModificationRequest.sent_at, ModificationRequest.id)


class FollowUpList(_Requests):
    """« Suivi des demandes de modification » of one action."""

    key = "suivi-des-demandes"
    title = _l("Export of the follow-up of the modification requests")
    permission = READ
    menu = "ActionsView.index"
    lead = _l("One line for each request of the action, the latest first.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The action."""
        number = row_number(args.get("action", ""))
        action = get_action(number) if number is not None else None
        if action is None:
            abort(404)
        back = url_for("RequestsView.of_action", action_id=action.id)
        return Asked(action.id, words(action=action.id), [(_("Action"), action.number)], back, action)

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the page of the action."""
        return list(crumbs(asked.subject, (_("Modification requests"), asked.back)))

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """The latest first, as many as the page shows."""
        found = select(ModificationRequest).where(ModificationRequest.action_id == asked.narrowed)
        return found.order_by(ModificationRequest.id.desc()).limit(MOST_OF_ACTION)


LISTS: Final = (QueueList(), FollowUpList())
