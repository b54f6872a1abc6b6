"""The messages about accounts (guide 004), in plain French."""

from __future__ import annotations

import structlog

from app.accounts.models import User
from app.core.mail import send_mail
from app.core.mail.services import InvalidAddress

log = structlog.get_logger(__name__)


def account_unblocked(user: User) -> None:
    """Tell the person that the account can be used again; inside the transaction that unblocked it.

    An address that cannot receive mail does not keep the account blocked.
    """
    try:
        send_mail(
            user.email,
            "account_unblocked",
            {"first_name": user.first_name, "last_name": user.last_name},
            organisation_id=user.organisation_id,
        )
    except InvalidAddress:
        log.warning("mail_not_sent", account=user.id, reason="address")
