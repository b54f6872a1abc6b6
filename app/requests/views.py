"""Pages of the modification requests: the follow-up of an action, one request, and the queue of the Région (guide 003 §2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError
from werkzeug.datastructures import MultiDict

from app.actions.forms import options
from app.actions.queries import PAGE_SIZES, Cursor
from app.actions.tabs import page_values
from app.actions.views import crumbs, found_or_404, page_size
from app.core import clock, page_drafts, presence
from app.core.documents.files import FileRefused
from app.core.documents.intake import incoming
from app.core.documents.words import fault_text
from app.core.errors_db import translate
from app.core.extensions import db
from app.core.requests import row_number
from app.core.ui import allowed
from app.core.ui.components import url_without

from . import document_labels, documents, labels, market_labels, presenters, queries, reminders, services
from .domain import LetterFilter, Note, ObstacleCode, RequestEvent, RequestKind, RequestState, StateFilter
from .domain.notes import MAX_NOTE
from .forms import LINE, DecisionForm, LetterForm, lines_form
from .models import ModificationRequest
from .permissions import DECIDE, VIEW
from .queries import QueueFilter
from .wizard import WIZARDS, already_sentence, already_text

#: The fields of the decision in which nobody types anything.
_UNTYPED = frozenset({"version", "moved", page_drafts.BY_HAND})


class RequestsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Demandes de modification »."""

    route_base = "/demandes-de-modification"
    class_permission_name = VIEW
    permission_label = _l("Modification requests")
    default_view = "queue"

    @expose("/")
    @has_access
    @permission_name("queue")
    def queue(self) -> ResponseReturnValue:
        """What waits for the Région, the oldest first."""
        narrowed = _filter_from_address()
        now = clock.now()
        page = queries.queue(
            narrowed, now=now, cursor=Cursor.of(request.args.get("after"), request.args.get("before")), size=page_size()
        )
        return self.render_template(
            "requests/queue.html",
            breadcrumb=[(_("Modification requests"), None)],
            page=page,
            sizes=PAGE_SIZES,
            lines=presenters.lines(page.rows, now=now),
            narrowed=narrowed,
            delays=presenters.delays_text(queries.delays(now)),
            chips=_chips(narrowed),
            labels=labels,
            late=reminders.late_ids(page.rows, now),
            asked=words_of(narrowed),
        )

    @expose("/action/<int:action_id>")
    @has_access
    @permission_name("read")
    def of_action(self, action_id: int) -> ResponseReturnValue:
        """« Suivi des demandes de modification » of one action."""
        action = found_or_404(action_id)
        rows = queries.requests_of(action_id)
        over = services.over(action)
        return self.render_template(
            "requests/of_action.html",
            **page_values(action, "RequestsView.of_action"),
            lines=presenters.lines(rows, now=clock.now()),
            over=labels.problem_text(over) if over is not None else None,
            asks=allowed("can_use", VIEW),
            labels=labels,
            warning=already_sentence() if any(row.is_open for row in rows) else None,
        )

    @expose("/action/<int:action_id>/nouvelle", methods=["GET", "POST"])
    @has_access
    @permission_name("use")
    def choose(self, action_id: int) -> ResponseReturnValue:
        """« Nouvelle demande de modification »: which kind."""
        action = found_or_404(action_id)
        over = services.over(action)
        if over is not None:  # which the page says
            return redirect(url_for("RequestsView.of_action", action_id=action_id))
        error = None
        chosen = request.form.get("type", "") if request.method == "POST" else ""
        waiting = queries.open_kinds(action_id)
        if request.method == "POST":
            if chosen not in set(RequestKind):
                error = _("Choose the kind of modification.")
            elif chosen in waiting and waiting[chosen].state == RequestState.PENDING:
                error = already_text(waiting[chosen])
            else:
                return redirect(url_for(f"{WIZARDS[RequestKind(chosen)].__name__}.start", action_id=action_id))
        return self.render_template(
            "requests/choose.html",
            breadcrumb=crumbs(
                action,
                (_("Request for a modification of data"), url_for("RequestsView.of_action", action_id=action_id)),
                (_("New modification request"), None),
            ),
            menu_current="ActionsView.index",
            action=action,
            kinds=[(kind.value, labels.kind_label(kind)) for kind in WIZARDS],
            chosen=chosen,
            error=error,
            cancel_url=url_for("RequestsView.of_action", action_id=action_id),
        ), 422 if error else 200

    @expose("/<int:request_id>")
    @has_access
    @permission_name("read")
    def show(self, request_id: int) -> ResponseReturnValue:
        """One request: what it asks, what today's data say of it, its history; and the decision, for those who decide."""
        return self._page(request_or_404(request_id))

    @expose("/<int:request_id>/decision", methods=["GET", "POST"])
    @has_access
    @permission_name("decide")
    def decide(self, request_id: int) -> ResponseReturnValue:
        """Validate, ask for a correction, or refuse."""
        found = request_or_404(request_id)
        address = url_for("RequestsView.show", request_id=request_id)
        if request.method == "GET":
            return redirect(address)
        page_drafts.note_sent(request.form.get(presence.PAGE))
        form = DecisionForm(formdata=request.form)
        lines = lines_form(found.asked)(formdata=request.form)
        if not all([form.validate(), lines.validate()]):
            return self._page(found, form=form), 422
        decision = services.Decision(
            event=RequestEvent(form.decision.data),
            version=row_number(form.version.data) or 0,
            observations=form.observations.data,
            amendment_number=form.amendment_number.data,
            confirmed=form.moved.data or "" if form.confirmed.data else "",
            without_letter=bool(form.without_letter.data),
            notes=_notes(found, lines),
        )
        amendment = incoming(request.files.get("amendment_file"))
        if amendment is not None and decision.event is not RequestEvent.VALIDATE:
            form.amendment_file.errors = [_("An amendment goes with a validation: choose “Validate the request”, or no document.")]
            return self._page(found, form=form), 422
        try:
            documents.decide_with(request_id, decision, amendment)
        except FileRefused as refused:
            form.amendment_file.errors = [fault_text(refused.fault, amendment.name if amendment is not None else "")]
            return self._page(request_or_404(request_id), form=form), 422
        except services.RequestNotFound:
            abort(404)
        except services.Overtaken as late:
            flash(presenters.overtaken_text(late), "warning")
            return self._page(request_or_404(request_id), form=form, typed=True), 409
        except services.Blocked as blocked:
            for obstacle in blocked.obstacles:
                places = {
                    ObstacleCode.OBSERVATIONS: form.observations, ObstacleCode.UNCONFIRMED: form.confirmed, ObstacleCode.AMENDMENT: form.amendment_number,
                    ObstacleCode.AMENDMENT_UNDUE: form.amendment_number, ObstacleCode.LETTER: form.without_letter,
                }  # fmt: skip
                place = places.get(obstacle.code, form.decision)
                place.errors = [*place.errors, labels.obstacle_text(obstacle)]
            return self._page(request_or_404(request_id), form=form), 422
        except IntegrityError as error:
            db.session.rollback()
            form.decision.errors = [*form.decision.errors, translate(error)]
            return self._page(request_or_404(request_id), form=form), 422
        flash(presenters.decided_text(decision.event, found.action.number), "success")
        return redirect(url_for("RequestsView.queue"))

    @expose("/<int:request_id>/retrait", methods=["GET", "POST"])
    @has_access
    @permission_name("withdraw")
    def withdraw(self, request_id: int) -> ResponseReturnValue:
        """The organisation takes its request back."""
        found = request_or_404(request_id)
        address = url_for("RequestsView.of_action", action_id=found.action_id)
        if request.method == "POST":
            try:
                services.withdraw(request_id, version=row_number(request.form.get("version")) or 0)
            except services.RequestNotFound:
                abort(404)
            except services.Overtaken as late:
                flash(presenters.overtaken_text(late), "warning")
                return redirect(url_for("RequestsView.show", request_id=request_id))
            flash(_("Your request was withdrawn: the data stay as they are."), "success")
            return redirect(address)
        if not found.is_open:
            flash(_("This request is “%(state)s”: it can no longer be withdrawn.", state=labels.state_label(found.state)), "info")
            return redirect(address)
        return self.render_template(
            "portal/confirm.html",
            breadcrumb=crumbs(found.action, (_("Request for a modification of data"), address), (_("Withdrawal"), None)),
            menu_current="ActionsView.index",
            heading=_("Withdraw this request?"),
            body=presenters.withdrawal_consequence(found),
            action_url=url_for("RequestsView.withdraw", request_id=request_id),
            verb=_("Withdraw the request"),
            cancel_url=url_for("RequestsView.show", request_id=request_id),
            fields={"version": found.version},
        )

    def _page(self, found: ModificationRequest, *, form: Any = None, typed: bool = False) -> str:
        decides = allowed(*DECIDE)
        today = presenters.today_of(found)
        resumed = _resumed(found, today.fingerprint) if decides and found.is_open else None
        decision = (form or DecisionForm(formdata=resumed)) if decides and found.is_open else None
        if decision is not None:
            presence.open_page(found, presence.DECISION)  # two validators see one another
            if found.state == RequestState.TO_CORRECT:  # its organisation has it: it can only be ended
                decision.decision.choices = options({RequestEvent.REFUSE: labels.DECISIONS[RequestEvent.REFUSE]})
        lines = lines_form(found.asked)(formdata=request.form if form is not None else resumed)
        if form is not None:
            lines.validate()
        rows = labels.change_rows(found.asked, found.noted)
        of_action = url_for("RequestsView.of_action", action_id=found.action_id)
        events = queries.history_of(found.id)
        papers = document_labels.page_values(found) | document_labels.letter_acts(found, LetterForm(formdata=None))
        names = presenters.names_told(found, events, papers)
        if decides:
            path = [(_("Modification requests"), url_for("RequestsView.queue")), (found.action.number, None)]
        else:
            path = crumbs(found.action, (_("Request for a modification of data"), of_action), (labels.kind_label(found.kind), None))
        return str(
            self.render_template(
                "requests/show.html",
                breadcrumb=path,
                menu_current="RequestsView.queue" if decides else "ActionsView.index",
                found=found,
                today=today,
                line=presenters.lines([found], now=clock.now(), awaited={found.id} if papers["letter_awaited"] else (), names=names)[0],
                rows=rows,
                rule_name=market_labels.rule_text(found.rule, found.rule_version, named=decides),
                line_controls=[(row, lines[LINE + row["name"]]) for row in rows],
                lines_form=lines,
                most_of_a_line=MAX_NOTE,
                history=presenters.history(events, papers["attached"], papers["signatures"], names),
                of_action_url=of_action,
                **papers,
                decision=decision,
                overtaken=typed,
                typed=_typed(form, lines) if typed else [],
                labels=labels,
                withdrawal=presenters.withdrawal_consequence(found),
            )
        )


def _resumed(found: ModificationRequest, moved: str) -> MultiDict[str, str] | None:
    """What was typed into the decision some other time.  What it says of a request or of data that changed since has to be said again."""
    address = url_for("RequestsView.decide", request_id=found.id)
    typed = page_drafts.by_hand(address, lambda fields: any(value for name, value in fields.items(multi=True) if name not in _UNTYPED))
    if typed is not None and (typed.get("version"), typed.get("moved")) != (str(found.version), moved):
        for name in ("decision", "confirmed", "without_letter"):
            typed.poplist(name)
    return typed


def _notes(found: ModificationRequest, lines: Any) -> tuple[Note, ...]:
    """What was typed beside single lines."""
    texts = ((change.key, lines[LINE + labels.line_name(change.key)].data) for change in found.asked)
    return tuple(Note(key, text) for key, text in texts if text)


def _typed(form: Any, lines: Any) -> list[tuple[str, str]]:
    """Everything a decision that came too late said, to be read and copied."""
    return [(str(one.label.text), one.data) for one in (form.observations, *lines, form.amendment_number) if one.data]


def request_or_404(request_id: int) -> ModificationRequest:
    """A request within the scope; 404 for any other."""
    found = queries.get_request(request_id)
    if found is None:
        abort(404)
    return found


def _filter_from_address() -> QueueFilter:
    return filter_of(request.args)


def filter_of(args: Mapping[str, str]) -> QueueFilter:
    """What the queue with these words in its address is narrowed to."""
    state, kind, days, letter = (args.get(name, "").strip() for name in ("etat", "type", "age", "courrier"))
    return QueueFilter(
        state=StateFilter(state) if state in set(StateFilter) else StateFilter.PENDING,
        kind=RequestKind(kind) if kind in set(RequestKind) else None,
        text=" ".join(args.get("texte", "").replace("\x00", "").split())[:100],
        days=row_number(days) if row_number(days) in labels.AGES else None,
        letter=LetterFilter(letter) if letter in set(LetterFilter) else None,
    )


def words_of(narrowed: QueueFilter) -> dict[str, Any]:
    """The same as the words of an address."""
    return {
        "etat": narrowed.state.value if narrowed.state is not StateFilter.PENDING else None,
        "type": narrowed.kind.value if narrowed.kind is not None else None,
        "texte": narrowed.text or None,
        "age": narrowed.days,
        "courrier": narrowed.letter.value if narrowed.letter is not None else None,
    }


def said_of(narrowed: QueueFilter) -> list[tuple[str, str]]:
    """What narrows the queue, in words."""
    return [(label, value) for label, value, _address in _chips(narrowed)]


def _chips(narrowed: QueueFilter) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if narrowed.state is not StateFilter.PENDING:
        found.append((_("State"), str(labels.STATE_FILTERS[narrowed.state]), url_without("etat")))
    if narrowed.kind is not None:
        found.append((_("Kind"), labels.kind_label(narrowed.kind), url_without("type")))
    if narrowed.text:
        found.append((_("Organisation or action"), narrowed.text, url_without("texte")))
    if narrowed.days is not None:
        found.append((_("Waiting"), str(labels.AGES[narrowed.days]), url_without("age")))
    if narrowed.letter is not None:
        found.append((_("Letter"), str(labels.LETTER_FILTERS[narrowed.letter]), url_without("courrier")))
    return found


__all__ = ["RequestsView"]
