"""The second factor in the database: the secret, the codes, and which of them still counts.

The secret is encrypted (``core.crypto``) and bound to its row. A code of the application is good once (``last_step``), a
recovery code as well; both are taken by one UPDATE, so that of two sent at once one is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

import pyotp
from flask import current_app
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.accounts.access import domain
from app.accounts.access.domain import FactorPolicy
from app.accounts.models import RecoveryCode, SecondFactor, User
from app.core import clock, crypto


class CodeKind(StrEnum):
    """What a code that was accepted is."""

    APPLICATION = "application"
    RECOVERY = "recovery"


# ---- the secret ------------------------------------------------------------------------------------------------------


def new_secret() -> str:
    """160 bits at random, in base 32, as applications read them (RFC 4226 §4 R6)."""
    return pyotp.random_base32(32)


#: The columns of secrets: the one that counts, and that of another telephone until its first code.
SECRET, NEXT_SECRET = "secret", "next_secret"


def secret_aad(seal_uid: uuid.UUID | str, column: str = SECRET) -> bytes:
    """The place of a secret."""
    return crypto.column_aad("second_factor", column, seal_uid)


def seal(secret: str, seal_uid: uuid.UUID, column: str = SECRET) -> bytes:
    """The secret as it is stored."""
    return crypto.cipher().encrypt(secret, secret_aad(seal_uid, column))


def reveal(row: SecondFactor) -> str:
    """The secret of a row."""
    return crypto.cipher().decrypt_text(bytes(row.secret), secret_aad(row.seal_uid))


def reveal_next(row: SecondFactor) -> str:
    """The secret of another telephone. Raises LookupError when none waits."""
    if row.next_secret is None:
        raise LookupError(row.user_id)
    return crypto.cipher().decrypt_text(bytes(row.next_secret), secret_aad(row.seal_uid, NEXT_SECRET))


def setup_uri(secret: str, identifiant: str) -> str:
    """What the picture to photograph says: whose key it is, and the key."""
    return pyotp.TOTP(secret).provisioning_uri(name=identifiant, issuer_name=str(current_app.config["PORTAL_NAME"]).replace(":", " "))


def matching_step(secret: str, code: str, at: datetime) -> int | None:
    """The time step whose code is ``code`` around ``at``, the latest one; every candidate is compared."""
    totp = pyotp.TOTP(secret, digits=domain.CODE_DIGITS, interval=domain.STEP_SECONDS)
    found = [step for step in domain.steps_around(at) if hmac.compare_digest(totp.generate_otp(step), code)]
    return found[-1] if found else None


# ---- whose -----------------------------------------------------------------------------------------------------------


def policy() -> FactorPolicy:
    """The setting of this instance."""
    return FactorPolicy(current_app.config["SECOND_FACTOR_REQUIRED"])


def required_for(user: Any) -> bool:
    """Whether this account must have a second factor."""
    return domain.factor_required(policy(), {role.name for role in user.roles})


def is_on(session: Session, user_id: int) -> bool:
    """Whether a code is asked of this account after its password."""
    return bool(session.scalar(select(confirmed().where(SecondFactor.user_id == user_id).exists())))


def confirmed() -> Any:
    """A selection of the factors that count, to be narrowed to an account."""
    return select(SecondFactor.user_id).where(SecondFactor.confirmed_at.is_not(None))


# ---- codes -----------------------------------------------------------------------------------------------------------


def accept(session: Session, user_id: int, typed: str, at: datetime) -> CodeKind | None:
    """Use a code of the account, of its application or a recovery one; None when it is wrong or was used before."""
    code = domain.application_code(typed)
    if code is not None:
        return CodeKind.APPLICATION if _accept_application(session, user_id, code, at) else None
    recovery = domain.recovery_code(typed)
    if recovery is not None and _accept_recovery(session, user_id, recovery, at):
        return CodeKind.RECOVERY
    return None


def _accept_application(session: Session, user_id: int, code: str, at: datetime) -> bool:
    row = session.scalar(select(SecondFactor).where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None)))
    step = matching_step(reveal(row), code, at) if row is not None else None
    if step is None:
        return False
    taken = session.scalar(
        update(SecondFactor)
        .where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None), SecondFactor.last_step < step)
        .values(last_step=step)
        .returning(SecondFactor.user_id)
        .execution_options(synchronize_session=False)
    )
    return taken is not None


def _accept_recovery(session: Session, user_id: int, code: str, at: datetime) -> bool:
    taken = session.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == code_digest(code),
            RecoveryCode.used_at.is_(None),
            confirmed().where(SecondFactor.user_id == user_id).exists(),
        )
        .values(used_at=at)
        .returning(RecoveryCode.id)
        .execution_options(synchronize_session=False)
    )
    return taken is not None


def code_digest(code: str) -> str:
    """What is stored of a recovery code (79 random bits: no salt, no slow hash is needed)."""
    return hashlib.sha256(code.encode()).hexdigest()


def codes_left(session: Session, user_id: int) -> int:
    """How many recovery codes may still be used."""
    return int(session.scalar(select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))) or 0)


def replace_codes(session: Session, user: User) -> list[str]:
    """Make ten recovery codes, end the former ones, and give the new ones as people copy them: they are nowhere else."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = ["".join(secrets.choice(domain.RECOVERY_ALPHABET) for _ in range(domain.RECOVERY_LENGTH)) for _ in range(domain.RECOVERY_CODES)]
    session.add_all(RecoveryCode(user_id=user.id, organisation_id=user.organisation_id, code_hash=code_digest(code)) for code in codes)
    session.flush()
    return [domain.format_recovery_code(code) for code in codes]


def codes_of(session: Session, user_id: int, typed: Iterable[str]) -> list[str]:
    """Those of these texts that are unused recovery codes of the account, as people copy them."""
    codes = [code for text in typed if (code := domain.recovery_code(text)) is not None][: domain.RECOVERY_CODES]
    known = set(
        session.scalars(
            select(RecoveryCode.code_hash).where(
                RecoveryCode.user_id == user_id,
                RecoveryCode.used_at.is_(None),
                RecoveryCode.code_hash.in_([code_digest(code) for code in codes]),
            )
        )
    )
    return [domain.format_recovery_code(code) for code in codes if code_digest(code) in known]


def remove(session: Session, user_id: int) -> bool:
    """Take the factor and its recovery codes away; whether there was one that counted."""
    row = session.get(SecondFactor, user_id, populate_existing=True)
    was_on = row is not None and row.confirmed_at is not None
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    if row is not None:
        session.delete(row)
    session.flush()
    return was_on


def fresh(row: SecondFactor | None) -> bool:
    """Whether a first secret still waits for its first code."""
    return row is not None and row.confirmed_at is None and row.created_at > clock.now() - domain.SETUP_LIFETIME


def shown_to(row: SecondFactor, token: str | None) -> bool:
    """Whether the secret that waits was asked for by the session behind ``token``: nobody else is shown it."""
    return bool(token) and row.begun_by is not None and hmac.compare_digest(row.begun_by, hashlib.sha256(str(token).encode()).hexdigest())


def forget_unfinished(session: Session) -> int:
    """Drop the secrets of other telephones that waited too long for their first code; gives how many."""
    gone = session.execute(
        update(SecondFactor)
        .where(SecondFactor.next_created_at < clock.now() - domain.SETUP_LIFETIME)
        .values(next_secret=None, next_created_at=None, begun_by=None)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(gone, "rowcount", 0))


def moving(row: SecondFactor | None) -> bool:
    """Whether the secret of another telephone still waits for its first code; meanwhile the present one counts."""
    return row is not None and row.next_created_at is not None and row.next_created_at > clock.now() - domain.SETUP_LIFETIME
