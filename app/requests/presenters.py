"""What the pages show of a request, ready for the templates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.actions.labels import told_actor
from app.core import clock
from app.core.people import account_names
from app.core.ui import allowed
from app.core.ui.format import fr_datetime

from . import labels, queries, services
from .document_models import DocumentRole, RequestDocument, RequestSignature
from .domain import Field, Moved, Problem, ProblemCode, RequestEvent, RequestKind, RequestState, Value, fingerprint, gone, load, load_notes, moved
from .kinds import KINDS, Outside
from .models import ModificationRequest, ModificationRequestEvent
from .permissions import ASK, WITHDRAW
from .wizard import WIZARDS
from .words import words_for


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a list."""

    request: ModificationRequest
    kind: str
    sender: str
    summary: str
    age: str
    show_url: str
    correct_url: str | None
    withdraw_url: str | None
    #: « Courrier attendu ».
    letter_awaited: bool


@dataclass(frozen=True, slots=True)
class Today:
    """What today's data say of a request that is not decided."""

    #: Rows label, before, now, after: the fields that changed since the request was sent.
    moved: Sequence[dict[str, str]] = ()
    fingerprint: str = ""
    problems: Sequence[str] = ()
    remarks: list[str] = field(default_factory=list)
    outside: Outside = field(default_factory=Outside)


def lines(
    rows: Sequence[ModificationRequest], *, now: datetime, awaited: Collection[int] | None = None, names: Mapping[int, str] | None = None
) -> list[Line]:
    """Rows of the follow-up and of the queue: one statement for ``names``, one for their letters, unless they are given (``awaited``: whose are)."""
    if awaited is None:
        awaited = queries.without_letter({row.id for row in rows if row.state == RequestState.PENDING})
    names = account_names(row.sender_id for row in rows) if names is None else names
    asks, withdraws = allowed(*ASK), allowed(*WITHDRAW)
    return [
        Line(
            request=row,
            kind=labels.kind_label(row.kind),
            sender=(names.get(row.sender_id) if row.sender_id is not None else None) or row.sender_name,
            summary=labels.summary(row.asked),
            age=age_text(row, now),
            show_url=url_for("RequestsView.show", request_id=row.id),
            correct_url=_correct_url(row) if asks and row.state == RequestState.TO_CORRECT else None,
            withdraw_url=url_for("RequestsView.withdraw", request_id=row.id) if withdraws and row.is_open else None,
            letter_awaited=row.id in awaited,
        )
        for row in rows
    ]


def _correct_url(row: ModificationRequest) -> str:
    return url_for(f"{WIZARDS[RequestKind(row.kind)].__name__}.start", action_id=row.action_id)


def age_text(row: ModificationRequest, now: datetime) -> str:
    """Since how many days a pending request waits; empty for the others."""
    if row.state != RequestState.PENDING:
        return ""
    days = (clock.to_local(now).date() - clock.to_local(row.sent_at).date()).days
    return _("since today") if days <= 0 else ngettext("for %(num)d day", "for %(num)d days", days)


def today_of(found: ModificationRequest) -> Today:
    """The request against today's data: what moved, which rules it would break, whom it would leave outside."""
    if not found.is_open:
        return Today()
    kind = KINDS[RequestKind(found.kind)]
    snapshot = kind.snapshot(found.action, queries.components_of(found.action_id, kind.options))
    changes = found.asked
    shifted = moved(changes, snapshot.values)
    words = words_for([(one.change.key.field, one.now) for one in shifted])
    problems: tuple[Problem, ...] = services.judged(kind, snapshot, changes)
    lost = gone(changes, snapshot.values)
    outside = Outside() if lost or not _leaves_outside(problems) else kind.outside(snapshot, changes)
    return Today(
        moved=[moved_row(one, words) for one in shifted],
        fingerprint=fingerprint(shifted),
        problems=[labels.problem_text(problem) for problem in problems],
        remarks=[labels.problem_text(problem) for problem in kind.remarks(snapshot, changes)],
        outside=outside,
    )


def moved_row(one: Moved, words: Mapping[tuple[Field, Value], str]) -> dict[str, str]:
    """A field that changed since the request was sent: label, before, now, after."""
    return {
        "label": labels.field_label(one.change),
        "before": labels.before_text(one.change),
        "now": words.get((one.change.key.field, one.now)) or labels.value_text(one.change.key.field, one.now),
        "after": labels.after_text(one.change),
    }


def _leaves_outside(problems: Sequence[Problem]) -> bool:
    return any(problem.code is ProblemCode.TRAINEES_OUTSIDE for problem in problems)


def names_told(found: ModificationRequest, events: Sequence[ModificationRequestEvent], papers: Mapping[str, Any]) -> dict[int, str]:
    """The names of all those whom the page of a request names: one statement."""
    accounts = [found.sender_id, *(number for one in (*events, *papers["signatures"]) for number in (_account_of(one), one.on_behalf_of_id))]
    return account_names([*accounts, *(one.account_id for one in papers["attached"])])


def _account_of(one: ModificationRequestEvent | RequestSignature) -> int | None:
    return one.actor_id if isinstance(one, ModificationRequestEvent) else one.account_id


def history(
    events: Sequence[ModificationRequestEvent],
    documents: Sequence[RequestDocument],
    signatures: Sequence[RequestSignature],
    names: Mapping[int, str],
) -> list[dict[str, Any]]:
    """The timeline: who did what, when, why; with what was asked, the letter confirmed on screen and the documents that came."""
    lines = [*_steps(events, names), *(_signed(one, names) for one in signatures), *(_attached(one, names) for one in documents)]
    return sorted(lines, key=lambda one: one["at"], reverse=True)  # what has the same time stays in this order


def _signed(one: RequestSignature, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "text": _("The letter was confirmed on screen."),
        "at": one.signed_at,
        "actor": told_actor(_name(names, one.account_id, one.account_name), _name(names, one.on_behalf_of_id, one.on_behalf_of_name)),
        "tone": "success",
    }


def _attached(one: RequestDocument, names: Mapping[int, str]) -> dict[str, Any]:
    sentences: dict[str, Any] = {
        DocumentRole.LETTER: _("The signed letter was attached: %(name)s.", name=one.name),
        DocumentRole.AMENDMENT: _("The document of the amendment was attached: %(name)s.", name=one.name),
    }
    return {
        "text": sentences.get(one.role) or _("A document was attached: %(name)s.", name=one.name),
        "at": one.added_at,
        "actor": _name(names, one.account_id, one.account_name),
        "tone": "success" if one.role == DocumentRole.LETTER else "neutral",
    }


def _steps(events: Sequence[ModificationRequestEvent], names: Mapping[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "text": labels.history_text(one.event, one.from_state),
            "at": one.happened_at,
            "actor": told_actor(_name(names, one.actor_id, one.actor_name), _name(names, one.on_behalf_of_id, one.on_behalf_of_name)),
            "tone": labels.STATE_TONES.get(one.to_state, "neutral"),
            "note": _comment(one),
            "details": labels.change_rows(load(one.changes)) if one.changes else None,
        }
        for one in events
    ]


def _comment(one: ModificationRequestEvent) -> str | None:
    """What was written, with what was said of single lines."""
    lines = [one.comment] if one.comment else []
    if one.without_letter:
        lines.append(labels.without_letter_text())
    of = {change.key: labels.field_label(change) for change in load(one.changes)} if one.changes else {}
    for note in load_notes(one.notes):
        name = of.get(note.key) or str(labels.FIELD_LABELS[note.key.field])
        lines.append(_("%(field)s: %(text)s", field=name, text=note.text))
    return "\n".join(lines) or None


def _name(names: Mapping[int, str], account: int | None, then: str) -> str:
    return (names.get(account) if account is not None else None) or then


def overtaken_text(late: services.Overtaken) -> str:
    """What somebody else did meanwhile."""
    state = labels.state_label(late.state)
    if late.event is None:
        return _("Somebody else was faster: this request is now “%(state)s”. Nothing was changed.", state=state)
    return _(
        "Nothing was changed: the request was modified meanwhile by %(name)s, on %(when)s. It is now “%(state)s”.",
        name=late.event.actor_name or _("the portal"),
        when=fr_datetime(late.event.happened_at),
        state=state,
    )


def delays_text(found: queries.Delays | None) -> str | None:
    """How long decisions take: the median and the ninth tenth, which tells of those who wait longest."""
    if found is None:
        return None
    return ngettext(
        "%(num)d request decided within twelve months: half within %(median)s, nine in ten within %(ninth)s.",
        "%(num)d requests decided within twelve months: half within %(median)s, nine in ten within %(ninth)s.",
        found.count,
        median=_days(found.median),
        ninth=_days(found.ninth),
    )


def _days(number: float) -> str:
    whole = ceil(number)
    return _("one day") if whole <= 1 else ngettext("%(num)d day", "%(num)d days", whole)


def decided_text(event: RequestEvent, number: str) -> str:
    """What the decision did."""
    match event:
        case RequestEvent.VALIDATE:
            return _("The request about the action %(number)s is validated: the new data count, and the organisation is told by mail.", number=number)
        case RequestEvent.REFUSE:
            return _("The request about the action %(number)s is refused: the organisation is told by mail.", number=number)
        case _:
            return _("A correction of the request about the action %(number)s is asked: the organisation is told by mail.", number=number)


def withdrawal_consequence(found: ModificationRequest) -> str:
    """What a withdrawal does."""
    return _(
        "“%(kind)s”, %(summary)s: the Région no longer decides on it. The data stay as they are.",
        kind=labels.kind_label(found.kind),
        summary=labels.summary(found.asked),
    )
