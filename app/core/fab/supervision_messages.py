"""Supervision of what is exchanged with partners: messages, state of partners, interventions by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.actions import action
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from app.core.fab import names
from app.core.fab.badges import badge
from app.core.fab.declarations import Titles
from app.core.fab.fields import clean_text
from app.core.fab.filters import ChoiceFilter, ExactFilter
from app.core.fab.forms import PortalForm
from app.core.fab.history import previous_address
from app.core.fab.interface import SafeInterface
from app.core.fab.supervision import NOTHING, SUBJECTS, WithActors, actor_of
from app.core.fab.views import PortalModelView
from app.core.outbox import policy
from app.core.outbox.models import InterventionKind, MessageState, OutboxIntervention, OutboxMessage, OutboxPartner
from app.core.outbox.registry import partner_label, partners
from app.core.outbox.store import WORKER_LOST


def _operation(row: OutboxMessage) -> Any:
    return names.with_code(names.operation_label(row.operation), row.operation)


def _partner(row: Any) -> str:
    return str(partner_label(row.partner)) if row.partner else ""


def _partner_choices() -> list[tuple[str, Any]]:
    return [(name, partner_label(name)) for name in partners()]


_MESSAGE_STATES: dict[MessageState, tuple[Any, str]] = {
    MessageState.PENDING: (_l("Waiting"), "info"),
    MessageState.SENDING: (_l("Being sent"), "info"),
    MessageState.DONE: (_l("Received by the partner"), "success"),
    MessageState.REJECTED: (_l("Refused by the partner"), "danger"),
    MessageState.DEAD: (_l("Given up"), "danger"),
    MessageState.CANCELLED: (_l("Settled outside the portal"), "neutral"),
}


def _message_state(row: OutboxMessage) -> Any:
    label, tone = _MESSAGE_STATES[row.state]
    return badge(label, tone)


def _message_error(row: OutboxMessage) -> str | None:
    """The partner's own sentence, or ours for what the partner never saw."""
    if row.last_error_code == WORKER_LOST:
        return str(_("%(count)d times in a row, the worker that handled this message alone stopped without an answer.", count=policy.MAX_EXPIRIES))
    return row.last_error_title


class SettleForm(PortalForm):
    """Why a message is declared settled."""

    reason = TextAreaField(
        _l("Reason"),
        [InputRequired(_l("Say why this message is settled: the journal keeps it.")), Length(max=500, message=_l("%(max)d characters at most."))],
        description=_l("For instance: file created by hand at the partner, number 30444380."),
        filters=[clean_text],
    )


class OutboxMessageView(WithActors):
    """Messages to the partners: what waits, what was refused and why, and one click to send again."""

    datamodel = SafeInterface(OutboxMessage)
    titles = Titles(plural=_l("Messages to partners"), add=NOTHING, edit=NOTHING, delete=NOTHING)
    route_base = "/supervision/messages"
    item_title = _l("Message %(id)s")
    show_template = "appbuilder/supervision/message_show.html"
    label_columns = {
        "id": _l("Number"),
        "partner": _l("Partner"),
        "operation": _l("Operation"),
        "subject_type": _l("Of what"),
        "subject_id": _l("Row"),
        "ordering_key": _l("File"),
        "state": _l("State"),
        "state_badge": _l("State"),
        "attempts": _l("Tries"),
        "next_attempt_at": _l("Next try"),
        "last_error_code": _l("Last error (code)"),
        "last_error_title": _l("Last error"),
        "created_at": _l("Date and time"),
        "sent_at": _l("Last sending"),
        "done_at": _l("Ended"),
        "actor": _l("Who"),
        "request_id": _l("Request reference"),
        "idempotency_key": _l("Idempotency key"),
        "organisation_id": _l("Organisation (number)"),
    }
    choices = {"state": [(state, words[0]) for state, words in _MESSAGE_STATES.items()], "subject_type": SUBJECTS}
    cells = {
        "state_badge": _message_state,
        "actor": actor_of,
        "operation": _operation,
        "partner": _partner,
        "last_error_title": _message_error,
    }
    code_columns = ("id", "subject_id", "ordering_key", "request_id", "last_error_code", "organisation_id", "idempotency_key")
    base_order = ("id", "desc")
    order_columns = []
    quick_search = ()
    list_columns = ["created_at", "partner", "operation", "ordering_key", "state_badge", "attempts", "last_error_title"]
    show_columns = [
        "id", "partner", "operation", "ordering_key", "state_badge", "attempts", "next_attempt_at", "last_error_code", "last_error_title",
        "created_at", "sent_at", "done_at", "actor", "organisation_id", "request_id", "idempotency_key",
    ]  # fmt: skip
    search_columns = ["state", "partner", "operation", "ordering_key", "created_at", "request_id"]
    search_filters = {
        "partner": ChoiceFilter(_l("Partner"), column=OutboxMessage.partner, choices=_partner_choices),
        "operation": ChoiceFilter(_l("Operation"), column=OutboxMessage.operation, choices=names.operation_choices),
        "ordering_key": ExactFilter(_l("File"), column=OutboxMessage.ordering_key),
        "request_id": ExactFilter(_l("Request reference"), column=OutboxMessage.request_id),
    }

    def can_act(self, name: str, item: OutboxMessage) -> bool:
        """Only what was refused or given up is sent again."""
        return name != "replay" or item.state in (MessageState.REJECTED, MessageState.DEAD)

    @action("replay", _l("Send again"), _l("These messages are sent again; nothing is doubled at the partner. Continue?"))
    def replay(self, target: Any) -> Any:
        """Send refused or given-up messages again."""
        from app.core.outbox import console

        rows = target if isinstance(target, Sequence) else [target]
        count = console.replay([row.id for row in rows])
        if count:
            flash(ngettext("%(num)s message will be sent again.", "%(num)s messages will be sent again.", count), "success")
        else:
            flash(_("None of these messages was refused or given up: nothing to send again."), "warning")
        return redirect(previous_address(self.url("list")))

    @expose("/settle/<pk>", methods=["GET", "POST"])
    @has_access
    def settle(self, pk: str) -> Any:
        """Declare a message settled outside the portal, with the reason."""
        from app.core.outbox import console

        item = self.find(pk)
        form = SettleForm()
        if request.method == "POST" and form.validate():
            count = console.mark_settled([item.id], reason=form.reason.data)
            if count:
                flash(_("Message %(id)s is settled: what waited behind it goes on.", id=pk), "success")
            else:
                flash(_("This message can no longer be settled: it was sent or settled meanwhile."), "warning")
            return redirect(self.url("show", pk=pk))
        body = self.render_template(
            "appbuilder/supervision/settle.html",
            title=_("Settle message %(id)s", id=pk),
            form=form,
            view=self,
            back=self.url("show", pk=pk),
            breadcrumb=self.breadcrumb((self.name_of(item), self.url("show", pk=pk)), (_("Settle"), None)),
        )
        return body, 422 if form.errors else 200


class OutboxPartnerView(PortalModelView):
    """What the portal knows of each partner: does it answer, since when."""

    datamodel = SafeInterface(OutboxPartner)
    titles = Titles(plural=_l("State of partners"), add=NOTHING, edit=NOTHING, delete=NOTHING, empty=_l("Nothing has been sent yet"))
    route_base = "/supervision/partenaires"
    group = "Supervision"
    read_only = True
    label_columns = {
        "name": _l("Partner"),
        "state": _l("State"),
        "paused": _l("Paused"),
        "pause_reason": _l("Reason of the pause"),
        "retry_at": _l("Next try"),
        "opened_at": _l("Silent since"),
        "last_success_at": _l("Last success"),
        "last_failure_at": _l("Last failure"),
        "last_failure": _l("Failure"),
    }
    cells = {
        "name": lambda row: str(partner_label(row.name)),
        "state": lambda row: badge(
            *{"closed": (_("Answers"), "success"), "open": (_("Does not answer"), "danger")}.get(str(row.state), (_("Being tried"), "warning"))
        ),
    }
    base_order = ("name", "asc")
    quick_search = ()
    list_columns = ["name", "state", "paused", "last_success_at", "last_failure_at", "last_failure"]

    show_columns = ["name", "state", "paused", "pause_reason", "opened_at", "retry_at", "last_success_at", "last_failure_at", "last_failure"]
    search_columns = []

    def name_of(self, item: OutboxPartner) -> str:
        """The partner as its screens call it."""
        return str(partner_label(item.name))


class OutboxInterventionView(WithActors):
    """What operators did by hand with messages and partners."""

    datamodel = SafeInterface(OutboxIntervention)
    titles = Titles(plural=_l("Interventions by hand"), add=NOTHING, edit=NOTHING, delete=NOTHING)
    route_base = "/supervision/interventions"
    item_title = _l("Intervention %(id)s")
    label_columns = {
        "created_at": _l("Date and time"),
        "actor": _l("Who"),
        "kind": _l("Act"),
        "partner": _l("Partner"),
        "message_id": _l("Message"),
        "reason": _l("Reason"),
        "amount": _l("Messages a minute"),
        "request_id": _l("Request reference"),
    }
    choices = {
        "kind": [
            (InterventionKind.REPLAY, _l("Send again")),
            (InterventionKind.SETTLE, _l("Settle")),
            (InterventionKind.PAUSE, _l("Pause")),
            (InterventionKind.RESUME, _l("Resume")),
            (InterventionKind.THROTTLE, _l("Throttle")),
        ]
    }
    cells = {"actor": actor_of, "partner": _partner}
    code_columns = ("message_id", "request_id")
    base_order = ("id", "desc")
    order_columns = []
    quick_search = ()
    list_columns = ["created_at", "actor", "kind", "partner", "message_id", "amount", "reason"]
    show_columns = [*list_columns, "request_id"]
    search_columns = ["created_at", "kind", "partner"]
    search_filters = {"partner": ChoiceFilter(_l("Partner"), column=OutboxIntervention.partner, choices=_partner_choices)}
