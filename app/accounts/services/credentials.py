"""What an account signs in with: its password."""

from __future__ import annotations

from sqlalchemy import select

from app.accounts import authentication, passwords, sessions
from app.accounts.models import User
from app.accounts.services.common import WrongPassword, check_policy, locked_account, writing
from app.core import clock


def set_password(user_id: int, password: str, *, keep_token: str | None = None) -> None:
    """Give an account another password and end its sessions (but the one of ``keep_token``).

    Raises WeakPassword and AccountNotFound.
    """
    with writing() as session:
        user = locked_account(session, user_id)
        check_policy(session, user, password)
        user.password = passwords.hash_password(password)
        user.password_changed_at = clock.now()
        session.flush()
        sessions.revoke_all(session, user_id, except_token=keep_token)


def change_own_password(user_id: int, *, current: str, new: str, token: str | None, ip: str | None) -> None:
    """Change one's own password; the present one is asked and counted like a sign-in. Other sessions end.

    Raises WrongPassword, WeakPassword, ``authentication.TooManyAttempts``.
    """
    with writing() as session:
        user = locked_account(session, user_id)
        identifiant = user.username
        check_policy(session, user, new)
    if not authentication.confirm(identifiant, current, ip=ip):
        with writing() as session:
            facts = session.scalar(select(User.blocked_at).where(User.id == user_id))
        raise WrongPassword(ended=facts is not None)
    set_password(user_id, new, keep_token=token)
