""" "Revue des comptes": once a year, which secondary accounts are still needed?"""

from __future__ import annotations

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user

from app.accounts import domain, labels, queries, services
from app.accounts.domain import Refusal
from app.accounts.models import User

KEEP, DEACTIVATE = "garder", "desactiver"


def field_name(user_id: int) -> str:
    """The form field that decides about an account."""
    return f"compte-{user_id}"


class AccountReviewView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """For each secondary account, keep or deactivate; then « Terminer la revue »."""

    route_base = "/gestion-organisme/revue"
    class_permission_name = "AccountReview"
    permission_label = _l("Review of accounts")
    default_view = "show"

    @expose("/", methods=("GET", "POST"))
    @has_access
    @permission_name("read")
    def show(self) -> ResponseReturnValue:
        """The review under way, or when the next one comes."""
        organisation_id = current_user.organisation_id
        if organisation_id is None:
            abort(404)
        review = queries.review_under_way(organisation_id)
        accounts = queries.successors(organisation_id, limit=2000)
        chosen = {user.id: request.form.get(field_name(user.id), "") for user in accounts}
        errors: list[tuple[str, str]] = []
        if request.method == "POST":
            errors = self._undecided(accounts, chosen)
            done = None if errors else self._complete(organisation_id, accounts, chosen)
            if done is not None:
                return done
        last = None if review is not None else queries.last_review(organisation_id)
        page = self.render_template(
            "accounts/review.html",
            review=review,
            last=last,
            next_on=(last.opened_at + domain.REVIEW_EVERY) if last is not None else None,
            accounts=accounts,
            open_accounts=[user for user in accounts if user.active and user.deactivated_at is None],
            chosen=chosen,
            errors=errors,
            field_name=field_name,
            keep=KEEP,
            deactivate=DEACTIVATE,
            labels=labels,
            breadcrumb=[(_("Organisation management"), None), (_("Review of accounts"), None)],
        )
        return (page, 422) if errors else page

    @staticmethod
    def _undecided(accounts: list[User], chosen: dict[int, str]) -> list[tuple[str, str]]:
        return [
            (f"{field_name(user.id)}-{KEEP}", _("Choose « keep » or « deactivate » for %(person)s.", person=labels.manager(user)))
            for user in accounts
            if user.active and user.deactivated_at is None and chosen[user.id] not in (KEEP, DEACTIVATE)
        ]

    @staticmethod
    def _complete(organisation_id: int, accounts: list[User], chosen: dict[int, str]) -> ResponseReturnValue | None:
        kept = {user.id: chosen[user.id] == KEEP for user in accounts if chosen[user.id] in (KEEP, DEACTIVATE)}
        try:
            count = services.complete_review(organisation_id, kept, actor_id=current_user.id)
        except (services.ReviewIncomplete, services.AccountNotFound):
            flash(_("The accounts have changed meanwhile: go through the list again."), "warning")
        except services.AccountRefused as error:
            if error.refusal is not Refusal.WRONG_STATE:
                abort(403)
            flash(_("No review is under way, or one of the accounts has changed meanwhile: nothing was changed."), "warning")
        else:
            kept_words = _("The review is complete: all accounts are kept.")
            words = ngettext(
                "The review is complete: %(num)s account has been deactivated.", "The review is complete: %(num)s accounts have been deactivated.", count
            )
            flash(words if count else kept_words, "success")
        return redirect(url_for(".show"), 303)
