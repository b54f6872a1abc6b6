"""What several screens of accounts share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from app.accounts import domain, labels, queries, services
from app.accounts.domain import Act, Refusal

SIZES = (25, 50, 100)


def page_asked() -> tuple[int, int]:
    """The page number and size of the address; what makes no sense becomes the first page of 25."""
    number = request.args.get("page", 1, type=int)
    size = request.args.get("size", SIZES[0], type=int)
    return min(max(number, 1), 10_000), size if size in SIZES else SIZES[0]


def ask_to_unblock(view: Any, user_id: int, back: str, *, breadcrumb: Sequence[tuple[Any, str | None]]) -> ResponseReturnValue:
    """The page that asks before unblocking, for those without script; 404 outside the scope, 403 when not allowed."""
    user = queries.account(user_id)
    if user is None:
        abort(404)
    refusal = domain.refusal_of(current_user.party, Act.UNBLOCK, user.party)
    if refusal is Refusal.OTHER_ORGANISATION:
        abort(404)
    if refusal is not None:
        abort(403)
    page: str = view.render_template(
        "portal/confirm.html",
        heading=_("Unblock the account of %(person)s", person=labels.person(user)),
        body=_("Are you sure you want to unblock the account?"),
        action_url=request.path,
        verb=_("Unblock the account"),
        kind="primary",
        cancel_url=back,
        breadcrumb=breadcrumb,
    )
    return page


def unblock(user_id: int, back: str) -> ResponseReturnValue:
    """Unblock, say to whom it was done, and go back."""
    try:
        user = services.unblock(user_id, actor_id=current_user.id)
    except services.AccountNotFound:
        abort(404)
    except services.AccountRefused as error:
        if error.refusal is not Refusal.WRONG_STATE:
            abort(403)
        flash(labels.refusal(error.refusal), "warning")
        return redirect(back, 303)
    flash(labels.unblocked(user), "success")
    return redirect(back, 303)
