"""What the tests of modification requests share: an open action with two components, and requests about it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.accounts.models import User
from app.accounts.seeds import ORGANISATION_A
from app.actions import services as actions
from app.actions.domain import BillingPeriod, DeclarationFrequency
from app.actions.models import Action, Component
from app.core import clock
from app.core.documents.intake import Incoming, check
from app.core.extensions import db
from app.requests import documents, services
from app.requests.document_models import DocumentRole, RequestDocument
from app.requests.domain import Field, Key, RequestEvent, RequestKind, Target
from app.requests.models import ModificationRequest
from tests.actions.helpers import make_action, make_enrolment

#: Days from today: the action, its opening.
START, END, ENTRY = -30, 200, 4


def day(number: int) -> date:
    """So many days from today."""
    return clock.today() + timedelta(days=number)


def open_action(*, siret: str = ORGANISATION_A, people: int = 1) -> Action:
    """A running action, opened at the entry of its first trainee; a second component has nobody."""
    action = make_action(siret=siret, start=START, end=END)
    for index in range(people):
        make_enrolment(action, entered=ENTRY, name=f"NOM {index}")
    actions.open_action(action.id, actions.Opening(day(-ENTRY), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    db.session.add(
        Component(
            action=action, number="02", title="Autre composante", planned_start=day(START), planned_end=day(END),
            hours_centre=Decimal(50), hours_company=Decimal(10), places=8,
        )
    )  # fmt: skip
    db.session.commit()
    return action


def components(action_id: int) -> list[Component]:
    """In order, as they are in the database now."""
    statement = select(Component).where(Component.action_id == action_id).order_by(Component.number)
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


def later_end(action: Action, days: int = 30) -> dict[Key, Any]:
    """New values: the end of the action and of its first component put off."""
    first = components(action.id)[0]
    return {
        Key(Target.ACTION, action.id, Field.PLANNED_END): action.planned_end + timedelta(days=days),
        Key(Target.COMPONENT, first.id, Field.PLANNED_END): first.planned_end + timedelta(days=days),
    }


def ask(action: Action, values: dict[Key, Any] | None = None, why: str = "Un mois de plus.") -> int:
    """A request that waits."""
    return services.send(action.id, RequestKind.DATES, services.Asked(later_end(action) if values is None else values, why))


def reread(request_id: int) -> ModificationRequest:
    """The request as it is in the database now."""
    return db.session.scalars(select(ModificationRequest).where(ModificationRequest.id == request_id).execution_options(populate_existing=True)).one()


def decision(event: RequestEvent, request_id: int, **values: Any) -> services.Decision:
    """On the request as it is now, with or without its letter."""
    return services.Decision(event, reread(request_id).version, **{"without_letter": True} | values)


def account(username: str) -> int:
    """Its id."""
    return db.session.scalars(select(User.id).where(User.username == username)).one()


def attach_piece(request_id: int, name: str, content: bytes) -> RequestDocument:
    """A request with one more piece, as if its draft had brought it."""
    request = reread(request_id)
    piece = documents.attach(request, DocumentRole.SUPPORTING, check(Incoming(name, content)))
    services.restate(request)
    return piece
