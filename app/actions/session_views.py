"""Pages of the sessions: one session, its making, its cancelling, its information meetings, and the sites of a component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError
from wtforms.fields import SelectChoice

from app.core.concurrency import RowGone, StaleError, conflict_context
from app.core.errors_db import field_of, translate
from app.core.extensions import db
from app.core.requests import row_number
from app.core.typed import gone_page
from app.core.ui import allowed
from app.reference.models import Site

from . import chronicle, domain, labels, queries, sessions
from .forms import CancellationForm, MeetingForm, SessionForm, SiteForm
from .models import Component, InformationMeeting, TrainingSession
from .views import VIEW, crumbs

T = TypeVar("T")
Crumbs = list[tuple[str, str | None]]


class SessionsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Sessions » of the components (guide 001)."""

    route_base = "/actions-de-formation"
    class_permission_name = VIEW
    permission_label = _l("Training actions")
    default_view = "show"

    @expose("/sessions/<int:session_id>")
    @has_access
    @permission_name("read")
    def show(self, session_id: int) -> ResponseReturnValue:
        """Dates, site, places, information meetings and history of one session."""
        found = _session_or_404(session_id)
        action = found.component.action
        return self.render_template(
            "actions/session.html",
            breadcrumb=_path(found.component, (_("Session %(code)s", code=found.code), None)),
            menu_current="ActionsView.index",
            session=found,
            component=found.component,
            action=action,
            may_plan=allowed("can_plan_sessions", VIEW) and not domain.planning_faults(action.status, cancelled=found.cancelled_at is not None),
            history=chronicle.of_session(action.id, session_id),
        )

    @expose("/composantes/<int:component_id>/sessions/nouvelle", methods=["GET", "POST"])
    @has_access
    @permission_name("plan_sessions")
    def add(self, component_id: int) -> ResponseReturnValue:
        """A new session, within the dates of the component, on one of its sites."""
        component = queries.get_component(component_id)
        if component is None:
            return gone_page(SessionForm())
        why = _why_not(component)
        if request.method == "GET" and why:
            flash(why, "danger")
            return redirect(_components_url(component))
        form = SessionForm(data=_proposed(component)) if request.method == "GET" else SessionForm()
        _offer_sites(form, component)
        if request.method == "POST" and not form.validate():
            _say_the_rest(form, component)
        elif request.method == "POST":
            try:
                made = _tried(form, lambda: sessions.create_session(component_id, _plan(form), _registering(form)))
            except LookupError:
                return gone_page(form)
            if made is not None:
                flash(_("The session is created: add its information meetings, so that prescribers can position people on line."), "success")
                _warn_of_places(form, _component_or_404(component_id))
                return redirect(_session_url(made))
            component = _component_or_404(component_id)
        return self._session_form(component, form, _("Add a session"), _components_url(component))

    @expose("/sessions/<int:session_id>/modification", methods=["GET", "POST"])
    @has_access
    @permission_name("plan_sessions")
    def edit(self, session_id: int) -> ResponseReturnValue:
        """Change dates, site or places; nobody overwrites anybody."""
        found = queries.get_session(session_id)
        if found is None:
            return gone_page(SessionForm())
        refused = self._refused(found)
        if refused is not None:
            return refused
        component, address = _component_or_404(found.component_id), _session_url(session_id)
        form = SessionForm(obj=found)
        _offer_sites(form, component, held=found.site)
        heading = _("Modify the session %(code)s", code=found.code)
        if request.method == "GET":
            form.bind_row(found, sessions.SESSION_FIELDS)
        elif not form.validate():
            _say_the_rest(form, component)
        else:
            try:
                changed = _tried(form, lambda: sessions.change_session(session_id, form))
            except LookupError:
                return gone_page(form)
            except StaleError as stale:
                return self._conflict(form, stale, address, component)
            if changed is not None:
                flash(_("The session is saved."), "success")
                if "places" in changed:
                    _warn_of_places(form, _component_or_404(component.id))
                return redirect(address)
            component = _component_or_404(component.id)
        return self._session_form(component, form, heading, address)

    @expose("/sessions/<int:session_id>/erreur", methods=["GET", "POST"])
    @has_access
    @permission_name("plan_sessions")
    def cancel(self, session_id: int) -> ResponseReturnValue:
        """« Session créée par erreur »: 0 places, with the reason."""
        found = _session_or_404(session_id)
        refused = self._refused(found)
        if refused is not None:
            return refused
        address = _session_url(session_id)
        form = CancellationForm(data={"version": str(found.version)}) if request.method == "GET" else CancellationForm()
        if request.method == "POST" and form.validate():
            version = row_number(form.version.data)
            try:
                done = _tried(form, lambda: sessions.cancel_session(session_id, reason=form.reason.data or "", version=version))
            except LookupError:
                abort(404)
            except StaleError:
                db.session.rollback()
                form.form_errors.append(_("Somebody modified this session meanwhile: check what stands below, then confirm again."))
                done = None
                form.version.raw_data = None
                form.version.data = str(_session_or_404(session_id).version)
            if done is not None:
                flash(_("The session is cancelled: it has no more places, and stays in the history."), "success")
                return redirect(address)
            found = _session_or_404(session_id)
        return self.render_template(
            "actions/session_cancel.html",
            breadcrumb=_path(found.component, (_("Session %(code)s", code=found.code), address), (_("Session created by mistake"), None)),
            menu_current="ActionsView.index",
            session=found,
            component=found.component,
            form=form,
            cancel_url=address,
        ), _status(form)

    # ---- information meetings ----------------------------------------------------------------------------------------

    @expose("/sessions/<int:session_id>/informations-collectives/nouvelle", methods=["GET", "POST"])
    @has_access
    @permission_name("plan_sessions")
    def add_meeting(self, session_id: int) -> ResponseReturnValue:
        """One more information meeting."""
        found = queries.get_session(session_id)
        if found is None:
            return gone_page(MeetingForm())
        refused = self._refused(found)
        if refused is not None:
            return refused
        form = MeetingForm(data={"place": str(found.site)}) if request.method == "GET" else MeetingForm()
        if request.method == "POST" and form.validate():
            try:
                made = _tried(form, lambda: sessions.add_meeting(session_id, _meeting_plan(form)))
            except LookupError:
                return gone_page(form)
            if made is not None:
                flash(_("The information meeting is added."), "success")
                return redirect(_session_url(session_id))
            found = _session_or_404(session_id)
        return self._meeting_form(found, form, _("Add an information meeting"))

    @expose("/informations-collectives/<int:meeting_id>/modification", methods=["GET", "POST"])
    @has_access
    @permission_name("plan_sessions")
    def edit_meeting(self, meeting_id: int) -> ResponseReturnValue:
        """Change an information meeting."""
        meeting = queries.get_meeting(meeting_id)
        if meeting is None:
            return gone_page(MeetingForm())
        session_id = meeting.session_id
        found = _session_or_404(session_id)
        refused = self._refused(found)
        if refused is not None:
            return refused
        form = MeetingForm(obj=meeting)
        if request.method == "GET":
            form.bind_row(meeting, sessions.MEETING_FIELDS)
        elif form.validate():
            try:
                changed = _tried(form, lambda: sessions.change_meeting(meeting_id, form))
            except LookupError:
                return gone_page(form)
            except StaleError as stale:
                return self._conflict(form, stale, _session_url(session_id), found.component)
            if changed is not None:
                flash(_("The information meeting is saved."), "success")
                return redirect(_session_url(session_id))
            found = _session_or_404(session_id)
        return self._meeting_form(found, form, _("Modify the information meeting"))

    @expose("/informations-collectives/<int:meeting_id>/suppression", methods=["GET", "POST"])
    @has_access
    @permission_name("plan_sessions")
    def remove_meeting(self, meeting_id: int) -> ResponseReturnValue:
        """The meeting will not take place; asked first."""
        meeting = _meeting_or_404(meeting_id)
        found = _session_or_404(meeting.session_id)
        refused = self._refused(found)
        if refused is not None:
            return refused
        address = _session_url(found.id)
        if request.method == "POST":
            try:
                sessions.remove_meeting(meeting_id, version=request.form.get("version", type=int))
            except LookupError:
                abort(404)
            except StaleError:
                db.session.rollback()
                flash(_("Somebody has just modified this information meeting: check it before removing it."), "warning")
            except sessions.Faulty as refusal:
                flash(" ".join(labels.fault_text(fault) for fault in refusal.faults), "danger")
            else:
                flash(_("The information meeting is removed."), "success")
            return redirect(address)
        return self.render_template(
            "portal/confirm.html",
            breadcrumb=_path(found.component, (_("Session %(code)s", code=found.code), address), (_("Remove the information meeting"), None)),
            heading=_("Remove the information meeting of %(day)s?", day=f"{meeting.held_on:%d/%m/%Y}"),
            body=_("Without a meeting to come, prescribers can no longer position people on line."),
            action_url=url_for("SessionsView.remove_meeting", meeting_id=meeting_id),
            verb=_("Remove the information meeting"),
            cancel_url=address,
            fields={"version": meeting.version},
        )

    # ---- sites of a component, for the Région ------------------------------------------------------------------------

    @expose("/composantes/<int:component_id>/sites/nouveau", methods=["GET", "POST"])
    @has_access
    @permission_name("add_site")
    def add_site(self, component_id: int) -> ResponseReturnValue:
        """One more site of the component; the town is found from the postal code, CEDEX included."""
        component = queries.get_component(component_id)
        if component is None:
            return gone_page(SiteForm())
        form = SiteForm()
        if request.method == "POST" and "_towns" not in request.form and form.validate():
            values = {name: form[name].data for name in ("name", "address", "postal_code", "town", "insee_code")}
            try:
                made = _tried(form, lambda: str(sessions.add_site(component_id, **values)))
            except LookupError:
                return gone_page(form)
            if made is not None:
                flash(_("The component %(number)s now takes place on %(site)s too.", number=_component_or_404(component_id).number, site=made), "success")
                return redirect(_components_url(_component_or_404(component_id)))
            component = _component_or_404(component_id)
        return self.render_template(
            "actions/site_form.html",
            breadcrumb=_path(component, (_("Add a site to the component"), None)),
            menu_current="ActionsView.index",
            component=component,
            form=form,
            cancel_url=_components_url(component),
        ), _status(form)

    @expose("/sites/communes")
    @has_access
    @permission_name("add_site")
    def towns(self) -> ResponseReturnValue:
        """The town field of a postal code, for the form of a site."""
        town = "" if "town_listed" in request.args else request.args.get("town", "")[:100]  # one chosen for another code says nothing of this one
        form = SiteForm(formdata=None, data={"postal_code": request.args.get("postal_code", "")[:5], "town": town})
        return self.render_template("actions/_town.html", form=form)

    # ---- parts -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _refused(found: TrainingSession) -> ResponseReturnValue | None:
        """Back to the session, at once, when it can no longer change; what was typed comes too late in any case."""
        faults = domain.planning_faults(found.component.action.status, cancelled=found.cancelled_at is not None)
        if not faults:
            return None
        flash(" ".join(labels.fault_text(fault) for fault in faults), "danger")
        return redirect(_session_url(found.id))

    def _session_form(self, component: Component, form: SessionForm, heading: str, cancel_url: str) -> ResponseReturnValue:
        return self.render_template(
            "actions/session_form.html",
            breadcrumb=_path(component, (heading, None)),
            menu_current="ActionsView.index",
            heading=heading,
            component=component,
            form=form,
            cancel_url=cancel_url,
        ), _status(form)

    def _meeting_form(self, found: TrainingSession, form: MeetingForm, heading: str) -> ResponseReturnValue:
        address = _session_url(found.id)
        return self.render_template(
            "actions/meeting_form.html",
            breadcrumb=_path(found.component, (_("Session %(code)s", code=found.code), address), (heading, None)),
            menu_current="ActionsView.index",
            heading=heading,
            session=found,
            component=found.component,
            form=form,
            cancel_url=address,
        ), _status(form)

    def _conflict(self, form: Any, stale: StaleError, address: str, component: Component) -> ResponseReturnValue:
        component_id = component.id
        db.session.rollback()
        context = conflict_context(form, stale, cancel_url=address, breadcrumb=_path(_component_or_404(component_id)))
        return self.render_template("concurrency/conflict.html", **context), 409


def _session_or_404(session_id: int) -> TrainingSession:
    found = queries.get_session(session_id)
    if found is None:
        abort(404)
    return found


def _meeting_or_404(meeting_id: int) -> InformationMeeting:
    meeting = queries.get_meeting(meeting_id)
    if meeting is None:
        abort(404)
    return meeting


def _component_or_404(component_id: int) -> Component:
    component = queries.get_component(component_id)
    if component is None:
        abort(404)
    return component


def _components_url(component: Component) -> str:
    return f"{url_for('ActionsView.components', action_id=component.action_id)}#composante-{component.number}"


def _session_url(session_id: int) -> str:
    return url_for("SessionsView.show", session_id=session_id)


def _path(component: Component, *more: tuple[str, str | None]) -> Crumbs:
    listed = (_("Components and sessions"), url_for("ActionsView.components", action_id=component.action_id))
    return crumbs(component.action, listed, *more)


def _why_not(component: Component) -> str | None:
    """Why the component takes no session now."""
    faults = domain.planning_faults(component.action.status, cancelled=False)
    if faults:
        return " ".join(labels.fault_text(fault) for fault in faults)
    if not component.sites:
        return _("The component %(number)s has no site: ask the Région to add one.", number=component.number)
    return None


def _proposed(component: Component) -> dict[str, Any]:
    """The component's own dates and places, its site when there is one; of a further session, the site alone.

    Back from a session just made, one more click would otherwise make another, which nobody can delete.
    """
    sites = component.sites
    site = {"site_id": sites[0].id if len(sites) == 1 else None}
    if queries.has_session(component.id):
        return site
    return {"starts_on": component.planned_start, "ends_on": component.planned_end, "places": component.places, **site}


def _offer_sites(form: SessionForm, component: Component, *, held: Site | None = None) -> None:
    """The sites of the component, and the one held already even if the component has left it."""
    offered = {site.id: str(site) for site in (*component.sites, *((held,) if held else ()))}
    form.site_id.choices = [SelectChoice(str(key), label) for key, label in offered.items()]


def _plan(form: Any) -> domain.SessionPlan:
    return domain.SessionPlan(form.starts_on.data, form.ends_on.data, form.site_id.data, form.places.data)


def _registering(form: Any) -> sessions.Registering:
    return sessions.Registering(form.registration_address.data, form.registration_terms.data)


def _meeting_plan(form: Any) -> sessions.MeetingPlan:
    return sessions.MeetingPlan(form.held_on.data, form.starts_at.data, form.place.data, form.text.data)


def _tried(form: Any, act: Callable[[], T]) -> T | None:
    """What the act gave; None when it was refused, which is then said at the field."""
    try:
        return act()
    except RowGone as gone:
        raise LookupError from gone
    except sessions.Faulty as refusal:
        for fault in refusal.faults:
            _say(form, fault.field, labels.fault_text(fault))
    except IntegrityError as error:
        db.session.rollback()
        _say(form, field_of(error) or "", translate(error))
    return None


def _say_the_rest(form: SessionForm, component: Component) -> None:
    """The rules of the dates too, when another field could not be read: all that is wrong is said at once."""
    start, end = form.starts_on.data, form.ends_on.data
    if start is None or end is None:
        return
    action, offered = component.action, frozenset(int(choice.value) for choice in form.site_id.choices or ())
    faults = domain.session_faults(
        domain.SessionPlan(start, end, next(iter(offered), 0), 0),
        component=domain.Period(component.planned_start, component.planned_end),
        action=domain.Period(action.planned_start, action.planned_end),
        site_ids=offered or frozenset({0}),
    )
    for fault in faults:
        _say(form, fault.field, labels.fault_text(fault))


def _warn_of_places(form: SessionForm, component: Component) -> None:
    """More places than the component has: nothing forbids it, and it is mostly a slip or a request still to be made."""
    if form.places.data is not None and form.places.data > component.places:
        told = _(
            "The session has %(places)s places, its component %(most)s: check this number, or ask for a modification of volumes and places.",
            places=form.places.data,
            most=component.places,
        )
        flash(told, "warning")


def _say(form: Any, name: str, sentence: str) -> None:
    if name and name in form:
        form[name].errors = [*form[name].errors, sentence]
    else:
        form.form_errors.append(sentence)


def _status(form: Any) -> int:
    return 422 if request.method == "POST" and (form.errors or form.form_errors) else 200
