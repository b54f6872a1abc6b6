"""The life of an account (guide 004): created, given a new password, unblocked, put to sleep, woken up, deleted, given other roles."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import domain, notifications, passwords, sessions
from app.accounts.domain import Act
from app.accounts.models import AccessLink, Delegation, LinkPurpose, RecoveryCode, SecondFactor, User
from app.accounts.services.common import IdentifiantTaken, allow, check_policy, give_tries_back, hold_leaving, locked_account, may_leave, role_rows, writing
from app.accounts.services.links import issue_link
from app.core import clock
from app.core.roles import Role

log = structlog.get_logger(__name__)

_IDENTIFIANT_TRIES: Final = 20
#: A second click on "Régénérer le mot de passe" comes within this time: it must not kill the link that the first one sent.
_SECOND_CLICK: Final = timedelta(seconds=10)


def generate_identifiant() -> str:
    """Ten characters at random, none that is mistaken for another on the telephone."""
    return "".join(secrets.choice(domain.IDENTIFIANT_ALPHABET) for _ in range(domain.GENERATED_IDENTIFIANT_LENGTH))


def create_account(
    *,
    first_name: str,
    last_name: str,
    email: str,
    roles: Iterable[Role],
    organisation_id: int | None = None,
    civility: str | None = None,
    identifiant: str | None = None,
    password: str | None = None,
    actor_id: int | None = None,
) -> int:
    """Create an account and give its id. Without a password it is pending: nobody can sign in to it.

    The caller has checked who asks (``domain.refusal_of``). Raises WeakPassword, IdentifiantTaken, and ValueError for roles
    that do not fit the organisation or an identifiant that may not be one.
    """
    wanted = {role.value for role in roles}
    if not domain.consistent_roles(wanted, organisation_id):
        raise ValueError("an organisation's account holds organisation roles, staff hold none of them")
    if identifiant is not None and not domain.is_identifiant(identifiant):
        raise ValueError("an identifiant has 1 to 64 letters, digits, dots, hyphens, underscores, at signs or blanks")
    with writing(actor_id) as session:
        name = identifiant or free_identifiant(session)
        user = User(
            first_name=first_name.strip(),
            last_name=last_name.strip(),
            email=email.strip(),
            username=name,
            civility=civility,
            organisation_id=organisation_id,
            active=True,
            session_epoch=0,
            failed_attempts=0,
            failed_in_window=0,
        )
        if password is not None:
            check_policy(session, user, password)
            user.password = passwords.hash_password(password)
            user.password_changed_at = clock.now()
        user.roles = role_rows(session, wanted)
        session.add(user)
        try:
            session.flush()
        except IntegrityError as error:
            if "username" in str(getattr(getattr(error.orig, "diag", None), "constraint_name", "")):
                raise IdentifiantTaken(name) from error
            raise
        user_id: int = user.id
    return user_id


def free_identifiant(session: Session) -> str:
    """A generated identifiant that no account has. Raises RuntimeError when chance fails twenty times."""
    for _try in range(_IDENTIFIANT_TRIES):
        name = generate_identifiant()
        if session.scalar(select(User.id).where(func.lower(User.username) == name)) is None:
            return name
    raise RuntimeError("no free identifiant found")


def unblock(user_id: int, *, actor_id: int) -> User:
    """Give a blocked account its tries back (guide 004 §2.4).

    Raises AccountNotFound (also for another organisation's, seen from a principal) and AccountRefused.
    """
    with writing(actor_id) as session:
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.UNBLOCK, user)
        give_tries_back(user)
        notifications.account_unblocked(user)
    log.info("account_unblocked", account=user_id)
    return user


def regenerate(user_id: int, *, actor_id: int) -> User:
    """Take an account's password away and send its holder a link to choose another (guide 004 §2.2).

    Its sessions, tokens and older links end (the database sees to it as well), and a blocked account gets its tries back: its
    holder proves to be who they are by reading that mail. Raises AccountNotFound, AccountRefused.
    """
    with writing(actor_id) as session:
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.REGENERATE, user)
        if _just_sent(session, user):
            return user
        give_tries_back(user)
        user.password = None
        session.flush()
        sessions.revoke_all(session, user_id)
        link = issue_link(session, user, LinkPurpose.REGENERATION)
        notifications.account_regenerated(user, link, by=session.get(User, actor_id))
    log.info("account_regenerated", account=user_id)
    return user


def _just_sent(session: Session, user: User) -> bool:
    """Whether a regeneration of a moment ago still holds: its link is good and nobody can sign in meanwhile."""
    if user.password is not None or domain.is_blocked(user.facts):
        return False
    pending = select(AccessLink.id).where(
        AccessLink.user_id == user.id,
        AccessLink.purpose == LinkPurpose.REGENERATION.value,
        AccessLink.used_at.is_(None),
        AccessLink.revoked_at.is_(None),
        AccessLink.created_at > clock.now() - _SECOND_CLICK,
    )
    return session.scalar(pending) is not None


def deactivate(user_id: int, *, actor_id: int) -> User:
    """Put an account to sleep (guide 004 §2.5); its sessions end. Raises AccountNotFound, AccountRefused."""
    with writing(actor_id) as session:
        hold_leaving(session)
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.DEACTIVATE, user)
        may_leave(session, user, {role.name for role in user.roles}, leaves=True)
        user.active = False
        user.deactivated_at = clock.now()
        session.flush()
        sessions.revoke_all(session, user_id)
        notifications.account_deactivated(user, by=session.get(User, actor_id))
    log.info("account_deactivated", account=user_id)
    return user


def reactivate(user_id: int, *, actor_id: int) -> User:
    """Wake an account up; sessions of before stay dead. One that never chose a password gets another link.

    Raises AccountNotFound, AccountRefused.
    """
    with writing(actor_id) as session:
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.REACTIVATE, user)
        user.active = True
        user.deactivated_at = None
        user.inactivity_notice_at = None
        session.flush()
        link = issue_link(session, user, LinkPurpose.REGENERATION) if user.password is None else None
        notifications.account_reactivated(user, link, by=session.get(User, actor_id))
    log.info("account_reactivated", account=user_id)
    return user


def delete_account(user_id: int, *, actor_id: int) -> User:
    """Delete an account for good (guide 004 §2.3): nobody signs in with it again, and every history still says who it was.

    The row stays, with name, civilité, organisation and roles: what it did remains attributed to it. The rest goes: password,
    e-mail address, second factor; its identifiant is free for others (the journal keeps the former one). Delegations end.

    Raises AccountNotFound, also when it is deleted already, and AccountRefused.
    """
    with writing(actor_id) as session:
        hold_leaving(session)
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.DELETE, user)
        may_leave(session, user, {role.name for role in user.roles}, leaves=True)
        notifications.account_deleted(user, by=session.get(User, actor_id))
        now = clock.now()
        user.deleted_at = now
        user.active = False
        user.password = None
        user.username = domain.deleted_identifiant(user.id)
        user.email = ""
        give_tries_back(user)
        session.flush()
        sessions.revoke_all(session, user_id)
        for table in (SecondFactor, RecoveryCode):
            session.execute(delete(table).where(table.user_id == user_id).execution_options(synchronize_session=False))
        session.execute(  # the address that was to be is forgotten like the one that was
            update(AccessLink)
            .where(AccessLink.user_id == user_id, AccessLink.wanted_email.is_not(None))
            .values(wanted_email=None)
            .execution_options(synchronize_session=False)
        )
        session.execute(
            update(Delegation)
            .where(or_(Delegation.delegate_id == user_id, Delegation.delegator_id == user_id), Delegation.ended_at.is_(None))
            .values(ended_at=now)
            .execution_options(synchronize_session=False)
        )
    log.info("account_deleted", account=user_id)
    return user


def set_roles(user_id: int, roles: Iterable[Role], *, actor_id: int) -> User:
    """Give an account exactly these roles; its sessions end. Nobody changes their own; the last administrator stays.

    Raises AccountNotFound, AccountRefused, and ValueError for roles that do not fit the organisation.
    """
    wanted = {role.value for role in roles}
    with writing(actor_id) as session:
        hold_leaving(session)
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.CHANGE_ROLES, user)
        if not domain.consistent_roles(wanted, user.organisation_id):
            raise ValueError("an organisation's account holds organisation roles, staff hold none of them")
        may_leave(session, user, wanted, leaves=False)
        user.roles = role_rows(session, wanted)
        session.flush()
        sessions.revoke_all(session, user_id)
    return user
