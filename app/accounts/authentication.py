"""Signing in: the try is counted before the password is looked at, so that fifty at once cannot make more than three.

Three steps. First transaction: take one try from the account in a single UPDATE, commit. Then check the password, outside
any transaction, against the account's hash or, when there is none to check, against a hash of the same cost. Second
transaction: give the tries back and open the session, or block the account. Every refusal runs the same statements and
says the same words, whether or not the account exists; what follows from a blocking (the mail to the holder, the alert) is a
periodic job's (``services.blocking``), so that the answer waits for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import and_, case, delete, func, literal, or_, select, update
from sqlalchemy.orm import Session

from app.accounts import domain, passwords, sessions
from app.accounts.models import AccessLink, Organisation, RecoveryRequest, SignInAttempt, SignInOutcome, SignInWay, User, UserSession
from app.core import clock
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

log = structlog.get_logger(__name__)

_ADDRESS_LOCK: Final = "sign-in:"


class TooManyAttempts(Exception):
    """This address has blocked too many accounts; its tries are neither counted nor checked for a while."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A successful sign-in: the account and the secret for the cookie."""

    user_id: int
    token: str


@dataclass(frozen=True, slots=True)
class _Try:
    """A counted try. ``user_id`` is None when there was none to take: unknown, blocked, inactive, deleted."""

    attempt_id: int
    user_id: int | None
    stored: str | None
    attempts: int
    in_window: int

    @property
    def is_last(self) -> bool:
        return self.attempts >= domain.MAX_FAILED_ATTEMPTS or self.in_window >= domain.MAX_FAILURES_IN_WINDOW


def sign_in(identifiant: str, password: str, *, ip: str | None, user_agent: str | None) -> SignedIn | None:
    """Check the identifiant and the password; None whatever the reason of the refusal.

    Raises TooManyAttempts when the address has blocked ``MAX_BLOCKED_BY_ADDRESS`` accounts within the hour.
    """
    counted, right = _check(identifiant, password, ip=ip, way=SignInWay.FORM, user_agent=user_agent)
    rehashed = passwords.hash_password(password) if right and counted.stored and passwords.needs_rehash(counted.stored) else None
    with bound_scope(Scope.system()), transaction() as session:
        if not right:
            _refuse(session, counted)
            return None
        epoch = _give_back(session, counted, rehashed)
        if epoch is None or counted.user_id is None:
            return None
        token = sessions.open_session(session, user_id=counted.user_id, epoch=epoch, ip=ip, user_agent=user_agent)
    return SignedIn(counted.user_id, token)


def confirm(identifiant: str, password: str, *, ip: str | None, user_agent: str | None = None) -> bool:
    """Whether this is the account's password, asked again of someone signed in; counted like a sign-in.

    Raises TooManyAttempts.
    """
    counted, right = _check(identifiant, password, ip=ip, way=SignInWay.CONFIRMATION, user_agent=user_agent)
    with bound_scope(Scope.system()), transaction() as session:
        if right:
            return _give_back(session, counted, None, signs_in=False) is not None
        _refuse(session, counted)
    return False


def _check(identifiant: str, password: str, *, ip: str | None, way: SignInWay, user_agent: str | None) -> tuple[_Try, bool]:
    """Count the try, commit, then look at the password."""
    key = domain.normalise_identifiant(identifiant)
    address = sessions.address_key(ip)
    with bound_scope(Scope.system()), transaction() as session:
        counted = _take_try(session, key, SignInAttempt(at=clock.now(), address=address, way=way.value, user_agent=(user_agent or "")[:400] or None))
    return counted, passwords.verify_password(counted.stored, password) and counted.user_id is not None


def _take_try(session: Session, key: str, attempt: SignInAttempt) -> _Try:
    """Take one try from the account named ``key``, in the same statements for an account that does not exist."""
    address, now = attempt.address, attempt.at
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(_ADDRESS_LOCK + address, 0))))
    _check_address(session, address, now)
    named = func.lower(User.username) == key
    user_id = session.scalar(select(User.id).where(named))
    window_over = or_(User.failed_since.is_(None), User.failed_since <= now - domain.FAILURE_WINDOW)
    closed_organisation = select(literal(1)).where(Organisation.id == User.organisation_id, Organisation.active.is_(False)).exists()
    row = session.execute(
        update(User)
        .where(
            named,
            User.active.is_(True),
            User.deleted_at.is_(None),
            User.deactivated_at.is_(None),
            User.blocked_at.is_(None),
            User.failed_attempts < domain.MAX_FAILED_ATTEMPTS,
            or_(window_over, User.failed_in_window < domain.MAX_FAILURES_IN_WINDOW),
            ~closed_organisation,
        )
        .values(
            failed_attempts=User.failed_attempts + 1,
            failed_in_window=case((window_over, 1), else_=User.failed_in_window + 1),
            failed_since=case((window_over, now), else_=User.failed_since),
            last_failed_at=now,
        )
        .returning(User.id, User.password, User.failed_attempts, User.failed_in_window)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    taken = _Try(0, *row) if row is not None else _Try(0, None, None, 0, 0)
    attempt.user_id, attempt.blocking = user_id, taken.is_last
    session.add(attempt)
    session.flush()
    return _Try(attempt.id, taken.user_id, taken.stored, taken.attempts, taken.in_window)


def _check_address(session: Session, address: str, now: datetime) -> None:
    since = now - domain.ADDRESS_WINDOW
    count, oldest = session.execute(
        select(func.count(), func.min(SignInAttempt.at)).where(SignInAttempt.address == address, SignInAttempt.at > since, SignInAttempt.blocking.is_(True))
    ).one()
    if count >= domain.MAX_BLOCKED_BY_ADDRESS:
        log.warning("sign_in_address_refused", blocked_accounts=count)
        raise TooManyAttempts(max(1, int((oldest - since).total_seconds()) + 1))


def _give_back(session: Session, counted: _Try, rehashed: str | None, *, signs_in: bool = True) -> int | None:
    """Give the tries back after a right password; the account's epoch, or None if it was closed in between."""
    values: dict[str, object] = {
        "failed_attempts": 0,
        "failed_in_window": func.greatest(User.failed_in_window - 1, 0),
    }
    if signs_in:
        values["last_sign_in_at"] = clock.now()
        values["inactivity_notice_at"] = None  # used again: nothing to announce any more
    if rehashed is not None:
        values["password"] = rehashed
    epoch: int | None = session.scalar(
        update(User)
        .where(
            User.id == counted.user_id,
            User.active.is_(True),
            User.blocked_at.is_(None),
            User.deactivated_at.is_(None),
            User.deleted_at.is_(None),
            User.password == counted.stored,
        )
        .values(values)
        .returning(User.session_epoch)
        .execution_options(synchronize_session=False)
    )
    _conclude(session, counted, SignInOutcome.REFUSED if epoch is None else SignInOutcome.SUCCESS, blocking=False)
    return epoch


def _refuse(session: Session, counted: _Try) -> None:
    """Block the account if this was its last try; for any other refusal the same statements change nothing."""
    now = clock.now()
    reason = domain.BlockReason.WRONG_PASSWORDS if counted.attempts >= domain.MAX_FAILED_ATTEMPTS else domain.BlockReason.TOO_MANY_FAILURES
    session.execute(
        update(User)
        .where(
            User.id == (counted.user_id if counted.is_last else -1),
            User.blocked_at.is_(None),
            or_(
                User.failed_attempts >= domain.MAX_FAILED_ATTEMPTS,
                User.failed_in_window >= domain.MAX_FAILURES_IN_WINDOW,
            ),
        )
        .values(blocked_at=now, blocked_reason=reason.value)
        .execution_options(synchronize_session=False)
    )
    _conclude(session, counted, SignInOutcome.REFUSED, blocking=counted.is_last)


def _conclude(session: Session, counted: _Try, outcome: SignInOutcome, *, blocking: bool) -> None:
    session.execute(
        update(SignInAttempt)
        .where(SignInAttempt.id == counted.attempt_id)
        .values(outcome=outcome.value, blocking=blocking)
        .execution_options(synchronize_session=False)
    )


def purge(session: Session, *, before: datetime) -> int:
    """Delete attempts, sessions long ended, links and requests for one, older than ``before``; gives how many lines went."""
    statements = (
        delete(SignInAttempt).where(SignInAttempt.at < before),
        delete(UserSession).where(and_(UserSession.last_seen_at < before, UserSession.created_at < before)),
        delete(RecoveryRequest).where(RecoveryRequest.at < before),
        delete(AccessLink).where(AccessLink.expires_at < before),
    )
    return sum(int(getattr(session.execute(statement), "rowcount", 0)) for statement in statements)


__all__ = ["SignedIn", "TooManyAttempts", "confirm", "purge", "sign_in"]
