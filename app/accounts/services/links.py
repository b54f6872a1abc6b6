"""Single-use links sent by mail: to the choice of identifiant and password (guide 004 §1), or to confirm a new address.

The secret exists in the mail alone: the database holds its SHA-256. Opening a link changes nothing (mail scanners open links);
only the form behind it uses it. A new link ends the older ones of its sort, and the database ends them all when the account is
closed or gets another password. A link of one sort is unknown where the other is asked for.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session, joinedload

from app.accounts import domain, sessions
from app.accounts.models import AccessLink, LinkPurpose, User
from app.core import clock

LIFETIMES: Final[dict[LinkPurpose, timedelta]] = {
    LinkPurpose.INVITATION: domain.INVITATION_LINK_LIFETIME,
    LinkPurpose.REGENERATION: domain.INVITATION_LINK_LIFETIME,
    LinkPurpose.RECOVERY: domain.RECOVERY_LINK_LIFETIME,
    LinkPurpose.EMAIL: domain.EMAIL_LINK_LIFETIME,
}


def of_sort(*, email: bool) -> ColumnElement[bool]:
    """The links that confirm an address (``email``), or those that lead to the choice of identifiant and password."""
    return AccessLink.purpose == LinkPurpose.EMAIL.value if email else AccessLink.purpose != LinkPurpose.EMAIL.value


def still_pending(user_id: int) -> ColumnElement[bool]:
    """The account's links that were neither used nor ended; they may have expired."""
    return and_(AccessLink.user_id == user_id, AccessLink.used_at.is_(None), AccessLink.revoked_at.is_(None))


def issue_link(session: Session, user: User, purpose: LinkPurpose, *, wanted_email: str | None = None) -> str:
    """Make a link for the account in the open transaction, end the older ones of its sort, and give its secret for the mail.

    ``wanted_email``: the address to be confirmed.
    """
    now = clock.now()
    session.execute(select(User.id).where(User.id == user.id).with_for_update())
    _end(session, still_pending(user.id), of_sort(email=purpose is LinkPurpose.EMAIL))
    token = secrets.token_urlsafe(32)
    session.add(
        AccessLink(
            token_hash=sessions.digest(token),
            user_id=user.id,
            organisation_id=user.organisation_id,
            purpose=purpose.value,
            wanted_email=wanted_email,
            created_at=now,
            expires_at=now + LIFETIMES[purpose],
        )
    )
    session.flush()
    return token


def revoke_links(session: Session, user_id: int) -> None:
    """End the account's pending links of every sort, in the open transaction."""
    _end(session, still_pending(user_id))


def cancel_email_link(session: Session, user_id: int) -> bool:
    """End the link that would confirm another address, in the open transaction; whether there was one."""
    return _end(session, still_pending(user_id), of_sort(email=True)) > 0


def _end(session: Session, *which: ColumnElement[bool]) -> int:
    ended = session.execute(update(AccessLink).where(*which).values(revoked_at=clock.now()).execution_options(synchronize_session=False))
    return int(getattr(ended, "rowcount", 0))


def use_link(session: Session, user_id: int, token: str, *, email: bool = False) -> AccessLink | None:
    """Use a link of that sort in the open transaction, if it is still good; None when it is not. The account's row is locked already."""
    now = clock.now()
    return session.scalar(
        update(AccessLink)
        .where(still_pending(user_id), of_sort(email=email), AccessLink.token_hash == sessions.digest(token), AccessLink.expires_at > now)
        .values(used_at=now)
        .returning(AccessLink)
        .execution_options(synchronize_session=False, populate_existing=True)
    )


def find_link(session: Session, token: str, *, email: bool = False) -> tuple[AccessLink, User] | None:
    """The link of that sort behind a secret and its account, whatever their state; None for a secret that never was one."""
    row = session.execute(
        select(AccessLink, User)
        .join(User, User.id == AccessLink.user_id)
        .where(AccessLink.token_hash == sessions.digest(token), of_sort(email=email))
        .options(joinedload(User.roles), joinedload(User.organisation))
        .execution_options(populate_existing=True)
    ).unique().one_or_none()
    return None if row is None else (row[0], row[1])
