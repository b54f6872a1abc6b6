"""What screens show of an enrolment: badge, number, what is awaited, what to mend and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from app.core.outbox.models import ErrorKind, MessageState
from app.core.outbox.queries import Status, statuses
from app.core.ui import allowed

from . import labels
from .agora import REMEDIES
from .domain import AgoraState
from .models import Enrolment, Registration
from .permissions import VIEW


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing to mend: the field in words, AGORA's sentence, and the page that mends it (None: the Région must)."""

    label: str
    message: str
    href: str | None


@dataclass(frozen=True, slots=True)
class AgoraView:
    """The AGORA rubric of one enrolment."""

    label: str
    tone: str
    number: str | None
    waiting: bool
    silent: bool
    refusal: str | None
    remedies: tuple[Remedy, ...]
    #: Nothing moves by itself any more: what happened, and who can act.
    stopped: str | None = None


def agora_views(enrolments: Sequence[Enrolment]) -> dict[int, AgoraView]:
    """The rubric of each enrolment; one statement, and only when something is awaited."""
    awaited = [enrolment.id for enrolment in enrolments if enrolment.agora_state in (AgoraState.WAITING, AgoraState.REJECTED)]
    sent = statuses("enrolment", awaited) if awaited else {}
    return {enrolment.id: _view(enrolment, sent.get(enrolment.id)) for enrolment in enrolments}


def _view(enrolment: Enrolment, status: Status | None) -> AgoraView:
    label, tone = labels.agora_badge(enrolment.agora_state, enrolment.agora_status)
    stopped = _stopped(status)
    waiting = enrolment.agora_state == AgoraState.WAITING and stopped is None
    refusal = enrolment.agora_refusal if enrolment.agora_state == AgoraState.REJECTED and stopped is None else None
    if stopped is not None and enrolment.agora_status is None:
        label, tone = _("Not sent to AGORA"), "warning"
    return AgoraView(
        label=str(label),
        tone=tone,
        number=enrolment.agora_number,
        waiting=waiting,
        silent=waiting and status is not None and status.attempts > 0 and status.error_kind is ErrorKind.UNAVAILABLE,
        refusal=labels.refusal_text(refusal) if refusal else None,
        remedies=tuple(_remedies(enrolment, refusal)) if refusal else (),
        stopped=stopped,
    )


def _stopped(status: Status | None) -> str | None:
    """A message given up, or settled by hand, changes nothing of the enrolment: the outbox is what knows."""
    if status is None:
        return None
    if status.state is MessageState.DEAD:
        return _("Saved, but the sending to AGORA was given up after a day without success. The Région can start it again: contact the assistance.")
    if status.state is not MessageState.CANCELLED:
        return None
    if status.code == "nothing_to_send":
        return _("Saved. There was nothing to send to AGORA: nothing more is awaited.")
    return _("Saved. The Région settled this sending by hand: nothing leaves by itself any more. For a question, contact the assistance.")


def _remedies(enrolment: Enrolment, refusal: dict[str, Any]) -> list[Remedy]:
    told = [(str(one.get("path", "")), str(one.get("message", ""))) for one in refusal.get("fields", [])]
    if not told:
        told = {"name_mismatch": [("holder.birth_name", "")], "unknown_person": [("holder.nir", "")], "invalid_nir": [("holder.nir", "")]}.get(
            str(refusal.get("meaning")), []
        )
    return [Remedy(labels.path_text(path), message, _where(enrolment, path)) for path, message in told]


def _where(enrolment: Enrolment, path: str) -> str | None:
    page, control = REMEDIES.get(path, ("", ""))
    if page == "plan" and allowed("can_enrol", VIEW):
        return url_for("EnrolmentView.change", enrolment_id=enrolment.id, _anchor=control)
    if page == "exit" and enrolment.actual_end is not None and allowed("can_exit", VIEW):
        return url_for("EnrolmentView.leave", enrolment_id=enrolment.id, _anchor=control)
    if page == "sheet" and allowed("can_register", VIEW):
        step = "contact" if control in ("postal_code", "town", "email", "mobile") else "situation"
        return url_for(f"RegistrationPages.{step}", registration_id=enrolment.registration_id, _anchor=control)
    return None


@dataclass(frozen=True, slots=True)
class ListLine:
    """One trainee of a list: dates over all components."""

    registration: Registration
    entry: date | None
    planned_exit: date | None
    actual_exit: date | None
    enrolments: list[Enrolment]


def list_lines(registrations: Sequence[Registration]) -> list[ListLine]:
    """The lines of one page."""
    return [_line(registration) for registration in registrations]


def _line(registration: Registration) -> ListLine:
    enrolments = registration.enrolments
    ends = [enrolment.actual_end for enrolment in enrolments]
    return ListLine(
        registration=registration,
        entry=min((enrolment.planned_start for enrolment in enrolments), default=None),
        planned_exit=max((enrolment.planned_end for enrolment in enrolments), default=None),
        actual_exit=max((end for end in ends if end), default=None) if enrolments and all(ends) else None,
        enrolments=enrolments,
    )


def badge_of(enrolment: Enrolment) -> tuple[str, str]:
    """Label and tone of the AGORA badge, for lists."""
    label, tone = labels.agora_badge(enrolment.agora_state, enrolment.agora_status)
    return str(label), tone


def waiting_sentence(silent: bool, number: str | None = None) -> str:
    """What is said while AGORA's number, or its taking of an event, is awaited."""
    if number is not None:
        return _("Saved. AGORA does not answer: its file will follow by itself.") if silent else _("Saved; AGORA’s file follows.")
    if silent:
        return _("The enrolment is saved. AGORA does not answer: the number will come by itself.")
    return _("The enrolment is saved; AGORA’s number is on its way.")
