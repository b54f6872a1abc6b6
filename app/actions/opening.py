"""The opening wizard: "Ouvrir l'action" (guide 003 §1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import Form

from app.core import clock, context
from app.core.people import account_names
from app.core.ui.format import fr_date, fr_datetime, fr_long_date
from app.core.wizard import drafts
from app.core.wizard.steps import Step, StepRefused, WizardState
from app.core.wizard.view import Wizard

from . import chronicle, domain, labels, ports, queries, services
from .domain import ActionEvent, ActionStatus, BillingPeriod, DeclarationFrequency, EntryFacts
from .forms import OpeningForm
from .models import Action
from .views import crumbs, unenrolled_url

DETAIL, RECAP = "detail", "recapitulatif"
#: The button that puts in the entry date of the first trainee.
FIRST_ENTRY = "date_premiere_entree"


class OpeningView(Wizard):
    """Detail of the opening, recap, one final act: AO → EC, for good."""

    route_base = "/actions-de-formation/<int:action_id>/ouverture"
    class_permission_name = "ActionOpening"
    permission_label = _l("Opening of an action")
    kind = "action-opening"
    final_label = _l("Open the action")
    steps = (
        Step(DETAIL, _l("Detail of the opening"), OpeningForm, "actions/opening_detail.html"),
        Step(RECAP, _l("Summary"), None, "actions/opening_recap.html"),
    )

    def load_subject(self, **arguments: Any) -> Action | None:
        """An action that waits for its opening; one that no longer does sends back to its page, which says so."""
        action_id = int(arguments["action_id"])
        action = queries.get_action(action_id)
        if action is not None and action.status == ActionStatus.RUNNING:
            flash(self.opened_text(action), "info")
            abort(redirect(self.page_of(action_id)))
        if action is not None and action.status != ActionStatus.WAITING:
            for reason in domain.blockers(action.status, ActionEvent.OPEN, EntryFacts()):
                flash(labels.reason_text(reason), "info")
            abort(redirect(self.page_of(action_id)))
        return action

    def opened_text(self, action: Action) -> str:
        """Who opened it meanwhile, when, with what; and that a choice begun here was not kept."""
        line = queries.opening_of(action.id)
        told = [labels.reason_text(domain.Reason(domain.ReasonCode.NOT_WAITING, {"status": action.status}))]
        if line is not None:
            names = account_names((line.actor_id, line.on_behalf_of_id))
            who, when = chronicle.actor_of(line, names), fr_datetime(line.happened_at)
            told = [_("%(name)s opened the action on %(when)s.", name=who, when=when) if who else _("The action was opened on %(when)s.", when=when)]
        opening = (line.details or {}).get("opening") if line is not None else None
        if opening is not None:
            told.append(labels.opening_text(opening))
        mine = drafts.find_draft(self.kind, self.draft_key(action_id=action.id))
        if mine is not None and mine.steps and (line is None or line.actor_id != context.actor_id()):
            told.append(
                _("What you had typed was not kept: the date and the frequency are those above.")
                if opening is not None
                else _("What you had typed was not kept: the page of the action says the date and the frequency.")
            )
        return " ".join(told)

    @staticmethod
    def page_of(action_id: int) -> str:
        """The page of the action."""
        return url_for("ActionsView.show", action_id=action_id)

    def initial(self, step: Step, state: WizardState) -> dict[str, Any]:
        """The entry of the first trainee is the only date that will do: it is proposed."""
        return {"actual_start": self._facts(state).first_entry} if step.name == DETAIL else {}

    def _keep(self, step: Step, state: WizardState) -> None:
        """The button beside a wrong date puts the right one in."""
        super()._keep(step, state)
        first = self._facts(state).first_entry if step.name == DETAIL and FIRST_ENTRY in request.form else None
        if first is not None:
            state.draft.steps[DETAIL]["actual_start"] = [fr_date(first)]

    def check_step(self, step: Step, form: Form, state: WizardState) -> bool:
        """Somebody has entered, and on that day."""
        if step.name != DETAIL:
            return True
        facts = self._facts(state)
        if domain.blockers(state.subject.status, ActionEvent.OPEN, facts):
            return False
        reasons = domain.opening_date_errors(form["actual_start"].data, facts, clock.today())
        form["actual_start"].errors = [*form["actual_start"].errors, *(labels.reason_text(reason) for reason in reasons)]
        return not reasons

    def step_context(self, step: Step, state: WizardState) -> dict[str, Any]:
        """What the pages show besides the form."""
        facts = self._facts(state)
        blockers = domain.blockers(state.subject.status, ActionEvent.OPEN, facts)
        return {
            "action": state.subject,
            "facts": facts,
            "first_entry": FIRST_ENTRY,
            "unenrolled_url": unenrolled_url(state.subject.id, facts),
            "blockers": [labels.reason_text(reason) for reason in blockers],
            "recap": self.recap(state, DETAIL) if step.name == RECAP else [],
            "menu_current": "ActionsView.index",
        }

    def finish(self, state: WizardState) -> str:
        """Open; what the moment forbids is said on the step concerned."""
        values = state.values(DETAIL)
        opening = services.Opening(
            actual_start=values["actual_start"],
            declaration_frequency=DeclarationFrequency(values["declaration_frequency"]),
            billing_period=BillingPeriod(values["billing_period"]),
        )
        action_id = state.subject.id
        try:
            result = services.open_action(action_id, opening)
        except services.ActionNotFound:
            abort(404)
        except services.Refused as refusal:
            raise StepRefused(DETAIL, " ".join(labels.reason_text(reason) for reason in refusal.reasons), field="actual_start") from None
        if result.opened:
            flash(
                _("The action %(number)s is open since %(date)s: it is now “En cours”.", number=result.action.number, date=fr_long_date(opening.actual_start)),
                "success",
            )
        else:
            flash(self.opened_text(result.action), "info")
        return self.page_of(action_id)

    def leave_url(self, state: WizardState) -> str:
        """« Retour à la gestion de l'action de formation »."""
        return self.page_of(state.subject.id)

    def breadcrumb(self, state: WizardState) -> Sequence[tuple[str, str | None]]:
        """« Accueil » Actions de formation » Gestion » Ouverture »."""
        return crumbs(state.subject, (_("Opening"), None))

    @staticmethod
    def _facts(state: WizardState) -> EntryFacts:
        return ports.trainee_side().facts(state.subject.id, clock.today())
