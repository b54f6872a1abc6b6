"""Words for the codes of ``domain`` (guide 003): statuses, frequencies, and the sentence for each reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.ui.format import fr_long_date

from .domain import (
    ActionEvent,
    ActionStatus,
    BillingPeriod,
    ContractKind,
    DataEvent,
    DeclarationFrequency,
    EntryFacts,
    Fault,
    FaultCode,
    MissingKind,
    Reason,
    ReasonCode,
    SessionEvent,
    StatusFilter,
    is_late,
)

if TYPE_CHECKING:
    from .models import Action

STATUS_LABELS: dict[str, Any] = {
    ActionStatus.WAITING: _l("Waiting to be opened"),
    ActionStatus.RUNNING: _l("Running"),
    ActionStatus.CLOSED: _l("Closed (action)"),
    ActionStatus.CANCELLED: _l("Cancelled (action)"),
}
STATUS_TONES: dict[str, str] = {
    ActionStatus.WAITING: "info",
    ActionStatus.RUNNING: "success",
    ActionStatus.CLOSED: "neutral",
    ActionStatus.CANCELLED: "danger",
    StatusFilter.LATE: "warning",
    StatusFilter.DECLARED: "info",
}

KIND_LABELS: dict[str, Any] = {
    ContractKind.MARKET: _l("Public market"),
    ContractKind.CONVENTION: _l("Convention"),
}
FREQUENCY_LABELS: dict[str, Any] = {
    DeclarationFrequency.WEEKLY: _l("Every week"),
    DeclarationFrequency.FORTNIGHTLY: _l("Every two weeks"),
    DeclarationFrequency.MONTHLY: _l("Every month"),
    DeclarationFrequency.QUARTERLY: _l("Every quarter"),
}
BILLING_LABELS: dict[str, Any] = {
    BillingPeriod.MONTHLY: _l("Billed every month"),
    BillingPeriod.QUARTERLY: _l("Billed every quarter"),
    BillingPeriod.HALF_YEARLY: _l("Billed every half-year"),
    BillingPeriod.END: _l("Billed at the end of the action"),
}


def status_label(code: str) -> str:
    """The words for a status code."""
    return str(STATUS_LABELS[code])


def _in_full(value: object) -> str:
    return fr_long_date(value)  # type: ignore[arg-type]


def _nobody_enrolled(registered: int) -> str:
    if registered:
        return ngettext(
            "%(num)d trainee is registered, but not enrolled on a component yet: opening triggers the advance invoice, which cannot "
            "be processed until a first trainee has entered. Enrol this trainee on a component first.",
            "%(num)d trainees are registered, but none is enrolled on a component yet: opening triggers the advance invoice, which "
            "cannot be processed until a first trainee has entered. Enrol one of them on a component first.",
            registered,
        )
    return _(
        "No trainee is enrolled yet. Opening triggers the advance invoice, which cannot be processed "
        "until a first trainee has entered. Enrol a trainee first."
    )


def _still_in(count: int, *, acts: bool) -> str:
    if acts:
        return ngettext(
            "%(num)d trainee has no actual exit date yet. Enter the exit first.",
            "%(num)d trainees have no actual exit date yet. Enter their exits first.",
            count,
        )
    return ngettext(
        "%(num)d trainee has no actual exit date yet: the training organisation has to enter it first.",
        "%(num)d trainees have no actual exit date yet: the training organisation has to enter them first.",
        count,
    )


def _requests_wait(count: int, *, acts: bool) -> str:
    if acts:
        return ngettext(
            "%(num)d modification request has no answer yet: the Région decides on it, or you withdraw it, before the action is closed.",
            "%(num)d modification requests have no answer yet: the Région decides on them, or you withdraw them, before the action is closed.",
            count,
        )
    return ngettext(
        "%(num)d modification request has no answer yet: a validator of the Région decides on it first. Once the action is closed, nobody could.",
        "%(num)d modification requests have no answer yet: a validator of the Région decides on them first. Once the action is closed, nobody could.",
        count,
    )


def reason_text(reason: Reason, *, acts: bool = True) -> str:
    """The sentence for one obstacle: what is wrong, which value, what to do.

    ``acts`` is False for a reader who cannot enrol nor let leave: the sentence then says who can.
    """
    params = reason.params
    match reason.code:
        case ReasonCode.NOBODY_ENROLLED:
            return _nobody_enrolled(int(str(params.get("registered") or 0)))
        case ReasonCode.NOBODY_ENTERED:
            return _(
                "No trainee has entered yet: the first entry is planned on %(date)s. Opening triggers the advance "
                "invoice, which cannot be processed before. Open the action from that day on.",
                date=_in_full(params["date"]),
            )
        case ReasonCode.START_IS_NOT_FIRST_ENTRY:
            return _(
                "The actual start must be the entry date of the first trainee: %(first)s. You typed %(date)s.",
                first=_in_full(params["first"]),
                date=_in_full(params["date"]),
            )
        case ReasonCode.START_IN_FUTURE:
            return _("The actual start cannot be in the future. You typed %(date)s.", date=_in_full(params["date"]))
        case ReasonCode.TRAINEES_STILL_IN:
            return _still_in(int(str(params["count"])), acts=acts)
        case ReasonCode.REQUESTS_WAIT:
            return _requests_wait(int(str(params["count"])), acts=acts)
    if reason.code in _STATUS_REASONS:
        return str(_STATUS_REASONS[reason.code]) % {"status": status_label(str(params["status"]))}
    return str(_PLAIN_REASONS[reason.code])


#: The status forbids it: the sentence names the status.
_STATUS_REASONS: dict[ReasonCode, Any] = {
    ReasonCode.NOT_WAITING: _l("The action is “%(status)s”: it can no longer be opened."),
    ReasonCode.NOT_RUNNING: _l("The action is “%(status)s”: only a running action can be declared finished or closed."),
    ReasonCode.ACTION_OVER: _l("The action is “%(status)s”: it takes no more trainees."),
    ReasonCode.NOT_CLOSED: _l("The action is “%(status)s”: only a closed action can be reopened."),
}
_PLAIN_REASONS: dict[ReasonCode, Any] = {
    ReasonCode.SOMETHING_MISSING: _l("Something is still missing: the list below says what, and where to enter it."),
    ReasonCode.NOBODY_TO_DECLARE: _l("Nobody was ever enrolled on this action: there is no training to declare finished. Ask the Région to close it."),
    ReasonCode.ALREADY_DECLARED: _l("The action is declared finished already."),
    ReasonCode.NOT_DECLARED: _l("The action is not declared finished: declare it first."),
    ReasonCode.ALREADY_ASKED: _l("The closing was asked for already: the Région decides."),
    ReasonCode.CLOSING_NOT_ON_REQUEST: _l("In this programme the Région closes the actions without being asked."),
    ReasonCode.REASON_REQUIRED: _l("Say why the action is reopened: the reason stays in its history."),
    ReasonCode.OUTCOMES_CHANGED: _l("Outcomes changed while you were reading: look at the table again, then close the action."),
}


def missing_text(kind: MissingKind | str, count: int) -> str:
    """What is missing, and of how many trainees."""
    match MissingKind(kind):
        case MissingKind.EXIT:
            return ngettext("%(num)d trainee without exit", "%(num)d trainees without exit", count)
        case MissingKind.AGORA_REFUSED:
            return ngettext("%(num)d trainee whose file AGORA refused", "%(num)d trainees whose file AGORA refused", count)
        case MissingKind.AGORA_NUMBER:
            return ngettext("%(num)d trainee without AGORA number", "%(num)d trainees without AGORA number", count)
        case MissingKind.NIR:
            return ngettext("%(num)d NIA to regularise", "%(num)d NIA to regularise (several)", count)
        case MissingKind.ESF:
            return _esf_text(count)
        case MissingKind.REQUEST:
            return ngettext("%(num)d modification request without answer", "%(num)d modification requests without answer", count)


def _esf_text(count: int) -> str:
    return ngettext("%(num)d sheet whose ESF data are to be completed", "%(num)d sheets whose ESF data are to be completed", count)


SHOWN_STATUS_LABELS: dict[str, Any] = {
    StatusFilter.WAITING: STATUS_LABELS[ActionStatus.WAITING],
    StatusFilter.RUNNING: STATUS_LABELS[ActionStatus.RUNNING],
    StatusFilter.LATE: _l("Late to be closed"),
    StatusFilter.DECLARED: _l("Declared finished"),
    StatusFilter.CLOSED: STATUS_LABELS[ActionStatus.CLOSED],
    StatusFilter.CANCELLED: STATUS_LABELS[ActionStatus.CANCELLED],
}
_HISTORY: dict[str, Any] = {
    ActionEvent.OPEN: _l("The action was opened."),
    ActionEvent.CLOSE: _l("The Région closed the action."),
    ActionEvent.CANCEL: _l("The action was cancelled."),
    ActionEvent.DECLARE: _l("The organisation declared the action finished."),
    ActionEvent.ASK_CLOSING: _l("The establishment asked the Région to close the action."),
    ActionEvent.WITHDRAW: _l("The declaration that the action is finished no longer holds: something is missing again."),
    ActionEvent.REOPEN: _l("The Région reopened the action."),
}


#: What the opening sets, as the history keeps it.
OPENING_FIELDS = ("actual_start", "declaration_frequency", "billing_period")


def opening_text(kept: Mapping[str, Any]) -> str:
    """What the opening set: its date, the frequency of declarations, the billing period."""
    return _(
        "Actual start: %(start)s; declaration frequency: %(frequency)s; billing period: %(billing)s.",
        start=fr_long_date(date.fromisoformat(str(kept["actual_start"]))),
        frequency=_in_sentence(FREQUENCY_LABELS[kept["declaration_frequency"]]),
        billing=_in_sentence(BILLING_LABELS[kept["billing_period"]]),
    )


def _in_sentence(words: Any) -> str:
    return str(words)[:1].lower() + str(words)[1:]


def history_notes(event: str, details: Mapping[str, Any] | None) -> list[str]:
    """What a line of history adds to its sentence, from the codes it keeps."""
    told: list[str] = []
    if details is None:
        return told
    meeting = details.get("meeting")
    if meeting:
        told.append(" – ".join(_told_value(name, meeting[name]) for name in ("held_on", "starts_at", "place")))
    if event == ActionEvent.CLOSE and details.get("declared") is False:
        told.append(_("The organisation had not declared it finished."))
    missing = [missing_text(kind, count) for kind, count in details.get("missing", {}).items()]
    if missing:
        told.append(_("Still missing: %(list)s.", list=", ".join(missing)))
    return told


def status_filter_label(choice: StatusFilter) -> str:
    """The words for a choice of the status filter."""
    return str(SHOWN_STATUS_LABELS[choice])


_SESSION_HISTORY: dict[str, Any] = {
    SessionEvent.CREATED: _l("The session %(session)s was created."),
    SessionEvent.CHANGED: _l("The session %(session)s was modified."),
    SessionEvent.CANCELLED: _l("The session %(session)s was cancelled: created by mistake."),
    SessionEvent.MEETING_ADDED: _l("An information meeting of the session %(session)s was added."),
    SessionEvent.MEETING_CHANGED: _l("An information meeting of the session %(session)s was modified."),
    SessionEvent.MEETING_REMOVED: _l("An information meeting of the session %(session)s was removed."),
}
_DATA_HISTORY: dict[str, Any] = {
    DataEvent.SITE_ADDED: _l("The component %(component)s takes place on one more site: %(site)s."),
    DataEvent.SITE_REMOVED: _l("The component %(component)s no longer takes place on the site %(site)s."),
    DataEvent.COMPONENT_REMOVED: _l("The component %(component)s was deleted."),
}
_SESSION_FIELDS: dict[str, Any] = {
    "starts_on": _l("Start of the session"),
    "ends_on": _l("End of the session"),
    "site_id": _l("Training site"),
    "places": _l("Number of places"),
    "registration_address": _l("Registration address"),
    "registration_terms": _l("How to register"),
    "held_on": _l("Date of the meeting"),
    "starts_at": _l("Time"),
    "place": _l("Place of the meeting"),
    "text": _l("Information for the candidates"),
}
_FAULTS: dict[FaultCode, Any] = {
    FaultCode.END_BEFORE_START: _l("The end comes before the start."),
    FaultCode.BEFORE_COMPONENT: _l("The component starts on %(date)s: choose that day or a later one."),
    FaultCode.AFTER_COMPONENT: _l("The component ends on %(date)s: choose that day or an earlier one."),
    FaultCode.BEFORE_ACTION: _l("The action starts on %(date)s: choose that day or a later one."),
    FaultCode.AFTER_ACTION: _l("The action ends on %(date)s: choose that day or an earlier one."),
    FaultCode.SITE_NOT_OF_COMPONENT: _l("This site is not one of the component: choose one of the list."),
    FaultCode.TOO_MANY_PLACES: _l("At most %(max)s places: check the number."),
    FaultCode.MEETING_AFTER_SESSION: _l("The session ends on %(date)s: the meeting takes place before."),
    FaultCode.MEETING_TOO_EARLY: _l("The session starts on %(date)s, more than a year later: check the year of the meeting."),
    FaultCode.SESSION_CANCELLED: _l("The session was cancelled: it can be read, no longer modified."),
    FaultCode.ACTION_OVER: _l("The action is “%(status)s”: its sessions no longer change."),
    FaultCode.REASON_REQUIRED: _l("Say why the session is cancelled: the reason stays in its history."),
}


def sessions_outside_text(numbers: Sequence[str]) -> str:
    """Which sessions new dates of their component would leave outside, and what to do first."""
    return ngettext(
        "The session %(list)s would lie outside these dates: change its dates first.",
        "The sessions %(list)s would lie outside these dates: change their dates first.",
        len(numbers),
        list=", ".join(numbers),
    )


def sessions_on_site_text(numbers: Sequence[str]) -> str:
    """Which sessions take place on a site that the component would leave, and what to do first."""
    return ngettext(
        "The session %(list)s takes place on this site: choose another site for it first.",
        "The sessions %(list)s take place on this site: choose another site for them first.",
        len(numbers),
        list=", ".join(numbers),
    )


def fault_text(fault: Fault) -> str:
    """The sentence for one fault of a session or a meeting."""
    params = {name: _in_full(value) if name == "date" else value for name, value in fault.params.items()}
    if "status" in params:
        params["status"] = status_label(str(params["status"]))
    sentence = str(_FAULTS[fault.code])
    return sentence % params if params else sentence


def history_text(event: str, details: Mapping[str, Any] | None = None) -> str:
    """The sentence of one line of history."""
    if event in _SESSION_HISTORY:
        return str(_SESSION_HISTORY[event]) % {"session": (details or {}).get("session", "")}
    if event in _DATA_HISTORY:
        return str(_DATA_HISTORY[event]) % {"component": (details or {}).get("component", ""), "site": (details or {}).get("site", "")}
    return str(_HISTORY[event])


def history_changes(details: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Field, before and after, of a line of history that changed something."""
    changes = (details or {}).get("changes", {})
    return [
        (str(label), _told_value(name, changes[name][0]), _told_value(name, changes[name][1])) for name, label in _SESSION_FIELDS.items() if name in changes
    ]


def _told_value(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in ("starts_on", "ends_on", "held_on"):
        return date.fromisoformat(value).strftime("%d/%m/%Y")
    return str(value)[:5] if name == "starts_at" else str(value)


def standing_text(action: Action, facts: EntryFacts, today: date, *, acts: bool) -> str:
    """Where the action stands and what comes next, for those who enter data (``acts``) and for those who do not."""
    start, end = _in_full(action.actual_start or action.planned_start), _in_full(action.planned_end)
    match ActionStatus(action.status):
        case ActionStatus.WAITING:
            return _("Waiting to be opened; planned from %(start)s to %(end)s.", start=start, end=end)
        case ActionStatus.CLOSED:
            return _("Closed on %(day)s: it can be read, no longer modified.", day=_in_full(action.closed_at))
        case ActionStatus.CANCELLED:
            return _("Cancelled: it can be read, no longer modified.")
    if facts.declared and not facts.missing:
        if acts:
            return _("Declared finished: there is nothing more to enter, the Région closes it. Its planned end: %(end)s.", end=end)
        return _("Declared finished: nothing is missing, it can be closed. Its planned end: %(end)s.", end=end)
    if not is_late(action.status, action.planned_end, today):
        return _("Open since %(start)s; planned end on %(end)s.", start=start, end=end)
    return _late_for_who_enters(facts, end) if acts else _late_for_who_closes(facts, end)


def _late_for_who_enters(facts: EntryFacts, end: str) -> str:
    if facts.missing or not facts.enrolled:
        return _("Its planned end, %(end)s, has passed: enter what is missing and declare it finished, the Région then closes it.", end=end)
    return _("Its planned end, %(end)s, has passed and nothing is missing: declare it finished, the Région then closes it.", end=end)


def _late_for_who_closes(facts: EntryFacts, end: str) -> str:
    if facts.still_in:
        return _("Its planned end, %(end)s, has passed: it can be closed once the training organisation has entered the last exits.", end=end)
    if facts.requests:
        return _("Its planned end, %(end)s, has passed: it can be closed once its modification requests are decided.", end=end)
    return _("Its planned end, %(end)s, has passed: it can be closed; the training organisation has not declared it finished yet.", end=end)


def start_apart_text(action: Action, facts: EntryFacts, *, waits: bool) -> str | None:
    """While the actual start is not the first entry (guide 003 §1, reminder): both, and what to do; None when they agree.

    ``waits``: a modification request is under way, which may be the one that mends it.
    """
    if action.status != ActionStatus.RUNNING or action.actual_start is None or facts.first_entry in (None, action.actual_start):
        return None
    told = _(
        "The actual start is %(start)s, and the first trainee entered on %(first)s: they have to be the same day.",
        start=fr_long_date(action.actual_start),
        first=fr_long_date(facts.first_entry),
    )
    if waits:
        return f"{told} " + _(
            "A modification request is under way: once it is decided, ask for the right actual start if they still differ, or correct the enrolment."
        )
    return f"{told} " + _("If the entry is right, ask for a modification of dates; otherwise correct the enrolment, from the list of the trainees.")


def closing_consequence(enrolled: int, planned_end: date, today: date) -> str:
    """What closing does; and that it comes before the planned end, when it does."""
    consequence = ngettext(
        "The AGORA file of its %(num)d enrolment becomes “Clôturé”. AGORA does not reopen a closed file.",
        "The AGORA files of its %(num)d enrolments become “Clôturé”. AGORA does not reopen closed files.",
        enrolled,
    )
    if today < planned_end:
        return _("The planned end, %(date)s, has not come yet. %(consequence)s", date=_in_full(planned_end), consequence=consequence)
    return consequence


def told_actor(name: str, on_behalf_of: str) -> str | None:
    """Who did it, as histories say it: "Mme Y pour le compte de Mme X"."""
    if name and on_behalf_of:
        return _("%(actor)s on behalf of %(principal)s", actor=name, principal=on_behalf_of)
    return name or None
