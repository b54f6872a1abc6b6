"""Pages of the actions: list, page, closing.  They parse and render; services decide."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError
from werkzeug.datastructures import MultiDict

from app.core import clock
from app.core.errors_db import translate
from app.core.extensions import db
from app.core.people import account_names
from app.core.tenancy import current_scope
from app.core.ui import allowed
from app.core.ui.components import Column
from app.core.ui.format import fr_long_date
from app.core.ui.paths import safe_url
from app.reference.models import Programme
from app.reference.queries import active

from . import domain, folding, labels, listing, ports, queries, saved_searches, services
from .domain import ActionEvent, EntryFacts, SortKey
from .models import Action
from .queries import PAGE_SIZES, Cursor
from .search_form import Search

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
            today=today,
            groups=folding.groups_of(page.rows, request.args.get("plis", "")) if search.order.grouped else None,
            columns=_columns(),
            saved=saved_searches.of_account(),
            show_holder=current_scope().sees_all,
            labels=labels,
        )

    @expose("/<int:action_id>")
    @has_access
    @permission_name("read")
    def show(self, action_id: int) -> ResponseReturnValue:
        """« Gérer l'action de formation »: where it stands, what can be done now, and what blocks the rest."""
        action = found_or_404(action_id)
        today = clock.today()
        facts = ports.trainee_side().facts(action_id, today)
        panels = ports.panels(action)
        advance = queries.advance_requested_at(action_id)
        return self.render_template(
            "actions/show.html",
            breadcrumb=[*crumbs(), (action.number, None)],
            menu_current="ActionsView.index",
            action=action,
            today=today,
            facts=facts,
            offers=_offers(action, facts),
            components=queries.components_of(action_id),
            history=_history(action_id, advance),
            advance_requested_at=advance,
            panels=panels,
            panel_tabs=[(panel.heading, f"#{panel.anchor}") for panel in panels],
            labels=labels,
            acts=_acts(),
            unenrolled_url=unenrolled_url(action_id, facts),
        )

    @expose("/<int:action_id>/cloture", methods=["GET", "POST"])
    @has_access
    @permission_name("close")
    def close(self, action_id: int) -> ResponseReturnValue:
        """The Région closes the action; asked twice, because nothing leads back."""
        action = found_or_404(action_id)
        address = url_for("ActionsView.show", action_id=action_id)
        if request.method == "POST":
            try:
                closed = services.close_action(action_id)
            except services.ActionNotFound:
                abort(404)
            except services.Refused as refusal:
                for reason in refusal.reasons:
                    flash(labels.reason_text(reason, acts=_acts()), "danger")
                return redirect(address)
            except IntegrityError as error:
                db.session.rollback()
                flash(translate(error), "danger")  # nothing is typed here: the page of the action says how it stands
                return redirect(address)
            flash(
                _("The action %(number)s is closed; the AGORA files of its trainees are being closed.", number=action.number)
                if closed
                else _("The action %(number)s was closed already.", number=action.number),
                "success" if closed else "info",
            )
            return redirect(address)
        facts = ports.trainee_side().facts(action_id, clock.today())
        reasons = domain.blockers(action.status, ActionEvent.CLOSE, facts)
        if reasons:
            for reason in reasons:
                flash(labels.reason_text(reason, acts=_acts()), "danger")
            return redirect(address)
        return self.render_template(
            "portal/confirm.html",
            breadcrumb=crumbs(action, (_("Closing"), None)),
            heading=_("Close the action %(number)s?", number=action.number),
            body=labels.closing_consequence(facts.enrolled, action.planned_end, clock.today()),
            action_url=url_for("ActionsView.close", action_id=action_id),
            verb=_("Close the action"),
            cancel_url=address,
        )


def _acts() -> bool:
    """Whether the reader is of those who enrol trainees and let them leave."""
    return allowed("can_exit", "Trainees")


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


def _offers(action: Action, facts: EntryFacts) -> list[dict[str, Any]]:
    """What the account may do with the action, each with what blocks it, in words."""
    offers: list[dict[str, Any]] = []
    for offer in domain.LIFE.offers(domain.ActionStatus(action.status), facts):
        match offer.event:
            case ActionEvent.OPEN if allowed("can_use", "ActionOpening"):
                label, href = _("Open the action"), url_for("OpeningView.start", action_id=action.id)
            case ActionEvent.CLOSE if allowed("can_close", VIEW):
                label, href = _("Close the action"), url_for("ActionsView.close", action_id=action.id)
            case _:
                continue
        offers.append(
            {
                "event": offer.event,
                "label": label,
                "href": href,
                "blockers": [labels.reason_text(reason, acts=_acts()) for reason in offer.blockers if isinstance(reason, domain.Reason)],
            }
        )
    return offers


def _history(action_id: int, advance: datetime | None) -> list[dict[str, Any]]:
    lines = queries.history_of(action_id)
    names = account_names(number for line in lines for number in (line.actor_id, line.on_behalf_of_id))
    return [_told(line, names, advance) for line in lines]


def _told(line: Any, names: dict[int, str], advance: datetime | None) -> dict[str, Any]:
    """One line; who acted is called as today ("compte supprimé : …"), or as then when the reader may not see the account."""
    notes = [line.comment or ""]
    if line.event == ActionEvent.OPEN and advance is not None:
        notes.insert(0, _("The advance invoice was requested on %(day)s.", day=fr_long_date(advance)))
    return {
        "text": labels.history_text(line.event),
        "at": line.happened_at,
        "actor": labels.told_actor(names.get(line.actor_id) or line.actor_name, names.get(line.on_behalf_of_id) or line.on_behalf_of_name),
        "tone": labels.STATUS_TONES.get(line.to_status, "neutral"),
        "note": "\n".join(note for note in notes if note) or None,
    }
