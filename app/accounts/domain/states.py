"""Figures and states of accounts: blocked, inactive, deleted; how long sessions, links and notices last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

# ---- figures ---------------------------------------------------------------------------------------------------------

#: "au-delà de 3 tentatives le compte est bloqué" (guide 004 §2.4): the third wrong password blocks.
MAX_FAILED_ATTEMPTS: Final = 3
#: An account also blocks at this many wrong passwords within ``FAILURE_WINDOW``, even with right ones between them.
MAX_FAILURES_IN_WINDOW: Final = 25
FAILURE_WINDOW: Final = timedelta(hours=24)
#: One address may block so many accounts in ``ADDRESS_WINDOW``; further tries are refused and not counted.
MAX_BLOCKED_BY_ADDRESS: Final = 5
ADDRESS_WINDOW: Final = timedelta(hours=1)

SESSION_IDLE: Final = timedelta(minutes=30)
SESSION_LIFETIME: Final = timedelta(hours=12)
#: The last-seen time of a session is written at most this often: a page is not worth a write.
SESSION_TOUCH: Final = timedelta(minutes=1)

#: Support looks through an account's eyes so long at most.
OBSERVATION_LIFETIME: Final = timedelta(minutes=30)

#: How long a link may be used: one asked for by its holder, one sent by somebody else (invitation, regeneration).
RECOVERY_LINK_LIFETIME: Final = timedelta(minutes=60)
INVITATION_LINK_LIFETIME: Final = timedelta(hours=24)

#: A change of one's own address waits so long for the link sent to the new one; one that ran out is still shown for a few days.
EMAIL_LINK_LIFETIME: Final = timedelta(hours=24)
EMAIL_EXPIRED_SHOWN: Final = timedelta(days=7)
#: Links to one new address, and to new addresses in all, that one account has sent within ``EMAIL_LINK_WINDOW``: the first, then three
#: more; a person who mistypes asks for another address a few times, nobody does ten times an hour.
MAX_EMAIL_LINKS: Final = 4
MAX_EMAIL_LINKS_IN_ALL: Final = 10
EMAIL_LINK_WINDOW: Final = timedelta(hours=1)

#: "Génération de mot de passe" answers one network address so many times, and sends one account so many mails, per window.
MAX_RECOVERIES_BY_ADDRESS: Final = 20
MAX_RECOVERY_MAILS: Final = 3
RECOVERY_WINDOW: Final = timedelta(hours=1)
#: A request that no job answered within this time is forgotten: a mail that comes the next day alarms.
RECOVERY_PATIENCE: Final = timedelta(hours=6)
#: A principal reviews its secondary accounts once a year, within a month; it is reminded halfway.
REVIEW_EVERY: Final = timedelta(days=365)
REVIEW_TIME: Final = timedelta(days=30)
REVIEW_REMINDER: Final = timedelta(days=15)
#: An account unused for so long is announced, then deactivated once the notice has run out.
UNUSED_AFTER: Final = timedelta(days=365)
UNUSED_NOTICE: Final = timedelta(days=30)

IDENTIFIANT_MAX: Final = 64
GENERATED_IDENTIFIANT_LENGTH: Final = 10


# ---- states ----------------------------------------------------------------------------------------------------------


class BlockReason(StrEnum):
    """Why an account is blocked."""

    WRONG_PASSWORDS = "wrong_passwords"
    TOO_MANY_FAILURES = "too_many_failures"
    WRONG_CODES = "wrong_codes"


class AccountState(StrEnum):
    """The one state that decides; on screen guide 004 shows two facets of it, statut and blocage."""

    ACTIVE = "active"
    PENDING = "pending"
    BLOCKED = "blocked"
    INACTIVE = "inactive"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What decides about an account."""

    active: bool
    has_password: bool = True
    failed_attempts: int = 0
    blocked_at: datetime | None = None
    deactivated_at: datetime | None = None
    deleted_at: datetime | None = None


def is_blocked(facts: AccountFacts) -> bool:
    """Whether sign-in is refused for wrong passwords.

    The counter counts too: a try is counted before its password is checked, so if the process dies in between, the
    account has no tries left although nobody wrote ``blocked_at``.
    """
    return facts.blocked_at is not None or facts.failed_attempts >= MAX_FAILED_ATTEMPTS


def state_of(facts: AccountFacts) -> AccountState:
    """The state of an account; deleted outweighs inactive, which outweighs blocked."""
    if facts.deleted_at is not None:
        return AccountState.DELETED
    if not facts.active or facts.deactivated_at is not None:
        return AccountState.INACTIVE
    if is_blocked(facts):
        return AccountState.BLOCKED
    if not facts.has_password:
        return AccountState.PENDING
    return AccountState.ACTIVE
