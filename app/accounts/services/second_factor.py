"""The second factor: set up, used up, renewed, given up, and taken away for those who lost the telephone."""

from __future__ import annotations

import uuid

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts import authentication, notifications, sessions
from app.accounts import domain as accounts
from app.accounts.access import domain, factor
from app.accounts.domain import Act, Refusal
from app.accounts.models import SecondFactor, User
from app.accounts.services.common import AccountNotFound, AccountRefused, WrongPassword, allow, locked_account, password_confirmed, unchanged, writing
from app.core import clock

log = structlog.get_logger(__name__)


class FactorAlreadyOn(Exception):
    """The account has a second factor."""


class FactorNotOn(Exception):
    """The account has no second factor, or none that waits for its first code."""


class FactorMandatory(Exception):
    """The role of the account makes its second factor mandatory."""


class WrongCode(Exception):
    """The code is wrong, too old or was used. ``ended`` says that it was the last try: the account is blocked."""

    def __init__(self, *, ended: bool = False) -> None:
        super().__init__("wrong code")
        self.ended = ended


def begin_second_factor(user_id: int, *, password: str, token: str | None, ip: str | None) -> None:
    """Make a secret that waits for its first code, in place of one that waited; the present password is asked and counted.

    ``token``: the session's, the only one that may read the secret and give its first code.
    Raises WrongPassword, FactorAlreadyOn, ``authentication.TooManyAttempts``.
    """
    epoch = password_confirmed(user_id, password, ip=ip)
    with writing() as session:
        user = locked_account(session, user_id)
        unchanged(user, epoch)
        row = session.get(SecondFactor, user_id, populate_existing=True)
        if row is not None and row.confirmed_at is not None:
            raise FactorAlreadyOn
        if row is None:
            row = SecondFactor(user_id=user_id, organisation_id=user.organisation_id)
            session.add(row)
        row.seal_uid = uuid.uuid4()
        row.secret = factor.seal(factor.new_secret(), row.seal_uid)
        row.created_at = clock.now()
        row.last_step = 0
        row.begun_by = _shown_to(token)


def activate_second_factor(user_id: int, code: str, *, token: str | None) -> list[str]:
    """Turn the factor on with a first code; the other sessions end. Gives the ten recovery codes, which are nowhere else.

    The code is not counted as a try: whoever is here was just shown the secret. Raises WrongCode, FactorNotOn (also for another
    session than the one that began, or one that has ended), FactorAlreadyOn.
    """
    with writing() as session:
        user = locked_account(session, user_id)
        row = session.get(SecondFactor, user_id, populate_existing=True)
        if row is not None and row.confirmed_at is not None:
            raise FactorAlreadyOn
        if row is None or not factor.fresh(row):
            raise FactorNotOn
        kept = _session_that_began(session, user, row, token)
        row.last_step = _first_step(factor.reveal(row), code)
        row.confirmed_at = clock.now()
        row.begun_by = None
        session.flush()
        codes = factor.replace_codes(session, user)
        sessions.revoke_all(session, user_id, except_token=kept)
        notifications.second_factor_on(user)
    log.info("second_factor_on", account=user_id)
    return codes


def begin_telephone_change(user_id: int, *, password: str, code: str, token: str | None, ip: str | None) -> None:
    """Make the secret of another telephone, which counts for nothing before its first code. Asks the password and a code.

    The code may be a recovery one: whoever lost the telephone moves to the new one alone. ``token``: the session's, the only one that
    may read the secret and give its first code.
    Raises WrongPassword, WrongCode, FactorNotOn, ``authentication.TooManyAttempts``.
    """
    epoch = _confirmed_with_code(user_id, password, code, ip=ip)
    with writing() as session:
        user = locked_account(session, user_id)
        unchanged(user, epoch)
        row = _factor_in_use(session, user_id)
        row.next_secret = factor.seal(factor.new_secret(), row.seal_uid, factor.NEXT_SECRET)
        row.next_created_at = clock.now()
        row.begun_by = _shown_to(token)


def finish_telephone_change(user_id: int, code: str, *, token: str | None) -> None:
    """Let the other telephone take over with its first code; the former one and the other sessions end, recovery codes stay.

    Raises WrongCode (not counted, as for a first telephone), FactorNotOn (also for another session than the one that began).
    """
    with writing() as session:
        user = locked_account(session, user_id)
        row = _factor_in_use(session, user_id)
        if not factor.moving(row):
            raise FactorNotOn
        kept = _session_that_began(session, user, row, token)
        secret = factor.reveal_next(row)
        row.last_step = _first_step(secret, code)
        row.secret = factor.seal(secret, row.seal_uid)
        row.confirmed_at = clock.now()
        row.next_secret = row.next_created_at = row.begun_by = None
        session.flush()
        sessions.revoke_all(session, user_id, except_token=kept)
        notifications.telephone_changed(user)
    log.info("second_factor_telephone_changed", account=user_id)


def forget_unfinished() -> int:
    """Drop the secrets of other telephones that waited too long for their first code; gives how many."""
    with writing() as session:
        return factor.forget_unfinished(session)


def _shown_to(token: str | None) -> str | None:
    return sessions.digest(token) if token else None


def _session_that_began(session: Session, user: User, row: SecondFactor, token: str | None) -> str:
    """``token``, when its session asked for the secret and is still open: whatever closes the account has ended it. Raises FactorNotOn."""
    kept = sessions.still_open(session, user, token)
    if kept is None or not factor.shown_to(row, kept):
        raise FactorNotOn
    return kept


def _factor_in_use(session: Session, user_id: int) -> SecondFactor:
    row = session.get(SecondFactor, user_id, populate_existing=True)
    if row is None or row.confirmed_at is None:
        raise FactorNotOn
    return row


def _first_step(secret: str, code: str) -> int:
    """The time step of a first code. Raises WrongCode."""
    digits = domain.application_code(code)
    step = factor.matching_step(secret, digits, clock.now()) if digits else None
    if step is None:
        raise WrongCode
    return step


def renew_recovery_codes(user_id: int, *, password: str, code: str, ip: str | None) -> list[str]:
    """Make ten other recovery codes; the former ones end. Asks the password and a code.

    Raises WrongPassword, WrongCode, FactorNotOn, ``authentication.TooManyAttempts``.
    """
    epoch = _confirmed_with_code(user_id, password, code, ip=ip)
    with writing() as session:
        user = locked_account(session, user_id)
        unchanged(user, epoch)
        if not factor.is_on(session, user_id):
            raise FactorNotOn
        codes = factor.replace_codes(session, user)
        notifications.recovery_codes_renewed(user)
    return codes


def give_up_second_factor(user_id: int, *, password: str, code: str, ip: str | None) -> None:
    """Turn the factor off. Asks the password and a code.

    Raises FactorMandatory, WrongPassword, WrongCode, FactorNotOn, ``authentication.TooManyAttempts``.
    """
    with writing() as session:
        if factor.required_for(locked_account(session, user_id)):
            raise FactorMandatory
    epoch = _confirmed_with_code(user_id, password, code, ip=ip)
    with writing() as session:
        user = locked_account(session, user_id)
        unchanged(user, epoch)
        if not factor.remove(session, user_id):
            raise FactorNotOn
        notifications.second_factor_off(user, by_holder=True)
    log.info("second_factor_off", account=user_id)


def reset_second_factor(user_id: int, *, actor_id: int) -> User:
    """Take the factor of someone away (lost telephone); the sessions of the account end and the person is told.

    Raises AccountNotFound and AccountRefused (also when there is none to take away).
    """
    with writing(actor_id) as session:
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.RESET_FACTOR, user)
        _take_away(session, user)
    log.info("second_factor_reset", account=user_id)
    return user


def reset_second_factor_of(identifiant: str) -> None:
    """The same from the command line, where whoever asks holds the server. Raises AccountNotFound and AccountRefused."""
    with writing() as session:
        user_id = session.scalar(select(User.id).where(func.lower(User.username) == accounts.normalise_identifiant(identifiant)))
        if user_id is None:
            raise AccountNotFound(identifiant)
        _take_away(session, locked_account(session, user_id))


def _take_away(session: Session, user: User) -> None:
    if not factor.remove(session, user.id):
        raise AccountRefused(Refusal.WRONG_STATE)
    sessions.revoke_all(session, user.id)
    notifications.second_factor_off(user, by_holder=False)


def _confirmed_with_code(user_id: int, password: str, code: str, *, ip: str | None) -> int:
    """The account's epoch when the password and the code were right."""
    with writing() as session:
        user = locked_account(session, user_id)
        identifiant, epoch = user.username, int(user.session_epoch)
        if not factor.is_on(session, user_id):
            raise FactorNotOn
    password_right, code_right = authentication.confirm_with_code(identifiant, password, code, ip=ip)
    if code_right:
        return epoch
    with writing() as session:
        ended = locked_account(session, user_id).blocked_at is not None
    if not password_right:
        raise WrongPassword(ended=ended)
    raise WrongCode(ended=ended)
