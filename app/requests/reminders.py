"""Requests that wait too long: who is told, once for each sending, after the delays that the market rules set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from flask_babel import force_locale
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload

from app.accounts.models import User
from app.core import clock
from app.core.extensions import db
from app.core.mail import public_link, send_mail
from app.core.mail.services import InvalidAddress
from app.core.roles import Role
from app.core.transaction import transaction

from . import labels, notifications, presenters
from .domain import RequestState
from .domain.reminders import ReminderKind, is_late
from .market_models import MarketRuleVersion, RequestReminder
from .models import ModificationRequest, ModificationRequestEvent

log = structlog.get_logger(__name__)

#: Requests told of in one run; the next run goes on.
BATCH: Final = 500
#: Requests named in one message; beyond, their number says enough.
NAMED: Final = 30


def late_ids(rows: Sequence[ModificationRequest], now: datetime) -> set[int]:
    """Those of these requests that have waited longer than the validators are given, in one statement."""
    waiting = [row for row in rows if row.state == RequestState.PENDING]
    if not waiting:
        return set()
    delays = _delays()
    return {row.id for row in waiting if is_late(row.sent_at, now, delays.remind_days)} if delays is not None else set()


def remind() -> int:
    """Write the messages that are due; gives how many.

    The validators, and later the administrators, get one message each with what became late since the last one; an organisation one for
    each request.  The row of the reminder and the messages are one transaction: told once, whatever runs twice or is cut short.
    """
    delays = _delays()
    if delays is None:
        return 0
    now = clock.now()
    written = 0
    for kind, days, role in (
        (ReminderKind.VALIDATORS, delays.remind_days, Role.REGION_VALIDATOR),
        (ReminderKind.ADMINISTRATORS, delays.escalate_days, Role.REGION_ADMIN),
    ):
        with transaction():
            users = _holders(role)
            found = _claimed(kind, RequestState.PENDING, now - timedelta(days=days), now) if users else []
            if found:
                written += _tell_region(kind, users, days, found)
    with transaction():
        found = _claimed(ReminderKind.CORRECTION, RequestState.TO_CORRECT, now - timedelta(days=delays.correction_days), now, _somebody())
        written += sum(_tell_organisation(request, since, delays.correction_days) for request, since in found)
    return written


def _delays() -> Any:
    statement = (
        select(MarketRuleVersion.remind_days, MarketRuleVersion.escalate_days, MarketRuleVersion.correction_days)
        .where(MarketRuleVersion.published_at.is_not(None))
        .order_by(MarketRuleVersion.number.desc())
        .limit(1)
    )
    return db.session.execute(statement).one_or_none()


def _claimed(kind: ReminderKind, state: RequestState, before: datetime, now: datetime, *conditions: Any) -> list[tuple[ModificationRequest, datetime]]:
    """The requests in ``state`` since before then that nobody was told of, with since when; from now on they are told of.

    Each request waits since its last step.  Two runs at once: the database lets one of them note a reminder.
    """
    last = (
        select(func.max(ModificationRequestEvent.id))
        .where(ModificationRequestEvent.request_id == ModificationRequest.id)
        .correlate(ModificationRequest)
        .scalar_subquery()
    )
    step = ModificationRequestEvent
    told = select(RequestReminder.id).where(RequestReminder.event_id == step.id, RequestReminder.kind == kind.value).exists()
    due = db.session.execute(
        select(ModificationRequest.id, ModificationRequest.organisation_id, step.id.label("event_id"), step.happened_at)
        .join(step, step.id == last)
        .where(ModificationRequest.state == state.value, step.happened_at <= before, ~told, *conditions)
        .order_by(step.happened_at, step.id)
        .limit(BATCH)
    ).all()
    if not due:
        return []
    table: Any = RequestReminder.__table__
    values = [{"organisation_id": row.organisation_id, "event_id": row.event_id, "kind": kind.value, "sent_at": now} for row in due]
    mine = set(db.session.scalars(insert(table).values(values).on_conflict_do_nothing().returning(table.c.event_id)))
    since = {row.id: row.happened_at for row in due if row.event_id in mine}
    statement = select(ModificationRequest).where(ModificationRequest.id.in_(since), ModificationRequest.state == state.value)
    rows = db.session.scalars(
        statement.options(joinedload(ModificationRequest.action), joinedload(ModificationRequest.organisation)).execution_options(populate_existing=True)
    )
    return sorted(((row, since[row.id]) for row in rows), key=lambda one: (one[1], one[0].id))


def _tell_region(kind: ReminderKind, users: Sequence[User], days: int, found: Sequence[tuple[ModificationRequest, datetime]]) -> int:
    now = clock.now()
    with force_locale("fr"):
        lines = [
            {
                "number": request.action.number,
                "organisation": str(request.organisation),
                "kind": labels.kind_label(request.kind),
                "summary": labels.summary(request.asked),
                "age": presenters.age_text(request, now),
            }
            for request, _since in found[:NAMED]
        ]
    variables = {
        "escalated": kind is ReminderKind.ADMINISTRATORS,
        "count": len(found),
        "days": days,
        "lines": lines,
        "left": len(found) - len(lines),
        "link": public_link("RequestsView.queue"),
    }
    return sum(_send(user, "requests_late", variables, None) for user in users)


def _somebody() -> Any:
    """Whether anybody of the organisation can be told today; if not, another day."""
    asked = ModificationRequest
    return select(User.id).where(*notifications.told_of(asked.organisation_id, asked.sender_id)).correlate(asked).exists()


def _tell_organisation(request: ModificationRequest, since: datetime, days: int) -> int:
    with force_locale("fr"):
        kind, summary = labels.kind_label(request.kind), labels.summary(request.asked)
        lines = labels.noted_lines(request.asked, request.noted)
    variables = {
        "kind": kind,
        "summary": summary,
        "action_number": request.action.number,
        "observations": request.observations,
        "lines": lines,
        "since": since,
        "days": days,
        "link": public_link("RequestsView.show", request_id=request.id),
    }
    users = notifications.recipients(request.organisation_id, request.sender_id)
    return sum(_send(user, "request_correction_late", variables, request.organisation_id) for user in users)


def _holders(role: Role) -> Sequence[User]:
    """The accounts of a role of the Région that may sign in."""
    statement = select(User).where(
        User.roles.any(name=role.value),
        User.organisation_id.is_(None),
        User.active.is_(True),
        User.deleted_at.is_(None),
        User.deactivated_at.is_(None),
    )
    return list(db.session.scalars(statement.order_by(User.id)).unique())


def _send(user: User, template: str, variables: dict[str, Any], organisation_id: int | None) -> int:
    try:
        send_mail(user.email, template, {**variables, "first_name": user.first_name, "last_name": user.last_name}, organisation_id=organisation_id)
    except InvalidAddress:
        log.warning("mail_not_sent", account=user.id, reason="address")
        return 0
    return 1


__all__ = ["BATCH", "late_ids", "remind"]
