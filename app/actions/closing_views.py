"""The end of an action: declared finished by the organisation, closed and reopened by the Région (DOMAIN §3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError

from app.core import clock
from app.core.errors_db import translate
from app.core.extensions import db
from app.core.people import account_names
from app.core.ui.format import fr_datetime

from . import chronicle, domain, labels, ports, queries, services
from .domain import ActionEvent
from .forms import ClosingForm, DeclarationForm, ReopeningForm
from .models import Action
from .views import VIEW, acts, crumbs, found_or_404, missing_lines


class ClosingView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Déclarer l'action terminée », « Clôturer l'action », « Rouvrir l'action »: each asks first, and says what it does."""

    route_base = "/actions-de-formation/<int:action_id>"
    class_permission_name = VIEW
    permission_label = _l("Training actions")
    default_view = "declare"

    @expose("/fin", methods=["GET", "POST"])
    @has_access
    @permission_name("declare")
    def declare(self, action_id: int) -> ResponseReturnValue:
        """The organisation says that everything is entered; where the programme lets it, it asks for the closing too."""
        action = found_or_404(action_id)
        form = DeclarationForm()
        if request.method == "POST":
            declared = _tried(lambda: services.declare_finished(action_id, ask_closing=form.ask_closing.data), form)
            if declared is not None:
                done = _("The action %(number)s is declared finished: the Région finds it among those to close.", number=action.number)
                already = _("The action %(number)s was declared finished already.", number=action.number)
                return _leave(action_id, done if declared else already, changed=declared)
            action = found_or_404(action_id)
        declaration = queries.declaration_of(action_id)
        facts = services.facts_of(action, clock.today(), declaration)
        event = ActionEvent.ASK_CLOSING if facts.declared else ActionEvent.DECLARE
        reasons = domain.blockers(action.status, event, facts)
        return self._page(action, form, facts, "actions/declare.html", _("Declare the action finished"), reasons=reasons, declaration=declaration)

    @expose("/cloture", methods=["GET", "POST"])
    @has_access
    @permission_name("close")
    def close(self, action_id: int) -> ResponseReturnValue:
        """The Région closes: what is missing and what was declared are shown first."""
        action = found_or_404(action_id)
        form = ClosingForm()
        if request.method == "POST" and form.validate():
            closed = _tried(lambda: services.close_action(action_id, comment=form.comment.data or "", shown=form.shown.data or None), form)
            if closed is not None:
                done = _("The action %(number)s is closed; the AGORA files of its trainees are being closed.", number=action.number)
                if closed or not form.comment.data:
                    return _leave(action_id, done if closed else _closed_text(found_or_404(action_id)), changed=closed)
                return self._too_late(found_or_404(action_id), form)
            action = found_or_404(action_id)
        declaration = queries.declaration_of(action_id)
        facts = services.facts_of(action, clock.today(), declaration)
        return self._page(
            action,
            form,
            facts,
            "actions/close.html",
            _("Close the action"),
            reasons=domain.blockers(action.status, ActionEvent.CLOSE, facts),
            declaration=declaration,
            consequence=labels.closing_consequence(facts.enrolled, action.planned_end, clock.today()),
        )

    @expose("/reouverture", methods=["GET", "POST"])
    @has_access
    @permission_name("reopen")
    def reopen(self, action_id: int) -> ResponseReturnValue:
        """The Région reopens, with its reason."""
        action = found_or_404(action_id)
        form = ReopeningForm()
        if request.method == "POST" and form.validate():
            reopened = _tried(lambda: services.reopen_action(action_id, reason=form.reason.data or ""), form)
            if reopened is not None:
                done = _("The action %(number)s is reopened: it is “En cours” again.", number=action.number)
                already = _("The action %(number)s was running already.", number=action.number)
                return _leave(action_id, done if reopened else already, changed=reopened)
            action = found_or_404(action_id)
        facts = services.facts_of(action, clock.today(), None)
        reasons = domain.blockers(action.status, ActionEvent.REOPEN, facts)
        return self._page(action, form, facts, "actions/reopen.html", _("Reopen the action"), reasons=reasons)

    def _too_late(self, action: Action, form: ClosingForm) -> ResponseReturnValue:
        """Somebody else closed first: who and when, and the observations that were typed, to be copied."""
        heading = _("Close the action")
        return self.render_template(
            "actions/closed_already.html",
            breadcrumb=crumbs(action, (heading, None)),
            menu_current="ActionsView.index",
            heading=heading,
            action=action,
            told=_closed_text(action),
            comment=form.comment.data,
            cancel_url=_page(action.id),
        ), 409

    def _page(self, action: Action, form: Any, facts: domain.EntryFacts, template: str, heading: str, **values: Any) -> ResponseReturnValue:
        reasons = values.pop("reasons")
        outcomes = ports.outcomes(action) if action.status == domain.ActionStatus.RUNNING and not reasons else None
        if outcomes is not None and "shown" in form:
            form.shown.raw_data, form.shown.data = None, outcomes.mark
        return self.render_template(
            template,
            breadcrumb=crumbs(action, (heading, None)),
            menu_current="ActionsView.index",
            heading=heading,
            action=action,
            form=form,
            facts=facts,
            blockers=[labels.reason_text(reason, acts=acts()) for reason in reasons],
            missing=missing_lines(action, facts),
            outcomes=outcomes.panel if outcomes is not None else None,
            cancel_url=_page(action.id),
            **values,
        ), (422 if request.method == "POST" else 200)


def _closed_text(action: Action) -> str:
    """Who closed the action, and when."""
    line = queries.closing_of(action.id)
    if line is None:
        return _("The action %(number)s was closed already.", number=action.number)
    who = chronicle.actor_of(line, account_names((line.actor_id, line.on_behalf_of_id))) or _("the portal")
    return _("The action %(number)s was closed already by %(name)s, on %(when)s.", number=action.number, name=who, when=fr_datetime(line.happened_at))


def _page(action_id: int) -> str:
    return url_for("ActionsView.show", action_id=action_id)


def _leave(action_id: int, said: str, *, changed: bool) -> ResponseReturnValue:
    flash(said, "success" if changed else "info")
    return redirect(_page(action_id))


def _tried(act: Callable[[], bool], form: Any) -> bool | None:
    """Whether anything changed; None when it was refused, which is then said on the form."""
    try:
        return act()
    except services.ActionNotFound:
        abort(404)
    except services.Refused as refusal:
        form.form_errors += [labels.reason_text(reason, acts=acts()) for reason in refusal.reasons]
    except IntegrityError as error:
        db.session.rollback()
        form.form_errors.append(translate(error))
    return None
