""" "Historique des comptes": who did what to which account."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app.accounts import chronicle_labels, history, labels, queries
from app.accounts.chronicle import Group
from app.accounts.history import Asked
from app.accounts.models import Organisation, User
from app.accounts.views.common import page_asked
from app.core.requests import row_number
from app.core.ui import KeysetPage
from app.core.ui.components import url_without
from app.core.ui.forms import parse_fr_date


def _number(name: str) -> int | None:
    """A number of the address; None when it is absent, 404 when it cannot be a row's."""
    text = request.args.get(name, "")
    if not text:
        return None
    number = row_number(text)
    if number is None:
        abort(404)
    return number


def _day(name: str) -> tuple[str, date | None, str | None]:
    """A day of the address: as typed, read, and what is wrong with it."""
    typed = request.args.get(name, "").replace("\x00", "").strip()[:20]
    if not typed:
        return "", None, None
    try:
        return typed, parse_fr_date(typed), None
    except ValueError:
        return typed, None, _("« %(value)s » cannot be read as a date: write it dd/mm/yyyy, for instance 05/01/2026.", value=typed)


class AccountHistoryView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """The journal of accounts of every organisation, for the Région and support."""

    route_base = "/comptes/historique"
    class_permission_name = "AccountHistory"
    permission_label = _l("Account history")
    default_view = "list"
    staff = True

    @expose("/")
    @has_access
    @permission_name("read")
    def list(self) -> ResponseReturnValue:
        """A page of sentences, the newest first."""
        staff = self.staff
        organisation = self._organisation(staff)
        account = self._account()
        group = next((item for item in Group if item == request.args.get("acte")), None)
        since, until = _day("du"), _day("au")
        _number_asked, size = page_asked()
        asked = Asked(
            organisation_id=organisation.id if organisation is not None else None,
            account_id=account.id if account is not None else None,
            group=group,
            since=since[1],
            until=until[1],
        )
        found = history.read(asked, before_id=_number("after"), size=size, with_organisation=staff and organisation is None and account is None)
        errors = {"du": since[2], "au": until[2]}
        page = self.render_template(
            "accounts/history.html",
            lines=found.lines,
            page=KeysetPage(size, len(found.lines), after=str(found.after) if found.after is not None else None),
            organisation=organisation,
            account=account,
            staff=staff,
            accounts=[] if staff else self._choices(),
            group=group.value if group is not None else "",
            groups=[("", _("All acts")), *((item.value, words) for item, words in chronicle_labels.GROUPS)],
            typed={"du": since[0], "au": until[0]},
            errors=errors,
            problems=[(name, words) for name, words in errors.items() if words],
            here=url_for(".list"),
            chips=self._chips(account if staff else None, organisation if staff else None, group, since[0], until[0]),
            labels=labels,
            breadcrumb=self._path(staff),
        )
        return (page, 422) if any(errors.values()) else page

    @staticmethod
    def _choices() -> Any:
        """The accounts of one's own organisation, for the filter."""
        accounts = queries.accounts_of(current_user.organisation_id)
        return [("", _("All accounts")), *((str(user.id), labels.manager(user)) for user in accounts)]

    @staticmethod
    def _path(staff: bool) -> Any:
        return [(_("Security") if staff else _("Organisation management"), None), (_("Account history"), None)]

    @staticmethod
    def _organisation(staff: bool) -> Organisation | None:
        asked = _number("organisme")
        if not staff:
            if asked is not None and asked != current_user.organisation_id:
                abort(404)
            asked = current_user.organisation_id
        if asked is None:
            return None
        found = queries.organisation(asked)
        if found is None:
            abort(404)
        return found

    @staticmethod
    def _account() -> User | None:
        """The account asked for, deleted or not; 404 outside the scope."""
        asked = _number("compte")
        if asked is None:
            return None
        found = queries.account(asked)
        if found is None:
            abort(404)
        return found

    @staticmethod
    def _chips(account: User | None, organisation: Organisation | None, group: Group | None, since: str, until: str) -> Any:
        shown = [
            (_("Account"), labels.manager(account) if account is not None else "", "compte"),
            (_("Organisation"), organisation.legal_name if organisation is not None else "", "organisme"),
            (_("Kind of act"), str(dict(chronicle_labels.GROUPS)[group]) if group is not None else "", "acte"),
            (_("From"), since, "du"),
            (_("Up to"), until, "au"),
        ]
        return [(name, value, url_without(key)) for name, value, key in shown if value]


class OrganisationHistoryView(AccountHistoryView):
    """The journal of the accounts of one's own organisation, for its principal account."""

    route_base = "/gestion-organisme/historique"
    class_permission_name = "OrganisationHistory"
    permission_label = _l("History of the organisation's accounts")
    staff = False
