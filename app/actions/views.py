"""Pages of the actions: the list, and the tabs of one action.  They parse and render; services decide."""

from __future__ import annotations

from typing import Any

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict

from app.core import clock
from app.core.people import account_names
from app.core.tenancy import current_scope
from app.core.ui import allowed
from app.core.ui.components import Column
from app.core.ui.paths import safe_url
from app.reference.models import Programme
from app.reference.queries import active

from . import chronicle, domain, folding, labels, listing, ports, queries, saved_searches, services
from .domain import ActionEvent, ActionStatus, EntryFacts, ReasonCode, SortKey, shown_status
from .models import Action
from .queries import PAGE_SIZES, Cursor
from .search_form import Search
from .tabs import page_values

VIEW = "Actions"


def page_size() -> int:
    """The number of rows asked for, among those offered."""
    asked = request.args.get("size", type=int)
    return asked if asked in PAGE_SIZES else PAGE_SIZES[0]


def found_or_404(action_id: int) -> Action:
    """The action, or the same 404 whether it does not exist or belongs to somebody else."""
    action = queries.get_action(action_id)
    if action is None:
        abort(404)
    return action


def crumbs(action: Action | None = None, *more: tuple[str, str | None]) -> list[tuple[str, str | None]]:
    """« Accueil » Actions de formation » Gestion » … » (guide 000)."""
    path: list[tuple[str, str | None]] = [(_("Training actions"), url_for("ActionsView.index"))]
    if action is not None:
        path.append((_("Management of %(number)s", number=action.number), url_for("ActionsView.show", action_id=action.id)))
    return [*path, *more]


class ActionsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Actions de formation »: the list and the page of one action."""

    route_base = "/actions-de-formation"
    class_permission_name = VIEW
    permission_label = _l("Training actions")
    default_view = "index"

    @expose("/")
    @has_access
    @permission_name("read")
    def index(self) -> ResponseReturnValue:
        """The list, grouped by contract and lot (guide 003 §1)."""
        search = read_search(request.args)
        today = clock.today()
        page = listing.list_actions(
            search.filter,
            today=today,
            order=search.order,
            cursor=Cursor.of(request.args.get("after"), request.args.get("before")),
            size=page_size(),
        )
        return self.render_template(
            "actions/list.html",
            breadcrumb=[(_("Training actions"), None)],
            page=page,
            search=search,
            shown=queries.shown_statuses(page.rows, today),
            groups=folding.groups_of(page.rows, request.args.get("plis", "")) if search.order.grouped else None,
            columns=_columns(),
            saved=saved_searches.SHELF.kept(),
            show_holder=current_scope().sees_all,
            labels=labels,
        )

    @expose("/<int:action_id>")
    @has_access
    @permission_name("read")
    def show(self, action_id: int) -> ResponseReturnValue:
        """« Gérer l'action de formation »: where it stands, what can be done now, and what blocks the rest."""
        action = found_or_404(action_id)
        declaration = queries.declaration_of(action_id)
        today = clock.today()
        facts = services.facts_of(action, today, declaration)
        shown = shown_status(action.status, action.planned_end, today, declared=declaration is not None)
        return self.render_template(
            "actions/show.html",
            **page_values(action, "ActionsView.show", shown=shown),
            labels=labels,
            facts=facts,
            standing=labels.standing_text(action, facts, today, acts=acts()),
            offers=offers(action, facts),
            declaration=declaration,
            start_apart=labels.start_apart_text(action, facts, waits=bool(facts.requests)),
            requests_url=safe_url("RequestsView.of_action", action_id=action_id),
            missing=missing_lines(action, facts),
            advance_requested_at=queries.advance_requested_at(action_id),
            panels=ports.panels(action),
            partners=queries.partners_of(action_id),
            acts=acts(),
            unenrolled_url=unenrolled_url(action_id, facts),
        )

    @expose("/<int:action_id>/composantes")
    @has_access
    @permission_name("read")
    def components(self, action_id: int) -> ResponseReturnValue:
        """« Composantes et sessions »."""
        action = found_or_404(action_id)
        return self.render_template(
            "actions/components.html",
            **page_values(action, "ActionsView.components"),
            components=queries.components_of(action_id),
            sessions=queries.sessions_of(action_id),
            may_plan=allowed("can_plan_sessions", VIEW) and not domain.planning_faults(action.status, cancelled=False),
        )

    @expose("/<int:action_id>/historique")
    @has_access
    @permission_name("read")
    def history(self, action_id: int) -> ResponseReturnValue:
        """Each transition and each change of the data: who, when, from, to, why."""
        action = found_or_404(action_id)
        return self.render_template("actions/history.html", **page_values(action, "ActionsView.history"), history=chronicle.of_action(action))

    @expose("/<int:action_id>/declarations")
    @has_access
    @permission_name("read")
    def declarations(self, action_id: int) -> ResponseReturnValue:
        """« Déclarations »: those of the end of the action, withdrawn ones too, and what the next step needs (DOMAIN §3)."""
        action = found_or_404(action_id)
        lines = queries.declarations_of(action_id)
        declaration = next((line for line in lines if line.withdrawn_at is None), None)
        today = clock.today()
        facts = services.facts_of(action, today, declaration)
        shown = shown_status(action.status, action.planned_end, today, declared=declaration is not None)
        names = account_names(line.declared_by_id for line in lines)
        return self.render_template(
            "actions/declarations.html",
            **page_values(action, "ActionsView.declarations", shown=shown),
            lines=[(line, names.get(line.declared_by_id or 0) or line.declared_by_name) for line in lines],
            declaration=declaration,
            missing=missing_lines(action, facts),
            step=step_towards(action, ActionEvent.DECLARE, facts),
            ask_step=step_towards(action, ActionEvent.ASK_CLOSING, facts),
            opening=step_towards(action, ActionEvent.OPEN, facts),
            unenrolled_url=unenrolled_url(action_id, facts),
            trainees_hidden=current_scope().observes,
        )

    @expose("/<int:action_id>/factures")
    @has_access
    @permission_name("read")
    def invoices(self, action_id: int) -> ResponseReturnValue:
        """« Factures »: the advance invoice, which the opening asks for (guide 003 §1)."""
        action = found_or_404(action_id)
        requested_at = queries.advance_requested_at(action_id)
        opened = queries.opening_of(action_id) if requested_at is not None else None
        facts = ports.trainee_side().facts(action_id, clock.today()) if action.status == ActionStatus.WAITING else EntryFacts()
        return self.render_template(
            "actions/invoices.html",
            **page_values(action, "ActionsView.invoices"),
            requested_at=requested_at,
            opened_by=chronicle.actor_of(opened, account_names((opened.actor_id, opened.on_behalf_of_id))) if opened is not None else None,
            opening=step_towards(action, ActionEvent.OPEN, facts),
            unenrolled_url=unenrolled_url(action_id, facts),
            trainees_hidden=current_scope().observes,
        )


def acts() -> bool:
    """Whether the reader is of those who enrol trainees and let them leave."""
    return allowed("can_exit", "Trainees")


def step_towards(action: Action, event: ActionEvent, facts: EntryFacts) -> dict[str, Any]:
    """One step of the life of the action, for whoever reads: what blocks it, in words, and its page for who may take it now."""
    reasons = domain.blockers(action.status, event, facts)
    permission, label, endpoint, _kind = _ACTS[event]
    return {
        "label": label,
        "blockers": [labels.reason_text(reason, acts=acts()) for reason in reasons],
        "listed": any(reason.code is ReasonCode.SOMETHING_MISSING for reason in reasons),
        "href": url_for(endpoint, action_id=action.id) if not reasons and allowed(*permission) else None,
        "nobody": any(reason.code is ReasonCode.NOBODY_ENROLLED for reason in reasons),
    }


def unenrolled_url(action_id: int, facts: EntryFacts) -> str | None:
    """The registered people to enrol, when nobody is enrolled yet."""
    if facts.enrolled or not facts.registered:
        return None
    return safe_url("TraineesView.of_action", action_id=action_id, a_faire="sans-inscription")


def read_search(args: MultiDict[str, str]) -> Search:
    """The search of an address, among what the reader may choose."""
    programmes = queries.programmes_of_contracts() if not current_scope().sees_all else active(Programme)
    return Search(
        args,
        programmes=[(programme.id, str(programme)) for programme in programmes],
        years=queries.years(),
        territories=listing.territories(),
        of_all=current_scope().sees_all,
    )


def list_url(search: Search, *, as_typed: bool = False) -> str:
    """The list under a search, with what is wrong in it or without."""
    words: dict[str, Any] = search.typed() if as_typed else dict(search.words())
    return url_for("ActionsView.index", **words)


def _columns() -> list[Column]:
    """The columns of guide 003, those with arrows sorted by."""
    return [
        Column(_("N° Contrat/Conv."), SortKey.CONTRACT.value),
        Column(_("N° Action"), SortKey.NUMBER.value),
        Column(_("Title of the action"), SortKey.TITLE.value),
        Column(_("Status"), SortKey.STATUS.value),
        Column(_("Year"), SortKey.YEAR.value),
        Column(_("Actual start"), SortKey.START.value),
        Column(_("Planned end"), SortKey.END.value),
        Column(_("Management")),
    ]


def missing_lines(action: Action, facts: EntryFacts) -> list[tuple[str, str]]:
    """What is missing, in words, each with the list of those concerned."""
    trainees, requests = ports.trainee_side(), ports.request_side()
    return [
        (
            labels.missing_text(one.kind, one.count),
            requests.under_way_url(action.id, facts.requests) if one.kind is domain.MissingKind.REQUEST else trainees.missing_url(action.id, one.kind),
        )
        for one in facts.missing
    ]


#: Event → permission, label, page, kind of button.
_ACTS: dict[ActionEvent, tuple[tuple[str, str], Any, str, str]] = {
    ActionEvent.OPEN: (("can_use", "ActionOpening"), _l("Open the action"), "OpeningView.start", "primary"),
    ActionEvent.DECLARE: (("can_declare", VIEW), _l("Declare the action finished"), "ClosingView.declare", "primary"),
    ActionEvent.ASK_CLOSING: (("can_declare", VIEW), _l("Ask for the closing"), "ClosingView.declare", "secondary"),
    ActionEvent.CLOSE: (("can_close", VIEW), _l("Close the action"), "ClosingView.close", "danger"),
    ActionEvent.REOPEN: (("can_reopen", VIEW), _l("Reopen the action"), "ClosingView.reopen", "secondary"),
}
#: Not worth a word when they stand in the way: they were done, or are not of this programme or moment.
_SILENT = frozenset({ReasonCode.ALREADY_DECLARED, ReasonCode.ALREADY_ASKED, ReasonCode.CLOSING_NOT_ON_REQUEST, ReasonCode.NOT_DECLARED})


def offers(action: Action, facts: EntryFacts) -> list[dict[str, Any]]:
    """What the account may do with the action, each with what blocks it, in words."""
    found: list[dict[str, Any]] = []
    for offer in domain.LIFE.offers(domain.ActionStatus(action.status), facts):
        if offer.event not in _ACTS or not allowed(*_ACTS[offer.event][0]):
            continue
        reasons = [reason for reason in offer.blockers if isinstance(reason, domain.Reason)]
        if any(reason.code in _SILENT for reason in reasons):
            continue
        _permission, label, endpoint, kind = _ACTS[offer.event]
        found.append(
            {
                "event": offer.event,
                "label": label,
                "href": url_for(endpoint, action_id=action.id),
                "kind": kind,
                "blockers": [labels.reason_text(reason, acts=acts()) for reason in reasons],
                "listed": any(reason.code in (ReasonCode.SOMETHING_MISSING, ReasonCode.TRAINEES_STILL_IN, ReasonCode.REQUESTS_WAIT) for reason in reasons),
            }
        )
    return found
