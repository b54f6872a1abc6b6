"""Sessions: ended by their owner, and forgotten after a year."""

from __future__ import annotations

from datetime import timedelta

from app.accounts import authentication, sessions
from app.accounts.services.common import writing
from app.core import clock


def end_session(token: str) -> None:
    """Sign out: the session behind the cookie is worth nothing from now on, wherever the cookie was copied."""
    with writing() as session:
        sessions.revoke(session, token)


def end_other_sessions(user_id: int, *, keep_token: str) -> int:
    """End every session of the account but this one; gives how many were open."""
    with writing() as session:
        return sessions.revoke_all(session, user_id, except_token=keep_token)


def purge_sign_in_data(*, months: int = 12) -> int:
    """Delete attempts and sessions older than ``months`` (personal data kept no longer than the journal)."""
    with writing() as session:
        return authentication.purge(session, before=clock.now() - timedelta(days=31 * months))
