""" "Délégation": the principal lends its rights to a secondary account for some days."""

from __future__ import annotations

from dataclasses import dataclass

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.accounts import domain, labels, queries, services
from app.accounts.domain import DelegationState, Refusal
from app.accounts.forms import DelegationForm
from app.accounts.models import Delegation, User
from app.accounts.views.common import page_asked
from app.core import clock
from app.core.ui import Page
from app.core.ui.format import fr_long_date


@dataclass(frozen=True, slots=True)
class Line:
    """One delegation as it is listed."""

    delegation: Delegation
    delegator: User
    delegate: User
    state: DelegationState

    @property
    def open(self) -> bool:
        """Whether it can be taken back."""
        return self.state in (DelegationState.COMING, DelegationState.CURRENT)


class DelegationsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """The delegations of the organisation: those of now, to come and past, and a new one."""

    route_base = "/gestion-organisme/delegation"
    class_permission_name = "Delegations"
    permission_label = _l("Delegation")
    default_view = "list"

    @expose("/", methods=("GET", "POST"))
    @has_access
    @permission_name("manage")
    def list(self) -> ResponseReturnValue:
        """The list and the form; a POST makes a new one."""
        if current_user.organisation_id is None:
            abort(404)
        candidates = queries.possible_delegates(current_user.organisation_id)
        form = DelegationForm() if request.method == "POST" else DelegationForm(formdata=None)
        form.delegate_id.choices = [(str(user.id), labels.manager(user)) for user in candidates]
        if len(candidates) > 5:
            form.delegate_id.choices.insert(0, ("", _("Choose an account")))
        if request.method == "GET":
            return self._page(form)
        if not form.validate():
            return self._page(form), 422
        starts_on, ends_on = form.starts_on.data, form.ends_on.data
        if starts_on is None or ends_on is None:  # both are required: validate() has said so
            return self._page(form), 422
        try:
            services.delegate(int(form.delegate_id.data), starts_on=starts_on, ends_on=ends_on, actor_id=current_user.id)
        except services.AccountNotFound:
            abort(404)
        except services.AccountRefused as error:
            form.delegate_id.errors = [labels.refusal(error.refusal)]
            return self._page(form), 422
        except services.DelegationRefused as error:
            for problem in error.problems:
                field, sentence = labels.delegation_problem(problem, starts_on, ends_on)
                form[field].errors = [*form[field].errors, sentence]
            return self._page(form), 422
        except services.DelegationOverlap as error:
            form.starts_on.errors = [labels.delegation_overlap(error.starts_on, error.ends_on)]
            return self._page(form), 422
        name = dict(form.delegate_id.choices)[form.delegate_id.data]
        flash(
            _(
                "Your rights are delegated to %(person)s from %(start)s to %(end)s. Both of you have been told by e-mail.",
                person=name,
                start=fr_long_date(starts_on),
                end=fr_long_date(ends_on),
            ),
            "success",
        )
        return redirect(url_for(".list"), 303)

    @expose("/<int:delegation_id>/reprendre", methods=("GET", "POST"))
    @has_access
    @permission_name("manage")
    def take_back(self, delegation_id: int) -> ResponseReturnValue:
        """End a delegation before its last day, after asking."""
        back = url_for(".list")
        if request.method == "POST":
            try:
                delegate = services.take_back(delegation_id, actor_id=current_user.id)
            except services.AccountNotFound:
                abort(404)
            except services.AccountRefused as error:
                if error.refusal is not Refusal.WRONG_STATE:
                    abort(403)
                flash(_("Nothing was changed: this delegation is over already."), "warning")
                return redirect(back, 303)
            flash(_("The delegation to %(person)s has ended. Both of you have been told by e-mail.", person=labels.manager(delegate)), "success")
            return redirect(back, 303)
        found = queries.delegation(delegation_id)
        if found is None:
            abort(404)
        page: str = self.render_template(
            "portal/confirm.html",
            heading=_("Take back the delegation to %(person)s", person=labels.person(found[2])),
            body=labels.taking_back(found[2]),
            action_url=request.path,
            verb=_("Take back the delegation"),
            cancel_url=back,
            breadcrumb=[(_("Organisation management"), None), (_("Delegation"), back), (_("Take back the delegation"), None)],
        )
        return page

    def _page(self, form: DelegationForm) -> str:
        number, size = page_asked()
        rows, total = queries.delegations(current_user.organisation_id, page=number, size=size)
        today = clock.today()
        lines = [
            Line(
                one,
                delegator,
                delegate,
                domain.delegation_state(starts_on=one.starts_on, ends_on=one.ends_on, ended_at=one.ended_at, today=today),
            )
            for one, delegator, delegate in rows
        ]
        page: str = self.render_template(
            "accounts/delegations.html",
            form=form,
            lines=lines,
            page=Page(number, size, total),
            labels=labels,
            breadcrumb=[(_("Organisation management"), None), (_("Delegation"), None)],
        )
        return page
