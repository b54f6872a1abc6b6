"""Single-use links that lead to the choice of identifiant and password (guide 004 §1).

The secret exists in the mail alone: the database holds its SHA-256. Opening a link changes nothing (mail scanners open links);
only the form behind it uses it. A new link ends the older ones, and the database ends them all when the account is closed or
gets another password.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from app.accounts import domain, sessions
from app.accounts.models import AccessLink, LinkPurpose, User
from app.core import clock

LIFETIMES: Final[dict[LinkPurpose, timedelta]] = {
    LinkPurpose.INVITATION: domain.INVITATION_LINK_LIFETIME,
    LinkPurpose.REGENERATION: domain.INVITATION_LINK_LIFETIME,
    LinkPurpose.RECOVERY: domain.RECOVERY_LINK_LIFETIME,
}


def issue_link(session: Session, user: User, purpose: LinkPurpose) -> str:
    """Make a link for the account in the open transaction, end the older ones, and give its secret for the mail."""
    now = clock.now()
    session.execute(select(User.id).where(User.id == user.id).with_for_update())
    revoke_links(session, user.id)
    token = secrets.token_urlsafe(32)
    session.add(
        AccessLink(
            token_hash=sessions.digest(token),
            user_id=user.id,
            organisation_id=user.organisation_id,
            purpose=purpose.value,
            created_at=now,
            expires_at=now + LIFETIMES[purpose],
        )
    )
    session.flush()
    return token


def revoke_links(session: Session, user_id: int) -> None:
    """End the account's pending links, in the open transaction."""
    session.execute(
        update(AccessLink)
        .where(AccessLink.user_id == user_id, AccessLink.used_at.is_(None), AccessLink.revoked_at.is_(None))
        .values(revoked_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def find_link(session: Session, token: str) -> tuple[AccessLink, User] | None:
    """The link behind a secret and its account, whatever their state; None for a secret that never was one."""
    row = session.execute(
        select(AccessLink, User)
        .join(User, User.id == AccessLink.user_id)
        .where(AccessLink.token_hash == sessions.digest(token))
        .options(joinedload(User.roles), joinedload(User.organisation))
    ).unique().one_or_none()
    return None if row is None else (row[0], row[1])
