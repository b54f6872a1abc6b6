"""First access and recovery (guide 004 §1): a link sent by mail leads to the choice of identifiant and password.

Three use cases of people who are not signed in. ``look_up_link`` says what a link is worth and changes nothing.
``choose_credentials`` uses it, once. ``request_recovery`` and ``request_renewal`` note that somebody asks for a link, in the same
statements whoever is named; a job answers (``answer_recovery``), so that nothing on screen tells whether the account exists.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.accounts import domain, notifications, passwords, sessions
from app.accounts.authentication import TooManyAttempts
from app.accounts.domain import LinkState
from app.accounts.models import AccessLink, LinkPurpose, RecoveryRequest, SecondFactor, SignInAttempt, SignInOutcome, SignInWay, User
from app.accounts.services.common import (
    AccountNotFound,
    InvalidIdentifiant,
    WeakPassword,
    flush_identifiant,
    give_tries_back,
    locked_account,
    password_context,
    writing,
)
from app.accounts.services.links import find_link, issue_link, use_link
from app.core import clock
from app.core.jobs import enqueue
from app.core.transaction import after_commit

log = structlog.get_logger(__name__)

_ADDRESS_LOCK: Final = "recovery:"
_ANSWER: Final = "app.accounts.jobs:answer_recovery"
_BATCH: Final = 200
#: A job has this long to answer a request before the sweep takes it up.
_SWEEP_AFTER: Final = timedelta(seconds=30)


class LinkUnusable(Exception):
    """The link opens nothing (any more); nothing was changed."""

    def __init__(self, state: LinkState) -> None:
        super().__init__(state.value)
        self.state = state


@dataclass(frozen=True, slots=True)
class LinkView:
    """What the page behind a link needs to know."""

    state: LinkState
    user_id: int | None = None
    identifiant: str = ""
    name: str = ""
    expires_at: datetime | None = None

    @property
    def renewable(self) -> bool:
        """Whether a new link may be sent to the account's own mailbox."""
        return self.state in (LinkState.EXPIRED, LinkState.USED, LinkState.REPLACED)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Identifiant and password are set. ``token`` opens the session; None when a second factor is still to be asked, or when the
    account stays ``blocked`` because the failures of the day are used up."""

    user_id: int
    token: str | None
    blocked: bool = False


# ---- the link --------------------------------------------------------------------------------------------------------


def look_up_link(token: str) -> LinkView:
    """What the link behind a secret is worth; changes nothing (mail scanners open links)."""
    with writing() as session:
        return _look_up(session, token)


def _look_up(session: Session, token: str) -> LinkView:
    found = find_link(session, token)
    if found is None:
        return LinkView(LinkState.UNKNOWN)
    link, user = found
    return LinkView(state_of_link(link, user), user.id, user.username, user.get_full_name(), link.expires_at)


def state_of_link(link: AccessLink, user: User) -> LinkState:
    """What the link is worth now."""
    return domain.link_state(
        expires_at=link.expires_at,
        used_at=link.used_at,
        revoked_at=link.revoked_at,
        account=user.facts,
        organisation_open=_organisation_open(user),
        at=clock.now(),
    )


def _organisation_open(user: User) -> bool:
    return user.organisation is None or bool(user.organisation.active)


def choose_credentials(token: str, identifiant: str, password: str, *, ip: str | None, user_agent: str | None) -> Chosen:
    """Set identifiant and password with a link, which is thereby used; the account gets its tries back and a session.

    Of any number of tries at once one succeeds: the link is taken in the transaction that writes the account. A refused
    identifiant or password leaves the link as it was.
    Raises LinkUnusable, InvalidIdentifiant, IdentifiantTaken, WeakPassword.
    """
    wanted = " ".join(identifiant.split())
    with writing() as session:
        found = find_link(session, token)
        state = LinkState.UNKNOWN if found is None else state_of_link(*found)
        if found is None or state is not LinkState.USABLE:
            raise LinkUnusable(state)
        user = found[1]
        user_id, present = int(user.id), user.username
        context = password_context(user)
    if wanted != present and not domain.is_identifiant(wanted):
        raise InvalidIdentifiant(wanted)
    faults = passwords.faults_of(password, replace(context, identifiant=wanted, others=(*context.others, present)))
    if faults:
        raise WeakPassword(faults)
    hashed = passwords.hash_password(password)  # before any lock is held: it takes its time
    return _use(user_id, token, wanted, hashed, ip=ip, user_agent=user_agent)


def _use(user_id: int, token: str, identifiant: str, hashed: str, *, ip: str | None, user_agent: str | None) -> Chosen:
    """Take the link and write the account, in one transaction. The account's row is locked first, as ``issue_link`` does."""
    with writing(user_id) as session:
        try:
            user = locked_account(session, user_id)
        except AccountNotFound:
            raise LinkUnusable(LinkState.CLOSED) from None
        now = clock.now()
        taken = use_link(session, user_id, token)
        if taken is None or not domain.may_recover(user.facts, organisation_open=_organisation_open(user)):
            raise LinkUnusable(_look_up(session, token).state)
        factor = session.scalar(select(SecondFactor.confirmed_at).where(SecondFactor.user_id == user_id))
        user.username = identifiant
        user.password = hashed
        user.password_changed_at = now
        give_tries_back(user, has_factor=factor is not None)
        flush_identifiant(session, identifiant)
        sessions.revoke_all(session, user_id)
        if factor is not None:
            return Chosen(user_id, None, blocked=user.blocked_at is not None)
        epoch = session.scalar(
            update(User)
            .where(User.id == user_id)
            .values(last_sign_in_at=now)
            .returning(User.session_epoch)
            .execution_options(synchronize_session=False)
        )
        session.add(
            SignInAttempt(
                at=now,
                address=sessions.address_key(ip),
                user_id=user_id,
                outcome=SignInOutcome.SUCCESS.value,
                way=SignInWay.LINK.value,
                user_agent=(user_agent or "")[:400] or None,
            )
        )
        opened = sessions.open_session(session, user_id=user_id, epoch=int(epoch or 0), ip=ip, user_agent=user_agent)
    return Chosen(user_id, opened)


# ---- asking for a link -----------------------------------------------------------------------------------------------


def request_recovery(*, identifiant: str, last_name: str, first_name: str, email: str, ip: str | None) -> None:
    """ "Génération de mot de passe": note the request; whether it names an account is told to its mailbox alone.

    Raises ``authentication.TooManyAttempts`` beyond ``MAX_RECOVERIES_BY_ADDRESS`` an hour, whoever is named.
    """
    with writing() as session:
        address = _count_address(session, ip)
        row = session.execute(
            select(User.id, User.last_name, User.first_name, User.email).where(func.lower(User.username) == domain.normalise_identifiant(identifiant))
        ).one_or_none()
        user_id, *known = row if row is not None else (None, "", "", "")
        same = [
            domain.comparable_name(known[0]) == domain.comparable_name(last_name),
            domain.comparable_name(known[1]) == domain.comparable_name(first_name),
            domain.comparable_email(known[2]) == domain.comparable_email(email),
        ]
        _note(session, address, user_id if all(same) else None)


def request_renewal(token: str, *, ip: str | None) -> None:
    """Somebody holds a link that is worth nothing any more: a new one goes to the account's own mailbox, if it is still open.

    Raises ``authentication.TooManyAttempts``.
    """
    with writing() as session:
        address = _count_address(session, ip)
        found = _look_up(session, token)
        _note(session, address, found.user_id if found.renewable else None)


def _count_address(session: Session, ip: str | None) -> str:
    address, since = sessions.address_key(ip), clock.now() - domain.RECOVERY_WINDOW
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(_ADDRESS_LOCK + address, 0))))
    count, oldest = session.execute(
        select(func.count(), func.min(RecoveryRequest.at)).where(RecoveryRequest.address == address, RecoveryRequest.at > since)
    ).one()
    if count >= domain.MAX_RECOVERIES_BY_ADDRESS:
        raise TooManyAttempts(max(1, int((oldest - since).total_seconds()) + 1))
    return address


def _note(session: Session, address: str, user_id: int | None) -> None:
    request = RecoveryRequest(at=clock.now(), address=address, user_id=user_id)
    session.add(request)
    session.flush()
    request_id = request.id
    after_commit(lambda: enqueue(_ANSWER, request_id, queue="mail"))


# ---- answering -------------------------------------------------------------------------------------------------------


def answer_recovery(request_id: int) -> bool:
    """Answer one request, once: a link by mail, or why there is none, or nothing. Whether a mail was written."""
    with writing() as session:
        now = clock.now()
        claimed = session.execute(
            update(RecoveryRequest)
            .where(RecoveryRequest.id == request_id, RecoveryRequest.handled_at.is_(None))
            .values(handled_at=now)
            .returning(RecoveryRequest.user_id, RecoveryRequest.at)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if claimed is None or claimed.user_id is None or claimed.at < now - domain.RECOVERY_PATIENCE:
            return False
        try:
            user = locked_account(session, claimed.user_id)
        except AccountNotFound:
            return False
        if not domain.may_recover(user.facts, organisation_open=_organisation_open(user)):
            return not _asked_often(session, user.id, request_id, now) and notifications.account_closed(user)
        if _mailed_often(session, user.id, now):
            log.warning("recovery_mails_exhausted", account=user.id)
            return False
        return notifications.password_link(user, issue_link(session, user, LinkPurpose.RECOVERY))


def _mailed_often(session: Session, user_id: int, now: datetime) -> bool:
    """Counted on the links themselves, so that whoever keeps asking does not keep the holder from the next one."""
    sent = session.scalar(
        select(func.count())
        .select_from(AccessLink)
        .where(AccessLink.user_id == user_id, AccessLink.purpose == LinkPurpose.RECOVERY.value, AccessLink.created_at > now - domain.RECOVERY_WINDOW)
    )
    return int(sent or 0) >= domain.MAX_RECOVERY_MAILS


def _asked_often(session: Session, user_id: int, request_id: int, now: datetime) -> bool:
    asked = session.scalar(
        select(func.count())
        .select_from(RecoveryRequest)
        .where(RecoveryRequest.user_id == user_id, RecoveryRequest.id != request_id, RecoveryRequest.at > now - domain.RECOVERY_WINDOW)
    )
    return int(asked or 0) >= domain.MAX_RECOVERY_MAILS


def answer_waiting_recoveries() -> int:
    """Answer the requests whose job was lost; gives how many were taken up. One that fails does not stop the others."""
    with writing() as session:
        waiting = list(
            session.scalars(
                select(RecoveryRequest.id)
                .where(RecoveryRequest.handled_at.is_(None), RecoveryRequest.at < clock.now() - _SWEEP_AFTER)
                .order_by(RecoveryRequest.id)
                .limit(_BATCH)
            )
        )
    for request_id in waiting:
        try:
            answer_recovery(request_id)
        except Exception as error:  # its class alone: the text may quote a row
            log.error("recovery_not_answered", request=request_id, error=type(error).__name__)
    return len(waiting)
