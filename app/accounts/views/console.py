"""Support's and the Région's console: find an account, see why it cannot sign in, unblock it."""

from __future__ import annotations

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.accounts import act_labels, domain, labels, queries
from app.accounts.access import queries as access_queries
from app.accounts.domain import Act
from app.accounts.models import Organisation, User
from app.accounts.queries import Shown
from app.accounts.views.acts import AccountActs, Crumbs, last_principal, offered
from app.accounts.views.common import SHOWN, page_asked, typed_in
from app.core.requests import row_number
from app.core.ui import Page


class AccountConsoleView(AccountActs, BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """ "Comptes bloqués et recherche de compte"."""

    route_base = "/comptes"
    class_permission_name = "AccountConsole"
    permission_label = _l("Search and unblocking of accounts")
    default_view = "list"

    def home(self) -> str:
        """The search."""
        return url_for("AccountConsoleView.list")

    def back(self, user: User) -> str:
        """The page of the account."""
        return url_for("AccountConsoleView.show", user_id=user.id)

    def path(self, user: User | None, last: str) -> Crumbs:
        """« Sécurité » Comptes bloqués et recherche de compte » Mme X » … »."""
        found: Crumbs = [(_("Security"), None), (_("Blocked accounts and account search"), self.home())]
        if user is not None:
            found.append((labels.manager(user), self.back(user)))
        return [*found, (last, None)]

    @expose("/")
    @has_access
    @permission_name("read")
    def list(self) -> ResponseReturnValue:
        """Blocked accounts first; a search looks through all."""
        typed = typed_in()
        default = Shown.ALL if typed or request.args.get("organisme") else Shown.BLOCKED
        shown = next((item for item in Shown if item == request.args.get("etat")), default)
        number, size = page_asked()
        organisation = self._organisation()
        asked = organisation.id if organisation is not None else None
        users, total = queries.find_accounts(typed, shown, page=number, size=size, organisation_id=asked)
        return self.render_template(
            "accounts/console.html",
            users=users,
            page=Page(number, size, total, capped=total >= queries.MOST_COUNTED),
            organisation=organisation,
            filters=[(item.value, label) for item, label in SHOWN.items()],
            typed=typed,
            shown=shown.value,
            labels=labels,
            offers={user.id: offered(user) for user in users},
            acts=Act,
            words=act_labels.WORDS,
            format_siret=domain.format_siret,
            breadcrumb=[(_("Security"), None), (_("Blocked accounts and account search"), None)],
        )

    @staticmethod
    def _organisation() -> Organisation | None:
        """The organisation the list is narrowed to; 404 for one that does not exist."""
        asked = request.args.get("organisme", "")
        if not asked:
            return None
        number = row_number(asked)
        found = queries.organisation(number) if number is not None else None
        if found is None:
            abort(404)
        return found

    @expose("/<int:user_id>")
    @has_access
    @permission_name("read")
    def show(self, user_id: int) -> ResponseReturnValue:
        """One account: who, where, and why it cannot sign in."""
        user = queries.account(user_id)
        if user is None or user.deleted_at is not None:
            abort(404)
        facts = access_queries.sign_in_facts(user_id)
        return self.render_template(
            "accounts/account.html",
            user=user,
            labels=labels,
            offers=offered(user),
            guarded=last_principal(user),
            acts=Act,
            words=act_labels.WORDS,
            may_observe=domain.refusal_of(current_user.party, Act.OBSERVE, user.party) is None
            and domain.refusal_in_state(Act.OBSERVE, user.facts) is None,
            format_siret=domain.format_siret,
            attempts=facts.attempts,
            factor=facts.factor,
            may_reset_factor=domain.refusal_of(current_user.party, Act.RESET_FACTOR, user.party) is None,
            open_sessions=facts.open_sessions,
            breadcrumb=[(_("Security"), None), (_("Blocked accounts and account search"), url_for(".list")), (labels.manager(user), None)],
        )
