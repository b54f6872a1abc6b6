""" "Voir le portail comme cette personne": support asks for it with a reason, and ends it."""

from __future__ import annotations

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.accounts import domain, labels, observations, security, services
from app.accounts.domain import Act, Refusal
from app.accounts.forms_console import ObservationForm
from app.accounts.views.acts import reached_open
from app.accounts.views.organisation_console import console_crumbs


class ObservationView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """The beginning and the end of an observation."""

    route_base = "/observation"
    class_permission_name = "Observation"
    permission_label = _l("Looking at the portal as somebody else, read only")
    default_view = "start"

    @expose("/<int:user_id>", methods=("GET", "POST"))
    @has_access
    @permission_name("start")
    def start(self, user_id: int) -> ResponseReturnValue:
        """Ask why, then look."""
        user = reached_open(user_id, Act.OBSERVE)
        back = url_for("AccountConsoleView.show", user_id=user_id)
        if domain.refusal_in_state(Act.OBSERVE, user.facts) is not None:
            flash(_("This account cannot sign in (%(reason)s): it sees no page to look at.", reason=labels.state_in_words(user)), "warning")
            return redirect(back, 303)
        form = ObservationForm()
        if request.method == "POST" and form.validate():
            return self._begin(user_id, form.reason.data, back)
        page = self.render_template(
            "accounts/observation.html",
            user=user,
            form=form,
            back=back,
            minutes=int(domain.OBSERVATION_LIFETIME.total_seconds() // 60),
            labels=labels,
            breadcrumb=console_crumbs((labels.manager(user), back), (_("Look at the portal as this person"), None)),
        )
        return (page, 422) if form.errors else page

    def _begin(self, user_id: int, reason: str, back: str) -> ResponseReturnValue:
        try:
            services.start_observation(user_id, reason=reason, actor_id=current_user.id, token=security.current_token() or "")
        except services.AccountNotFound:
            abort(404)
        except services.AccountRefused as error:
            if error.refusal is not Refusal.WRONG_STATE:
                abort(403)
            flash(labels.refusal(error.refusal), "warning")
            return redirect(back, 303)
        return redirect(self.appbuilder.get_url_for_index, 303)

    @expose("/terminer", methods=("POST",))
    @permission_name("end")
    def end(self) -> ResponseReturnValue:
        """Back to one's own account; whoever observes nobody loses nothing."""
        watch = observations.under_way()
        token = security.current_token()
        if watch is None or token is None:
            flash(_("No observation is under way."), "info")
            return redirect(self.appbuilder.get_url_for_index, 303)
        services.end_observation(token, actor_id=watch.observer_id)
        flash(_("You no longer look at the portal as %(person)s.", person=watch.observed_name), "success")
        return redirect(url_for("AccountConsoleView.show", user_id=watch.observed_id), 303)
