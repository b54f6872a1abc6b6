"""What the pages of exchanges show: for whom, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from app.core.fab.names import operation_label
from app.core.outbox.models import ErrorKind, MessageState, OutboxMessage
from app.core.people import account_names
from app.core.ui import allowed
from app.core.ui.format import fr_number
from app.core.ui.paths import safe_url
from app.trainees import labels as trainee_labels
from app.trainees.models import Enrolment
from app.trainees.permissions import READ as READ_TRAINEES
from app.trainees.presenters import where_to_mend, whom_to_ask

from . import labels, queries
from .catalogue import Catalogue, Explanation, catalogue
from .domain import NOT_THE_ORGANISATION_S, Actor
from .permissions import VIEW

#: Paths that nobody of an organisation mends: the Région's screen, and what of the enrolment is its key.
_REGION_PAGES: dict[str, tuple[str, Any]] = {
    "action.certif_info": ("ComponentModelView", lambda enrolment: enrolment.component_id),
    "action.formacode": ("ComponentModelView", lambda enrolment: enrolment.component_id),
    "action.title": ("ComponentModelView", lambda enrolment: enrolment.component_id),
    "action.exit_level": ("ComponentModelView", lambda enrolment: enrolment.component_id),
    "action.number": ("ActionModelView", lambda enrolment: enrolment.action_id),
    "action.site_postal_code": ("SiteView", lambda enrolment: enrolment.site_id),
    "body.siret": ("OrganisationView", lambda enrolment: enrolment.organisation_id),
    "body.legal_name": ("OrganisationView", lambda enrolment: enrolment.organisation_id),
    "programme": ("ProgrammeView", lambda enrolment: enrolment.action.contract.programme_id),
}


@dataclass(frozen=True, slots=True)
class ToMend:
    """One datum to mend: its name, AGORA's sentence, the page that mends it for whoever looks, and who can where that is somebody else."""

    label: str
    message: str
    href: str | None
    by: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One exchange of a list."""

    message: OutboxMessage
    href: str
    what: str
    number: str | None
    who: str | None
    who_href: str | None
    organisation: str | None
    action_number: str | None
    state: tuple[Any, str]
    explanation: Explanation | None
    mend: tuple[ToMend, ...]
    can_replay: bool
    #: How often it was tried in all; ``message.attempts`` counts since somebody sent it again.
    tries: int


def lines(messages: Sequence[OutboxMessage], known: Catalogue) -> list[Line]:
    """The lines of one page, with the tries since each was sent again (its own page counts them all); one statement for all their enrolments."""
    found = queries.enrolments(messages)
    return [line(message, found.get(message.subject_id) if message.subject_type == "enrolment" else None, known, message.attempts) for message in messages]


def line(message: OutboxMessage, enrolment: Enrolment | None, known: Catalogue, tries: int) -> Line:
    """One of them."""
    explanation = explain(message, known)
    names = allowed(*READ_TRAINEES)
    stuck = message.state in queries.STUCK
    return Line(
        message=message,
        href=url_for("ExchangesView.show", exchange_id=message.id),
        what=str(operation_label(message.operation)),
        number=enrolment.agora_number if enrolment else None,
        who=enrolment.registration.trainee.display_name if enrolment and names else None,
        who_href=url_for("RegistrationPages.show", registration_id=enrolment.registration_id) if enrolment and names else None,
        organisation=str(enrolment.action.organisation) if enrolment else None,
        action_number=enrolment.action.number if enrolment else None,
        state=labels.STATES[message.state],
        explanation=explanation,
        mend=to_mend(message, enrolment, explanation) if stuck and enrolment is not None else (),
        can_replay=stuck and (explanation is None or explanation.replay),
        tries=tries,
    )


def explain(message: OutboxMessage, known: Catalogue) -> Explanation | None:
    """The catalogue's word on the last error; None when there is none."""
    if not message.last_error_code:
        return None
    return known.explain(message.partner, message.last_error_code, message.error_kind)


def to_mend(message: OutboxMessage, enrolment: Enrolment, explanation: Explanation | None) -> tuple[ToMend, ...]:
    """The data that AGORA refused, else the one that its code is about."""
    if message.error_kind is not ErrorKind.REJECTED:
        return ()
    told = [(str(one.get("path") or ""), str(one.get("message") or ""), str(one.get("field") or "")) for one in message.last_error_details or ()]
    if not told and explanation is not None and explanation.path:
        told = [(explanation.path, "", "")]
    return tuple(_one_to_mend(enrolment, message.operation, path, sentence, pointer) for path, sentence, pointer in told)


def _one_to_mend(enrolment: Enrolment, operation: str, path: str, sentence: str, pointer: str) -> ToMend:
    label = trainee_labels.path_text(path, operation) if path else pointer or str(_("the file"))
    href = where_to_mend(enrolment, path, operation)
    screen, key = _REGION_PAGES.get(path, ("", None))
    if href is None and key is not None and allowed("can_edit", screen):
        href = safe_url(f"{screen}.edit", pk=str(key(enrolment)))
    by = None
    if href is None:
        by = str(labels.ACTORS[Actor.REGION if screen or not path else Actor.ORGANISATION])
    return ToMend(label, sentence, href, by)


@dataclass(frozen=True, slots=True)
class Next:
    """What happens next, in a sentence."""

    text: str
    at: datetime | None = None


def next_step(message: OutboxMessage, ahead: OutboxMessage | None, *, paused: bool) -> Next:
    """What an exchange waits for."""
    match message.state:
        case MessageState.SENDING:
            return Next(_("It is being sent: the answer comes within seconds."))
        case MessageState.PENDING if ahead is not None:
            return Next(_("It waits for exchange %(number)s of the same file, which comes first.", number=ahead.id))
        case MessageState.PENDING if paused:
            return Next(_("The Région stopped the sending: it leaves when it is resumed."))
        case MessageState.PENDING:
            return Next(_("Next try:"), message.next_attempt_at)
        case MessageState.REJECTED:
            return Next(_("Nothing leaves by itself: the cause has to be mended first."))
        case MessageState.DEAD:
            return Next(_("Given up: nothing leaves by itself any more."))
        case MessageState.CANCELLED:
            return Next(_("Over: it is not sent."))
        case _:
            return Next(_("Over: the partner has it."))


def history(message: OutboxMessage, known: Catalogue, *, with_interventions: bool) -> list[dict[str, Any]]:
    """What happened, in the order of time: the act, each try, what was done by hand, the end."""
    acts = queries.interventions(message.id) if with_interventions else ()
    attempts = queries.attempts(message.id)
    names = account_names([message.actor_id, *(act.actor_id for act in acts)])

    def who(account: int | None) -> str:
        return str(_("The system")) if account is None else names.get(account) or str(_("Account %(id)s", id=account))

    events: list[tuple[datetime, int, dict[str, Any]]] = []
    events.append((message.created_at, 0, {"text": _("Asked for"), "actor": who(message.actor_id), "tone": "neutral"}))
    for attempt in attempts:
        said = known.explain(message.partner, attempt.code or "", attempt.error_kind)
        text, tone = {
            MessageState.REJECTED: (_("Refused: %(cause)s", cause=said.cause), "danger"),
            MessageState.DEAD: (_("Given up: %(cause)s", cause=said.cause), "danger"),
        }.get(attempt.state, (_("Tried in vain: %(cause)s", cause=said.cause), "warning"))
        told = attempt.title if with_interventions or attempt.error_kind is ErrorKind.REJECTED else None  # what the network says is for operators
        note = _("Code %(code)s: “%(title)s”", code=attempt.code, title=told) if told else _("Code %(code)s", code=attempt.code)
        events.append((attempt.at, 1, {"text": text, "tone": tone, "note": note}))
    events.extend(
        (act.created_at, 2, {"text": labels.intervention_text(act.kind, act.amount), "actor": who(act.actor_id), "tone": "info", "note": act.reason})
        for act in acts
    )
    if message.done_at is not None:
        events.append((message.done_at, 3, _ending(message)))
    events.sort(key=lambda event: (event[0], event[1]))
    return [{**event, "at": at} for at, _order, event in events]


def _ending(message: OutboxMessage) -> dict[str, Any]:
    if message.state is MessageState.DONE:
        return {"text": _("Received by the partner"), "tone": "success", "note": answer_text(message)}
    return {"text": _("Settled, not sent"), "tone": "neutral", "note": None}


def answer_text(message: OutboxMessage) -> str | None:
    """What the partner answered, as far as it is kept: nothing of a person is."""
    answer = message.answer or {}
    number, status = answer.get("number") or answer.get("reference"), answer.get("status")
    if not number:
        return None
    if status in trainee_labels.AGORA_STATUS_LABELS:
        return _("File %(number)s, “%(status)s”", number=number, status=trainee_labels.AGORA_STATUS_LABELS[status][0])
    return _("File %(number)s", number=number)


def answer_told(message: OutboxMessage, explanation: Explanation | None) -> str | None:
    """The same, with what the catalogue says of an answer that is no success; a silence is told as such."""
    said = answer_text(message)
    if message.state in (MessageState.DONE, MessageState.CANCELLED) or explanation is None:
        return said
    told = {"cause": explanation.cause, "code": explanation.code}
    if message.error_kind is ErrorKind.UNAVAILABLE:
        return _("No usable answer. %(cause)s (code %(code)s)", **told)
    if message.error_kind is not ErrorKind.REJECTED:
        return said
    return _("%(answer)s – not kept. %(cause)s (code %(code)s)", answer=said, **told) if said else _("Refused. %(cause)s (code %(code)s)", **told)


def tries_text(one: Line) -> str:
    """How often an exchange was tried, and how often since somebody sent it again."""
    if one.tries <= one.message.attempts:
        return fr_number(one.tries)
    return _("%(count)s, %(since)s of them since it was sent again by hand", count=fr_number(one.tries), since=fr_number(one.message.attempts))


def whom(enrolment: Enrolment | None) -> str | None:
    """Whom to write to about what the account cannot do itself."""
    return whom_to_ask(enrolment.action, enrolment.agora_number) if enrolment is not None else None


def may_resend(one: Line) -> bool:
    """Whether the organisation may send it again itself: only what AGORA refused, and nobody else has to see to first."""
    others = one.explanation is not None and one.explanation.actor in NOT_THE_ORGANISATION_S
    return one.can_replay and not others and one.message.state is MessageState.REJECTED and allowed("can_resend", VIEW)


def refusal_help(code: str) -> tuple[str, str] | None:
    """What is to be done about a refusal, and who can: for the sheet of the trainee; None for a code that the catalogue does not know."""
    said = catalogue().explain("agora", code, ErrorKind.REJECTED)
    if not said.known:
        return None
    return said.remedy, str(labels.ACTORS[said.actor])
