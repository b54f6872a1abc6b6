"""Delegations at work: for whom an account acts today. Computed at each request, so that they end by themselves.

A blocked principal still lends its rights: three wrong passwords typed by a stranger must not leave an organisation, whose
manager is on leave, without the person standing in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask_appbuilder.security.sqla.models import assoc_user_role
from sqlalchemy import BindParameter, ScalarSelect, Text, cast, func, select
from sqlalchemy.orm import Session, aliased

from app.accounts.models import Delegation, User


@dataclass(frozen=True, slots=True)
class Mandate:
    """What an account was lent for these days."""

    delegation_id: int
    delegator_id: int
    civility: str | None
    last_name: str
    first_name: str
    ends_on: date
    #: The roles of the account acted for, whose permissions come on top of one's own.
    role_ids: tuple[int, ...]

    @property
    def name(self) -> str:
        """Nom d'usage, then prénom, as elsewhere."""
        return f"{self.last_name} {self.first_name}".strip()


def column(today: date | BindParameter[date]) -> ScalarSelect[Any]:
    """One more column for a statement that selects ``User``: the delegation of which the account is the delegate on that day.

    The delegator is still the open principal of the same organisation, and the delegate has not become it.
    """
    delegator = aliased(User, name="delegator")
    roles = select(func.array_agg(assoc_user_role.c.role_id)).where(assoc_user_role.c.user_id == delegator.id).scalar_subquery()
    told: dict[str, Any] = {
        "id": Delegation.id,
        "delegator": delegator.id,
        "civility": delegator.civility,
        "last_name": delegator.last_name,
        "first_name": delegator.first_name,
        "ends_on": Delegation.ends_on,
        "roles": roles,
    }
    return (
        select(
            # text: rows are made unique by their values, and a mapping is not hashable
            cast(func.jsonb_build_object(*(part for pair in told.items() for part in pair)), Text)
        )
        .select_from(Delegation)
        .join(delegator, delegator.id == Delegation.delegator_id)
        .where(
            Delegation.delegate_id == User.id,
            Delegation.organisation_id == User.organisation_id,
            Delegation.ended_at.is_(None),
            Delegation.starts_on <= today,
            Delegation.ends_on >= today,
            delegator.organisation_id == Delegation.organisation_id,
            delegator.is_principal.is_(True),
            delegator.active.is_(True),
            delegator.deactivated_at.is_(None),
            delegator.deleted_at.is_(None),
            User.is_principal.is_(False),
        )
        .limit(1)
        .correlate(User)
        .scalar_subquery()
    )


def read(text: str | None) -> Mandate | None:
    """The value of ``column``."""
    if text is None:
        return None
    value: dict[str, Any] = json.loads(text)
    return Mandate(
        delegation_id=value["id"],
        delegator_id=value["delegator"],
        civility=value["civility"],
        last_name=value["last_name"] or "",
        first_name=value["first_name"] or "",
        ends_on=date.fromisoformat(value["ends_on"]),
        role_ids=tuple(sorted(value["roles"] or ())),
    )


def current(session: Session, user_id: int, today: date) -> Mandate | None:
    """The mandate of an account on that day, read afresh."""
    return read(session.scalar(select(column(today)).select_from(User).where(User.id == user_id)))
