"""Words for the codes of ``domain`` (guide 003): statuses, frequencies, and the sentence for each reason."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.ui.format import fr_long_date

from .domain import (
    ActionEvent,
    ActionStatus,
    BillingPeriod,
    ContractKind,
    DeclarationFrequency,
    Reason,
    ReasonCode,
    StatusFilter,
)

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
}
LATE_LABEL = _l("Late to be closed")

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


def reason_text(reason: Reason, *, acts: bool = True) -> str:
    """The sentence for one obstacle: what is wrong, which value, what to do.

    ``acts`` is False for a reader who cannot enrol nor let leave: the sentence then says who can.
    """
    params = reason.params
    match reason.code:
        case ReasonCode.NOT_WAITING:
            return _("The action is “%(status)s”: it can no longer be opened.", status=status_label(str(params["status"])))
        case ReasonCode.NOT_RUNNING:
            return _("The action is “%(status)s”: only a running action can be closed.", status=status_label(str(params["status"])))
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
        case ReasonCode.ACTION_OVER:
            return _("The action is “%(status)s”: it takes no more trainees.", status=status_label(str(params["status"])))
    raise AssertionError(reason.code)  # pragma: no cover - every code is handled above


STATUS_FILTER_LABELS: dict[str, Any] = {
    StatusFilter.WAITING: STATUS_LABELS[ActionStatus.WAITING],
    StatusFilter.RUNNING: STATUS_LABELS[ActionStatus.RUNNING],
    StatusFilter.LATE: LATE_LABEL,
    StatusFilter.CLOSED: STATUS_LABELS[ActionStatus.CLOSED],
    StatusFilter.CANCELLED: STATUS_LABELS[ActionStatus.CANCELLED],
}
_HISTORY: dict[str, Any] = {
    ActionEvent.OPEN: _l("The action was opened."),
    ActionEvent.CLOSE: _l("The Région closed the action."),
    ActionEvent.CANCEL: _l("The action was cancelled."),
}


def status_filter_label(choice: StatusFilter) -> str:
    """The words for a choice of the status filter."""
    return str(STATUS_FILTER_LABELS[choice])


def history_text(event: str) -> str:
    """The sentence of one line of history."""
    return str(_HISTORY[event])


def closing_consequence(enrolled: int, planned_end: date, today: date) -> str:
    """What closing does; and that it comes before the planned end, when it does."""
    consequence = ngettext(
        "The AGORA file of its %(num)d enrolment becomes “Clôturé”. Nothing leads back.",
        "The AGORA files of its %(num)d enrolments become “Clôturé”. Nothing leads back.",
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
