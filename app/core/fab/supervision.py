"""Supervision for the Région's administrators: the journal, messages to partners, periodic jobs. Read only, with replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core import clock
from app.core.audit.models import AuditEntry, NirReading
from app.core.fab import names
from app.core.fab.badges import badge
from app.core.fab.declarations import Titles
from app.core.fab.filters import ChoiceFilter, ExactFilter
from app.core.fab.interface import SafeInterface
from app.core.fab.views import PortalModelView
from app.core.jobs.models import PeriodicRun
from app.core.jobs.schedule import PERIODIC, is_late
from app.core.mail.models import MailMessage, MailState
from app.core.nir.reading import EXPORT, SCREEN
from app.core.outbox.registry import partner_label
from app.core.people import account_names

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder

NOTHING = ""


class WithActors(PortalModelView):
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


def actor_of(row: Any) -> str:
    """Who acted, in a cell."""
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


def _behalf(row: Any) -> str:
    if row.on_behalf_of_id is None:
        return ""
    return str(getattr(row, "behalf_name", None) or _("Account %(id)s", id=row.on_behalf_of_id))


_OPERATIONS = [("INSERT", _l("Addition")), ("UPDATE", _l("Change")), ("DELETE", _l("Deletion")), ("TRUNCATE", _l("Emptying"))]


class AuditEntryView(WithActors):
    """The journal of changes, written by the database."""

    datamodel = SafeInterface(AuditEntry)
    titles = Titles(plural=_l("Journal of changes"), add=NOTHING, edit=NOTHING, delete=NOTHING)
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
        "actor": actor_of,
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
SUBJECTS: list[tuple[Any, Any]] = []


#: Purposes of readings, in words; each feature adds its own.
_PURPOSES: dict[str, Any] = {SCREEN: _l("Shown on screen"), EXPORT: _l("Taken out in a file")}


def name_purpose(code: str, label: Any) -> None:
    """Give the purpose ``code`` of readings its words (a lazy string)."""
    _PURPOSES[code] = label


def _purpose_of(row: NirReading) -> Any:
    """In words: a partner is called as elsewhere."""
    return str(_PURPOSES.get(row.purpose) or partner_label(row.purpose))


def name_subject(code: str, label: Any) -> None:
    """Give the kind of subject ``code`` of readings and messages its words (a lazy string)."""
    if code not in dict(SUBJECTS):
        SUBJECTS.append((code, label))


class NirReadingView(WithActors):
    """Who read a social security number in clear, and why."""

    datamodel = SafeInterface(NirReading)
    titles = Titles(plural=_l("Readings of social security numbers"), add=NOTHING, edit=NOTHING, delete=NOTHING)
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
    cells = {"actor": actor_of, "purpose": _purpose_of}
    choices = {"subject_type": SUBJECTS}
    code_columns = ("subject_id", "request_id", "ip_address", "organisation_id")
    base_order = ("id", "desc")
    order_columns = []
    quick_search = ()
    list_columns = ["at", "actor", "subject_type", "subject_id", "purpose", "reason"]
    show_columns = ["at", "actor", "subject_type", "subject_id", "organisation_id", "purpose", "reason", "request_id", "ip_address"]
    search_columns = ["at", "actor_id", "purpose", "subject_id"]


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
    titles = Titles(plural=_l("Periodic jobs"), add=NOTHING, edit=NOTHING, delete=NOTHING)
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
    titles = Titles(plural=_l("E-mails"), add=NOTHING, edit=NOTHING, delete=NOTHING)
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


def register(appbuilder: AppBuilder) -> None:
    """Add the screens under "Supervision"."""
    from app.core.fab import add_list
    from app.core.fab.supervision_messages import OutboxInterventionView, OutboxMessageView, OutboxPartnerView

    views = (OutboxMessageView, OutboxPartnerView, MailMessageView, PeriodicRunView, AuditEntryView, NirReadingView, OutboxInterventionView)
    for order, view in enumerate(views, start=1):
        add_list(appbuilder, view, order=order * 10)


__all__ = ["NOTHING", "SUBJECTS", "WithActors", "actor_of", "name_subject", "register"]
