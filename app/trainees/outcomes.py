"""Réalisation of each enrolment, as the pages that end an action show it and as AGORA is told it (domain-facts §2)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.actions.models import Action
from app.core.ui import allowed
from app.core.ui.format import fr_date, fr_hours

from . import acts, labels, life, queries, standing
from .life import EnrolmentEvent, LifeFacts
from .models import Enrolment
from .permissions import VIEW


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    """One enrolment of the table."""

    name: str
    component: str
    sheet: str
    start: date
    end: date
    away: str
    actual_end: date | None
    reason: str
    days: str
    hours: str
    outcome: str | None
    tone: str
    #: Who corrected it, and why.
    corrected: str
    href: str | None


def lines_of(enrolments: Sequence[Enrolment], action: Action, facts: dict[int, LifeFacts]) -> list[OutcomeLine]:
    """The table, in the order given."""
    return [_line(one, action, facts[one.id]) for one in enrolments]


def _line(enrolment: Enrolment, action: Action, facts: LifeFacts) -> OutcomeLine:
    done = standing.completion_of(enrolment)
    outcome = standing.outcome_of(enrolment) if enrolment.actual_end is not None else None
    free = not life.obstacles(standing.state_of(enrolment, action.status), EnrolmentEvent.JUDGE, facts)
    return OutcomeLine(
        name=enrolment.registration.trainee.display_name,
        component=f"{enrolment.component.number} – {enrolment.component.title}",
        sheet=url_for("RegistrationPages.show", registration_id=enrolment.registration_id),
        start=enrolment.planned_start,
        end=enrolment.planned_end,
        away=ngettext("%(num)s day away", "%(num)s days away", done.away_days) if done.away_days else "",
        actual_end=enrolment.actual_end,
        reason=str(enrolment.exit_reason) if enrolment.exit_reason is not None else "",
        days=days_text(done),
        hours=hours_text(done),
        outcome=str(labels.OUTCOME_LABELS[outcome]) if outcome is not None else None,
        tone=labels.OUTCOME_TONES[outcome] if outcome is not None else "warning",
        corrected=_corrected(enrolment, done),
        href=url_for("EnrolmentLifeView.judge", enrolment_id=enrolment.id, retour="action") if free and allowed("can_judge", VIEW) else None,
    )


def days_text(done: life.Completion) -> str:
    """Days attended, of those planned."""
    return _("%(present)s of %(planned)s", present=done.present_days, planned=done.planned_days)


def hours_text(done: life.Completion) -> str:
    """Hours carried out, of those planned."""
    return _("%(done)s of %(planned)s", done=fr_hours(done.done_hours, "h"), planned=fr_hours(done.planned_hours, "h"))


def _corrected(enrolment: Enrolment, done: life.Completion) -> str:
    act = next((one for one in reversed(enrolment.acts) if one.kind == EnrolmentEvent.JUDGE), None) if enrolment.outcome_corrected else None
    if act is None:
        return ""
    return _(
        "Computed: %(computed)s. Corrected by %(who)s on %(date)s: %(reason)s",
        computed=labels.OUTCOME_LABELS[done.outcome],
        who=acts.who_of(act),
        date=fr_date(act.happened_at),
        reason=act.reason,
    )


def values_of(action: Action) -> tuple[list[OutcomeLine], str]:
    """The table of an action, and the word that says what it shows."""
    enrolments = queries.outcomes_of(action.id)
    facts = acts.life_of(enrolments, action)
    return lines_of(enrolments, action, facts), mark(enrolments)


def mark(enrolments: Sequence[Enrolment]) -> str:
    """Equal words, equal outcomes: what is told at the closing is what was shown."""
    told = "/".join(f"{one.id}.{standing.outcome_of(one)}" for one in sorted(enrolments, key=lambda one: one.id))
    return hashlib.sha256(told.encode()).hexdigest()[:32]
