""" "Droits" of a secondary account: its functions and its actions, set by the principal account, the Région or support."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user

from app.accounts import domain as account_rules
from app.accounts import labels as account_labels
from app.accounts import queries as accounts
from app.accounts.domain import Act, Refusal
from app.accounts.models import User
from app.accounts.services import AccountNotFound, AccountRefused
from app.core import page_drafts, presence
from app.core.functions import CHOICES, Function
from app.core.requests import row_number
from app.core.ui import allowed

from . import access, labels
from .access import Rights

VIEW = "AccountRights"
#: The page of the rights of an account, which is not the one of its holder.
RIGHTS_PAGE = ".rights"
ALL, SOME = "toutes", "certaines"


class AccountRightsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """The rights of one account."""

    route_base = "/gestion-organisme/droits"
    class_permission_name = VIEW
    permission_label = _l("Rights of the secondary accounts")
    default_view = "edit"

    @expose("/<int:user_id>", methods=("GET", "POST"))
    @has_access
    @permission_name("change")
    def edit(self, user_id: int) -> ResponseReturnValue:
        """The form; searching among the actions is a POST of the same form, so that nothing ticked is lost."""
        user = _account(user_id)
        if request.method == "GET":
            rights = access.rights_of(user)
            presence.open_page(user, RIGHTS_PAGE)
            typed = page_drafts.by_hand(request.path, lambda fields: _says_more(fields, rights))
            if typed is not None:  # with the rights that its author had seen, and what is ticked under "all actions" too
                given, limited = Rights.of(typed.getlist("functions"), _ticked(typed)), typed.get("actions_scope") == SOME
                return self._page(user, given, seen=typed.get("seen", "")[:64], base=_base(typed), limited=limited)
            return self._page(user, rights, seen=rights.fingerprint, base=rights)
        page_drafts.note_sent(None if request.form.get("verb") == "search" else request.form.get(presence.PAGE))
        posted = _posted(request.form)
        seen, search = request.form.get("seen", "")[:64], request.form.get("verb") == "search"
        base = _base(request.form)
        if search:
            return self._page(user, posted, seen=seen, base=base, limited=request.form.get("actions_scope") == SOME)
        return self._save(user, posted, seen, base)

    def _save(self, user: User, posted: Rights, seen: str, base: Rights | None) -> ResponseReturnValue:
        if request.form.get("actions_scope") not in (ALL, SOME):
            return self._page(user, posted, seen=seen, base=base, errors=[("scope-all", _("Choose between all actions and some actions."))]), 422
        ticked = _ticked(request.form)
        if posted.action_ids is None and ticked - (access.rights_of(user).action_ids or frozenset()):
            sentence = _("You ticked actions, and chose “All actions”: choose “Some actions” to give those alone, or take the ticks away.")
            return self._page(user, Rights.of(posted.functions, ticked), seen=seen, base=base, limited=False, errors=[("scope-some", sentence)]), 422
        try:
            _user, changed = access.save_rights(user.id, posted, seen=seen, base=base, actor_id=current_user.id)
        except AccountNotFound:
            abort(404)
        except AccountRefused as error:
            if error.refusal is not Refusal.WRONG_STATE:
                abort(403)
            flash(account_labels.refusal(error.refusal), "warning")
            return redirect(_back(user), 303)
        except access.StaleRights as stale:
            return self._page(user, stale.mine, seen=stale.current.fingerprint, base=stale.current, start=base, theirs=stale.current), 409
        except access.NoAction:
            sentence = _("Tick at least one action, or choose all actions: the account would see nothing.")
            return self._page(user, posted, seen=seen, base=base, errors=[("q", sentence)]), 422
        except access.TooManyActions:
            sentence = _("%(count)s actions at most can be given one by one: choose all actions, or fewer.", count=access.MAX_GIVEN)
            return self._page(user, posted, seen=seen, base=base, errors=[("q", sentence)]), 422
        except access.UnknownAction:
            sentence = _("One of the actions ticked no longer exists: it has been taken off the list, check it and save again.")
            return self._page(user, posted, seen=seen, base=base, errors=[("q", sentence)]), 422
        person = account_labels.person(user)
        if changed:
            flash(_("The rights of %(person)s have been saved; they hold from the next page opened.", person=person), "success")
        else:
            flash(_("Nothing was changed: %(person)s has these rights already.", person=person), "info")
        return redirect(_back(user), 303)

    def _page(
        self,
        user: User,
        rights: Rights,
        *,
        seen: str,
        base: Rights | None,
        limited: bool | None = None,
        theirs: Rights | None = None,
        start: Rights | None = None,
        errors: list[tuple[str, str]] | None = None,
    ) -> str:
        typed = " ".join(request.form.get("q", "").replace("\x00", "").split())[:100]
        ticked = rights.action_ids or frozenset()
        page: str = self.render_template(
            "actions/account_rights.html",
            user=user,
            rights=rights,
            limited=rights.action_ids is not None if limited is None else limited,
            ticked=ticked,
            offer=access.offer(user.organisation_id, typed, ticked),
            typed=typed,
            seen=seen,
            base=base.text if base is not None else "",
            errors=errors or [],
            differences=_differences(theirs, rights, start) if theirs is not None else [],
            functions=[(one, account_labels.FUNCTION_LABELS[one], account_labels.FUNCTION_HINTS[one]) for one in (Function.CONSULT, *CHOICES)],
            always=Function.CONSULT,
            account_labels=account_labels,
            labels=labels,
            back=_back(user),
            breadcrumb=_crumbs(user),
        )
        return page


def _account(user_id: int) -> User:
    """The account whose rights are asked for: 404 outside the scope, 403 when they are not this person's to set."""
    user = accounts.account(user_id)
    if user is None or user.deleted_at is not None:
        abort(404)
    refusal = account_rules.refusal_of(current_user.party, Act.CHANGE_RIGHTS, user.party)
    if refusal is Refusal.OTHER_ORGANISATION:
        abort(404)
    if refusal is not None:
        abort(403)
    return user


def _ticked(form: Any) -> frozenset[int]:
    return frozenset(number for text in form.getlist("actions")[: access.MAX_GIVEN + 1] if (number := row_number(text)) is not None)


def _base(form: Any) -> Rights | None:
    """The rights that the form was made from."""
    return Rights.read(form.get("base", ""), form.get("seen", "")[:64])


def _says_more(form: Any, rights: Rights) -> bool:
    """Whether a draft says anything else than what stands, and than what its author had seen."""
    return _posted(form) not in (rights, _base(form)) or bool(_ticked(form) - (rights.action_ids or frozenset()))


def _posted(form: Any) -> Rights:
    given = _ticked(form)
    limited = form.get("actions_scope") == SOME or (form.get("verb") == "search" and bool(given))
    return Rights.of(form.getlist("functions"), given if limited else None)


def _differences(theirs: Rights, mine: Rights, start: Rights | None) -> list[dict[str, Any]]:
    """What stands now, and what the form would make of it."""
    rows = []
    if theirs.functions != mine.functions:
        rows.append(
            {
                "label": _("Functions"),
                "before": account_labels.functions_in_words(theirs.functions),
                "after": account_labels.functions_in_words(mine.functions),
            }
        )
    if theirs.action_ids != mine.action_ids:
        label = _("Actions") if start is None else _("Actions (%(before)s when you opened the page)", before=_counted(start))
        rows.append({"label": label, "before": _counted(theirs), "after": _counted(mine)})
    return rows


def _counted(rights: Rights) -> str:
    if rights.action_ids is None:
        return _("All actions")
    return ngettext("%(num)s action", "%(num)s actions", len(rights.action_ids))


def _back(user: User) -> str:
    if allowed("can_read", "OrganisationAccounts"):
        return url_for("OrganisationAccountsView.list")
    return url_for("AccountConsoleView.show", user_id=user.id)


def _crumbs(user: User) -> list[tuple[str, str | None]]:
    if allowed("can_read", "OrganisationAccounts"):
        path: list[tuple[str, str | None]] = [(_("Organisation management"), None), (_("User accounts"), _back(user))]
    else:
        console = (_("Blocked accounts and account search"), url_for("AccountConsoleView.list"))
        path = [(_("Security"), None), console, (account_labels.manager(user), _back(user))]
    return [*path, (_("Rights"), None)]
