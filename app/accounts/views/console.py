"""Support's and the Région's console: find an account, see why it cannot sign in, unblock it."""

from __future__ import annotations

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.accounts import domain, labels, queries
from app.accounts.domain import Act
from app.accounts.models import User
from app.accounts.queries import Shown
from app.accounts.views.common import ask_to_unblock, page_asked, unblock
from app.core.ui import Page

_MAX_TYPED = 100


def may_unblock(user: User) -> bool:
    """Whether the button is shown; the service decides again."""
    return domain.is_blocked(user.facts) and domain.refusal_of(current_user.party, Act.UNBLOCK, user.party) is None


class AccountConsoleView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """ "Comptes bloqués et recherche de compte"."""

    route_base = "/comptes"
    class_permission_name = "AccountConsole"
    permission_label = _l("Search and unblocking of accounts")
    default_view = "list"

    @expose("/")
    @has_access
    @permission_name("read")
    def list(self) -> ResponseReturnValue:
        """Blocked accounts first; a search looks through all."""
        typed = " ".join(request.args.get("q", "").replace("\x00", "")[:_MAX_TYPED].split())
        default = Shown.ALL if typed else Shown.BLOCKED
        shown = next((item for item in Shown if item == request.args.get("etat")), default)
        number, size = page_asked()
        users, total = queries.find_accounts(typed, shown, page=number, size=size)
        return self.render_template(
            "accounts/console.html",
            users=users,
            page=Page(number, size, total),
            typed=typed,
            shown=shown.value,
            labels=labels,
            may_unblock=may_unblock,
            format_siret=domain.format_siret,
            breadcrumb=[(_("Security"), None), (_("Blocked accounts and account search"), None)],
        )

    @expose("/<int:user_id>")
    @has_access
    @permission_name("read")
    def show(self, user_id: int) -> ResponseReturnValue:
        """One account: who, where, and why it cannot sign in."""
        user = queries.account(user_id)
        if user is None or user.deleted_at is not None:
            abort(404)
        may = may_unblock(user)
        return self.render_template(
            "accounts/account.html",
            user=user,
            labels=labels,
            may_unblock=may,
            format_siret=domain.format_siret,
            attempts=queries.recent_attempts(user_id),
            open_sessions=len(queries.open_sessions(user_id, current_token=None)),
            breadcrumb=[(_("Security"), None), (_("Blocked accounts and account search"), url_for(".list")), (labels.manager(user), None)],
        )

    @expose("/<int:user_id>/debloquer", methods=("GET", "POST"))
    @has_access
    @permission_name("unblock")
    def unblock(self, user_id: int) -> ResponseReturnValue:
        """Unblock an account, after asking."""
        back = url_for(".show", user_id=user_id)
        if request.method == "POST":
            return unblock(user_id, back)
        return ask_to_unblock(
            self,
            user_id,
            back,
            breadcrumb=[(_("Security"), None), (_("Blocked accounts and account search"), url_for(".list")), (_("Unblock"), None)],
        )
