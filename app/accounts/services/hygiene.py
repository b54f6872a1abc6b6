"""Account hygiene: the yearly review of secondary accounts, and accounts left unused for a year.

Every job is set-based, commits in portions, and may run twice or at once with itself: what decides is in the rows it updates.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final

import structlog
from flask_appbuilder.security.sqla.models import Role as RoleRow
from sqlalchemy import ColumnElement, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased, joinedload

from app.accounts import domain, notifications
from app.accounts.domain import Act, Refusal
from app.accounts.models import AccountReview, Organisation, User, UserSession
from app.accounts.queries import OPEN as _OPEN
from app.accounts.queries import last_use, unused_since
from app.accounts.services.common import AccountNotFound, AccountRefused, acting, hold_leaving, refuse, writing
from app.core import clock
from app.core.roles import Role

log = structlog.get_logger(__name__)

#: Rows of one transaction: each brings a mail or two.
PORTION: Final = 200


class ReviewIncomplete(Exception):
    """Accounts of the organisation that the review decides nothing about."""

    def __init__(self, missing: set[int]) -> None:
        super().__init__(f"{len(missing)} accounts")
        self.missing = missing


def _in_portions(portion: Callable[[], int]) -> int:
    total = 0
    while count := portion():
        total += count
    return total


# ---- the yearly review -----------------------------------------------------------------------------------------------


def open_reviews() -> int:
    """Open the review of each organisation that has secondary accounts and had none for a year; gives how many were opened."""
    return _in_portions(_open_some)


def _open_some() -> int:
    now = clock.now()
    secondary, manager, earlier = aliased(User), aliased(User), aliased(AccountReview)
    due = (
        select(Organisation.id, literal(now), literal(clock.today() + domain.REVIEW_TIME))
        .where(
            Organisation.active.is_(True),
            func.coalesce(
                select(func.max(earlier.opened_at)).where(earlier.organisation_id == Organisation.id).scalar_subquery(), Organisation.created_at
            )
            <= now - domain.REVIEW_EVERY,
            ~select(literal(1)).where(earlier.organisation_id == Organisation.id, earlier.completed_at.is_(None)).exists(),
            _has_account(secondary, principal=False),
            _has_account(manager, principal=True),
        )
        .order_by(Organisation.id)
        .limit(PORTION)
    )
    with writing() as session:
        opened = session.execute(
            insert(AccountReview)
            .from_select(["organisation_id", "opened_at", "due_on"], due, include_defaults=False)
            .on_conflict_do_nothing()
            .returning(AccountReview.organisation_id, AccountReview.due_on)
        ).all()
        managers = _principals(session, {organisation_id for organisation_id, _due in opened})
        for organisation_id, due_on in opened:
            if organisation_id in managers:
                notifications.review_opened(managers[organisation_id], due_on)
    if opened:
        log.info("account_reviews_opened", reviews=len(opened))
    return len(opened)


def _has_account(account: Any, *, principal: bool) -> ColumnElement[bool]:
    return (
        select(literal(1))
        .where(
            account.organisation_id == Organisation.id,
            account.is_principal.is_(principal),
            account.active.is_(True),
            account.deactivated_at.is_(None),
            account.deleted_at.is_(None),
        )
        .exists()
    )


def remind_reviews() -> int:
    """Remind the principals whose review is still open halfway; gives how many were reminded."""
    return _in_portions(_remind_some)


def _remind_some() -> int:
    now = clock.now()
    with writing() as session:
        waiting = (
            select(AccountReview.id)
            .where(AccountReview.completed_at.is_(None), AccountReview.reminded_at.is_(None), AccountReview.opened_at <= now - domain.REVIEW_REMINDER)
            .limit(PORTION)
            .with_for_update(skip_locked=True)
        )
        reminded = session.execute(
            update(AccountReview)
            .where(AccountReview.id.in_(waiting), AccountReview.reminded_at.is_(None))
            .values(reminded_at=now)
            .returning(AccountReview.organisation_id, AccountReview.due_on)
            .execution_options(synchronize_session=False)
        ).all()
        managers = _principals(session, {organisation_id for organisation_id, _due in reminded})
        for organisation_id, due_on in reminded:
            if organisation_id in managers:
                notifications.review_reminder(managers[organisation_id], due_on)
    return len(reminded)


def complete_review(organisation_id: int, kept: Mapping[int, bool], *, actor_id: int) -> int:
    """End the review under way: accounts mapped to False are deactivated and their holders told; gives how many were.

    Raises ReviewIncomplete (an open account is not decided about), AccountNotFound (one decided about is not the
    organisation's), and AccountRefused (no review is under way, or an act is not allowed).
    """
    with writing(actor_id) as session:
        hold_leaving(session)
        review = session.scalar(
            select(AccountReview).where(AccountReview.organisation_id == organisation_id, AccountReview.completed_at.is_(None)).with_for_update()
        )
        if review is None:
            raise AccountRefused(Refusal.WRONG_STATE)
        accounts = _secondaries(session, organisation_id)
        if set(kept) - set(accounts):
            raise AccountNotFound(organisation_id)
        still_open = {number for number, user in accounts.items() if user.active and user.deactivated_at is None}
        if still_open - set(kept):
            raise ReviewIncomplete(still_open - set(kept))
        decider = acting(session, actor_id)
        leaving = [accounts[number] for number in sorted(still_open) if not kept[number]]
        for user in leaving:
            refuse(decider, Act.DEACTIVATE, user)
        now = clock.now()
        review.completed_at, review.completed_by = now, actor_id
        session.flush()
        # who is kept is not closed for want of use: the notice under way ends, and none comes before the next review
        session.execute(
            update(User)
            .where(User.id.in_([number for number in still_open if kept[number]]), User.inactivity_notice_at.is_not(None))
            .values(inactivity_notice_at=None)
            .execution_options(synchronize_session=False)
        )
        left = _marked(session, [user.id for user in leaving], active=False, deactivated_at=now)
        _end_sessions(session, [user.id for user in left])
        for user in left:
            notifications.account_deactivated(user, by=decider)
    log.info("account_review_completed", organisation=organisation_id, deactivated=len(leaving))
    return len(leaving)


def _secondaries(session: Session, organisation_id: int) -> dict[int, User]:
    statement = (
        select(User)
        .where(User.organisation_id == organisation_id, User.deleted_at.is_(None), User.is_principal.is_(False))
        .options(joinedload(User.roles), joinedload(User.organisation))
        .order_by(User.id)
        .with_for_update(of=User)
        .execution_options(populate_existing=True)
    )
    return {user.id: user for user in session.scalars(statement).unique()}


def _end_sessions(session: Session, user_ids: Collection[int]) -> None:
    """End the sessions of accounts just closed, all at once (their epoch has moved already: this is for the lists of sessions)."""
    if user_ids:
        session.execute(
            update(UserSession)
            .where(UserSession.user_id.in_(user_ids), UserSession.revoked_at.is_(None))
            .values(revoked_at=clock.now())
            .execution_options(synchronize_session=False)
        )


# ---- accounts left unused --------------------------------------------------------------------------------------------


def announce_unused() -> int:
    """Tell the holders of accounts unused for a year, and their principals, when they will be deactivated; gives how many."""
    _forget_stale_notices()
    return _in_portions(_announce_some)


def _forget_stale_notices() -> None:
    """A notice ends by the use of the account, whatever the way in."""
    with writing() as session:
        session.execute(
            update(User)
            .where(User.inactivity_notice_at.is_not(None), last_use() > User.inactivity_notice_at)
            .values(inactivity_notice_at=None)
            .execution_options(synchronize_session=False)
        )


def _announce_some() -> int:
    now = clock.now()
    with writing() as session:
        chosen = _some_unused(session, now, User.inactivity_notice_at.is_(None))
        found = _marked(session, chosen, inactivity_notice_at=now)
        managers = _principals(session, {user.organisation_id for user in found if user.organisation_id is not None})
        day = clock.to_local(now + domain.UNUSED_NOTICE).date()
        for user in found:
            notifications.unused_announced(user, day)
            if user.organisation_id in managers:
                notifications.unused_announced_to_manager(managers[user.organisation_id], user, day)
    if found:
        log.info("unused_accounts_announced", accounts=len(found))
    return len(found)


def deactivate_unused() -> int:
    """Deactivate the accounts whose notice has run out and that are still unused; gives how many."""
    _forget_stale_notices()
    return _in_portions(_deactivate_some)


def _deactivate_some() -> int:
    now = clock.now()
    with writing() as session:
        hold_leaving(session)
        chosen = _some_unused(session, now, User.inactivity_notice_at <= now - domain.UNUSED_NOTICE)
        # the notice goes too: an account woken up later is told again before it is closed again
        found = _marked(session, chosen, active=False, deactivated_at=now, inactivity_notice_at=None)
        _end_sessions(session, [user.id for user in found])
        managers = _principals(session, {user.organisation_id for user in found if user.organisation_id is not None})
        for user in found:
            notifications.unused_deactivated(user)
            if user.organisation_id in managers:
                notifications.unused_deactivated_to_manager(managers[user.organisation_id], user)
    if found:
        log.info("unused_accounts_deactivated", accounts=len(found))
    return len(found)


def _kept_since(moment: datetime) -> ColumnElement[bool]:
    """Whether a review completed since ``moment`` decided to keep the account: whoever was not kept is closed."""
    review = select(literal(1)).where(
        AccountReview.organisation_id == User.organisation_id,
        AccountReview.completed_at > moment,
        func.timezone("UTC", User.created_on) < AccountReview.completed_at,
    )
    return review.exists()


def _some_unused(session: Session, now: datetime, condition: ColumnElement[bool]) -> list[int]:
    """A portion of the unused accounts, locked; never an organisation's principal, nor the last administrator of the Région."""
    before = now - domain.UNUSED_AFTER
    held = select(User.id, last_use()).where(_OPEN, User.roles.any(RoleRow.name == Role.REGION_ADMIN.value))
    administrators = {row[0]: row[1] for row in session.execute(held)}
    statement = (
        select(User.id)
        .where(
            unused_since(before),
            ~_kept_since(before),
            condition,
            User.is_principal.is_(False),
            User.id.not_in(domain.administrators_to_keep(administrators, unused_before=before) or {-1}),
        )
        .order_by(User.id)
        .limit(PORTION)
        .with_for_update(skip_locked=True, of=User)
    )
    return list(session.scalars(statement))


def _marked(session: Session, user_ids: Collection[int], **values: Any) -> list[User]:
    if not user_ids:
        return []
    session.execute(update(User).where(User.id.in_(user_ids)).values(values).execution_options(synchronize_session=False))
    statement = (
        select(User)
        .where(User.id.in_(user_ids))
        .options(joinedload(User.roles), joinedload(User.organisation))
        .order_by(User.id)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(statement).unique())


def _principals(session: Session, organisation_ids: Collection[int]) -> dict[int, User]:
    """The open principal account of each of these organisations."""
    if not organisation_ids:
        return {}
    statement = select(User).where(User.organisation_id.in_(organisation_ids), User.is_principal.is_(True), _OPEN).options(joinedload(User.organisation))
    return {user.organisation_id: user for user in session.scalars(statement)}
