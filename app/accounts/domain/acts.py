"""Who may do what to which account, and from which states (guide 004 §2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.accounts.domain.states import AccountFacts, AccountState, is_blocked, state_of
from app.core.roles import ORGANISATION_ROLES, Role

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
_HELP: Final = frozenset({Act.VIEW, Act.EDIT, Act.REGENERATE, Act.DELETE, Act.UNBLOCK, Act.DEACTIVATE, Act.REACTIVATE, Act.CHANGE_RIGHTS, Act.CHANGE_PRINCIPAL})
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
        act for act in ACTS_ON_ACCOUNTS if refusal_of(actor, act, target) is None and refusal_in_state(act, facts) is None and not (act in LEAVING and stays)
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
    """Whether the actor creates organisations and their accounts: the Région's administrators and managers, and support."""
    return any(actor.has(role) for role in (Role.REGION_ADMIN, Role.REGION_MANAGER, Role.SUPPORT))
