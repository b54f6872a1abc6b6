"""Server-side sessions: the cookie holds a random identifier, the database says whether it is worth anything.

A session dies by sign-out, by age, by idleness, and at once, on every web process, when the account's ``session_epoch``
moves: a database trigger moves it whenever the account is closed, or gets another password, organisation or role.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Date, DateTime, Select, bindparam, select, update
from sqlalchemy.orm import Session, joinedload

from app.accounts import domain, mandates
from app.accounts.access import factor
from app.accounts.access.domain import FACTOR_SESSION
from app.accounts.conditions import account_open, organisation_open
from app.accounts.models import Organisation, SecondFactor, SessionPurpose, User, UserSession
from app.core import clock
from app.core.exports.models import ExportFile

#: Where Flask-Login keeps what identifies the account; here it is the session's secret, never an account's number.
COOKIE_KEY: Final = "_user_id"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One line of "sessions ouvertes"."""

    id: int
    created_at: datetime
    last_seen_at: datetime
    ip: str | None
    user_agent: str | None
    current: bool


class Found(NamedTuple):
    """A live session, its account, and whether that account has a second factor."""

    user: User
    session: UserSession
    has_factor: bool


def digest(token: str) -> str:
    """What is stored of a session's secret."""
    return hashlib.sha256(token.encode()).hexdigest()


def open_session(session: Session, *, user_id: int, epoch: int, ip: str | None, user_agent: str | None, purpose: SessionPurpose = SessionPurpose.FULL) -> str:
    """Record a new session in the open transaction and give its secret, which is nowhere else."""
    token = secrets.token_urlsafe(32)
    now = clock.now()
    session.add(
        UserSession(
            token_hash=digest(token),
            user_id=user_id,
            epoch=epoch,
            purpose=purpose.value,
            created_at=now,
            last_seen_at=now,
            ip=ip,
            user_agent=(user_agent or "")[:400] or None,
        )
    )
    return token


def find(session: Session, token: str) -> Found | None:
    """The account and the session behind ``token`` with roles, organisation and mandate, in one statement; None if it is worth nothing.

    A session that waits for the code of the second factor is worth nothing here: see ``find_waiting``.
    """
    now = clock.now()
    values = {
        "token": digest(token), "now": now, "today": clock.to_local(now).date(),
        "opened_after": now - domain.SESSION_LIFETIME, "used_after": now - domain.SESSION_IDLE,
    }  # fmt: skip
    row = session.execute(_live(), values).unique().one_or_none()
    if row is None:
        return None
    row[0].mandate = mandates.read(row[3])
    row[0].has_unseen_exports = bool(row[4])
    return Found(row[0], row[1], bool(row[2]))


@cache
def _live() -> Select[Any]:
    """The statement of ``find``: every request makes it, and building it anew takes longer than its answer."""
    now: BindParameter[datetime] = bindparam("now", type_=DateTime(timezone=True))
    has_factor = factor.confirmed().where(SecondFactor.user_id == User.id).exists()
    unseen = select(ExportFile.id).where(ExportFile.user_id == User.id, ExportFile.is_unseen(now)).correlate(User).exists()
    return (
        select(User, UserSession, has_factor, mandates.column(bindparam("today", type_=Date())), unseen)
        .join(UserSession, UserSession.user_id == User.id)
        .outerjoin(Organisation, Organisation.id == User.organisation_id)
        .where(
            UserSession.token_hash == bindparam("token"),
            UserSession.purpose == SessionPurpose.FULL.value,
            UserSession.revoked_at.is_(None),
            UserSession.epoch == User.session_epoch,
            UserSession.created_at > bindparam("opened_after"),
            UserSession.last_seen_at > bindparam("used_after"),
            *account_open(),
            organisation_open(UserSession.created_at),
        )
        .options(joinedload(User.roles), joinedload(User.organisation))
        .execution_options(populate_existing=True)
    )


def find_waiting(session: Session, token: str) -> int | None:
    """The account whose password was right and whose code is awaited by the session behind ``token``; None if it is over.

    Whether the account is open is looked at when a try is taken from it.
    """
    user_id: int | None = session.scalar(
        select(UserSession.user_id)
        .join(User, User.id == UserSession.user_id)
        .where(
            UserSession.token_hash == digest(token),
            UserSession.purpose == SessionPurpose.SECOND_FACTOR.value,
            UserSession.revoked_at.is_(None),
            UserSession.epoch == User.session_epoch,
            UserSession.created_at > clock.now() - FACTOR_SESSION,
        )
    )
    return user_id


def touch(session: Session, session_id: int) -> None:
    """Note that the session was used."""
    session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.revoked_at.is_(None))
        .values(last_seen_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def revoke(session: Session, token: str) -> None:
    """End the session behind ``token``."""
    session.execute(
        update(UserSession)
        .where(UserSession.token_hash == digest(token), UserSession.revoked_at.is_(None))
        .values(revoked_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def revoke_all(session: Session, user_id: int, *, except_token: str | None = None) -> int:
    """End the sessions of an account (but one) and give how many were open. The one kept follows the account's epoch.

    To be called after the change that ended them: the epoch then moves with it, and moves here if nothing else did.
    """
    epoch = session.scalar(
        update(User)
        .where(User.id == user_id)
        .values(session_epoch=User.session_epoch + 1)
        .returning(User.session_epoch)
        .execution_options(synchronize_session=False)
    )
    kept = digest(except_token) if except_token else ""
    ended = session.execute(
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None), UserSession.token_hash != kept)
        .values(revoked_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    if kept and epoch is not None:
        session.execute(
            update(UserSession)
            .where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None), UserSession.token_hash == kept)
            .values(epoch=epoch)
            .execution_options(synchronize_session=False)
        )
    return int(getattr(ended, "rowcount", 0))


def still_open(session: Session, user: User, token: str | None) -> str | None:
    """``token`` if its session is still one of the account's, which the caller holds; a session that ended is not kept alive."""
    if not token:
        return None
    statement = select(UserSession.id).where(
        UserSession.token_hash == digest(token),
        UserSession.user_id == user.id,
        UserSession.revoked_at.is_(None),
        UserSession.epoch == user.session_epoch,
    )
    return token if session.scalar(statement) is not None else None


def list_open(session: Session, user_id: int, *, current_token: str | None) -> list[OpenSession]:
    """The sessions of an account that still open a door, the most recently used first."""
    now = clock.now()
    current = digest(current_token) if current_token else ""
    rows = session.scalars(
        select(UserSession)
        .join(User, User.id == UserSession.user_id)
        .where(
            UserSession.user_id == user_id,
            UserSession.purpose == SessionPurpose.FULL.value,
            UserSession.revoked_at.is_(None),
            UserSession.epoch == User.session_epoch,
            UserSession.created_at > now - domain.SESSION_LIFETIME,
            UserSession.last_seen_at > now - domain.SESSION_IDLE,
        )
        .order_by(UserSession.last_seen_at.desc(), UserSession.id.desc())
        .limit(50)
    )
    return [OpenSession(row.id, row.created_at, row.last_seen_at, row.ip, row.user_agent, row.token_hash == current) for row in rows]


def address_key(address: str | None) -> str:
    """The address as it is counted: an IPv6 customer holds 2⁶⁴ of them, so its network counts as one."""
    try:
        parsed = ipaddress.ip_address((address or "").split("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
