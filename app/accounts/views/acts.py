"""The acts on one account, the same for a principal, the Région and support (guide 004 §2): a page asks, a POST does it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from flask import Response, abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.exc import IntegrityError

from app.accounts import act_labels, domain, labels, queries, services
from app.accounts.domain import Act, Refusal
from app.accounts.forms import AccountForm
from app.accounts.models import Organisation, User
from app.accounts.services.holders import FIELDS, values_of
from app.core.concurrency import CHOICE, StaleError, conflict_context, open_base, require_choices
from app.core.errors_db import translate
from app.core.extensions import db
from app.core.ui.error_pages import is_htmx

Crumbs = list[tuple[Any, str | None]]

_SERVICES: Final[dict[Act, Callable[..., User]]] = {
    Act.REGENERATE: services.regenerate,
    Act.UNBLOCK: services.unblock,
    Act.DEACTIVATE: services.deactivate,
    Act.REACTIVATE: services.reactivate,
    Act.DELETE: services.delete_account,
}
#: Refusals that say how things stand now, rather than that one has no business there.
_PASSING: Final = frozenset({Refusal.WRONG_STATE, Refusal.LAST_PRINCIPAL, Refusal.LAST_ADMINISTRATOR})


def _open(user: User) -> bool:
    return user.organisation is not None and bool(user.organisation.active)


def offered(user: User) -> tuple[Act, ...]:
    """The acts whose buttons are shown to whoever is signed in; the services decide again."""
    return domain.offered(current_user.party, user.party, user.facts, organisation_open=_open(user))


def last_principal(user: User) -> bool:
    """Whether the account may not leave: its organisation would be left unmanaged."""
    return domain.is_last_principal(user.party, user.facts, organisation_open=_open(user))


def reached(user_id: int, act: Act) -> User:
    """The account, if whoever is signed in may do ``act`` to it: 404 outside the scope, 403 when not allowed."""
    user = queries.account(user_id)
    if user is None:
        abort(404)
    refusal = domain.refusal_of(current_user.party, act, user.party)
    if refusal is Refusal.OTHER_ORGANISATION:
        abort(404)
    if refusal is not None:
        abort(403)
    return user


def reached_open(user_id: int, act: Act) -> User:
    """The same for an act that has no words for an account that was deleted: 404."""
    user = reached(user_id, act)
    if user.deleted_at is not None:
        abort(404)
    return user


def leave_for(address: str) -> ResponseReturnValue:
    """Go on to another page, also when a dialog asked: there the whole page has to change, not a part of it."""
    if is_htmx():
        return Response(status=204, headers={"HX-Redirect": address})
    return redirect(address, 303)


def _gone(user_id: int, home: str) -> ResponseReturnValue:
    """What is answered about an account that is not there: 404, or who was here and has been deleted meanwhile."""
    user = queries.account(user_id)
    if user is None:
        abort(404)
    flash(act_labels.gone(user), "warning")
    return leave_for(home)


class AccountActs(ABC):
    """Routes of the acts, for a view that says where they come from: ``home``, ``back`` and ``path``."""

    @abstractmethod
    def home(self) -> str:
        """The list to go back to when the account is gone."""

    @abstractmethod
    def back(self, user: User) -> str:
        """The page to go back to."""

    @abstractmethod
    def path(self, user: User | None, last: str) -> Crumbs:
        """The breadcrumb of a page about an act."""

    # ---- who holds it ------------------------------------------------------------------------------------------------

    @expose("/<int:user_id>/modifier", methods=("GET", "POST"))
    @has_access
    @permission_name("edit")
    def edit(self, user_id: int) -> ResponseReturnValue:
        """Gestion du compte: civilité, nom d'usage, prénom, courriel."""
        user = reached(user_id, Act.EDIT)
        if user.deleted_at is not None:
            return _gone(user_id, self.home())
        if request.method == "GET":
            form = AccountForm(formdata=None, **{name: getattr(user, name) for name in FIELDS})
            form.bind_values(user, values_of(user))
            return self._form(form, user.organisation, user)
        form = AccountForm()
        if not form.validate():
            return self._form(form, user.organisation, user), 422
        choices = {name: request.form.get(CHOICE + name, "") for name in FIELDS}
        try:
            require_choices(form, user, mine=values_of(holder_of(form)), theirs=values_of(user), version=0)
            edited = services.edit_account(user_id, holder_of(form), base=open_base(form, user, form.posted_base), choices=choices, actor_id=current_user.id)
        except StaleError as stale:
            return self._conflict(form, stale, self.back(user), self.path(user, _("Modify")))
        except services.AccountNotFound:
            return _gone(user_id, self.home())
        except services.AccountRefused as error:
            return self._refused(error, user)
        flash(
            act_labels.edited(edited.user, changed=bool(edited.changed), address_changed="email" in edited.changed, invited_again=edited.invited_again),
            "success" if edited.changed else "info",
        )
        return leave_for(self.back(edited.user))

    def _form(self, form: AccountForm, organisation: Organisation | None, user: User | None) -> str:
        page: str = self.render_template(  # type: ignore[attr-defined]  # of the view this is mixed into
            "accounts/account_form.html",
            form=form,
            organisation=organisation,
            user=user,
            labels=labels,
            format_siret=domain.format_siret,
            action_url=request.path,
            cancel_url=self.home() if user is None else self.back(user),
            breadcrumb=self.path(user, _("Create a new account") if user is None else _("Modify")),
        )
        return page

    def _conflict(self, form: AccountForm, stale: StaleError, back: str, breadcrumb: Crumbs) -> ResponseReturnValue:
        context = conflict_context(form, stale, cancel_url=back, action_url=request.path, breadcrumb=breadcrumb)
        page = self.render_template("concurrency/conflict.html", **context)  # type: ignore[attr-defined]  # of the view
        if is_htmx():  # the dialog is too narrow for three columns: the page takes its place
            place = {"HX-Retarget": "#content", "HX-Reselect": "#content", "HX-Reswap": "outerHTML", "HX-Push-Url": request.path}
            return Response(page, 409, headers=place)
        return page, 409

    # ---- what is asked before it is done -----------------------------------------------------------------------------

    @expose("/<int:user_id>/regenerer", methods=("GET", "POST"))
    @has_access
    @permission_name("regenerate")
    def regenerate(self, user_id: int) -> ResponseReturnValue:
        """Régénérer le mot de passe."""
        return self._act(Act.REGENERATE, user_id)

    @expose("/<int:user_id>/debloquer", methods=("GET", "POST"))
    @has_access
    @permission_name("unblock")
    def unblock(self, user_id: int) -> ResponseReturnValue:
        """Débloquer le compte."""
        return self._act(Act.UNBLOCK, user_id)

    @expose("/<int:user_id>/desactiver", methods=("GET", "POST"))
    @has_access
    @permission_name("deactivate")
    def deactivate(self, user_id: int) -> ResponseReturnValue:
        """Désactiver le compte."""
        return self._act(Act.DEACTIVATE, user_id)

    @expose("/<int:user_id>/activer", methods=("GET", "POST"))
    @has_access
    @permission_name("reactivate")
    def reactivate(self, user_id: int) -> ResponseReturnValue:
        """Activer le compte."""
        return self._act(Act.REACTIVATE, user_id)

    @expose("/<int:user_id>/supprimer", methods=("GET", "POST"))
    @has_access
    @permission_name("delete")
    def delete(self, user_id: int) -> ResponseReturnValue:
        """Supprimer le compte."""
        return self._act(Act.DELETE, user_id)

    def _act(self, act: Act, user_id: int) -> ResponseReturnValue:
        user = reached(user_id, act)
        if user.deleted_at is not None:
            return _gone(user_id, self.home())
        return self._do(act, user) if request.method == "POST" else self._ask(act, user)

    def _ask(self, act: Act, user: User) -> ResponseReturnValue:
        words = act_labels.WORDS[act]
        page: str = self.render_template(  # type: ignore[attr-defined]  # of the view this is mixed into
            "accounts/confirm_act.html",
            heading=words.title % {"person": labels.person(user)},
            body=words.question,
            consequence=words.consequence,
            action_url=request.path,
            verb=words.verb,
            kind=words.kind,
            cancel_url=self.back(user),
            breadcrumb=self.path(user, str(words.verb)),
        )
        return page

    def _do(self, act: Act, user: User) -> ResponseReturnValue:
        user_id, back = user.id, self.back(user)
        try:
            changed = _SERVICES[act](user_id, actor_id=current_user.id)
        except services.AccountNotFound:
            return _gone(user_id, self.home())
        except services.AccountRefused as error:
            return self._refused(error, user)
        except IntegrityError as error:  # the database keeps an organisation's last principal, whatever the services think
            db.session.rollback()
            flash(translate(error), "danger")
            return redirect(back, 303)
        flash(act_labels.done(act, changed), "success")
        return redirect(self.home() if act is Act.DELETE else back, 303)

    def _refused(self, error: services.AccountRefused, user: User) -> ResponseReturnValue:
        if error.refusal not in _PASSING:
            abort(403)
        flash(labels.refusal(error.refusal), "warning")
        return leave_for(self.back(user))


def holder_of(form: AccountForm) -> services.Holder:
    """What a validated form says."""
    return services.Holder(civility=form.civility.data, last_name=form.last_name.data, first_name=form.first_name.data, email=form.email.data)
