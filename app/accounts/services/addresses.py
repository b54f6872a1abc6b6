"""The address an account's links and notices go to, changed by its holder: it counts once a link sent to the new address was used.

A mistyped address would send every later link to a stranger. Until the link is used nothing changes but that the former address is
told. Whatever ends the account's links (blocking, closing, another password, other rights) ends the change as well. Whether another
account has the address is never looked up: a mailbox names no account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import domain, notifications
from app.accounts.domain import AccountState, LinkState, Refusal
from app.accounts.models import AccessLink, LinkPurpose, User
from app.accounts.notifications import Changed
from app.accounts.services.access import LinkUnusable, state_of_link
from app.accounts.services.common import AccountNotFound, AccountRefused, locked_account, password_confirmed, unchanged, writing
from app.accounts.services.links import cancel_email_link, find_link, issue_link, of_sort, revoke_links, still_pending, use_link
from app.core import clock

log = structlog.get_logger(__name__)


class SameAddress(ValueError):
    """The account has this address already."""


class TooManyLinks(Exception):
    """The account had enough links sent to new addresses for now; nothing was sent."""


@dataclass(frozen=True, slots=True)
class EmailLinkView:
    """What the page behind the link of a new address needs to know. It is shown to whoever reads that mailbox: no identifiant, no
    present address."""

    state: LinkState
    user_id: int | None = None
    name: str = ""
    wanted: str = ""
    expires_at: datetime | None = None


def ask_own_email(user_id: int, *, current: str, email: str, ip: str | None, user_agent: str | None = None) -> str:
    """Ask for another address: a link goes there, the present address is told. Gives the address as it was understood.

    The present password is asked and counted like a sign-in. A newer request replaces the one that waits; other links stay. Raises
    AccountRefused (a secondary's address is kept by its principal), SameAddress, WrongPassword, TooManyLinks, AccountChanged,
    ``authentication.TooManyAttempts``, ValueError for what is no address.
    """
    try:
        wanted = validate_email(email.strip(), check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError:
        raise ValueError("not an e-mail address") from None
    with writing() as session:
        user = locked_account(session, user_id)
        _allow(user)
        if wanted == user.email:
            raise SameAddress(wanted)
    epoch = password_confirmed(user_id, current, ip=ip, user_agent=user_agent)
    with writing() as session:
        user = locked_account(session, user_id)
        unchanged(user, epoch)
        _send(session, user, wanted)
        notifications.email_change_asked(user, wanted)
    log.info("email_change_asked", account=user_id)
    return wanted


def resend_own_email(user_id: int) -> str | None:
    """Send the link of the change that waits once more, in place of the former one; gives the address, None when none waits.

    Raises AccountRefused, TooManyLinks.
    """
    with writing() as session:
        user = locked_account(session, user_id)
        _allow(user)
        wanted = session.scalar(select(AccessLink.wanted_email).where(still_pending(user_id), of_sort(email=True), AccessLink.expires_at > clock.now()))
        if wanted is not None:
            _send(session, user, wanted)
    return wanted


def cancel_own_email(user_id: int) -> bool:
    """Give the change up that waits: its link is worth nothing from now on. Whether one waited."""
    with writing() as session:
        locked_account(session, user_id)
        cancelled = cancel_email_link(session, user_id)
    if cancelled:
        log.info("email_change_cancelled", account=user_id)
    return cancelled


def look_up_email_link(token: str) -> EmailLinkView:
    """What the link of a new address is worth; changes nothing (mail scanners open links)."""
    with writing() as session:
        return _look_up(session, token)


def confirm_own_email(token: str) -> int:
    """Use the link of a new address: the account has that address from now on, both addresses are told, and links sent to the former
    one end. Gives the account's number.

    Of any number of tries at once one succeeds. Nobody is signed in by it: reading a mailbox proves the mailbox. Raises LinkUnusable.
    """
    found = look_up_email_link(token)
    if found.user_id is None:
        raise LinkUnusable(LinkState.UNKNOWN)
    with writing(found.user_id) as session:  # the holder's own act, whoever is signed in on this browser
        try:
            user = locked_account(session, found.user_id)
        except AccountNotFound:
            raise LinkUnusable(LinkState.CLOSED) from None
        state = _look_up(session, token).state
        if state is not LinkState.USABLE:
            raise LinkUnusable(state)
        link = use_link(session, user.id, token, email=True)
        if link is None or link.wanted_email is None:
            raise LinkUnusable(LinkState.EXPIRED)  # in this very moment: the account's row is held
        former, user.email = user.email, link.wanted_email
        session.flush()
        revoke_links(session, user.id)
        notifications.account_changed(user, Changed.EMAIL, to=former)
        notifications.account_changed(user, Changed.EMAIL)
    log.info("email_changed", account=found.user_id)
    return found.user_id


def _look_up(session: Session, token: str) -> EmailLinkView:
    row = find_link(session, token, email=True)
    if row is None:
        return EmailLinkView(LinkState.UNKNOWN)
    link, user = row
    state = state_of_link(link, user)
    if state is LinkState.USABLE and not _may(user):
        state = LinkState.REPLACED
    return EmailLinkView(state, user.id, user.get_full_name(), link.wanted_email or "", link.expires_at)


def _may(user: User) -> bool:
    return domain.may_change_own_email(user.party) and domain.state_of(user.facts) is AccountState.ACTIVE


def _allow(user: User) -> None:
    if not _may(user):
        raise AccountRefused(Refusal.NOT_ALLOWED)


def _send(session: Session, user: User, wanted: str) -> None:
    """Send a link to the wanted address, unless too many went there, or anywhere, of late. The account's row is locked."""
    sent = list(
        session.scalars(
            select(AccessLink.wanted_email).where(
                AccessLink.user_id == user.id, of_sort(email=True), AccessLink.created_at > clock.now() - domain.EMAIL_LINK_WINDOW
            )
        )
    )
    if sent.count(wanted) >= domain.MAX_EMAIL_LINKS or len(sent) >= domain.MAX_EMAIL_LINKS_IN_ALL:
        raise TooManyLinks
    if not notifications.email_to_confirm(user, wanted, issue_link(session, user, LinkPurpose.EMAIL, wanted_email=wanted)):
        raise ValueError("not an e-mail address")
