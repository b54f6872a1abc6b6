"""What an account signs in with, changed by its holder: identifiant and password."""

from __future__ import annotations

from dataclasses import replace

from app.accounts import domain, notifications, passwords, sessions
from app.accounts.notifications import Changed
from app.accounts.passwords import PasswordFault
from app.accounts.services.common import (
    InvalidIdentifiant,
    WeakPassword,
    check_policy,
    flush_identifiant,
    locked_account,
    password_confirmed,
    password_context,
    unchanged,
    writing,
)
from app.core import clock


def set_password(user_id: int, password: str, *, keep_token: str | None = None, epoch: int | None = None) -> None:
    """Give an account another password and end its sessions (but the one of ``keep_token``).

    ``epoch``: what the account's must still be. Raises WeakPassword, AccountNotFound and AccountChanged.
    """
    with writing() as session:
        user = locked_account(session, user_id)
        if epoch is not None:
            unchanged(user, epoch)
        check_policy(session, user, password)
        kept = sessions.still_open(session, user, keep_token)
        user.password = passwords.hash_password(password)
        user.password_changed_at = clock.now()
        session.flush()
        sessions.revoke_all(session, user_id, except_token=kept)


def change_own_password(user_id: int, *, current: str, new: str, token: str | None, ip: str | None, user_agent: str | None = None) -> None:
    """Change one's own password; the present one is asked and counted like a sign-in. Other sessions end.

    Raises WrongPassword, WeakPassword, ``authentication.TooManyAttempts``.
    """
    with writing() as session:
        check_policy(session, locked_account(session, user_id), new)
    epoch = password_confirmed(user_id, current, ip=ip, user_agent=user_agent)
    set_password(user_id, new, keep_token=token, epoch=epoch)
    with writing() as session:
        notifications.account_changed(locked_account(session, user_id), Changed.PASSWORD)


def change_own_identifiant(user_id: int, *, current: str, identifiant: str, ip: str | None, user_agent: str | None = None) -> None:
    """Choose another identifiant; the present password is asked and counted like a sign-in. The holder is told by mail.

    The password may not be made of the new identifiant either. Raises InvalidIdentifiant, WrongPassword, IdentifiantTaken,
    WeakPassword, ``authentication.TooManyAttempts``.
    """
    wanted = " ".join(identifiant.split())
    if not domain.is_identifiant(wanted):
        raise InvalidIdentifiant(wanted)
    with writing() as session:
        context = password_context(locked_account(session, user_id))
    epoch = password_confirmed(user_id, current, ip=ip, user_agent=user_agent)
    if PasswordFault.PERSONAL in passwords.faults_of(current, replace(context, identifiant=wanted)):
        raise WeakPassword([PasswordFault.PERSONAL])
    with writing() as session:
        user = locked_account(session, user_id)
        unchanged(user, epoch)
        user.username = wanted
        flush_identifiant(session, wanted)
        notifications.account_changed(user, Changed.IDENTIFIANT)
