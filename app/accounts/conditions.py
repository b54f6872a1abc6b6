"""What makes an account open, as conditions of a statement: the same for its password, its sessions and its tokens."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from app.accounts.models import Organisation, User


def account_open(user: Any = User) -> tuple[ColumnElement[bool], ...]:
    """Neither inactive, blocked nor deleted; ``user`` may be an alias."""
    return (user.active.is_(True), user.blocked_at.is_(None), user.deactivated_at.is_(None), user.deleted_at.is_(None))


def organisation_open(since: Any) -> ColumnElement[bool]:
    """Of no organisation, or of one that is open and was not closed after ``since``. The statement joins ``Organisation``."""
    return or_(
        User.organisation_id.is_(None),
        and_(Organisation.active.is_(True), or_(Organisation.sessions_valid_from.is_(None), since > Organisation.sessions_valid_from)),
    )
