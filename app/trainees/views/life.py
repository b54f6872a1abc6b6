"""Interruption, return, cancelled exit, enrolment made by mistake, change of component, corrected outcome: a page each, that says what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.actions.queries import components_of
from app.core import clock
from app.core.tenancy import current_scope
from app.core.typed import gone_page
from app.core.ui.format import fr_date
from app.partners.agora.port import Outcome
from app.reference.models import ExitReason
from app.reference.queries import by_code

from .. import acts, labels, outcomes, queries, standing
from ..forms import CancellationForm, InterruptionForm, MoveForm, OutcomeForm, ResumptionForm
from ..life import MOVE_REASON, EnrolmentEvent, InterruptionReason
from ..models import Enrolment
from ..permissions import VIEW
from ..ports import undo_notes
from ..services import life as services
from .common import enrolment_or_404, form_status, offer_sites, plan_of, proposed, refused, saved, sheet_crumbs


@dataclass(frozen=True, slots=True)
class _Words:
    """What a page says: its heading, what the act does, the button, and what is said once it is done."""

    heading: Any
    explain: Any
    verb: Any
    done: Any
    danger: bool = False


_WORDS: Mapping[EnrolmentEvent, _Words] = {
    EnrolmentEvent.INTERRUPT: _Words(
        _l("Interrupt the training"),
        _l(
            "The trainee is away for a time and stays enrolled. AGORA is told; enter the return when it comes, or the exit. Check the day and the "
            "reason: nothing in the exchange takes an interruption back, so that it is not corrected here. For a wrong one, ask the assistance."
        ),
        _l("Save the interruption"),
        _l("The interruption is saved."),
    ),
    EnrolmentEvent.RESUME: _Words(
        _l("Return to the training"),
        _l("AGORA is told of the return. Check the day: nothing in the exchange takes a return back. For a wrong one, ask the assistance."),
        _l("Save the return"),
        _l("The return is saved."),
    ),
    EnrolmentEvent.UNDO_EXIT: _Words(
        _l("Cancel the exit"),
        _l(
            "The trainee is in training again. An exit that has not left for AGORA is taken back; one that AGORA has is told cancelled, but its "
            "file stays at “Sortie de formation”, since nothing in the exchange leads back. If the action was declared finished, the declaration "
            "falls, and is to be made again after the new exit."
        ),
        _l("Cancel the exit"),
        _l("The exit is cancelled: the trainee is in training again."),
        danger=True,
    ),
    EnrolmentEvent.CANCEL: _Words(
        _l("Enrolled by mistake"),
        _l(
            "The enrolment counts for nothing any more and its place is free; the AGORA file is cancelled. The trainee stays registered on the "
            "action, and can be enrolled again. Nothing leads back."
        ),
        _l("Cancel the enrolment"),
        _l("The enrolment is cancelled."),
        danger=True,
    ),
    EnrolmentEvent.JUDGE: _Words(
        _l("Correct the outcome"),
        _l("AGORA receives this outcome when the action is closed. Your reason and your name are kept with it; a new exit makes it be computed again."),
        _l("Save the outcome"),
        _l("The outcome is saved."),
    ),
}


class EnrolmentLifeView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """What happens to an enrolment between its entry and its closing (guides 000 and 002)."""

    route_base = "/stagiaires/inscription"
    class_permission_name = VIEW
    permission_label = _l("Trainees")
    default_view = "interrupt"

    @expose("/<int:enrolment_id>/interruption", methods=["GET", "POST"])
    @has_access
    @permission_name("exit")
    def interrupt(self, enrolment_id: int) -> ResponseReturnValue:
        """The trainee is away for a time."""
        form: Any = InterruptionForm()

        def act(version: int) -> None:
            services.interrupt(enrolment_id, interrupted_on=form.interrupted_on.data, reason=InterruptionReason(form.reason.data), version=version)

        return self._act(enrolment_id, EnrolmentEvent.INTERRUPT, form, act)

    @expose("/<int:enrolment_id>/reprise", methods=["GET", "POST"])
    @has_access
    @permission_name("exit")
    def resume(self, enrolment_id: int) -> ResponseReturnValue:
        """The trainee is back."""
        form: Any = ResumptionForm()
        return self._act(
            enrolment_id, EnrolmentEvent.RESUME, form, lambda version: services.resume(enrolment_id, resumed_on=form.resumed_on.data, version=version)
        )

    @expose("/<int:enrolment_id>/annulation-sortie", methods=["GET", "POST"])
    @has_access
    @permission_name("exit")
    def undo_exit(self, enrolment_id: int) -> ResponseReturnValue:
        """The exit was entered wrong: the enrolment goes on."""
        form: Any = CancellationForm()
        return self._act(
            enrolment_id, EnrolmentEvent.UNDO_EXIT, form, lambda version: services.undo_exit(enrolment_id, reason=form.reason.data, version=version)
        )

    @expose("/<int:enrolment_id>/annulation", methods=["GET", "POST"])
    @has_access
    @permission_name("enrol")
    def cancel(self, enrolment_id: int) -> ResponseReturnValue:
        """« Inscrit par erreur »."""
        form: Any = CancellationForm()
        return self._act(enrolment_id, EnrolmentEvent.CANCEL, form, lambda version: services.cancel(enrolment_id, reason=form.reason.data, version=version))

    @expose("/<int:enrolment_id>/realisation", methods=["GET", "POST"])
    @has_access
    @permission_name("judge")
    def judge(self, enrolment_id: int) -> ResponseReturnValue:
        """Correct the outcome that was computed from hours, exit and interruptions."""
        form: Any = OutcomeForm()

        def act(version: int) -> None:
            services.judge(enrolment_id, outcome=Outcome(form.outcome.data), reason=form.reason.data, version=version)

        return self._act(enrolment_id, EnrolmentEvent.JUDGE, form, act)

    @expose("/<int:enrolment_id>/changement-composante")
    @has_access
    @permission_name("enrol")
    def choose(self, enrolment_id: int) -> ResponseReturnValue:
        """Which component the trainee goes to."""
        enrolment = enrolment_or_404(enrolment_id)
        why = acts.why_not(enrolment, EnrolmentEvent.MOVE)
        if why:
            return refused(why, enrolment.registration_id)
        current = queries.current_components(enrolment.registration_id)
        return self.render_template(
            "trainees/choose_component.html",
            breadcrumb=sheet_crumbs(enrolment.registration, (_("Change component"), None)),
            menu_current="ActionsView.index",
            registration=enrolment.registration,
            components=[one for one in components_of(enrolment.action_id) if one.id not in current],
            leaving=enrolment,
        )

    @expose("/<int:enrolment_id>/changement-composante/<int:component_id>", methods=["GET", "POST"])
    @has_access
    @permission_name("enrol")
    def move(self, enrolment_id: int, component_id: int) -> ResponseReturnValue:
        """The exit of one component and the enrolment on the other, in one act."""
        enrolment = queries.get_enrolment(enrolment_id)
        if enrolment is None:
            return gone_page(MoveForm())
        component = next((one for one in components_of(enrolment.action_id) if one.id == component_id), None)
        if component is None:
            return gone_page(MoveForm())
        registration_id, number = enrolment.registration_id, component.number
        address = url_for("RegistrationPages.show", registration_id=registration_id)
        if request.method == "GET":
            why = acts.why_not(enrolment, EnrolmentEvent.MOVE)
            if why:
                return refused(why, registration_id)
            moving = by_code(ExitReason, MOVE_REASON)
            form: Any = MoveForm(
                data={**proposed(component), "actual_end": clock.today(), "exit_reason_id": moving.id if moving else None, "version": enrolment.version}
            )
        else:
            form = MoveForm()
        offer_sites(form, component)
        if request.method == "POST" and form.validate():
            leaving = {"actual_end": form.actual_end.data, "exit_reason_id": form.exit_reason_id.data, "version": form.version.data or 0}
            try:
                done = saved(lambda: services.move(enrolment_id, component_id, plan_of(form), **leaving), form, enrolment_id)
            except LookupError:
                return gone_page(form)
            if done:
                flash(_("The trainee goes on to the component %(number)s: exit and enrolment are saved.", number=number), "success")
                return redirect(address)
            enrolment = enrolment_or_404(enrolment_id)
            component = next(one for one in components_of(enrolment.action_id) if one.id == component_id)
        return self.render_template(
            "trainees/move.html",
            breadcrumb=sheet_crumbs(enrolment.registration, (_("Change component"), None)),
            menu_current="ActionsView.index",
            registration=enrolment.registration,
            enrolment=enrolment,
            component=component,
            form=form,
            cancel_url=address,
        ), form_status(form)

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _act(self, enrolment_id: int, event: EnrolmentEvent, form: Any, act: Callable[[int], None]) -> ResponseReturnValue:
        """One page for all acts: what stands, what the act does, the fields, the button.  ``act`` takes the version that the page showed."""
        enrolment = queries.get_enrolment(enrolment_id)
        if enrolment is None:
            return gone_page(form)
        words, address = _WORDS[event], _after(enrolment, event)
        if request.method == "GET":
            why = acts.why_not(enrolment, event)
            if why:
                flash(why, "danger")
                return redirect(address)
            form.version.data = enrolment.version
            if event is EnrolmentEvent.JUDGE:
                form.outcome.data = standing.outcome_of(enrolment).value
        elif form.validate():
            try:
                done = saved(lambda: act(form.version.data or 0), form, enrolment_id)
            except LookupError:
                return gone_page(form)
            if done:
                flash(str(words.done), "success")
                return redirect(address)
            enrolment = enrolment_or_404(enrolment_id)
        return self.render_template(
            "trainees/act.html",
            breadcrumb=sheet_crumbs(enrolment.registration, (str(words.heading), None)),
            menu_current="ActionsView.index",
            words=words,
            registration=enrolment.registration,
            enrolment=enrolment,
            known=_known(enrolment, event),
            beside=_beside(enrolment) if event is EnrolmentEvent.UNDO_EXIT else [],
            notes=undo_notes(enrolment) if event is EnrolmentEvent.UNDO_EXIT else [],
            form=form,
            cancel_url=address,
        ), form_status(form)


def _after(enrolment: Enrolment, event: EnrolmentEvent) -> str:
    """Back to the sheet; to the end of the action, where outcomes are listed, for who corrects one from there."""
    if event is EnrolmentEvent.JUDGE and request.args.get("retour") == "action":
        return url_for("ClosingView.close" if current_scope().sees_all else "ClosingView.declare", action_id=enrolment.action_id)
    return url_for("RegistrationPages.show", registration_id=enrolment.registration_id)


def _beside(enrolment: Enrolment) -> list[Enrolment]:
    """The other components the trainee is on: an exit that is cancelled leaves them as they are."""
    return [one for one in queries.enrolments_of(enrolment.registration_id) if one.id != enrolment.id and standing.is_in(one)]


def _known(enrolment: Enrolment, event: EnrolmentEvent) -> list[tuple[str, Any]]:
    """What stands, for who acts."""
    found: list[tuple[str, Any]] = [
        (_("Entry date"), fr_date(enrolment.planned_start)),
        (_("Planned exit date"), fr_date(enrolment.planned_end)),
    ]
    found += [(_("Interruptions"), told.text) for told in acts.story(enrolment)[: len(enrolment.interruptions)]]
    if enrolment.actual_end is not None:
        found.append((_("Actual end"), _("%(date)s (%(reason)s)", date=fr_date(enrolment.actual_end), reason=str(enrolment.exit_reason))))
    if event is EnrolmentEvent.JUDGE:
        done = standing.completion_of(enrolment)
        found.append((_("Days attended"), outcomes.days_text(done)))
        found.append((_("Hours carried out (computed)"), outcomes.hours_text(done)))
        found.append((_("Outcome computed"), labels.OUTCOME_LABELS[done.outcome]))
    found.append((_("N° Agora"), enrolment.agora_number))
    return found
