"""What the actions learn of their trainees (``app.actions.ports.TraineeSide``), and the quick search."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from app.actions.domain import EntryFacts, MissingKind, Period, registration_blockers
from app.actions.models import Action
from app.actions.ports import Outcomes, Panel
from app.core.nir.text import meant_as_number
from app.core.tenancy import current_scope
from app.core.ui import SearchHit, allowed

from . import labels, outcomes, presenters, queries
from .permissions import READ
from .ports import closing_notes
from .services.enrolment import close_files, hold_back_closings


class Trainees:
    """The side registered at start."""

    def facts(self, action_id: int, today: date) -> EntryFacts:
        """Who is enrolled, has entered, is still in training."""
        return queries.entry_facts(action_id, today)

    def action_closed(self, action: Action, on: date) -> None:
        """AGORA learns that every file of the action is closed."""
        close_files(action, on)

    def action_reopened(self, action: Action) -> None:
        """Closings that have not left for AGORA stay here."""
        hold_back_closings(action)

    def missing_url(self, action_id: int, kind: MissingKind) -> str:
        """The list of the action's trainees, narrowed to those concerned."""
        return url_for("TraineesView.of_action", action_id=action_id, a_faire=queries.TODO_OF_MISSING[kind].value)

    def outside(self, component_id: int, period: Period) -> int:
        """Enrolments that new dates of a component would leave outside; one lasts until the exit, once entered."""
        return queries.enrolments_outside(component_id, period.start, period.end)

    def panel(self, action: Action) -> Panel:
        """The first trainees, on the page of the action."""
        return Panel(anchor="stagiaires", heading=_("Trainees"), template="trainees/_panel.html", values=panel_values(action))

    def outcomes(self, action: Action) -> Outcomes:
        """The outcome of each enrolment, as computed or corrected."""
        lines, mark = outcomes.values_of(action)
        values: dict[str, object] = {"lines": lines, "notes": closing_notes(action)}
        return Outcomes(Panel(anchor="realisations", heading=_("Outcome of each enrolment"), template="trainees/_outcomes.html", values=values), mark)

    def outcomes_mark(self, action: Action) -> str:
        """The word of what would be told now."""
        return outcomes.mark(queries.outcomes_of(action.id))


def panel_values(action: Action) -> dict[str, object]:
    """What the panel shows; ``mark`` when AGORA is awaited, and the panel asks again by itself."""
    lines = presenters.list_lines(queries.first_registrations(action.id))
    return {
        "hidden": current_scope().observes,
        "lines": lines,
        "labels": labels,
        "presenters": presenters,
        "list_url": url_for("TraineesView.of_action", action_id=action.id),
        "register_url": url_for("RegistrationView.start", action_id=action.id),
        "takes_trainees": not registration_blockers(action.status),
        "mark": presenters.panel_mark([enrolment for line in lines for enrolment in line.enrolments]),
        "panel_url": url_for("TraineesView.panel", action_id=action.id),
    }


def find(text: str, limit: int) -> list[SearchHit]:
    """Trainees by the beginnings of their names, or by AGORA number."""
    return [
        SearchHit(
            title=registration.trainee.display_name,
            href=url_for("RegistrationPages.show", registration_id=registration.id),
            detail=f"{registration.action.number} – {registration.action.title}",
        )
        for registration in queries.find_by_name(text, limit=limit)
    ]


def number_url(text: str) -> str | None:
    """Where a number typed in the quick search leads; None for any other text, and for who may see no trainee."""
    from .views.common import address_of_number

    if not meant_as_number(text):
        return None
    if current_scope().observes or not allowed(*READ):
        return url_for("ui.search")
    return address_of_number(text)


def number_in_list(text: str, values: Mapping[str, str], arguments: Mapping[str, Any]) -> str | None:
    """The same for a number typed into the filter of a list of trainees: that list, narrowed to who bears it."""
    from .views.common import address_of_number

    if current_scope().observes or not allowed(*READ):
        return None
    return address_of_number(text, action_id=arguments.get("action_id"), todo=values.get("a_faire", ""))


def all_url(text: str) -> str:
    """The list, narrowed to the same words."""
    return url_for("TraineesView.index", texte=text)
