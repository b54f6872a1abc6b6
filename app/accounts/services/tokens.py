"""Tokens of the programming interface: made, shown once, revoked by their holder or by who manages the organisation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import func, select, update

from app.accounts import notifications, sessions
from app.accounts.access import domain, tokens
from app.accounts.models import ApiToken, User
from app.accounts.services.common import locked_account, password_confirmed, unchanged, writing
from app.core import clock

log = structlog.get_logger(__name__)


class TooManyTokens(Exception):
    """The account has as many live tokens as it may."""


def create_token(
    user_id: int, *, name: str, scopes: Collection[str], days: int, networks: Sequence[str], password: str, ip: str | None
) -> str:
    """Make a token for oneself and give it: it is nowhere else. The present password is asked and counted.

    ``networks`` as ``access.domain.read_networks`` gives them; the caller has checked that the account may have ``scopes``.
    Raises TooManyTokens, WrongPassword, AccountChanged, ``authentication.TooManyAttempts``, and ValueError for what no form offers.
    """
    if not name.strip() or not scopes or days not in domain.TOKEN_LIVES or len(networks) > domain.NETWORKS_AT_MOST:
        raise ValueError("a token has a name, a scope, one of the lives offered and few networks")
    epoch = password_confirmed(user_id, password, ip=ip)
    raw = tokens.new_token()
    with writing() as session:
        user = locked_account(session, user_id)
        unchanged(user, epoch)
        now = clock.now()
        live = select(func.count()).select_from(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now)
        if int(session.scalar(live) or 0) >= domain.TOKENS_AT_MOST:
            raise TooManyTokens
        token = ApiToken(
            user_id=user_id,
            organisation_id=user.organisation_id,
            name=name.strip(),
            prefix=raw[: domain.TOKEN_PREFIX],
            token_hash=sessions.digest(raw),
            scopes=sorted(scopes),
            allowed_networks=list(networks),
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        session.add(token)
        session.flush()
        notifications.api_token_created(user, token.name, token.expires_at)
        token_id = token.id
    log.info("api_token_created", account=user_id, token_id=token_id)
    return raw


def revoke_token(user_id: int, token_id: int) -> bool:
    """Revoke a token of one's own; False when there is no such live token."""
    with writing() as session:
        revoked = session.scalar(
            update(ApiToken)
            .where(ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
            .values(revoked_at=clock.now())
            .returning(ApiToken.id)
            .execution_options(synchronize_session=False)
        )
    return revoked is not None


def revoke_token_of_organisation(organisation_id: int, token_id: int, *, actor_id: int) -> bool:
    """Revoke a token of one of the organisation's accounts, and tell its holder; False when there is no such live token.

    The caller has checked that the actor manages the accounts of this organisation.
    """
    with writing(actor_id) as session:
        revoked = session.execute(
            update(ApiToken)
            .where(ApiToken.id == token_id, ApiToken.organisation_id == organisation_id, ApiToken.revoked_at.is_(None))
            .values(revoked_at=clock.now())
            .returning(ApiToken.user_id, ApiToken.name)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        holder = session.get(User, revoked.user_id) if revoked is not None and revoked.user_id != actor_id else None
        if revoked is not None and holder is not None:
            notifications.api_token_revoked(holder, revoked.name, by=session.get(User, actor_id))
    if revoked is not None:
        log.info("api_token_revoked", token_id=token_id, organisation=organisation_id)
    return revoked is not None
