"""Enrolment on a component, its mending, and the exit."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError

from app.actions.domain import registration_blockers
from app.actions.models import Action, Component
from app.actions.queries import components_of
from app.core import clock
from app.core.concurrency import StaleError, conflict_context
from app.core.extensions import db
from app.core.typed import gone_page
from app.core.ui.format import fr_date

from .. import acts, presenters, queries
from ..domain import AgoraState, Refused, initial_agora_state
from ..forms import EnrolmentForm, ExitForm
from ..life import EnrolmentEvent
from ..models import Registration
from ..permissions import VIEW
from ..services import enrolment as services
from ..standing import may_mend_exit
from .common import (
    enrolment_or_404,
    form_status,
    offer_sites,
    plan_of,
    proposed,
    refused,
    registration_or_404,
    saved,
    sheet_crumbs,
    show_database_refusal,
    show_problems,
)


class EnrolmentView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Inscrire sur une composante », "Parcours", "Sortie"."""

    route_base = "/stagiaires/inscription"
    class_permission_name = VIEW
    permission_label = _l("Trainees")
    default_view = "choose"

    @expose("/fiche/<int:registration_id>")
    @has_access
    @permission_name("enrol")
    def choose(self, registration_id: int) -> ResponseReturnValue:
        """Which component; straight to the form when there is only one."""
        registration = registration_or_404(registration_id)
        if registration_blockers(registration.action.status):
            return refused(presenters.over_text(registration.action), registration_id)
        current = queries.current_components(registration_id)
        components = [one for one in components_of(registration.action_id) if one.id not in current]
        if len(components) == 1 and components[0].sites:
            return redirect(url_for("EnrolmentView.add", registration_id=registration_id, component_id=components[0].id))
        return self.render_template(
            "trainees/choose_component.html",
            breadcrumb=sheet_crumbs(registration, (_("Enrol on a component"), None)),
            menu_current="ActionsView.index",
            registration=registration,
            components=components,
        )

    @expose("/fiche/<int:registration_id>/composante/<int:component_id>", methods=["GET", "POST"])
    @has_access
    @permission_name("enrol")
    def add(self, registration_id: int, component_id: int) -> ResponseReturnValue:
        """Dates, site and hours (guide 000, "Parcours" and "Volumes")."""
        registration = queries.get_registration(registration_id)
        if registration is None:
            return gone_page(EnrolmentForm())
        if request.method == "GET" and registration_blockers(registration.action.status):
            return refused(presenters.over_text(registration.action), registration_id)
        component = next((one for one in components_of(registration.action_id) if one.id == component_id), None)
        if component is None:
            return gone_page(EnrolmentForm())
        if request.method == "GET" and not component.sites:
            flash(_("The component %(number)s has no site: ask the Région to add one.", number=component.number), "danger")
            return redirect(url_for("EnrolmentView.choose", registration_id=registration_id))
        form = EnrolmentForm(data=proposed(component)) if request.method == "GET" else EnrolmentForm()
        offer_sites(form, component)
        if request.method == "POST" and form.validate():
            try:
                done = saved(lambda: services.enrol(registration_id, component_id, plan_of(form)), form, None)
            except LookupError:
                return gone_page(form)
            registration, component = self._read_again(registration_id, component_id)
            if done:
                flash(_said(registration, component), "success")
                return redirect(url_for("RegistrationPages.show", registration_id=registration_id))
        return self._form_page(registration, component, form, _("Enrol on a component"))

    @staticmethod
    def _read_again(registration_id: int, component_id: int) -> tuple[Registration, Component]:
        """The page's rows as they are after the act, which let go of those read before."""
        registration = registration_or_404(registration_id)
        return registration, next(one for one in components_of(registration.action_id) if one.id == component_id)

    @expose("/<int:enrolment_id>/modification", methods=["GET", "POST"])
    @has_access
    @permission_name("enrol")
    def change(self, enrolment_id: int) -> ResponseReturnValue:
        """Dates, site or hours, as long as the trainee is there: AGORA is told, and a file that it refused is sent again."""
        found = queries.get_enrolment(enrolment_id)
        if found is None:
            return gone_page(EnrolmentForm())
        enrolment = found
        registration = registration_or_404(enrolment.registration_id)
        address = url_for("RegistrationPages.show", registration_id=registration.id)
        why = acts.why_not(enrolment, EnrolmentEvent.CHANGE)
        if why and request.method == "GET":
            return refused(why, registration.id)
        form = EnrolmentForm(obj=enrolment)
        offer_sites(form, enrolment.component)
        if request.method == "GET":
            form.bind_row(enrolment, services.PLAN_FIELDS)
        elif form.validate():
            try:
                changed = services.change_plan(enrolment_id, form)
            except LookupError:
                return gone_page(form)
            except Refused as refusal:
                show_problems(form, refusal.problems)
            except StaleError as stale:
                db.session.rollback()
                context = conflict_context(form, stale, cancel_url=address, breadcrumb=sheet_crumbs(registration))
                return self.render_template("concurrency/conflict.html", **context), 409
            except IntegrityError as error:
                db.session.rollback()
                show_database_refusal(form, error)
            else:
                flash(_("The enrolment is saved."), "success")
                if "planned_start" in changed:
                    _tell_of_the_start(enrolment_or_404(enrolment_id).action)
                return redirect(address)
            registration, enrolment = registration_or_404(registration.id), enrolment_or_404(enrolment_id)
        return self._form_page(registration, enrolment.component, form, _("Modify the enrolment"))

    @expose("/<int:enrolment_id>/sortie", methods=["GET", "POST"])
    @has_access
    @permission_name("exit")
    def leave(self, enrolment_id: int) -> ResponseReturnValue:
        """Exit, early or not; AGORA's file goes to "Sortie de formation" under the same number.  A refused exit is corrected here."""
        found = queries.get_enrolment(enrolment_id)
        if found is None:
            return gone_page(ExitForm())
        enrolment = found
        registration = registration_or_404(enrolment.registration_id)
        address = url_for("RegistrationPages.show", registration_id=registration.id)
        why = acts.why_not(enrolment, EnrolmentEvent.MEND_EXIT if enrolment.actual_end is not None else EnrolmentEvent.LEAVE)
        if why and request.method == "GET":
            return refused(why, registration.id)
        form: Any = ExitForm(data={"version": enrolment.version}) if request.method == "GET" else ExitForm()
        if request.method == "GET" and may_mend_exit(enrolment):
            form.actual_end.data, form.exit_reason_id.data = enrolment.actual_end, enrolment.exit_reason_id
        elif request.method == "GET" and enrolment.planned_end <= clock.today():
            form.actual_end.data = enrolment.planned_end
        if request.method == "POST" and form.validate():
            leaving = {"actual_end": form.actual_end.data, "exit_reason_id": form.exit_reason_id.data, "version": form.version.data or 0}
            try:
                done = saved(lambda: services.record_exit(enrolment_id, **leaving), form, enrolment_id)
            except LookupError:
                return gone_page(form)
            registration, enrolment = registration_or_404(registration.id), enrolment_or_404(enrolment_id)
            if done:
                name = registration.trainee.display_name
                early = _("The early exit of %(name)s is saved.", name=name)
                flash(early if enrolment.early_exit else _("The exit of %(name)s is saved.", name=name), "success")
                return redirect(address)
        return self.render_template(
            "trainees/exit.html",
            breadcrumb=sheet_crumbs(registration, (_("Exit"), None)),
            menu_current="ActionsView.index",
            registration=registration,
            enrolment=enrolment,
            form=form,
            cancel_url=address,
        ), form_status(form)

    def _form_page(self, registration: Any, component: Component, form: EnrolmentForm, heading: str) -> ResponseReturnValue:
        return self.render_template(
            "trainees/enrol.html",
            breadcrumb=sheet_crumbs(registration, (heading, None)),
            menu_current="ActionsView.index",
            heading=heading,
            registration=registration,
            component=component,
            form=form,
            cancel_url=url_for("RegistrationPages.show", registration_id=registration.id),
        ), form_status(form)


def _said(registration: Any, component: Component) -> str:
    name = registration.trainee.display_name
    programme = registration.action.contract.programme
    state = initial_agora_state(agora_enabled=programme.agora_enabled, nir_kind=registration.trainee.nir_kind)
    if state is AgoraState.WAITING:
        return _("%(name)s is enrolled on the component %(number)s.", name=name, number=component.number)
    if state is AgoraState.WAITING_NIR:
        return _(
            "%(name)s is enrolled on the component %(number)s. An NIA is not sent to AGORA: nothing leaves until the NIR is known.",
            name=name,
            number=component.number,
        )
    return _(
        "%(name)s is enrolled on the component %(number)s. The programme %(programme)s is not sent to AGORA.",
        name=name,
        number=component.number,
        programme=programme.label,
    )


def _tell_of_the_start(action: Action) -> None:
    """The first entry was put later: the action goes on with the start of before until it is corrected too (guide 003 §2)."""
    first = queries.entry_facts(action.id, clock.today()).first_entry
    if action.actual_start is not None and first is not None and first > action.actual_start:
        flash(
            _(
                "The action stays open since %(start)s, and its first entry is now of %(entry)s: ask for a modification of dates to correct its actual start.",
                start=fr_date(action.actual_start),
                entry=fr_date(first),
            ),
            "info",
        )
