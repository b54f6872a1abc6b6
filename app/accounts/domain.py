"""Rules of accounts and organisations: states, blocking, who may do what to whom, identifiants, SIRET.

Standard library only. Source: guide 004; docs/glossary.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from app.accounts.domain_siret import SiretFault as SiretFault  # noqa: PLC0414 - handed on
from app.accounts.domain_siret import compact_siret as compact_siret  # noqa: PLC0414 - handed on
from app.accounts.domain_siret import format_siret as format_siret  # noqa: PLC0414 - handed on
from app.accounts.domain_siret import is_siret as is_siret  # noqa: PLC0414 - handed on
from app.accounts.domain_siret import siret_fault as siret_fault  # noqa: PLC0414 - handed on
from app.core.roles import ORGANISATION_ROLES, Role

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


def session_alive(*, created_at: datetime, last_seen_at: datetime, at: datetime) -> bool:
    """Whether a session is within its idle time and its lifetime."""
    return at < created_at + SESSION_LIFETIME and at < last_seen_at + SESSION_IDLE


# ---- who may do what to whom -----------------------------------------------------------------------------------------


class Act(StrEnum):
    """What can be done to an account."""

    VIEW = "view"
    CREATE = "create"
    EDIT = "edit"
    REGENERATE = "regenerate"
    DELETE = "delete"
    UNBLOCK = "unblock"
    DEACTIVATE = "deactivate"
    REACTIVATE = "reactivate"
    CHANGE_ROLES = "change_roles"
    CHANGE_RIGHTS = "change_rights"
    DELEGATE = "delegate"
    #: Take away the second factor of someone who lost the telephone.
    RESET_FACTOR = "reset_factor"
    CHANGE_PRINCIPAL = "change_principal"
    OBSERVE = "observe"


class Refusal(StrEnum):
    """Why an act on an account is refused."""

    NOT_ALLOWED = "not_allowed"
    OTHER_ORGANISATION = "other_organisation"
    OWN_ACCOUNT = "own_account"
    WRONG_STATE = "wrong_state"
    LAST_ADMINISTRATOR = "last_administrator"
    LAST_PRINCIPAL = "last_principal"


@dataclass(frozen=True, slots=True)
class Party:
    """An account as actor or as target."""

    id: int | None
    roles: frozenset[str]
    organisation_id: int | None = None
    #: The principal for whom the account stands in today; its role is among ``roles``.
    on_behalf_of: int | None = None

    def has(self, role: Role) -> bool:
        return role in self.roles


#: "editing, regenerating, deleting, unblocking, deactivating/reactivating: … by the Région and support on all" (guide 004 §2).
#: All organisations' accounts, that is: see ``refusal_of``. Creating an account is for those who answer for it.
_HELP: Final = frozenset(
    {Act.VIEW, Act.EDIT, Act.REGENERATE, Act.DELETE, Act.UNBLOCK, Act.DEACTIVATE, Act.REACTIVATE, Act.CHANGE_RIGHTS, Act.CHANGE_PRINCIPAL}
)
_STAFF_ACTS: Final = {Role.SUPPORT: _HELP | {Act.RESET_FACTOR, Act.OBSERVE}, Role.REGION_MANAGER: _HELP}
_PRINCIPAL_ACTS: Final = frozenset(Act) - {Act.CHANGE_ROLES, Act.RESET_FACTOR, Act.CHANGE_PRINCIPAL, Act.OBSERVE}
#: Acts nobody may do to their own account: they would be a way up, or out.
_NEVER_ON_ONESELF: Final = frozenset(Act) - {Act.VIEW, Act.EDIT}
#: Nobody looks through the eyes of the Région or of support, and they have no principal account.
_ORGANISATION_ACCOUNTS_ONLY: Final = frozenset({Act.CHANGE_PRINCIPAL, Act.OBSERVE})


def is_organisation_account(party: Party) -> bool:
    """Whether the account belongs to an organisation and holds no role of the Région or of support."""
    return party.organisation_id is not None and party.roles <= ORGANISATION_ROLES


def standing_in(party: Party, delegator_id: int) -> Party:
    """The account with the principal's role on top of its own, for the days of a delegation."""
    return replace(party, roles=party.roles | {Role.PRINCIPAL.value}, on_behalf_of=delegator_id)


def can_be_narrowed(party: Party) -> bool:
    """Whether the rights of the account can be narrowed: an organisation's, and not the one that manages it."""
    return is_organisation_account(party) and not party.has(Role.PRINCIPAL)


def refusal_of(actor: Party, act: Act, target: Party) -> Refusal | None:
    """Why ``actor`` may not do ``act`` to ``target``, or None when it may.

    Who stands in for the principal does what the principal does, but never to its own account, nor to the principal's, and hands
    nothing on. Rights are narrowed, and lent, on secondary accounts alone.
    """
    if actor.on_behalf_of is not None and (act is Act.DELEGATE or (actor.id == target.id and act is not Act.VIEW)):
        return Refusal.OWN_ACCOUNT if actor.id == target.id else Refusal.NOT_ALLOWED
    refusal = _refusal_of_role(actor, act, target)
    if refusal is None and act in (Act.CHANGE_RIGHTS, Act.DELEGATE) and not can_be_narrowed(target):
        return Refusal.NOT_ALLOWED
    return refusal


def _refusal_of_role(actor: Party, act: Act, target: Party) -> Refusal | None:
    """Why ``actor`` may not do ``act`` to ``target``, or None when it may.

    The principal manages the secondary accounts of its own organisation and no others (guide 004 §2); support and the
    Région's managers help organisations; only the Région's administrators touch accounts of the Région or of support,
    since a helper who could renew an administrator's password would be one.
    """
    if actor.id is not None and actor.id == target.id and act in _NEVER_ON_ONESELF:
        return Refusal.OWN_ACCOUNT
    if actor.has(Role.REGION_ADMIN) and act is not Act.OBSERVE:
        return Refusal.NOT_ALLOWED if act in _ORGANISATION_ACCOUNTS_ONLY and not is_organisation_account(target) else None
    for role, acts in _STAFF_ACTS.items():
        if actor.has(role) and act in acts:
            return None if act is Act.VIEW or is_organisation_account(target) else Refusal.NOT_ALLOWED
    if actor.has(Role.PRINCIPAL) and actor.organisation_id is not None:
        return _refusal_of_principal(actor, act, target)
    return Refusal.NOT_ALLOWED


def _refusal_of_principal(actor: Party, act: Act, target: Party) -> Refusal | None:
    if target.organisation_id != actor.organisation_id:
        return Refusal.OTHER_ORGANISATION
    if act is Act.VIEW:
        return None
    manageable = is_organisation_account(target) and not target.has(Role.PRINCIPAL)
    return None if manageable and act in _PRINCIPAL_ACTS else Refusal.NOT_ALLOWED


#: The states from which an act makes sense.
_STATES_FOR: Final[dict[Act, frozenset[AccountState]]] = {
    Act.UNBLOCK: frozenset({AccountState.BLOCKED, AccountState.INACTIVE}),
    Act.DEACTIVATE: frozenset({AccountState.ACTIVE, AccountState.PENDING, AccountState.BLOCKED}),
    Act.REACTIVATE: frozenset({AccountState.INACTIVE}),
    Act.REGENERATE: frozenset({AccountState.ACTIVE, AccountState.PENDING, AccountState.BLOCKED}),
    Act.EDIT: frozenset(set(AccountState) - {AccountState.DELETED}),
    Act.DELETE: frozenset(set(AccountState) - {AccountState.DELETED}),
    Act.CHANGE_ROLES: frozenset(set(AccountState) - {AccountState.DELETED}),
    Act.CHANGE_RIGHTS: frozenset(set(AccountState) - {AccountState.DELETED}),
    # a blocked account may be unblocked before the first day; one that never signed in, or sleeps, cannot stand in
    Act.DELEGATE: frozenset({AccountState.ACTIVE, AccountState.BLOCKED}),
    Act.RESET_FACTOR: frozenset(set(AccountState) - {AccountState.DELETED}),
    # Who takes over the management must be able to sign in; whoever cannot sign in sees no page to look at.
    Act.CHANGE_PRINCIPAL: frozenset({AccountState.ACTIVE, AccountState.PENDING}),
    Act.OBSERVE: frozenset({AccountState.ACTIVE, AccountState.PENDING}),
}


def refusal_in_state(act: Act, facts: AccountFacts) -> Refusal | None:
    """Why ``act`` makes no sense for an account in this state, or None.

    An inactive account may be unblocked (it can be both), but only if it is blocked.
    """
    if act is Act.UNBLOCK and not is_blocked(facts):
        return Refusal.WRONG_STATE
    allowed = _STATES_FOR.get(act)
    return Refusal.WRONG_STATE if allowed is not None and state_of(facts) not in allowed else None


def refusal_to_leave(*, was_last_admin: bool, was_last_principal: bool) -> Refusal | None:
    """Why an account may not lose its role, be deactivated or deleted: somebody must be left to manage."""
    if was_last_admin:
        return Refusal.LAST_ADMINISTRATOR
    if was_last_principal:
        return Refusal.LAST_PRINCIPAL
    return None


#: The acts on an account that exists, in the order in which the screens show them.
ACTS_ON_ACCOUNTS: Final = (Act.EDIT, Act.REGENERATE, Act.UNBLOCK, Act.DEACTIVATE, Act.REACTIVATE, Act.DELETE)
#: The acts after which an account manages nothing any more.
LEAVING: Final = frozenset({Act.DELETE, Act.DEACTIVATE})


def manages(facts: AccountFacts) -> bool:
    """Whether an account with the right roles counts as one that manages: a blocked one does, its holder can be helped."""
    return facts.active and facts.deactivated_at is None and facts.deleted_at is None


def is_last_principal(target: Party, facts: AccountFacts, *, organisation_open: bool) -> bool:
    """Whether an organisation would be left unmanaged without this account: it has one principal, and is open."""
    return organisation_open and target.has(Role.PRINCIPAL) and manages(facts)


def offered(actor: Party, target: Party, facts: AccountFacts, *, organisation_open: bool) -> tuple[Act, ...]:
    """The acts that ``actor`` may do to the account now: those whose buttons are shown."""
    stays = is_last_principal(target, facts, organisation_open=organisation_open)
    return tuple(
        act
        for act in ACTS_ON_ACCOUNTS
        if refusal_of(actor, act, target) is None and refusal_in_state(act, facts) is None and not (act in LEAVING and stays)
    )


def consistent_roles(roles: Collection[str], organisation_id: int | None) -> bool:
    """Whether these roles fit together: an organisation's account holds organisation roles only, staff none of them."""
    organisation_roles = set(roles) & {str(role) for role in ORGANISATION_ROLES}
    if organisation_id is None:
        return not organisation_roles
    return bool(roles) and len(organisation_roles) == len(set(roles))


def administrators_to_keep(last_uses: Mapping[int, datetime], *, unused_before: datetime) -> set[int]:
    """Of the active administrators of the Région (id → last use), those that want of use may not close: somebody must be left."""
    if not last_uses or any(at >= unused_before for at in last_uses.values()):
        return set()
    return {max(last_uses, key=lambda number: (last_uses[number], number))}


def may_create_organisations(actor: Party) -> bool:
    """Whether the actor creates organisations and their accounts: the Région's administrators and managers."""
    return actor.has(Role.REGION_ADMIN) or actor.has(Role.REGION_MANAGER)


# ---- identifiants ----------------------------------------------------------------------------------------------------

#: ASCII only, so that "without regard to case" means the same to Python and to any PostgreSQL collation; a first
#: character that no spreadsheet takes for a formula.
_IDENTIFIANT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@ -]{0,62}[A-Za-z0-9._@-])?")
#: Without 0/o, 1/l/i: people read these out over the telephone.
IDENTIFIANT_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"


def normalise_identifiant(text: str | None) -> str:
    """An identifiant as it is compared: without surrounding blanks, inner ones single, without regard to case.

    NUL, which PostgreSQL cannot take, becomes a character that no identifiant holds.
    """
    return " ".join((text or "").replace("\x00", "\N{REPLACEMENT CHARACTER}").split()).lower()


def is_identifiant(text: str) -> bool:
    """Whether ``text`` may be chosen as identifiant: 1 to 64 letters, digits, dots, hyphens, underscores, at signs, blanks."""
    return bool(_IDENTIFIANT.fullmatch(text)) and "  " not in text


def deleted_identifiant(user_id: int) -> str:
    """What takes the place of a deleted account's identifiant, which others may then choose; nobody can choose this one."""
    return f"~{user_id}"


# ---- names -----------------------------------------------------------------------------------------------------------

NAME_MAX: Final = 64
_NOT_IN_NAMES: Final = frozenset('<>/\\@:;"|=+*#&%$!?_^`~[]{}')


def is_person_name(text: str) -> bool:
    """Whether ``text`` may be a person's name: at least one letter, and nothing an address or a formula is written with.

    Names go into the mails of the portal: they must not carry a link to somewhere else.
    """
    return any(character.isalpha() for character in text) and all(character.isprintable() and character not in _NOT_IN_NAMES for character in text)


# ---- links and recovery ----------------------------------------------------------------------------------------------


class LinkState(StrEnum):
    """What a link sent by mail is worth."""

    USABLE = "usable"
    EXPIRED = "expired"
    USED = "used"
    #: A newer link was sent, or the account got another password or was blocked since.
    REPLACED = "replaced"
    #: The account or its organisation is closed.
    CLOSED = "closed"
    UNKNOWN = "unknown"


def may_recover(account: AccountFacts, *, organisation_open: bool) -> bool:
    """Whether a link may open this account: a blocked or pending one yes, an inactive, deleted or closed one no."""
    return organisation_open and state_of(account) not in (AccountState.INACTIVE, AccountState.DELETED)


def link_state(
    *,
    expires_at: datetime,
    used_at: datetime | None,
    revoked_at: datetime | None,
    account: AccountFacts,
    organisation_open: bool,
    at: datetime,
) -> LinkState:
    """What a link is worth; a closed account outweighs the rest, since no other link would open it."""
    if not may_recover(account, organisation_open=organisation_open):
        return LinkState.CLOSED
    if used_at is not None:
        return LinkState.USED
    if revoked_at is not None:
        return LinkState.REPLACED
    return LinkState.EXPIRED if at >= expires_at else LinkState.USABLE


def comparable_name(text: str | None) -> str:
    """A name as "Génération de mot de passe" compares it: without regard to case, accents, blanks, hyphens and apostrophes."""
    decomposed = unicodedata.normalize("NFKD", (text or "").casefold().replace("œ", "oe").replace("æ", "ae"))
    return "".join(character for character in decomposed if character.isalnum())


def comparable_email(text: str | None) -> str:
    """An e-mail address as it is compared: without blanks, without regard to case."""
    return "".join((text or "").split()).casefold()


def may_change_own_email(party: Party) -> bool:
    """Whether someone changes their own address: staff and principals do; a secondary's is kept by its principal (guide 004 §2.1).

    It is where the links go: whoever moves it moves the account.
    """
    return party.organisation_id is None or party.has(Role.PRINCIPAL)


class NetworkKind(StrEnum):
    """From what kind of network address somebody tried to sign in."""

    FAMILIAR = "familiar"
    PRIVATE = "private"
    UNFAMILIAR = "unfamiliar"


def network_kind(address: str, *, familiar: bool) -> NetworkKind:
    """The kind of ``address`` (as it is counted); ``familiar``: its holder has signed in from there."""
    if familiar:
        return NetworkKind.FAMILIAR
    try:
        private = ipaddress.ip_network(address, strict=False).is_private
    except ValueError:
        private = False
    return NetworkKind.PRIVATE if private else NetworkKind.UNFAMILIAR


# ---- local addresses -------------------------------------------------------------------------------------------------


def local_path(target: str | None) -> str | None:
    """``target`` if it is a path on this site, else None: a sign-in page must never lead away (open redirect).

    Browsers take backslashes for slashes and drop control characters, so ``/\\host`` and ``/\\t/host`` lead away too.
    """
    if not target or len(target) > 2000 or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or any(ord(character) < 33 or ord(character) == 127 for character in target):
        return None
    return target


# ---- delegation ------------------------------------------------------------------------------------------------------

#: A delegation lasts at most this long, and begins within it: beyond, the organisation needs another principal account.
DELEGATION_MAX_MONTHS: Final = 12


class DelegationState(StrEnum):
    """Where a delegation stands on a day."""

    COMING = "coming"
    CURRENT = "current"
    PAST = "past"
    TAKEN_BACK = "taken_back"


class DelegationProblem(StrEnum):
    """What is wrong with the days of a delegation."""

    STARTS_IN_THE_PAST = "starts_in_the_past"
    STARTS_TOO_LATE = "starts_too_late"
    ENDS_BEFORE_START = "ends_before_start"
    TOO_LONG = "too_long"


def a_year_after(day: date) -> date:
    """The same day a year later; the 29 February becomes the 1 March."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return date(day.year + 1, 3, 1)


def delegation_problems(starts_on: date, ends_on: date, today: date) -> list[DelegationProblem]:
    """What is wrong with a delegation from ``starts_on`` to ``ends_on``, both included (days of the Région)."""
    problems: list[DelegationProblem] = []
    if starts_on < today:
        problems.append(DelegationProblem.STARTS_IN_THE_PAST)
    elif starts_on > a_year_after(today):
        problems.append(DelegationProblem.STARTS_TOO_LATE)
    if ends_on < starts_on:
        problems.append(DelegationProblem.ENDS_BEFORE_START)
    elif ends_on >= a_year_after(starts_on):
        problems.append(DelegationProblem.TOO_LONG)
    return problems


def delegation_state(*, starts_on: date, ends_on: date, ended_at: datetime | None, today: date) -> DelegationState:
    """Where a delegation stands: taken back outweighs the days."""
    if ended_at is not None:
        return DelegationState.TAKEN_BACK
    if today < starts_on:
        return DelegationState.COMING
    return DelegationState.CURRENT if today <= ends_on else DelegationState.PAST
