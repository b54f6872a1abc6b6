"""« Liste des stagiaires » of an action and of the organisation, and the page of one person."""

from __future__ import annotations

from flask import Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.actions.domain import registration_blockers
from app.actions.models import Action
from app.actions.queries import Cursor
from app.actions.tabs import page_values
from app.actions.views import found_or_404, page_size
from app.core import clock
from app.core.tenancy import current_scope
from app.core.ui import allowed
from app.core.ui.components import url_without
from app.core.wizard import drafts

from .. import labels, presenters, queries, recap
from ..permissions import EXPORT_NIR, VIEW
from ..ports import list_links
from ..queries import Todo, TraineeFilter
from .common import NOBODY, address_of_number, filter_from_address
from .registration import RegistrationView


class TraineesView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Lists of trainees, and the person."""

    route_base = "/stagiaires"
    class_permission_name = VIEW
    permission_label = _l("Trainees")
    default_view = "index"

    def __init__(self) -> None:
        super().__init__()
        self.base_permissions.append(EXPORT_NIR[0])  # of no page: it adds a column to the exports (``exports``)

    @expose("/")
    @has_access
    @permission_name("read")
    def index(self) -> ResponseReturnValue:
        """All registrations in scope, by name."""
        narrowed = filter_from_address()
        if elsewhere := address_of_number(narrowed.text):  # typed into the address by hand: the page would repeat it in its links
            return redirect(elsewhere, 303)
        page = queries.list_registrations(narrowed, cursor=Cursor.of(request.args.get("after"), request.args.get("before")), size=page_size())
        return self.render_template(
            "trainees/index.html",
            breadcrumb=[(_("Trainees"), None)],
            page=page,
            lines=presenters.list_lines(page.rows),
            narrowed=narrowed,
            limited=current_scope().limited_account is not None,
            all_organisations=current_scope().sees_all,
            alarms=queries.esf_alarms() if narrowed.todo == Todo.ESF else [],
            chips=_chips(narrowed),
            labels=labels,
            presenters=presenters,
        )

    @expose("/nia-a-regulariser")
    @has_access
    @permission_name("read")
    def without_nir(self) -> ResponseReturnValue:
        """« NIA à régulariser »: who waits for a NIR, the oldest first."""
        page = queries.list_without_nir(cursor=Cursor.of(request.args.get("after"), request.args.get("before")), size=page_size())
        return self.render_template(
            "trainees/without_nir.html",
            breadcrumb=[(_("Trainees"), url_for("TraineesView.index")), (_("NIA to regularise"), None)],
            menu_current="TraineesView.without_nir",
            page=page,
            all_organisations=current_scope().sees_all,
            now=clock.now(),
            registration_blockers=registration_blockers,
        )

    @expose("/action/<int:action_id>")
    @has_access
    @permission_name("read")
    def of_action(self, action_id: int) -> ResponseReturnValue:
        """« Liste des stagiaires » of an action (guide 000)."""
        action = found_or_404(action_id)
        narrowed = filter_from_address()
        if elsewhere := address_of_number(narrowed.text, action_id=action_id):
            return redirect(elsewhere, 303)
        page = queries.list_registrations(
            narrowed,
            action_id=action_id,
            cursor=Cursor.of(request.args.get("after"), request.args.get("before")),
            size=page_size(),
        )
        return self.render_template(
            "trainees/of_action.html",
            **page_values(action, "TraineesView.of_action"),
            links=list_links(action),
            page=page,
            lines=presenters.list_lines(page.rows),
            narrowed=narrowed,
            chips=_chips(narrowed),
            takes_trainees=not registration_blockers(action.status),
            unfinished=_unfinished(action),
            esf=queries.esf_rate(action_id) if action.esf_cofunded else None,
            labels=labels,
            presenters=presenters,
        )

    @expose("/action/<int:action_id>/panneau")
    @has_access
    @permission_name("read")
    def panel(self, action_id: int) -> ResponseReturnValue:
        """The trainees on the page of the action, asked again while AGORA is awaited; 204 says that nothing changed."""
        from .. import side

        values = side.panel_values(found_or_404(action_id))
        if values["mark"] is not None and values["mark"] == request.args.get("seen"):
            return Response(status=204)
        return self.render_template("trainees/_panel.html", values=values)

    @expose("/<int:trainee_id>")
    @has_access
    @permission_name("read")
    def person(self, trainee_id: int) -> ResponseReturnValue:
        """One person and its registrations."""
        trainee = queries.get_trainee(trainee_id)
        if trainee is None:
            abort(404)
        registrations = sorted(trainee.registrations, key=lambda registration: registration.id, reverse=True)
        return self.render_template(
            "trainees/person.html",
            breadcrumb=[(_("Trainees"), url_for("TraineesView.index")), (trainee.display_name, None)],
            menu_current="TraineesView.index",
            trainee=trainee,
            identity=recap.identity_rows(trainee),
            lines=presenters.list_lines(registrations),
            labels=labels,
            presenters=presenters,
        )


def _unfinished(action: Action) -> int:
    """How many registrations on the action this account has begun and not ended, and may go on with."""
    if registration_blockers(action.status) or current_scope().observes or not allowed("can_use", RegistrationView.class_permission_name):
        return 0
    return drafts.count_open(RegistrationView.kind, str(action.id))


def _chips(narrowed: TraineeFilter) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if narrowed.text:
        found.append((_("Text"), narrowed.text, url_without("texte")))
    if narrowed.todo:
        found.append((_("To do"), labels.todo_label(narrowed.todo), url_without("a_faire")))
    if narrowed.people:
        found.append((_("NIR / NIA"), _("the number looked for"), url_without(NOBODY if request.args.get(NOBODY) else "personnes")))
    return found
