"""The message that tells an organisation what became of its request; it leaves with the transaction of the decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from flask_babel import force_locale
from sqlalchemy import or_, select

from app.accounts.models import User
from app.actions.models import Action
from app.core.extensions import db
from app.core.mail import public_link, send_mail
from app.core.mail.services import InvalidAddress

from . import labels
from .domain import RequestEvent
from .models import ModificationRequest

log = structlog.get_logger(__name__)


def recorded(request: ModificationRequest, action: Action) -> None:
    """To the principal of the organisation, when another account's change was recorded at once: nobody else decides on it."""
    _tell(request, action, RequestEvent.RECORD, [user for user in recipients(request.organisation_id, None) if user.id != request.sender_id])


def decided(request: ModificationRequest, action: Action, event: RequestEvent) -> None:
    """To who sent the request and to the principal of the organisation: what the Région decided, why, and what to do next."""
    _tell(request, action, event, recipients(request.organisation_id, request.sender_id))


def _tell(request: ModificationRequest, action: Action, event: RequestEvent, users: Iterable[User]) -> None:
    with force_locale("fr"):
        kind, summary = labels.kind_label(request.kind), labels.summary(request.asked)
        lines = labels.noted_lines(request.asked, request.noted)
    for user in users:
        variables = {
            "first_name": user.first_name,
            "last_name": user.last_name,
            "event": event.value,
            "kind": kind,
            "summary": summary,
            "action_number": action.number,
            "observations": request.observations,
            "lines": lines,
            "sender": request.sender_name,
            "amendment_number": request.amendment_number,
            "link": public_link("RequestsView.show", request_id=request.id),
        }
        try:
            send_mail(user.email, "request_decided", variables, organisation_id=request.organisation_id)
        except InvalidAddress:
            log.warning("mail_not_sent", account=user.id, reason="address")


def recipients(organisation_id: int, sender_id: int | None) -> Iterable[User]:
    """The account that sent the request and the principal, as long as they may sign in."""
    return list(db.session.scalars(select(User).where(*told_of(organisation_id, sender_id or 0)).order_by(User.id)).unique())


def told_of(organisation_id: Any, sender_id: Any) -> tuple[Any, ...]:
    """What an account is that hears of a request; the arguments may be columns."""
    return (
        User.organisation_id == organisation_id,
        User.active.is_(True),
        User.deleted_at.is_(None),
        User.deactivated_at.is_(None),
        or_(User.id == sender_id, User.is_principal.is_(True)),
    )
