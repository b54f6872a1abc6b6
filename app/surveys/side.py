"""What the situation surveys bring to the pages of the trainees and to the home page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.actions.models import Action
from app.core import clock
from app.core.ui import allowed
from app.trainees.models import Enrolment, Registration
from app.trainees.ports import ListLink, SheetPart

from . import labels, queries
from .domain import MOMENT_WORDS, Moment, StateFilter
from .permissions import READ
from .services import is_due


@dataclass(frozen=True, slots=True)
class SurveyLine:
    """One survey on the page of a trainee; no address as long as its day has not come."""

    component: str
    moment: str
    badge: tuple[str, str]
    href: str | None


def sheet_part(_registration: Registration, enrolments: Sequence[Enrolment]) -> SheetPart | None:
    """« Bilans de situation » of a trainee, once an exit is entered."""
    left = {enrolment.id: enrolment for enrolment in enrolments if enrolment.actual_end is not None}
    if not left or not allowed(*READ):
        return None
    today = clock.today()
    lines = [
        SurveyLine(
            component=left[survey.enrolment_id].component.number,
            moment=str(labels.MOMENT_LABELS[Moment(survey.moment)]),
            badge=labels.state_badge(survey, today),
            href=url_for("SurveysView.show", survey_id=survey.id) if is_due(survey, today) else None,
        )
        for survey in queries.surveys_of(list(left))
    ]
    return SheetPart("surveys/_sheet.html", lines) if lines else None


def list_link(action: Action) -> ListLink | None:
    """The surveys of an action, above the list of its trainees."""
    if not allowed(*READ):
        return None
    waiting = queries.waiting_of_action(action.id, clock.today())
    label = _("Situation surveys of the action")
    if waiting:
        label = ngettext("Situation surveys of the action (%(num)s to be filled in)", "Situation surveys of the action (%(num)s to be filled in)", waiting)
    return ListLink(label, url_for("SurveysView.index", action=action.number, etat=StateFilter.DUE.value if waiting else None))


def closing_note(action: Action) -> ListLink | None:
    """The exit surveys that nobody answered: AGORA takes answers with the closing, and none afterwards (guide 000, "Saisie des enquêtes")."""
    waiting = queries.unanswered_for_agora(action.id, clock.today()) if allowed(*READ) else 0
    if not waiting:
        return None
    label = ngettext(
        "%(num)s situation survey at the exit is not answered: AGORA takes the answers with the closing, and none afterwards.",
        "%(num)s situation surveys at the exit are not answered: AGORA takes the answers with the closing, and none afterwards.",
        waiting,
    )
    return ListLink(label, url_for("SurveysView.index", moment=MOMENT_WORDS[Moment.EXIT], action=action.number, etat=StateFilter.DUE.value))


def undo_note(enrolment: Enrolment) -> str | None:
    """What falls with a cancelled exit: its answers, which the page that cancels says before."""
    answered = queries.answered_of(enrolment.id)
    if not answered:
        return None
    moments = ", ".join(str(labels.MOMENT_LABELS[moment]).casefold() for moment in answered)
    return _(
        "The situation survey was answered (%(moments)s). These answers fall with the exit: they are erased, and AGORA is told nothing of them. "
        "A new exit brings a new blank survey, and a new link for the trainee; the former link says that the exit was cancelled.",
        moments=moments,
    )
