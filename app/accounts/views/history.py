""" "Historique des comptes": who did what to which account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What an address narrows the journal to, and what is wrong with its days."""

    organisation: Organisation | None
    account: User | None
    group: Group | None
    #: Days as they were typed.
    typed: dict[str, str]
    since: date | None
    until: date | None
    errors: dict[str, str | None]
    staff: bool

    @property
    def asked(self) -> Asked:
        """The same, for the journal."""
        return Asked(
            organisation_id=self.organisation.id if self.organisation is not None else None,
            account_id=self.account.id if self.account is not None else None,
            group=self.group,
            since=self.since,
            until=self.until,
        )

    @property
    def address(self) -> dict[str, Any]:
        """The same, as the words of an address."""
        return {
            "compte": self.account.id if self.account is not None else None,
            "organisme": self.organisation.id if self.organisation is not None and self.staff else None,
            "acte": self.group.value if self.group is not None else None,
            **{name: typed or None for name, typed in self.typed.items()},
        }

    @property
    def said(self) -> list[tuple[str, str, str]]:
        """(name, value, word of the address) of all that narrows it by the reader's wish."""
        shown = [
            (_("Account"), labels.manager(self.account) if self.account is not None and self.staff else "", "compte"),
            (_("Organisation"), self.organisation.legal_name if self.organisation is not None and self.staff else "", "organisme"),
            (_("Kind of act"), str(dict(chronicle_labels.GROUPS)[self.group]) if self.group is not None else "", "acte"),
            (_("From"), self.typed["du"], "du"),
            (_("Up to"), self.typed["au"], "au"),
        ]
        return [one for one in shown if one[1]]


def narrowed_of(args: Mapping[str, str], *, staff: bool) -> Narrowed:
    """What an address asks for; 404 for an account or an organisation that the reader does not see."""
    since, until = _day(args, "du"), _day(args, "au")
    return Narrowed(
        organisation=_organisation(args, staff),
        account=_account(args),
        group=next((item for item in Group if item == args.get("acte")), None),
        typed={"du": since[0], "au": until[0]},
        since=since[1],
        until=until[1],
        errors={"du": since[2], "au": until[2]},
        staff=staff,
    )


def _number(args: Mapping[str, str], name: str) -> int | None:
    """A number of the address; None when it is absent, 404 when it cannot be a row's."""
    text = args.get(name, "")
    if not text:
        return None
    number = row_number(text)
    if number is None:
        abort(404)
    return number


def _organisation(args: Mapping[str, str], staff: bool) -> Organisation | None:
    asked = _number(args, "organisme")
    if not staff:
        if current_user.organisation_id is None or (asked is not None and asked != current_user.organisation_id):
            abort(404)
        asked = current_user.organisation_id
    if asked is None:
        return None
    found = queries.organisation(asked)
    if found is None:
        abort(404)
    return found


def _account(args: Mapping[str, str]) -> User | None:
    """The account asked for, deleted or not; 404 outside the scope."""
    asked = _number(args, "compte")
    if asked is None:
        return None
    found = queries.account(asked)
    if found is None:
        abort(404)
    return found


def _day(args: Mapping[str, str], name: str) -> tuple[str, date | None, str | None]:
    """A day of the address: as typed, read, and what is wrong with it."""
    typed = args.get(name, "").replace("\x00", "").strip()[:20]
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
    export_name = "historique-comptes"

    @expose("/")
    @has_access
    @permission_name("read")
    def list(self) -> ResponseReturnValue:
        """A page of sentences, the newest first."""
        staff = self.staff
        narrowed = narrowed_of(request.args, staff=staff)
        organisation, account, group, errors = narrowed.organisation, narrowed.account, narrowed.group, narrowed.errors
        _number_asked, size = page_asked()
        found = history.read(
            narrowed.asked, before_id=_number(request.args, "after"), size=size, with_organisation=staff and organisation is None and account is None
        )
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
            typed=narrowed.typed,
            errors=errors,
            problems=[(name, words) for name, words in errors.items() if words],
            here=url_for(".list"),
            chips=[(name, value, url_without(key)) for name, value, key in narrowed.said],
            export_name=self.export_name,
            export_words=narrowed.address,
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


class OrganisationHistoryView(AccountHistoryView):
    """The journal of the accounts of one's own organisation, for its principal account."""

    route_base = "/gestion-organisme/historique"
    class_permission_name = "OrganisationHistory"
    permission_label = _l("History of the organisation's accounts")
    staff = False
    export_name = "historique-organisme"
