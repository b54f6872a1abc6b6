"""Modification requests of the demonstration: one that waits for the Région, and one that it sent back.

Runs once per action: an action that has a request already is left alone.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, delete, select

from app.accounts.models import User
from app.actions.models import Action, Component
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.tenancy import bound_scope, current_scope
from app.core.transaction import transaction

from . import services
from .domain import Field, Key, RequestEvent, RequestKind, Target, Value
from .models import ModificationRequest

#: Action → by how many days its end is put off.
WAITING, SENT_BACK = ("23C00390257_2", 30), ("22P00210044_1", 45)


def load_demo() -> None:
    """Create what is missing, through the use cases themselves."""
    with transaction():
        _send(*WAITING, "Trois stagiaires ont besoin d’un mois de plus pour passer les épreuves.")
        request_id = _send(*SENT_BACK, "Report de la fin.")
        if request_id is not None:
            version = db.session.scalars(select(ModificationRequest.version).where(ModificationRequest.id == request_id)).one()
            why = "Précisez le motif du report et le nombre de stagiaires concernés."
            with bound_scope(current_scope(), actor_id=_account(User.username == "region")):
                services.decide(request_id, services.Decision(RequestEvent.ASK_CORRECTION, version, observations=why))
            # nobody is written to about what the demonstration makes up
            db.session.execute(delete(MailMessage).where(MailMessage.template == "request_decided"))


def _send(number: str, days: int, why: str) -> int | None:
    action = db.session.scalars(select(Action).where(Action.number == number)).one_or_none()
    if action is None or db.session.scalar(select(ModificationRequest.id).where(ModificationRequest.action_id == action.id).limit(1)) is not None:
        return None
    later = timedelta(days=days)
    values: dict[Key, Value] = {Key(Target.ACTION, action.id, Field.PLANNED_END): action.planned_end + later}
    for component in db.session.scalars(select(Component).where(Component.action_id == action.id)):
        values[Key(Target.COMPONENT, component.id, Field.PLANNED_END)] = component.planned_end + later
    holder = _account(User.organisation_id == action.organisation_id, User.is_principal.is_(True), User.deleted_at.is_(None))
    with bound_scope(current_scope(), actor_id=holder):
        return services.send(action.id, RequestKind.DATES, services.Asked(values, why))


def _account(*where: ColumnElement[bool]) -> int | None:
    return db.session.scalars(select(User.id).where(*where).order_by(User.id).limit(1)).first()
