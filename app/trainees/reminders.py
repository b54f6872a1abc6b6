"""NIA that wait too long: the organisation is told by mail, at intervals, with a number and an address, nothing about anybody.

A certified civil status takes up to three months (domain-facts §4.2): the first reminder comes after one, the next ones a month apart.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.accounts.models import Organisation, User
from app.accounts.queries import OPEN
from app.core import clock
from app.core.extensions import db
from app.core.mail import public_link, send_mail
from app.core.mail.services import InvalidAddress
from app.core.transaction import transaction

from .identity_models import NiaReminder
from .models import Registration
from .queries import without_nir

log = structlog.get_logger(__name__)

#: Days after which a trainee without NIR is told of, and between two reminders of one organisation.
PATIENCE: Final = 30
INTERVAL: Final = 30
#: Organisations told in one run; the next run goes on.
BATCH: Final = 200


def remind() -> int:
    """Write the reminders that are due; gives how many.

    The row of the organisation and its message are one transaction: told once, whatever runs twice or is cut short.
    """
    now = clock.now()
    written = 0
    for organisation_id, count in _waiting(now):
        with transaction():
            user = _principal(organisation_id)
            if user is None or not _claimed(organisation_id, count, now):
                continue
            written += _tell(user, organisation_id, count)
    return written


def _waiting(now: datetime) -> list[tuple[int, int]]:
    """The organisations with trainees without NIR for too long, that were not told lately and have somebody to tell: (organisation, number of people)."""
    told = select(NiaReminder.id).where(NiaReminder.organisation_id == Registration.organisation_id, NiaReminder.sent_at > now - timedelta(days=INTERVAL))
    # Who has nobody to tell takes the place of nobody in a run.
    listens = select(User.id).where(User.organisation_id == Registration.organisation_id, User.is_principal.is_(True), OPEN)
    statement = (
        select(Registration.organisation_id, func.count(func.distinct(Registration.trainee_id)))
        .join(Organisation, Organisation.id == Registration.organisation_id)
        .where(
            without_nir(),
            Registration.created_at <= now - timedelta(days=PATIENCE),
            Organisation.active,
            ~told.exists(),
            listens.exists(),
        )
        .group_by(Registration.organisation_id)
        .order_by(Registration.organisation_id)
        .limit(BATCH)
    )
    return [(organisation_id, count) for organisation_id, count in db.session.execute(statement)]


def _principal(organisation_id: int) -> User | None:
    """Who is told: the principal account, if it may sign in; else another day."""
    return db.session.scalars(select(User).where(User.organisation_id == organisation_id, User.is_principal.is_(True), OPEN)).unique().first()


def _claimed(organisation_id: int, count: int, now: datetime) -> bool:
    """Note the reminder, unless another run just did."""
    table: Any = NiaReminder.__table__
    noted = insert(table).values(organisation_id=organisation_id, sent_at=now, waiting=count)
    noted = noted.on_conflict_do_update(
        index_elements=[table.c.organisation_id], set_={"sent_at": now, "waiting": count}, where=table.c.sent_at <= now - timedelta(days=INTERVAL)
    )
    return db.session.execute(noted.returning(table.c.id)).one_or_none() is not None


def _tell(user: User, organisation_id: int, count: int) -> int:
    variables = {
        "first_name": user.first_name, "last_name": user.last_name, "count": count, "days": PATIENCE, "again": INTERVAL,
        "link": public_link("TraineesView.without_nir"),
    }  # fmt: skip
    try:
        send_mail(user.email, "nia_waiting", variables, organisation_id=organisation_id)
    except InvalidAddress:
        log.warning("mail_not_sent", account=user.id, reason="address")
        return 0
    return 1
