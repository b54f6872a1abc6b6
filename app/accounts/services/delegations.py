"""Dated delegation: a principal on leave lends its rights to a secondary account, from one day to another."""

from __future__ import annotations

from datetime import date

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.accounts import domain, notifications
from app.accounts.domain import Act, DelegationProblem, DelegationState, Refusal
from app.accounts.models import Delegation, User
from app.accounts.services.common import AccountNotFound, AccountRefused, acting, allow, locked_account, writing
from app.core import clock
from app.core.errors_db import constraint_name
from app.core.roles import Role

log = structlog.get_logger(__name__)


class DelegationRefused(Exception):
    """The days asked for will not do; nothing was changed."""

    def __init__(self, problems: list[DelegationProblem]) -> None:
        super().__init__(", ".join(problems))
        self.problems = problems


class DelegationOverlap(Exception):
    """Another delegation holds some of these days (None: somebody was faster)."""

    def __init__(self, starts_on: date | None = None, ends_on: date | None = None) -> None:
        super().__init__("overlap")
        self.starts_on, self.ends_on = starts_on, ends_on


def _lender(actor: User) -> None:
    """Refuse whoever is not the principal itself: staff lend nothing, and what is lent is not lent on."""
    if actor.organisation_id is None or not actor.party.has(Role.PRINCIPAL) or actor.party.on_behalf_of is not None:
        raise AccountRefused(Refusal.NOT_ALLOWED)


def delegate(delegate_id: int, *, starts_on: date, ends_on: date, actor_id: int) -> Delegation:
    """Lend the principal's rights to a secondary account of its organisation, both days included; both are told by mail.

    Raises AccountNotFound, AccountRefused, DelegationRefused, DelegationOverlap.
    """
    try:
        with writing(actor_id) as session:
            actor = locked_account(session, actor_id)  # two windows of the principal wait for each other
            target = locked_account(session, delegate_id)
            allow(session, actor_id, Act.DELEGATE, target)
            _lender(actor)
            problems = domain.delegation_problems(starts_on, ends_on, clock.today())
            if problems:
                raise DelegationRefused(problems)
            taken = session.execute(
                select(Delegation.starts_on, Delegation.ends_on)
                .where(
                    Delegation.organisation_id == actor.organisation_id,
                    Delegation.ended_at.is_(None),
                    Delegation.starts_on <= ends_on,
                    Delegation.ends_on >= starts_on,
                )
                .order_by(Delegation.starts_on)
                .limit(1)
            ).one_or_none()
            if taken is not None:
                raise DelegationOverlap(taken.starts_on, taken.ends_on)
            made = Delegation(organisation_id=actor.organisation_id, delegator_id=actor.id, delegate_id=target.id, starts_on=starts_on, ends_on=ends_on)
            session.add(made)
            session.flush()
            delegation_id = made.id
            notifications.delegation_given(actor, target, starts_on, ends_on)
    except IntegrityError as error:
        if constraint_name(error) == "ex_delegation_overlap":
            raise DelegationOverlap from error
        raise
    log.info("delegation_given", delegation=delegation_id, account=delegate_id)
    return made


def take_back(delegation_id: int, *, actor_id: int) -> User:
    """End a delegation before its last day, at once; gives the delegate, and both are told by mail.

    Raises AccountNotFound (also for another organisation's) and AccountRefused (over already, or not the principal who asks).
    """
    with writing(actor_id) as session:
        actor = acting(session, actor_id)
        _lender(actor)
        found = session.scalars(
            select(Delegation).where(Delegation.id == delegation_id, Delegation.organisation_id == actor.organisation_id).with_for_update()
        ).one_or_none()
        if found is None:
            raise AccountNotFound(delegation_id)
        state = domain.delegation_state(starts_on=found.starts_on, ends_on=found.ends_on, ended_at=found.ended_at, today=clock.today())
        if state not in (DelegationState.COMING, DelegationState.CURRENT):
            raise AccountRefused(Refusal.WRONG_STATE)
        found.ended_at = clock.now()
        delegator, target = session.get_one(User, found.delegator_id), session.get_one(User, found.delegate_id)
        notifications.delegation_ended(delegator, target, found.starts_on, found.ends_on)
    log.info("delegation_taken_back", delegation=delegation_id)
    return target
