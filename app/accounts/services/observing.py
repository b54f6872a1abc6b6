"""Use cases of observation: support begins and ends looking through an account's eyes."""

from __future__ import annotations

import structlog
from sqlalchemy import select, update

from app.accounts import domain, observations, sessions
from app.accounts.domain import Act, Refusal
from app.accounts.models import Observation, User, UserSession
from app.accounts.services.common import AccountRefused, allow, locked_account, writing
from app.core import clock

log = structlog.get_logger(__name__)


def start_observation(user_id: int, *, reason: str, actor_id: int, token: str) -> User:
    """Have the session behind ``token`` look through an account's eyes; gives that account.

    Raises AccountNotFound and AccountRefused (not support's to do, not an organisation's account, or one that cannot sign in).
    """
    with writing(actor_id) as session:
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.OBSERVE, user)
        if user.organisation is None or not user.organisation.active:
            raise AccountRefused(Refusal.WRONG_STATE)
        observations.end(session, token)
        mine = select(UserSession).where(UserSession.token_hash == sessions.digest(token), UserSession.user_id == actor_id)
        open_session = session.scalar(mine.with_for_update())
        if open_session is None:
            raise AccountRefused(Refusal.NOT_ALLOWED)
        observation = Observation(organisation_id=user.organisation_id, observer_id=actor_id, observed_id=user_id, reason=reason.strip()[:500])
        session.add(observation)
        session.flush()
        open_session.observation_id = observation.id
        number = observation.id
    log.info("observation_started", observation=number, account=user_id)
    return user


def end_observation(token: str, *, actor_id: int) -> None:
    """End the observation of the session behind ``token``."""
    with writing(actor_id) as session:
        observations.end(session, token)
    log.info("observation_ended")


def close_overdue_observations() -> int:
    """Write down the end of observations that ran out by themselves; gives how many. What they showed had ended already."""
    with writing() as session:
        over = update(Observation).where(
            Observation.ended_at.is_(None), Observation.started_at <= clock.now() - domain.OBSERVATION_LIFETIME
        )  # fmt: skip
        closed = session.execute(
            over.values(ended_at=Observation.started_at + domain.OBSERVATION_LIFETIME).execution_options(synchronize_session=False)
        )
    return int(getattr(closed, "rowcount", 0))
