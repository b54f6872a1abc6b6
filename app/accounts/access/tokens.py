"""Tokens of the programming interface in the database: found by their digest, worth as much as their account is."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, joinedload

from app.accounts import sessions
from app.accounts.access import domain, factor
from app.accounts.conditions import account_open, organisation_open
from app.accounts.models import ApiToken, Organisation, SecondFactor, User
from app.core import clock


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A live token, its account with roles and organisation, and whether that account has a second factor."""

    token: ApiToken
    user: User
    has_factor: bool


def new_token() -> str:
    """A token: its mark and 256 bits at random."""
    return domain.TOKEN_MARK + secrets.token_urlsafe(32)


def find(session: Session, raw: str) -> FoundToken | None:
    """The live token behind ``raw`` and its account, in one statement; None if it opens nothing.

    The conditions are those of a session (``accounts.sessions.find``): an open account of an open organisation.
    """
    now = clock.now()
    row = (
        session.execute(
            select(ApiToken, User, factor.confirmed().where(SecondFactor.user_id == User.id).exists())
            .join(User, User.id == ApiToken.user_id)
            .outerjoin(Organisation, Organisation.id == User.organisation_id)
            .where(
                ApiToken.token_hash == sessions.digest(raw),
                ApiToken.revoked_at.is_(None),
                ApiToken.expires_at > now,
                *account_open(),
                organisation_open(ApiToken.created_at),
            )
            .options(joinedload(User.roles), joinedload(User.organisation))
            .execution_options(populate_existing=True)
        )
        .unique()
        .one_or_none()
    )
    return None if row is None else FoundToken(row[0], row[1], bool(row[2]))


def is_live(session: Session, token_id: int, user_id: int) -> bool:
    """Whether a token of the account still opens something, as far as it depends on the token: neither revoked nor expired."""
    statement = select(ApiToken.id).where(
        ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > clock.now()
    )
    return session.scalar(statement) is not None


def worth_noting(token: ApiToken) -> bool:
    """Whether this use is to be written: the last one written is older than a minute."""
    return token.last_used_at is None or token.last_used_at <= clock.now() - domain.TOKEN_TOUCH


def touch(session: Session, token_id: int, address: str | None) -> None:
    """Note that the token was used, and from where."""
    now = clock.now()
    session.execute(
        update(ApiToken)
        .where(ApiToken.id == token_id, or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= now - domain.TOKEN_TOUCH))
        .values(last_used_at=now, last_used_ip=address)
        .execution_options(synchronize_session=False)
    )


def live_of(session: Session, user_id: int) -> list[ApiToken]:
    """The tokens of an account that still open something, the newest first."""
    return list(
        session.scalars(
            select(ApiToken)
            .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > clock.now())
            .order_by(ApiToken.id.desc())
            .limit(10 * domain.TOKENS_AT_MOST)
        )
    )
