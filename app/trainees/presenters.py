"""What screens show of an enrolment: badge, number, what is awaited, what to mend and where."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _

from app.actions.domain import registration_blockers
from app.actions.models import Action
from app.core.outbox.models import ErrorKind, MessageState
from app.core.outbox.queries import Status, statuses
from app.core.ui import allowed
from app.partners.agora.port import FileStatus
from app.reference.queries import contact_of_programme

from . import labels
from .agora import REMEDIES
from .domain import AgoraState, IdentitySource, Problem, ProblemCode
from .life import EnrolmentEvent
from .models import Enrolment, Registration
from .permissions import VIEW
from .ports import refusal_help
from .services.correction import may_correct
from .services.enrolment import EXIT, UNDO_EXIT
from .standing import is_in, standing

#: Files that AGORA has not closed yet.
_OPEN_FILES = frozenset({FileStatus.DRAFT, FileStatus.VALIDATED, FileStatus.ENTERED, FileStatus.EXITED})


class Awaited(StrEnum):
    """What a page that asks again was waiting for."""

    NUMBER = "number"
    CHANGE = "change"
    #: Nothing: it follows a file that AGORA moves by itself.
    NOTHING = "nothing"


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
    #: What is to be done about the refusal, and who can.
    next_step: str | None = None
    #: Nothing moves by itself any more: what happened, and who can act.
    stopped: str | None = None
    #: What the rubric says, in one word: equal words, nothing to show anew.
    mark: str = ""
    #: AGORA holds the file and it is not closed: a page left open follows it slowly.
    followed: bool = False


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
        next_step=_next_step(refusal) if refusal else None,
        stopped=stopped,
        mark=f"{enrolment.agora_state}.{enrolment.agora_version}.{enrolment.version}",
        followed=enrolment.agora_state == AgoraState.REGISTERED and enrolment.agora_status in _OPEN_FILES,
    )


def _next_step(refusal: dict[str, Any]) -> str | None:
    """The catalogue's, which the Région writes."""
    said = refusal_help(str(refusal.get("code") or ""))
    return _("%(remedy)s Who can act: %(who)s.", remedy=said[0], who=said[1]) if said is not None else None


def panel_mark(enrolments: Sequence[Enrolment]) -> str | None:
    """The same for the rows of a list; None when nothing is awaited."""
    views = agora_views(enrolments)
    if not any(view.waiting for view in views.values()):
        return None
    return hashlib.sha256("/".join(f"{key}.{view.mark}" for key, view in views.items()).encode()).hexdigest()[:16]


def _stopped(status: Status | None) -> str | None:
    """A message given up, or settled by hand, changes nothing of the enrolment: the outbox is what knows."""
    if status is None:
        return None
    if status.state is MessageState.DEAD:
        return _("Saved, but the sending to AGORA was given up. The Région can start it again: contact the assistance.")
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
    operation = str(refusal.get("operation") or EXIT)
    elsewhere = [(path, message, None if _no_field(path, operation) else where_to_mend(enrolment, path, operation)) for path, message in told]
    return [Remedy(labels.path_text(path, operation), message, href) for path, message, href in elsewhere]


def _no_field(path: str, operation: str) -> bool:
    """Whether it is said of an interruption, a return…, of which no page mends anything."""
    return operation != EXIT and REMEDIES.get(path, ("", ""))[0] == "exit"


def where_to_mend(enrolment: Enrolment, path: str, operation: str) -> str | None:
    """The page, and the field on it, where the account at work mends what AGORA calls ``path`` of a message; None when it may not, or nobody can here."""
    page, control = REMEDIES.get(path, ("", ""))
    if _no_field(path, operation):  # the sheet says what is possible
        sheet = url_for("RegistrationPages.show", registration_id=enrolment.registration_id, _anchor=f"gestion-{enrolment.id}")
        return sheet if allowed("can_exit", VIEW) else None
    if page == "plan" and allowed("can_enrol", VIEW):
        return url_for("EnrolmentView.change", enrolment_id=enrolment.id, _anchor=control)
    if page == "exit" and enrolment.actual_end is not None and allowed("can_exit", VIEW):
        return url_for("EnrolmentView.leave", enrolment_id=enrolment.id, _anchor=control)
    if page == "person" and allowed("can_register", VIEW) and not registration_blockers(enrolment.action.status):
        return url_for("IdentityPages.edit", registration_id=enrolment.registration_id)
    if page == "sheet" and allowed("can_register", VIEW):
        step = "contact" if control in ("postal_code", "town", "email", "mobile") else "situation"
        return url_for(f"RegistrationPages.{step}", registration_id=enrolment.registration_id, _anchor=control)
    return None


# ---- what can be done with an enrolment, or why not ----------------------------------------------------------------------


def whom_to_ask(action: Action, number: str | None) -> str:
    """Who can do what the page cannot: the contact of the programme, as at the foot of the pages."""
    programme_id, kept = action.contract.programme_id, g.setdefault("programme_contacts", {})  # one look-up, however many rows ask
    if programme_id not in kept:
        kept[programme_id] = contact_of_programme(programme_id)
    contact = kept[programme_id]
    if contact is None or not (contact.email or contact.phone):
        return _("Ask the assistance, whose address is at the foot of the page.")
    known = {"address": contact.email, "subject": contact.subject}
    if contact.email and number:
        return _("Write to %(address)s (%(subject)s) and give the number of the AGORA file, %(number)s.", **known, number=number)
    if contact.email:
        return _("Write to %(address)s (%(subject)s).", **known)
    return _("Call %(phone)s (%(subject)s).", phone=contact.phone, subject=contact.subject)


def why_not_identity(registration: Registration, enrolments: Sequence[Enrolment]) -> str | None:
    """Why the identity is not corrected here, and whom to ask; None when it can be."""
    action = registration.action
    if registration_blockers(action.status):
        return over_text(action)
    if may_correct(registration, enrolments):
        return None
    programme, ask = action.contract.programme, whom_to_ask(action, None)
    if not programme.nir_required:
        return _("The programme %(programme)s asks for no NIR: the identity is not modified here. %(ask)s", programme=programme.label, ask=ask)
    if registration.trainee.identity_source == IdentitySource.REGION:
        return _("The Région corrected this identity: it is not modified here. If it is still wrong, ask for another correction.")
    return _("AGORA confirmed this identity: it is not modified here. %(ask)s", ask=ask)


def over_text(action: Action) -> str:
    """Why nothing of a closed or cancelled action changes, and whom to ask."""
    sentence = labels.problem_text(Problem("", ProblemCode.NO_MORE_TRAINEE, {"status": action.status}))
    return f"{sentence} {whom_to_ask(action, None)}"


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
    enrolments = standing(registration.enrolments)
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


def exit_undone_at_agora(enrolment: Enrolment) -> bool:
    """An exit that AGORA was told cancelled: nothing in the exchange leads its file back, so that it contradicts the row (decision 36)."""
    at_agora = enrolment.agora_state == AgoraState.REGISTERED and enrolment.agora_status == FileStatus.EXITED
    return at_agora and is_in(enrolment) and any(act.kind == EnrolmentEvent.UNDO_EXIT for act in enrolment.acts)


def received_sentence(enrolment: Enrolment, view: AgoraView, awaited: Awaited) -> str:
    """What is said once AGORA has answered: guide 000's sentence for the number alone, for it is the creation that it speaks of."""
    told = {"number": view.number, "status": view.label}
    if enrolment.cancelled_at is not None and enrolment.agora_status == FileStatus.CANCELLED:
        return _("AGORA received the cancellation: file %(number)s.", number=view.number)
    if awaited is Awaited.NUMBER:
        return _("The integration into AGORA is done: file %(number)s, “%(status)s”.", **told)
    if awaited is Awaited.CHANGE and exit_undone_at_agora(enrolment):
        last = statuses("enrolment", [enrolment.id]).get(enrolment.id)
        if last is not None and last.operation == UNDO_EXIT:
            return _("AGORA received the cancellation of the exit: its file %(number)s stays at “%(status)s”, here the trainee is in training again.", **told)
        return _("AGORA received the change: its file %(number)s stays at “%(status)s” since the exit was cancelled, here the trainee is in training.", **told)
    if awaited is Awaited.CHANGE:
        return _("AGORA received the change: file %(number)s, “%(status)s”.", **told)
    return _("The file at AGORA moved on: file %(number)s, “%(status)s”.", **told)
