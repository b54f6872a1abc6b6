"""Use cases of organisations: created with the account that manages them, handed over to another one."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from app.accounts import domain, notifications, sessions
from app.accounts.domain import Act, Refusal
from app.accounts.models import Delegation, LinkPurpose, Organisation, User
from app.accounts.services.common import (
    AccountNotFound,
    AccountRefused,
    acting,
    allow,
    hold_leaving,
    locked_account,
    may_create_organisations,
    role_rows,
    writing,
)
from app.accounts.services.life import create_account
from app.accounts.services.links import issue_link
from app.core import clock
from app.core.roles import Role
from app.core.transaction import transaction

log = structlog.get_logger(__name__)


class SuccessorNotReady(Exception):
    """Who takes over has no password yet: the former principal account cannot be put to sleep before it has."""


class OrganisationExists(Exception):
    """An organisation already has this SIRET."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who an account is made for. ``civility`` is one of ``models.Civility``."""

    civility: str
    last_name: str
    first_name: str
    email: str


@dataclass(frozen=True, slots=True)
class OrganisationCard:
    """What is known of an organisation when it is created; ``siret`` as typed."""

    legal_name: str
    siret: str
    trade_name: str | None = None
    nda: str | None = None
    contact_email: str | None = None
    contact_phone: str | None = None


@dataclass(frozen=True, slots=True)
class Handover:
    """What became of a change of principal account."""

    organisation: Organisation
    former: User | None
    successor: User


def create_organisation(
    *,
    legal_name: str,
    siret: str,
    trade_name: str | None = None,
    nda: str | None = None,
    contact_email: str | None = None,
    contact_phone: str | None = None,
) -> Organisation:
    """Create an organisation. Raises ValueError for a SIRET that does not hold together."""
    compact = domain.compact_siret(siret)
    if not domain.is_siret(compact):
        raise ValueError("this SIRET does not hold together")
    with transaction() as session:
        organisation = Organisation(
            legal_name=legal_name.strip(), siret=compact, trade_name=trade_name, nda=nda, contact_email=contact_email, contact_phone=contact_phone
        )
        session.add(organisation)
        session.flush()
    return organisation


def create_organisation_with_principal(card: OrganisationCard, person: Person, *, actor_id: int) -> tuple[Organisation, User]:
    """Create an organisation and the account that manages it, and invite its holder, in one transaction.

    Raises AccountRefused (the actor may not), OrganisationExists, and ValueError for a SIRET that does not hold together.
    """
    with writing(actor_id) as session:
        may_create_organisations(session, actor_id)
        if session.scalar(select(Organisation.id).where(Organisation.siret == domain.compact_siret(card.siret))) is not None:
            raise OrganisationExists(card.siret)
        try:
            organisation = create_organisation(
                legal_name=card.legal_name,
                siret=card.siret,
                trade_name=card.trade_name,
                nda=card.nda,
                contact_email=card.contact_email,
                contact_phone=card.contact_phone,
            )
        except IntegrityError as error:  # two people at once
            if "siret" in str(getattr(getattr(error.orig, "diag", None), "constraint_name", "")):
                raise OrganisationExists(card.siret) from error
            raise
        user = _invited_principal(session, organisation.id, person, actor_id=actor_id)
        organisation_id, user_id = organisation.id, user.id
    log.info("organisation_created", organisation=organisation_id, account=user_id)
    return organisation, user


def change_principal(
    organisation_id: int,
    *,
    actor_id: int,
    expected_former_id: int | None,
    successor_id: int | None = None,
    person: Person | None = None,
    deactivate_former: bool = False,
) -> Handover:
    """Hand the management of an organisation to one of its secondary accounts, or to a new person who is invited.

    The former principal becomes a secondary account, put to sleep if ``deactivate_former``; its delegations end. Roles swap in
    one transaction, the old one first: the database allows one principal at any moment, and none left only until the commit.
    Raises AccountNotFound (no such organisation, or account of it) and AccountRefused: not allowed, or WRONG_STATE when
    the principal is no longer ``expected_former_id`` or the successor can no longer take over. SuccessorNotReady: the former
    one was to be put to sleep although nobody could sign in to manage the organisation then.
    """
    if (successor_id is None) == (person is None):
        raise ValueError("either an account or a person takes over")
    with writing(actor_id) as session:
        hold_leaving(session)
        organisation = session.scalar(select(Organisation).where(Organisation.id == organisation_id).with_for_update())
        if organisation is None:
            raise AccountNotFound(organisation_id)
        former = _principal_of(session, organisation_id)
        if (None if former is None else former.id) != expected_former_id:
            raise AccountRefused(Refusal.WRONG_STATE)
        successor = _successor(session, organisation_id, successor_id, former)
        _may_hand_over(session, actor_id, organisation_id, successor)
        if former is not None and deactivate_former and (successor is None or successor.password is None):
            raise SuccessorNotReady
        if former is not None:
            _step_down(session, former, sleep=deactivate_former)
        if person is not None:
            successor = _invited_principal(session, organisation_id, person, actor_id=actor_id)
        elif successor is not None:
            _step_up(session, successor)
            if successor.password is None:  # never signed in: another link, since the first may be over
                notifications.account_invited(successor, issue_link(session, successor, LinkPurpose.INVITATION))
            else:
                notifications.principal_appointed(successor)
        if successor is None:
            raise AccountNotFound(successor_id)
        if former is not None:
            notifications.principal_replaced(former, successor, deactivated=deactivate_former)
        former_id, new_id = None if former is None else former.id, successor.id
    log.info("principal_changed", organisation=organisation_id, former=former_id, account=new_id)
    return Handover(organisation, former, successor)


# ---- parts -----------------------------------------------------------------------------------------------------------


def _invited_principal(session: Session, organisation_id: int, person: Person, *, actor_id: int) -> User:
    user_id = create_account(
        first_name=person.first_name,
        last_name=person.last_name,
        email=person.email,
        civility=person.civility,
        roles=[Role.PRINCIPAL],
        organisation_id=organisation_id,
        actor_id=actor_id,
    )
    user = locked_account(session, user_id)
    notifications.account_invited(user, issue_link(session, user, LinkPurpose.INVITATION))
    return user


def _principal_of(session: Session, organisation_id: int) -> User | None:
    user: User | None = (
        session.scalars(
            select(User)
            .where(User.organisation_id == organisation_id, User.is_principal.is_(True), User.deleted_at.is_(None))
            .options(joinedload(User.roles), joinedload(User.organisation))
            .with_for_update(of=User)
            .execution_options(populate_existing=True)
        )
        .unique()
        .one_or_none()
    )
    return user


def _successor(session: Session, organisation_id: int, successor_id: int | None, former: User | None) -> User | None:
    if successor_id is None:
        return None
    user = locked_account(session, successor_id)
    if user.organisation_id != organisation_id:
        raise AccountNotFound(successor_id)
    if former is not None and user.id == former.id:
        raise AccountRefused(Refusal.WRONG_STATE)
    return user


def _may_hand_over(session: Session, actor_id: int, organisation_id: int, successor: User | None) -> None:
    if successor is not None:
        allow(session, actor_id, Act.CHANGE_PRINCIPAL, successor)
        return
    actor = acting(session, actor_id)
    nobody_yet = domain.Party(id=None, roles=frozenset({Role.SECONDARY.value}), organisation_id=organisation_id)
    if domain.refusal_of(actor.party, Act.CHANGE_PRINCIPAL, nobody_yet) is not None:
        raise AccountRefused(Refusal.NOT_ALLOWED)


def _step_down(session: Session, former: User, *, sleep: bool) -> None:
    former.roles = role_rows(session, {Role.SECONDARY.value})
    if sleep and former.deactivated_at is None:
        former.active = False
        former.deactivated_at = clock.now()
    session.flush()
    session.execute(
        update(Delegation)
        .where(Delegation.delegator_id == former.id, Delegation.ended_at.is_(None))
        .values(ended_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    sessions.revoke_all(session, former.id)


def _step_up(session: Session, successor: User) -> None:
    successor.roles = role_rows(session, {Role.PRINCIPAL.value})
    # a principal's rights are never narrowed
    successor.functions = None
    successor.limited_to_actions = False
    session.flush()
    sessions.revoke_all(session, successor.id)
