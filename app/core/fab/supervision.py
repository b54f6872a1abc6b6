"""Supervision for the Région's administrators: the journal, messages to partners, periodic jobs. Read only, with replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.actions import action
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from app.core import clock
from app.core.audit.models import AuditEntry, NirReading
from app.core.fab import names
from app.core.fab.badges import badge
from app.core.fab.declarations import Titles
from app.core.fab.fields import clean_text
from app.core.fab.filters import ChoiceFilter, ExactFilter
from app.core.fab.forms import PortalForm
from app.core.fab.history import previous_address
from app.core.fab.interface import SafeInterface
from app.core.fab.views import PortalModelView
from app.core.jobs.models import PeriodicRun
from app.core.jobs.schedule import PERIODIC, is_late
from app.core.mail.models import MailMessage, MailState
from app.core.outbox import policy
from app.core.outbox.models import InterventionKind, MessageState, OutboxIntervention, OutboxMessage, OutboxPartner
from app.core.outbox.registry import partner_label, partners
from app.core.outbox.store import WORKER_LOST
from app.core.people import account_names

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder

_NOTHING = ""


class _WithActors(PortalModelView):
    """Shows who acted by name, read for the whole page at once."""

    group = "Supervision"
    read_only = True
    #: The title of one row; ``%(id)s`` is its number.
    item_title: Any = ""

    def name_of(self, item: Any) -> str:
        """The row as a title."""
        return str(self.item_title) % {"id": self.key_of(item)}

    def prepare(self, items: Sequence[Any]) -> None:
        names = account_names(number for one in items for number in (one.actor_id, getattr(one, "on_behalf_of_id", None)))
        for one in items:
            one.actor_name = names.get(one.actor_id) if one.actor_id is not None else _("The system")
            behalf: int | None = getattr(one, "on_behalf_of_id", None)
            one.behalf_name = names.get(behalf) if behalf is not None else None


def _actor(row: Any) -> str:
    if row.actor_id is None:
        return str(_("The system"))
    return str(getattr(row, "actor_name", None) or _("Account %(id)s", id=row.actor_id))


_SCOPES: dict[str, Any] = {
    "tenant": _l("Organisation"),
    "limited": _l("Organisation, some actions"),
    "region": _l("Région"),
    "support": _l("Support"),
    "system": _l("The system"),
}


def _scope(row: AuditEntry) -> Any:
    role = str(row.acting_role or "")
    label = next((words for word, words in _SCOPES.items() if role.endswith(word)), role)
    return names.with_code(label, role) if role else None


def _operation(row: OutboxMessage) -> Any:
    return names.with_code(names.operation_label(row.operation), row.operation)


def _partner(row: Any) -> str:
    return str(partner_label(row.partner)) if row.partner else ""


def _partner_choices() -> list[tuple[str, Any]]:
    return [(name, partner_label(name)) for name in partners()]


def _behalf(row: Any) -> str:
    if row.on_behalf_of_id is None:
        return ""
    return str(getattr(row, "behalf_name", None) or _("Account %(id)s", id=row.on_behalf_of_id))


_OPERATIONS = [("INSERT", _l("Addition")), ("UPDATE", _l("Change")), ("DELETE", _l("Deletion")), ("TRUNCATE", _l("Emptying"))]


class AuditEntryView(_WithActors):
    """The journal of changes, written by the database."""

    datamodel = SafeInterface(AuditEntry)
    titles = Titles(plural=_l("Journal of changes"), add=_NOTHING, edit=_NOTHING, delete=_NOTHING)
    route_base = "/supervision/journal"
    item_title = _l("Entry %(id)s of the journal")
    show_template = "appbuilder/supervision/audit_show.html"
    label_columns = {
        "id": _l("Number"),
        "at": _l("Date and time"),
        "actor": _l("Who"),
        "behalf": _l("On behalf of"),
        "acting_role": _l("Scope"),
        "operation": _l("Operation"),
        "table_name": _l("Table"),
        "row_id": _l("Row"),
        "organisation_id": _l("Organisation (number)"),
        "request_id": _l("Request reference"),
        "actor_id": _l("Account (number)"),
    }
    choices = {"operation": _OPERATIONS}
    cells = {
        "actor": _actor,
        "behalf": _behalf,
        "acting_role": _scope,
        "table_name": lambda row: names.with_code(names.table_label(row.table_name), row.table_name),
    }
    code_columns = ("id", "row_id", "request_id")
    base_order = ("id", "desc")
    order_columns = []
    quick_search = ()
    list_columns = ["at", "actor", "behalf", "operation", "table_name", "row_id", "request_id"]
    show_columns = ["id", "at", "actor", "behalf", "acting_role", "operation", "table_name", "row_id", "organisation_id", "request_id"]
    search_columns = ["at", "operation", "table_name", "row_id", "actor_id", "request_id"]
    search_filters = {
        "table_name": ChoiceFilter(_l("Table"), column=AuditEntry.table_name, choices=names.table_choices),
        "row_id": ExactFilter(_l("Row"), column=AuditEntry.row_id),
        "request_id": ExactFilter(_l("Request reference"), column=AuditEntry.request_id),
    }


#: Kind of subject → words; each feature names its own (``name_subject``).
_SUBJECTS: list[tuple[Any, Any]] = []


def name_subject(code: str, label: Any) -> None:
    """Give the kind of subject ``code`` of readings and messages its words (a lazy string)."""
    if code not in dict(_SUBJECTS):
        _SUBJECTS.append((code, label))


class NirReadingView(_WithActors):
    """Who read a social security number in clear, and why."""

    datamodel = SafeInterface(NirReading)
    titles = Titles(plural=_l("Readings of social security numbers"), add=_NOTHING, edit=_NOTHING, delete=_NOTHING)
    route_base = "/supervision/lectures-nir"
    item_title = _l("Reading %(id)s")
    label_columns = {
        "at": _l("Date and time"),
        "actor": _l("Who"),
        "subject_type": _l("Of what"),
        "subject_id": _l("Row"),
        "organisation_id": _l("Organisation (number)"),
        "purpose": _l("Purpose"),
        "reason": _l("Reason"),
        "request_id": _l("Request reference"),
        "ip_address": _l("Network address"),
        "actor_id": _l("Account (number)"),
    }
    cells = {"actor": _actor}
    choices = {"subject_type": _SUBJECTS}
    code_columns = ("subject_id", "request_id", "ip_address", "organisation_id")
    base_order = ("id", "desc")
    order_columns = []
    quick_search = ()
    list_columns = ["at", "actor", "subject_type", "subject_id", "purpose", "reason"]
    show_columns = ["at", "actor", "subject_type", "subject_id", "organisation_id", "purpose", "reason", "request_id", "ip_address"]
    search_columns = ["at", "actor_id", "purpose", "subject_id"]


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


class OutboxMessageView(_WithActors):
    """Messages to the partners: what waits, what was refused and why, and one click to send again."""

    datamodel = SafeInterface(OutboxMessage)
    titles = Titles(plural=_l("Messages to partners"), add=_NOTHING, edit=_NOTHING, delete=_NOTHING)
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
    choices = {"state": [(state, words[0]) for state, words in _MESSAGE_STATES.items()], "subject_type": _SUBJECTS}
    cells = {"state_badge": _message_state, "actor": _actor, "operation": _operation, "partner": _partner}
    label_columns["state_badge"] = _l("State")
    cells["last_error_title"] = _message_error
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
    titles = Titles(plural=_l("State of partners"), add=_NOTHING, edit=_NOTHING, delete=_NOTHING, empty=_l("Nothing has been sent yet"))
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
        )
    }
    base_order = ("name", "asc")
    quick_search = ()
    list_columns = ["name", "state", "paused", "last_success_at", "last_failure_at", "last_failure"]

    def name_of(self, item: OutboxPartner) -> str:
        return str(partner_label(item.name))

    show_columns = ["name", "state", "paused", "pause_reason", "opened_at", "retry_at", "last_success_at", "last_failure_at", "last_failure"]
    search_columns = []


class OutboxInterventionView(_WithActors):
    """What operators did by hand with messages and partners."""

    datamodel = SafeInterface(OutboxIntervention)
    titles = Titles(plural=_l("Interventions by hand"), add=_NOTHING, edit=_NOTHING, delete=_NOTHING)
    route_base = "/supervision/interventions"
    item_title = _l("Intervention %(id)s")
    label_columns = {
        "created_at": _l("Date and time"),
        "actor": _l("Who"),
        "kind": _l("Act"),
        "partner": _l("Partner"),
        "message_id": _l("Message"),
        "reason": _l("Reason"),
        "request_id": _l("Request reference"),
    }
    choices = {
        "kind": [
            (InterventionKind.REPLAY, _l("Send again")),
            (InterventionKind.SETTLE, _l("Settle")),
            (InterventionKind.PAUSE, _l("Pause")),
            (InterventionKind.RESUME, _l("Resume")),
        ]
    }
    cells = {"actor": _actor, "partner": _partner}
    code_columns = ("message_id", "request_id")
    base_order = ("id", "desc")
    order_columns = []
    quick_search = ()
    list_columns = ["created_at", "actor", "kind", "partner", "message_id", "reason"]
    show_columns = [*list_columns, "request_id"]
    search_columns = ["created_at", "kind", "partner"]
    search_filters = {"partner": ChoiceFilter(_l("Partner"), column=OutboxIntervention.partner, choices=_partner_choices)}


def _job_label(row: PeriodicRun) -> str:
    return next((str(one.label) for one in PERIODIC if one.name == row.name), row.name)


def _job_state(row: PeriodicRun) -> Any:
    if not row.active:
        return badge(_("Stopped"), "neutral")
    if is_late(due=row.next_due_at, every=row.every_seconds, now=clock.now()):
        return badge(_("Late"), "danger")
    if row.succeeded is None:
        return badge(_("Never run"), "warning")
    return badge(_("Up to date"), "success") if row.succeeded else badge(_("Failed"), "danger")


_DAYS = (_l("Sundays"), _l("Mondays"), _l("Tuesdays"), _l("Wednesdays"), _l("Thursdays"), _l("Fridays"), _l("Saturdays"))


def _cron_words(cron: str) -> str:
    """ "20 3 * * *" → "every day at 3:20"; what no words are known for is shown as it is."""
    minute, hour, day, month, weekday = (cron.split() + ["?"] * 5)[:5]
    if not (minute.isdigit() and hour.isdigit() and month == "*"):
        return cron
    time = _("%(hour)s:%(minute)s", hour=int(hour), minute=minute.zfill(2))
    if day == "*" and weekday == "*":
        return str(_("every day at %(time)s", time=time))
    if day == "*" and weekday.isdigit():
        return str(_("on %(days)s at %(time)s", days=_DAYS[int(weekday) % 7], time=time))
    if day.isdigit() and weekday == "*":
        return str(_("on day %(day)s of each month at %(time)s", day=day, time=time))
    return cron


def _job_timing(row: PeriodicRun) -> Any:
    if row.cron:
        return names.with_code(_cron_words(str(row.cron)), row.cron)
    every = timedelta(seconds=row.every_seconds or 0)
    minutes, seconds = divmod(int(every.total_seconds()), 60)
    if seconds or not minutes:
        return str(_("every %(count)s s", count=int(every.total_seconds())))
    return str(_("every %(count)s min", count=minutes) if minutes % 60 else _("every %(count)s h", count=minutes // 60))


class PeriodicRunView(PortalModelView):
    """The heartbeat of periodic jobs; a late one is flagged."""

    datamodel = SafeInterface(PeriodicRun)
    titles = Titles(plural=_l("Periodic jobs"), add=_NOTHING, edit=_NOTHING, delete=_NOTHING)
    route_base = "/supervision/taches"
    group = "Supervision"
    read_only = True
    label_columns = {
        "label": _l("Job"),
        "name": _l("Name"),
        "timing": _l("When"),
        "health": _l("State"),
        "queue": _l("Queue"),
        "started_at": _l("Last start"),
        "ended_at": _l("Last end"),
        "next_due_at": _l("Next run"),
        "duration_ms": _l("Duration (ms)"),
        "runs": _l("Runs"),
        "failed_runs": _l("Failed runs"),
        "error": _l("Last error"),
    }
    cells = {"label": _job_label, "health": _job_state, "timing": _job_timing}
    code_columns = ("name",)
    base_order = ("name", "asc")
    quick_search = ()
    list_columns = ["label", "timing", "health", "ended_at", "next_due_at", "duration_ms", "failed_runs"]
    show_columns = ["label", "name", "timing", "health", "queue", "started_at", "ended_at", "next_due_at", "duration_ms", "runs", "failed_runs", "error"]
    search_columns = []

    def name_of(self, item: PeriodicRun) -> str:
        return _job_label(item)


_MAIL_STATES: dict[str, tuple[Any, str]] = {
    MailState.WAITING.value: (_l("Waiting"), "info"),
    MailState.SENDING.value: (_l("Being sent"), "info"),
    MailState.SENT.value: (_l("Sent"), "success"),
    MailState.KEPT.value: (_l("Kept for the demonstration"), "neutral"),
    MailState.DEAD.value: (_l("Given up"), "danger"),
}


class MailMessageView(PortalModelView):
    """What became of each e-mail; never its text, which may hold a secret link."""

    datamodel = SafeInterface(MailMessage)
    titles = Titles(plural=_l("E-mails"), add=_NOTHING, edit=_NOTHING, delete=_NOTHING)
    route_base = "/supervision/courriels"
    group = "Supervision"
    read_only = True
    label_columns = {
        "created_at": _l("Date and time"),
        "recipient": _l("To"),
        "template": _l("Kind of message"),
        "state": _l("State"),
        "state_badge": _l("State"),
        "attempts": _l("Tries"),
        "next_attempt_at": _l("Next try"),
        "sent_at": _l("Sent"),
        "last_error": _l("Last error"),
        "request_id": _l("Request reference"),
    }
    choices = {"state": [(state, words[0]) for state, words in _MAIL_STATES.items()]}
    cells = {
        "state_badge": lambda row: badge(*_MAIL_STATES.get(row.state, (row.state, "neutral"))),
        "template": lambda row: names.with_code(row.subject, row.template),
    }
    code_columns = ("request_id",)
    base_order = ("created_at", "desc")
    order_columns = []
    quick_search = ("recipient",)
    list_columns = ["created_at", "recipient", "template", "state_badge", "attempts", "last_error"]
    show_columns = [*list_columns, "next_attempt_at", "sent_at", "request_id"]
    search_columns = ["state", "created_at"]

    def name_of(self, item: MailMessage) -> str:
        """The message as a title: whom it is for."""
        return str(_("E-mail to %(name)s", name=item.recipient))


VIEWS: tuple[type[PortalModelView], ...] = (
    OutboxMessageView,
    OutboxPartnerView,
    MailMessageView,
    PeriodicRunView,
    AuditEntryView,
    NirReadingView,
    OutboxInterventionView,
)


def register(appbuilder: AppBuilder) -> None:
    """Add the screens under "Supervision"."""
    from app.core.fab import add_list

    for order, view in enumerate(VIEWS, start=1):
        add_list(appbuilder, view, order=order * 10)


__all__ = ["VIEWS", "name_subject", "register"]
