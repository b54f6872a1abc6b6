"""Signing in: the try is counted before the password is looked at, so that fifty at once cannot make more than three.

Three steps. First transaction: take one try from the account in a single UPDATE, commit. Then check the password, outside
any transaction, against the account's hash or, when there is none to check, against a hash of the same cost. Second
transaction: give the tries back and open the session, or block the account. Every refusal runs the same statements and
says the same words, whether or not the account exists, and an address is slowed down by tries at any name. What follows
from a blocking (the mail to the holder, the alert) is a periodic job's (``services.blocking``): the answer waits for nothing.

An account with a second factor gets, for its password, a session that only opens the page that asks the code. The code takes
a try of the same counter; the password gives back its own try and no other, so that knowing it buys no guesses at the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import ColumnElement, and_, case, delete, false, func, literal, or_, select, update
from sqlalchemy.orm import Session

from app.accounts import domain, passwords, sessions
from app.accounts.access import factor
from app.accounts.access.factor import CodeKind
from app.accounts.conditions import account_open
from app.accounts.models import (
    AccessLink,
    Organisation,
    RecoveryRequest,
    SessionPurpose,
    SignInAttempt,
    SignInOutcome,
    SignInWay,
    User,
    UserSession,
)
from app.core import clock, crypto
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

log = structlog.get_logger(__name__)

_ADDRESS_LOCK: Final = "sign-in:"


class TooManyAttempts(Exception):
    """This address has used up the tries of too many names; its tries are neither counted nor checked for a while."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A right password, or a right code: the account and the secret for the cookie.

    With ``code_asked`` the secret opens nothing but the page that asks the code. ``codes_left`` is given after a recovery code.
    """

    user_id: int
    token: str
    code_asked: bool = False
    codes_left: int | None = None


class CodeNoLongerAwaited(Exception):
    """The time to give the code is over, or the account was closed meanwhile: back to the password.

    ``blocked``: this wrong code was the account's last try, which whoever gave the right password may be told.
    """

    def __init__(self, *, blocked: bool = False) -> None:
        super().__init__("no code is awaited any more")
        self.blocked = blocked


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

    Raises TooManyAttempts when the address has used up the tries of ``MAX_BLOCKED_BY_ADDRESS`` names within the hour.
    """
    counted, right = _check(identifiant, password, ip=ip, way=SignInWay.FORM, user_agent=user_agent)
    rehashed = passwords.hash_password(password) if right and counted.stored and passwords.needs_rehash(counted.stored) else None
    with bound_scope(Scope.system()), transaction() as session:
        if not right:
            _refuse(session, counted)
            return None
        asked = counted.user_id is not None and factor.is_on(session, counted.user_id)
        epoch = _give_back(session, counted, rehashed, signs_in=not asked, own_try_only=asked)
        if epoch is None or counted.user_id is None:
            return None
        if asked:
            # One signs in with the code: a right password alone opened nothing.
            session.execute(update(SignInAttempt).where(SignInAttempt.id == counted.attempt_id).values(way=SignInWay.PASSWORD.value))
        purpose = SessionPurpose.SECOND_FACTOR if asked else SessionPurpose.FULL
        token = sessions.open_session(session, user_id=counted.user_id, epoch=epoch, ip=ip, user_agent=user_agent, purpose=purpose)
    return SignedIn(counted.user_id, token, code_asked=asked)


def give_code(waiting: str, typed: str, *, ip: str | None, user_agent: str | None) -> SignedIn | None:
    """Check the code typed after a right password; None when it is wrong, a session of its own when it is right.

    ``waiting`` is the secret of the session that asks the code; it ends with a right one. Wrong codes are counted as wrong
    passwords are. Raises CodeNoLongerAwaited and TooManyAttempts.
    """
    with bound_scope(Scope.system()), transaction() as session:
        user_id = sessions.find_waiting(session, waiting)
        if user_id is None:
            raise CodeNoLongerAwaited
        counted = _take_try(session, User.id == user_id, _attempt(sessions.address_key(ip), SignInWay.FORM, user_agent))
    with bound_scope(Scope.system(), actor_id=user_id), transaction() as session:
        # The account is held until the commit: a second code sent meanwhile finds the session over, and is not used up.
        _hold(session, user_id)
        awaited = counted.user_id is not None and sessions.find_waiting(session, waiting) is not None
        kind = factor.accept(session, user_id, typed, clock.now()) if awaited else None
        if kind is None:
            _refuse(session, counted, domain.BlockReason.WRONG_CODES)
        elif (epoch := _give_back(session, counted, None)) is not None:
            sessions.revoke(session, waiting)
            token = sessions.open_session(session, user_id=user_id, epoch=epoch, ip=ip, user_agent=user_agent)
            return SignedIn(user_id, token, codes_left=_note_recovery(session, user_id) if kind is CodeKind.RECOVERY else None)
        awaited = awaited and kind is None and sessions.find_waiting(session, waiting) is not None
    if not awaited:
        raise CodeNoLongerAwaited(blocked=kind is None and counted.is_last)
    return None


def _note_recovery(session: Session, user_id: int) -> int:
    """Tell the person that a recovery code was used; gives how many are left."""
    from app.accounts import notifications  # it stands on services, which stand on this

    left = factor.codes_left(session, user_id)
    user = session.get(User, user_id)
    if user is not None:
        notifications.recovery_code_used(user, left)
    return left


def confirm(identifiant: str, password: str, *, ip: str | None, user_agent: str | None = None) -> bool:
    """Whether this is the account's password, asked again of someone signed in; counted like a sign-in.

    It gives back its own try alone where a code is asked too: the password buys no guesses at the code. Raises TooManyAttempts.
    """
    counted, right = _check(identifiant, password, ip=ip, way=SignInWay.CONFIRMATION, user_agent=user_agent)
    with bound_scope(Scope.system()), transaction() as session:
        if right:
            asked = counted.user_id is not None and factor.is_on(session, counted.user_id)
            return _give_back(session, counted, None, signs_in=False, own_try_only=asked) is not None
        _refuse(session, counted)
    return False


def confirm_with_code(identifiant: str, password: str, typed: str, *, ip: str | None, user_agent: str | None = None) -> tuple[bool, bool]:
    """Whether this is the account's password, and whether this is one of its codes: one try for both, counted like a sign-in.

    The code is looked at, and used, only after a right password. Its holder is told of a recovery code. Raises TooManyAttempts.
    """
    counted, right = _check(identifiant, password, ip=ip, way=SignInWay.CONFIRMATION, user_agent=user_agent)
    with bound_scope(Scope.system(), actor_id=counted.user_id), transaction() as session:
        if right and counted.user_id is not None:
            _hold(session, counted.user_id)
            kind = factor.accept(session, counted.user_id, typed, clock.now())
            if kind is CodeKind.RECOVERY:
                _note_recovery(session, counted.user_id)
            if kind is not None:
                return True, _give_back(session, counted, None, signs_in=False) is not None
        _refuse(session, counted, domain.BlockReason.WRONG_CODES if right else domain.BlockReason.WRONG_PASSWORDS)
    return right, False


def _check(identifiant: str, password: str, *, ip: str | None, way: SignInWay, user_agent: str | None) -> tuple[_Try, bool]:
    """Count the try, commit, then look at the password."""
    key = domain.normalise_identifiant(identifiant)
    address = sessions.address_key(ip)
    with bound_scope(Scope.system()), transaction() as session:
        counted = _take_try(session, func.lower(User.username) == key, _attempt(address, way, user_agent, named=key))
    return counted, passwords.verify_password(counted.stored, password) and counted.user_id is not None


def _hold(session: Session, user_id: int) -> None:
    """Hold the account against other writers first of all, as every act on accounts does: whoever waits for whom makes no circle."""
    session.execute(select(User.id).where(User.id == user_id).with_for_update())


def _attempt(address: str, way: SignInWay, user_agent: str | None, *, named: str | None = None) -> SignInAttempt:
    name_key = None if named is None else crypto.blind_index(named or " ", purpose="sign-in-name")
    return SignInAttempt(at=clock.now(), address=address, way=way.value, user_agent=(user_agent or "")[:400] or None, name_key=name_key)


def _take_try(session: Session, named: ColumnElement[bool], attempt: SignInAttempt) -> _Try:
    """Take one try from the account that ``named`` selects, in the same statements for an account that does not exist."""
    address, now = attempt.address, attempt.at
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(_ADDRESS_LOCK + address, 0))))
    _check_address(session, address, now)
    user_id = session.scalar(select(User.id).where(named))
    window_over = or_(User.failed_since.is_(None), User.failed_since <= now - domain.FAILURE_WINDOW)
    closed_organisation = select(literal(1)).where(Organisation.id == User.organisation_id, Organisation.active.is_(False)).exists()
    row = session.execute(
        update(User)
        .where(
            named,
            *account_open(),
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
    tries = _tries_of_name(session, attempt.name_key)
    attempt.user_id, attempt.blocking = user_id, taken.is_last
    attempt.spending = taken.is_last if row is not None else tries == domain.MAX_FAILED_ATTEMPTS - 1
    session.add(attempt)
    session.flush()
    return _Try(attempt.id, taken.user_id, taken.stored, taken.attempts, taken.in_window)


def _tries_of_name(session: Session, name_key: bytes | None) -> int:
    """How often a name was tried in vain, counted as far as it matters; asked for every try, it matters to names that open nothing."""
    tried = select(literal(1)).where(SignInAttempt.name_key == name_key, SignInAttempt.outcome == SignInOutcome.REFUSED.value)
    return int(session.scalar(select(func.count()).select_from(tried.limit(domain.MAX_FAILED_ATTEMPTS).subquery())) or 0)


def _check_address(session: Session, address: str, now: datetime) -> None:
    since = now - domain.ADDRESS_WINDOW
    count, oldest = session.execute(
        select(func.count(), func.min(SignInAttempt.at)).where(SignInAttempt.address == address, SignInAttempt.at > since, SignInAttempt.spending.is_(True))
    ).one()
    if count >= domain.MAX_BLOCKED_BY_ADDRESS:
        log.warning("sign_in_address_refused", names=count)
        raise TooManyAttempts(max(1, int((oldest - since).total_seconds()) + 1))


def _give_back(session: Session, counted: _Try, rehashed: str | None, *, signs_in: bool = True, own_try_only: bool = False) -> int | None:
    """Give the tries back after a right answer (or this one only); the account's epoch, or None if it was closed in between."""
    values: dict[str, object] = {
        "failed_attempts": func.greatest(User.failed_attempts - 1, 0) if own_try_only else 0,
        "failed_in_window": func.greatest(User.failed_in_window - 1, 0),
    }
    if signs_in:
        values["last_sign_in_at"] = clock.now()
        values["inactivity_notice_at"] = None  # used again: nothing to announce any more
    if rehashed is not None:
        values["password"] = rehashed
        session.execute(select(func.set_config("app.rehash", "on", True)))  # the same password: nothing of the account ends
    epoch: int | None = session.scalar(
        update(User)
        .where(
            User.id == counted.user_id,
            *account_open(),
            User.password == counted.stored,
        )
        .values(values)
        .returning(User.session_epoch)
        .execution_options(synchronize_session=False)
    )
    if rehashed is not None:
        session.execute(select(func.set_config("app.rehash", "", True)))
    _conclude(session, counted, SignInOutcome.REFUSED if epoch is None else SignInOutcome.SUCCESS, blocking=False)
    return epoch


def _refuse(session: Session, counted: _Try, wrong: domain.BlockReason = domain.BlockReason.WRONG_PASSWORDS) -> None:
    """Block the account if this was its last try; for any other refusal the same statements change nothing."""
    now = clock.now()
    reason = wrong if counted.attempts >= domain.MAX_FAILED_ATTEMPTS else domain.BlockReason.TOO_MANY_FAILURES
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
        .values(outcome=outcome.value, blocking=blocking, spending=SignInAttempt.spending if outcome is SignInOutcome.REFUSED else false())
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


__all__ = ["CodeNoLongerAwaited", "SignedIn", "TooManyAttempts", "confirm", "confirm_with_code", "give_code", "purge", "sign_in"]
