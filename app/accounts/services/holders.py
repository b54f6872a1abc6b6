"""Whom an account belongs to (guide 004 §1 and §2.1): inviting a colleague, correcting a name or an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from app.accounts import domain, notifications
from app.accounts.domain import Act, Refusal
from app.accounts.models import LinkPurpose, Organisation, User
from app.accounts.services.common import AccountNotFound, AccountRefused, acting, locked_account, role_rows, writing
from app.accounts.services.common import allow as allow_on
from app.accounts.services.life import free_identifiant
from app.accounts.services.links import issue_link, revoke_links
from app.core import crypto
from app.core.concurrency import THEIRS, Canonical, StaleError, Values, canonical, compare, kept_theirs
from app.core.roles import ORGANISATION_ROLES, Role

log = structlog.get_logger(__name__)

#: What the dialog "Gestion du compte" edits, by the names of its fields, which are the columns' too.
FIELDS: Final = ("civility", "last_name", "first_name", "email")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an account, as typed and checked: names are trimmed, the address can receive mail."""

    civility: str | None
    last_name: str
    first_name: str
    email: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """An account just made; ``repeated`` says that the same form had made it before (a second click)."""

    user: User
    repeated: bool


class AlreadyInvited(Exception):
    """The organisation has an open account of the same name and address; ``identifiant`` is that account's."""

    def __init__(self, identifiant: str) -> None:
        super().__init__("an account of the same name and address exists")
        self.identifiant = identifiant


def invite_account(organisation_id: int, holder: Holder, *, actor_id: int, once: str | None = None, role: Role = Role.SECONDARY) -> Invitation:
    """Create an account of an organisation and send its holder a link to choose identifiant and password (guide 004 §1).

    It has no password until then: nobody can sign in to it. ``once`` is the form's own number: a form sent twice makes one
    account, because the generated identifiant follows from it.

    Raises AccountNotFound (an organisation the actor may not know of), AccountRefused and AlreadyInvited; ValueError for a
    role that no secondary account holds.
    """
    if role not in ORGANISATION_ROLES - {Role.PRINCIPAL}:
        raise ValueError("the role of a secondary account")
    with writing(actor_id) as session:
        _allow_creating(session, actor_id, organisation_id)
        # One creation at a time in an organisation: two windows see each other's account.
        organisation = session.scalar(select(Organisation).where(Organisation.id == organisation_id).with_for_update(key_share=True))
        if organisation is None:
            raise AccountNotFound(organisation_id)
        identifiant = _identifiant_of_form(actor_id, once) if once else None
        if identifiant is not None:
            before = session.scalar(_with_details(func.lower(User.username) == identifiant))
            if before is not None and before.organisation_id == organisation_id:
                return Invitation(before, repeated=True)
            identifiant = identifiant if before is None else None
        _refuse_twin(session, organisation_id, holder)
        user = User(
            civility=holder.civility,
            last_name=holder.last_name,
            first_name=holder.first_name,
            email=holder.email,
            username=identifiant or free_identifiant(session),
            organisation_id=organisation_id,
            active=True,
            session_epoch=0,
            failed_attempts=0,
            failed_in_window=0,
        )
        user.organisation = organisation
        user.roles = role_rows(session, {role.value})
        session.add(user)
        session.flush()
        notifications.account_invited(user, issue_link(session, user, LinkPurpose.INVITATION))
        user_id = user.id
    log.info("account_invited", account=user_id)
    return Invitation(user, repeated=False)


def _allow_creating(session: Session, actor_id: int, organisation_id: int) -> None:
    actor = acting(session, actor_id)
    wanted = domain.Party(id=None, roles=frozenset({Role.SECONDARY}), organisation_id=organisation_id)
    refusal = domain.refusal_of(actor.party, Act.CREATE, wanted)
    if refusal is Refusal.OTHER_ORGANISATION:
        raise AccountNotFound(organisation_id)
    if refusal is not None:
        raise AccountRefused(refusal)


def _identifiant_of_form(actor_id: int, once: str) -> str:
    """The identifiant that belongs to one showing of a form: as random as any, and the same when the form comes back."""
    digest = crypto.blind_index(f"{actor_id}:{once}", purpose="identifiant")
    number = int.from_bytes(digest, "big")
    letters = []
    for _place in range(domain.GENERATED_IDENTIFIANT_LENGTH):
        number, rest = divmod(number, len(domain.IDENTIFIANT_ALPHABET))
        letters.append(domain.IDENTIFIANT_ALPHABET[rest])
    return "".join(letters)


def _refuse_twin(session: Session, organisation_id: int, holder: Holder) -> None:
    """One person, one account: two of the same name share a mailbox only by mistake. Same address, other name: a secretariat."""
    twin = session.scalar(
        select(User.username)
        .where(
            User.organisation_id == organisation_id,
            User.deleted_at.is_(None),
            func.lower(User.email) == holder.email.lower(),
            func.lower(User.last_name) == holder.last_name.lower(),
            func.lower(User.first_name) == holder.first_name.lower(),
        )
        .limit(1)
    )
    if twin is not None:
        raise AlreadyInvited(twin)


def _with_details(*conditions: Any) -> Any:
    return select(User).where(*conditions).options(joinedload(User.organisation))


@dataclass(frozen=True, slots=True)
class Edited:
    """An account after ``edit_account``: the fields written, and whether another invitation left for the new address."""

    user: User
    changed: frozenset[str]
    invited_again: bool


def edit_account(
    user_id: int,
    holder: Holder,
    *,
    base: Values | None,
    choices: Mapping[str, str],
    actor_id: int,
    check: Callable[[User], None] | None = None,
) -> Edited:
    """Change civilité, nom d'usage, prénom and courriel (guide 004 §2.1); what the holder does not send stays.

    ``base`` is what the form showed when it was opened (None when that is lost: then every difference asks for a choice) and
    ``choices`` the answers of the conflict page, by field. Fields that only somebody else changed meanwhile keep that change.

    ``check`` may refuse, by raising, what the account is once it is locked.

    Another address: the former one is told, links sent there end, and who had not chosen a password yet gets another link.

    Raises StaleError when both changed a field differently (nothing is written), AccountNotFound and AccountRefused.
    """
    with writing(actor_id) as session:
        user = locked_account(session, user_id)
        allow_on(session, actor_id, Act.EDIT, user)
        if check is not None:
            check(user)
        changed = _merged(user, holder, base, choices)
        if "email" in changed and user.id == actor_id:
            raise AccountRefused(Refusal.OWN_ACCOUNT)  # one's own is changed in "Mon compte", which asks the password
        former = user.email
        for name in changed:
            setattr(user, name, getattr(holder, name))
        invited_again = False
        if "email" in changed:
            session.flush()
            invited_again = _address_changed(session, user, former, session.get(User, actor_id))
    if changed:
        log.info("account_edited", account=user_id, fields=sorted(changed))
    return Edited(user, frozenset(changed), invited_again)


def values_of(row: User | Holder) -> dict[str, Canonical]:
    """The fields of ``FIELDS``, in the form in which versions are compared."""
    return {name: canonical(getattr(row, name)) for name in FIELDS}


def _merged(user: User, holder: Holder, base: Values | None, choices: Mapping[str, str]) -> set[str]:
    """The fields to write; raises StaleError where a choice is lacking."""
    theirs, mine = values_of(user), values_of(holder)
    # "Theirs" was chosen: the field counts as untouched by me, should it have moved once more.
    left = {name for name in FIELDS if choices.get(name) == THEIRS}
    for name in left:
        mine[name] = base[name] if base is not None and name in base else theirs[name]
    if compare(base, mine, theirs):
        raise StaleError(version=0, base=base, mine=mine, theirs=theirs, row=("ab_user", (user.id,)))
    left |= kept_theirs(base, mine, theirs)
    return {name for name in FIELDS if name not in left and mine[name] != theirs[name]}


def _address_changed(session: Session, user: User, former: str, actor: User | None) -> bool:
    revoke_links(session, user.id)
    notifications.email_changed(user, former, by=actor)
    if user.password is not None or not user.is_active:
        return False
    notifications.account_invited(user, issue_link(session, user, LinkPurpose.INVITATION))
    return True
