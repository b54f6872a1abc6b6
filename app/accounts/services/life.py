"""The life of an account (guide 004): created, unblocked, put to sleep, woken up, given other roles."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import domain, notifications, passwords, sessions
from app.accounts.domain import Act
from app.accounts.models import User
from app.accounts.services.common import IdentifiantTaken, allow, check_policy, hold_leaving, locked_account, may_leave, role_rows, writing
from app.core import clock
from app.core.roles import Role

log = structlog.get_logger(__name__)

_IDENTIFIANT_TRIES: Final = 20


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
        name = identifiant or _free_identifiant(session)
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


def _free_identifiant(session: Session) -> str:
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
        user.blocked_at = None
        user.blocked_reason = None
        user.failed_attempts = 0
        user.failed_in_window = 0
        user.failed_since = None
        notifications.account_unblocked(user)
    log.info("account_unblocked", account=user_id)
    return user


def deactivate(user_id: int, *, actor_id: int) -> User:
    """Put an account to sleep; its sessions end. Raises AccountNotFound, AccountRefused."""
    with writing(actor_id) as session:
        hold_leaving(session)
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.DEACTIVATE, user)
        may_leave(session, user, {role.name for role in user.roles}, leaves=True)
        user.active = False
        user.deactivated_at = clock.now()
        session.flush()
        sessions.revoke_all(session, user_id)
    return user


def reactivate(user_id: int, *, actor_id: int) -> User:
    """Wake an account up; sessions of before stay dead. Raises AccountNotFound, AccountRefused."""
    with writing(actor_id) as session:
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.REACTIVATE, user)
        user.active = True
        user.deactivated_at = None
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
