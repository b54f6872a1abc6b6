"""What follows from a blocking: its holder is told, and somebody watches over many at once (bar B1.3).

Done by a periodic job on the tries that blocked, never in the request: the answer to a wrong password is the same work for
every account, known or not.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import and_, func, or_, select, update

from app.accounts import domain, notifications
from app.accounts.domain import BlockReason
from app.accounts.models import SignInAttempt, SignInOutcome
from app.accounts.services.common import AccountNotFound, locked_account, writing
from app.core import clock

log = structlog.get_logger(__name__)

BURST: Final = 10
BURST_WINDOW: Final = timedelta(minutes=10)
_BATCH: Final = 200
#: A try whose process died before the end is taken for wrong after this.
_LOST_AFTER: Final = timedelta(minutes=2)
#: Nobody is told of an older blocking.
_PATIENCE: Final = timedelta(hours=24)


def tell_blocked() -> int:
    """Tell the holders of accounts blocked since the last run; gives how many tries were dealt with."""
    now = clock.now()
    with writing() as session:
        waiting = list(
            session.scalars(
                select(SignInAttempt.id)
                .where(
                    SignInAttempt.blocking.is_(True),
                    SignInAttempt.told_at.is_(None),
                    or_(
                        SignInAttempt.outcome == SignInOutcome.REFUSED.value,
                        and_(SignInAttempt.outcome == SignInOutcome.STARTED.value, SignInAttempt.at < now - _LOST_AFTER),
                    ),
                )
                .order_by(SignInAttempt.id)
                .limit(_BATCH)
            )
        )
        recent = session.scalar(
            select(func.count())
            .select_from(SignInAttempt)
            .where(SignInAttempt.at > now - BURST_WINDOW, SignInAttempt.blocking.is_(True), SignInAttempt.outcome == SignInOutcome.REFUSED.value)
        )
    for attempt_id in waiting:
        try:
            _tell(attempt_id)
        except Exception as error:  # its class alone: the text may quote a row; it is tried again at the next run
            log.error("blocking_not_told", attempt=attempt_id, error=type(error).__name__)
    if waiting and int(recent or 0) >= BURST:
        log.error("many_accounts_blocked", accounts=recent, minutes=int(BURST_WINDOW.total_seconds() // 60))
    return len(waiting)


def _tell(attempt_id: int) -> None:
    """Tell one holder, once."""
    with writing() as session:
        now = clock.now()
        attempt = session.execute(
            update(SignInAttempt)
            .where(SignInAttempt.id == attempt_id, SignInAttempt.told_at.is_(None))
            .values(told_at=now)
            .returning(SignInAttempt.user_id, SignInAttempt.at, SignInAttempt.address)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if attempt is None or attempt.user_id is None:
            return
        try:
            user = locked_account(session, attempt.user_id)
        except AccountNotFound:
            return
        if user.blocked_at is None and domain.is_blocked(user.facts):
            # The process died between the count and the check: nobody wrote it down.
            user.blocked_at, user.blocked_reason = attempt.at, BlockReason.WRONG_PASSWORDS.value
        log.warning("account_blocked", account=user.id, reason=user.blocked_reason)
        may_sign_in_again = domain.may_recover(user.facts, organisation_open=user.organisation is None or bool(user.organisation.active))
        if not domain.is_blocked(user.facts) or not may_sign_in_again or attempt.at < now - _PATIENCE:
            return
        familiar = session.scalar(
            select(SignInAttempt.id)
            .where(SignInAttempt.user_id == user.id, SignInAttempt.address == attempt.address, SignInAttempt.outcome == SignInOutcome.SUCCESS.value)
            .limit(1)
        )
        notifications.account_blocked(user, at=attempt.at, kind=domain.network_kind(attempt.address, familiar=familiar is not None))
