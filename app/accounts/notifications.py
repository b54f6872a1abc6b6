"""The messages about accounts (guide 004), in plain French; each leaves with the transaction that it speaks of.

An address that cannot receive mail does not stand in the way of the act: the screens say where the message went.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import structlog
from flask_babel import force_locale
from flask_babel import gettext as _

from app.accounts import domain, labels
from app.accounts.domain import NetworkKind
from app.accounts.models import LinkPurpose, User
from app.accounts.services.links import LIFETIMES
from app.core import clock
from app.core.mail import public_link, send_mail
from app.core.mail.services import InvalidAddress
from app.core.roles import Role
from app.core.ui.format import fr_long_date

log = structlog.get_logger(__name__)


def account_unblocked(user: User) -> None:
    """The account can be used again."""
    _send(user, "account_unblocked")


def account_invited(user: User, token: str) -> None:
    """Invite the holder of a new account, principal or not, to choose identifiant and password; ``token``: its link's secret."""
    principal = any(role.name == Role.PRINCIPAL for role in user.roles)
    _send(user, "account_created", principal=principal, **_link(token, LinkPurpose.INVITATION))


def account_regenerated(user: User, token: str, *, by: User | None) -> None:
    """The password no longer opens; the link leads to the choice of another (guide 004 §2.2)."""
    _send(user, "account_regenerated", by=_by(by), **_link(token, LinkPurpose.REGENERATION))


def account_deactivated(user: User, *, by: User | None) -> None:
    """The account sleeps: signing in is refused until somebody wakes it up."""
    _send(user, "account_deactivated", by=_by(by))


def account_reactivated(user: User, token: str | None, *, by: User | None) -> None:
    """The account can be used again; with a link when it has no password."""
    _send(user, "account_reactivated", by=_by(by), **(_link(token, LinkPurpose.REGENERATION) if token else {"link": None}))


def account_deleted(user: User, *, by: User | None) -> None:
    """The account is gone; to be called while it still has its address."""
    _send(user, "account_deleted", by=_by(by))


def email_changed(user: User, former: str, *, by: User | None) -> None:
    """To the former address and to the new one: messages go to another address from now on."""
    for address, is_former in ((former, True), (user.email, False)):
        _send(user, "email_changed", to=address, by=_by(by), former=is_former)


def _link(token: str, purpose: LinkPurpose) -> dict[str, Any]:
    lifetime = LIFETIMES[purpose]
    return {
        "link": public_link("AccessView.open", token=token),
        "hours": int(lifetime.total_seconds() // 3600),
        "until": clock.now() + lifetime,
        "recovery_link": public_link("AccessView.recover"),
    }


def _by(actor: User | None) -> str:
    """Who did it, as its holder knows them: a colleague by name, the Région and support by what they are."""
    with force_locale("fr"):
        if actor is None:
            return str(_("the portal"))
        if domain.is_organisation_account(actor.party):
            return labels.person(actor)
        return str(_("the assistance of the portal") if actor.party.has(Role.SUPPORT) else _("the Région"))


def _send(user: User, template: str, *, to: str | None = None, **context: Any) -> bool:
    """Write to the account's holder, in the open transaction; whether the address can receive mail."""
    organisation = user.organisation
    variables = {
        "first_name": user.first_name,
        "last_name": user.last_name,
        "username": user.username,
        "organisation_name": organisation.legal_name if organisation is not None else None,
        **context,
    }
    try:
        send_mail(user.email if to is None else to, template, variables, organisation_id=user.organisation_id)
    except InvalidAddress:
        log.warning("mail_not_sent", account=user.id, reason="address")
        return False
    return True


class Changed(StrEnum):
    """What a person changed in "Mon compte"."""

    IDENTIFIANT = "identifiant"
    PASSWORD = "password"  # noqa: S105 - a name
    EMAIL = "email"


def password_link(user: User, token: str) -> bool:
    """The link to choose identifiant and password, to somebody who asked for it."""
    return _send(user, "password_link", token=token)


def account_closed(user: User) -> bool:
    """Somebody asked for a link to an account that is deactivated, or whose organisation is closed: whom to ask."""
    return _send(user, "account_closed", closed_organisation=user.organisation is not None and not user.organisation.active)


def account_blocked(user: User, *, at: datetime, kind: NetworkKind) -> bool:
    """The account has just been blocked: when, from what kind of network address, what to do."""
    return _send(user, "account_blocked", at=at, kind=kind.value)


def account_changed(user: User, what: Changed, *, to: str | None = None) -> bool:
    """The identifiant, the password or the address was changed; ``to``: the former address, which is told as well."""
    return _send(user, "account_changed", to=to, what=what.value)


def email_to_confirm(user: User, wanted: str, token: str) -> bool:
    """The link that confirms a new address, to that address. Whoever reads it may be a stranger: it names no identifiant."""
    lifetime = LIFETIMES[LinkPurpose.EMAIL]
    link = public_link("AccessView.open_email", token=token)
    return _send(user, "email_to_confirm", to=wanted, link=link, hours=int(lifetime.total_seconds() // 3600), until=clock.now() + lifetime)


def email_change_asked(user: User, wanted: str) -> bool:
    """To the present address: somebody signed in asked for another one. Nothing has changed yet, and how to prevent it."""
    return _send(user, "email_change_asked", wanted=wanted, hours=int(LIFETIMES[LinkPurpose.EMAIL].total_seconds() // 3600))


def delegation_given(delegator: User, delegate: User, starts_on: date, ends_on: date) -> None:
    """Tell both that a delegation was recorded."""
    _tell_both("delegation_given", delegator, delegate, starts_on, ends_on)


def delegation_ended(delegator: User, delegate: User, starts_on: date, ends_on: date) -> None:
    """Tell both that a delegation was taken back before its last day."""
    _tell_both("delegation_ended", delegator, delegate, starts_on, ends_on)


def _tell_both(template: str, delegator: User, delegate: User, starts_on: date, ends_on: date) -> None:
    names = {"delegator": delegator.get_full_name(), "delegate": delegate.get_full_name()}
    for user in (delegate, delegator):
        _send(user, template, to_delegate=user is delegate, starts_on=starts_on, ends_on=ends_on, **names)


# ---- second factor and tokens ----------------------------------------------------------------------------------------


def second_factor_on(user: User) -> None:
    """A code is asked from now on."""
    _send(user, "second_factor_on")


def telephone_changed(user: User) -> None:
    """The codes of another telephone are asked from now on."""
    _send(user, "telephone_changed")


def second_factor_off(user: User, *, by_holder: bool) -> None:
    """No code is asked any more: its holder gave it up, or an administrator took it away."""
    _send(user, "second_factor_off", by_holder=by_holder)


def recovery_code_used(user: User, left: int) -> None:
    """Someone signed in with a recovery code."""
    _send(user, "recovery_code_used", left=left)


def recovery_codes_renewed(user: User) -> None:
    """The former recovery codes are worth nothing any more."""
    _send(user, "recovery_codes_renewed")


def api_token_created(user: User, name: str, expires_at: datetime) -> None:
    """A token of the programming interface was made in the person's name."""
    _send(user, "api_token_created", name=name, expires_at=expires_at)


def api_token_revoked(user: User, name: str, *, by: User | None) -> None:
    """Somebody else than its holder revoked a token of the programming interface."""
    _send(user, "api_token_revoked", name=name, by=_by(by))


# ---- who manages an organisation -------------------------------------------------------------------------------------


def principal_appointed(user: User) -> None:
    """Tell a secondary account's holder that it now manages its organisation."""
    _send(user, "principal_appointed")


def principal_replaced(user: User, successor: User, *, deactivated: bool) -> None:
    """Tell a former principal who manages the organisation now, and what became of its own account."""
    _send(
        user,
        "principal_replaced",
        successor=f"{successor.last_name} {successor.first_name}",
        deactivated=deactivated,
    )


# ---- account hygiene -------------------------------------------------------------------------------------------------


def review_opened(principal: User, due_on: date) -> None:
    """Ask a principal to review its secondary accounts."""
    _send(principal, "account_review", day=fr_long_date(due_on), reminder=False)


def review_reminder(principal: User, due_on: date) -> None:
    """Remind a principal of the review that waits."""
    _send(principal, "account_review", day=fr_long_date(due_on), reminder=True)


def unused_announced(user: User, day: date) -> None:
    """Tell an account's holder that it will be deactivated for want of use."""
    _send(user, "account_unused", day=fr_long_date(day), done=False)


def unused_deactivated(user: User) -> None:
    """Tell an account's holder that it was deactivated for want of use."""
    _send(user, "account_unused", day="", done=True)


def unused_announced_to_manager(principal: User, user: User, day: date) -> None:
    """Tell the principal that one of its secondary accounts will be deactivated for want of use."""
    _send(principal, "account_unused_manager", holder=user.get_full_name(), day=fr_long_date(day), done=False)


def unused_deactivated_to_manager(principal: User, user: User) -> None:
    """Tell the principal that one of its secondary accounts was deactivated for want of use."""
    _send(principal, "account_unused_manager", holder=user.get_full_name(), day="", done=True)
