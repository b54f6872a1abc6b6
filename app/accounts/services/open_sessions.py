"""Sessions: ended by their owner, and forgotten after a year."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from app.accounts import authentication, observations, sessions
from app.accounts.models import UserSession
from app.accounts.services.common import locked_account, writing
from app.core import clock


def end_session(token: str) -> None:
    """Sign out: the session behind the cookie is worth nothing from now on, wherever the cookie was copied."""
    with writing() as session:
        observations.end(session, token)
        sessions.revoke(session, token)


def end_other_sessions(user_id: int, *, keep_token: str) -> int:
    """End every session of the account but this one; gives how many were open."""
    with writing() as session:
        user = locked_account(session, user_id)
        return sessions.revoke_all(session, user_id, except_token=sessions.still_open(session, user, keep_token))


def end_own_session(user_id: int, session_id: int) -> bool:
    """End one of the account's own sessions; whether it was open."""
    with writing() as session:
        ended = session.scalar(
            update(UserSession)
            .where(UserSession.id == session_id, UserSession.user_id == user_id, UserSession.revoked_at.is_(None))
            .values(revoked_at=clock.now())
            .returning(UserSession.id)
            .execution_options(synchronize_session=False)
        )
    return ended is not None


def purge_sign_in_data(*, months: int = 12) -> int:
    """Delete attempts, sessions, links and requests for one older than ``months`` (personal data kept no longer than the journal)."""
    with writing() as session:
        return authentication.purge(session, before=clock.now() - timedelta(days=31 * months))
