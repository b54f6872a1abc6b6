"""Links that lead to the choice of a password, and who may ask for one."""

from __future__ import annotations

import ipaddress
import unicodedata
from datetime import datetime
from enum import StrEnum

from app.accounts.domain.acts import Party
from app.accounts.domain.states import AccountFacts, AccountState, state_of
from app.core.roles import Role

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
