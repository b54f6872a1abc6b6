"""Opening and closing against the real database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.accounts.seeds import ORGANISATION_B
from app.actions import services
from app.actions.domain import ActionStatus, BillingPeriod, DeclarationFrequency, ReasonCode
from app.actions.models import Action, ActionHistory, AdvanceInvoiceRequest, Component
from app.core import clock
from app.core.extensions import db
from app.core.outbox.models import OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.actions.helpers import leave, make_action, make_enrolment, organisation, statements

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


def opening(days_ago: int = 4) -> services.Opening:
    return services.Opening(clock.today() - timedelta(days=days_ago), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY)


def requests_of(action_id: int) -> int:
    counted = db.session.scalar(select(func.count()).select_from(AdvanceInvoiceRequest).where(AdvanceInvoiceRequest.action_id == action_id))
    return counted or 0


def test_opening_before_anybody_has_entered_is_refused(db_session: Session) -> None:
    action = make_action()
    with pytest.raises(services.Refused) as refused:
        services.open_action(action.id, opening())
    assert [reason.code for reason in refused.value.reasons] == [ReasonCode.NOBODY_ENROLLED]
    assert requests_of(action.id) == 0


def test_opening_at_another_date_is_refused(db_session: Session) -> None:
    action = make_action()
    make_enrolment(action)
    with pytest.raises(services.Refused) as refused:
        services.open_action(action.id, opening(3))
    assert [reason.code for reason in refused.value.reasons] == [ReasonCode.START_IS_NOT_FIRST_ENTRY]


def test_opening(db_session: Session) -> None:
    """AO → EC, one advance invoice, one line of history; a second click changes nothing."""
    action = make_action()
    make_enrolment(action)
    assert services.open_action(action.id, opening()).opened
    again = services.open_action(action.id, services.Opening(clock.today(), DeclarationFrequency.WEEKLY, BillingPeriod.END))
    assert not again.opened
    assert (again.action.status, again.action.actual_start) == (ActionStatus.RUNNING, opening().actual_start)
    assert again.action.declaration_frequency == DeclarationFrequency.MONTHLY
    assert requests_of(action.id) == 1
    (line,) = db_session.scalars(select(ActionHistory).where(ActionHistory.action_id == action.id))
    assert (line.event, line.from_status, line.to_status) == ("open", "AO", "EC")


def test_fifty_clicks_at_once_open_once(committed: Flask) -> None:
    """One opening, one advance invoice, however many windows."""
    with committed.app_context(), bound_scope(Scope.system()), transaction():
        action = make_action()
        make_enrolment(action)
        action_id, organisation_id = action.id, action.organisation_id
    barrier = Barrier(10)

    def click(index: int) -> bool:
        if index < 10:
            barrier.wait(10)
        with committed.app_context(), bound_scope(Scope.organisation(organisation_id)):
            try:
                return services.open_action(action_id, opening()).opened
            finally:
                db.session.remove()

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(click, range(50)))
    assert sum(outcomes) == 1
    with committed.app_context(), bound_scope(Scope.system()):
        assert requests_of(action_id) == 1
        assert db.session.scalar(select(func.count()).select_from(ActionHistory).where(ActionHistory.action_id == action_id)) == 1
        db.session.remove()


def test_closing_waits_for_the_last_exit_then_closes_the_files(db_session: Session) -> None:
    action = make_action()
    enrolments = [make_enrolment(action, name=f"NOM {index}") for index in range(3)]
    services.open_action(action.id, opening())
    with pytest.raises(services.Refused) as refused:
        services.close_action(action.id)
    assert refused.value.reasons[0].params["count"] == 3
    for enrolment_id in enrolments:
        leave(enrolment_id)
    assert services.close_action(action.id)
    assert not services.close_action(action.id)
    sent = db_session.execute(
        select(OutboxMessage.subject_id, OutboxMessage.operation)
        .where(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id.in_(enrolments))
        .order_by(OutboxMessage.subject_id, OutboxMessage.id)
    ).all()
    assert [row.operation for row in sent] == ["create_file", "exit_file", "close_file"] * 3


def test_closing_costs_the_same_for_few_and_many(db_session: Session) -> None:
    """Set-based: the statements of a closing do not grow with the trainees."""
    costs = []
    for size in (2, 9):
        action = make_action()
        for index in range(size):
            leave(make_enrolment(action, name=f"NOM {index}", nir=None))
        services_opening = opening()
        with transaction():
            db.session.execute(
                Action.__table__.update().where(Action.id == action.id).values(  # type: ignore[attr-defined]
                    status="EC", actual_start=services_opening.actual_start, declaration_frequency="monthly", billing_period="quarterly"
                )
            )  # fmt: skip
        db_session.expire_all()
        with statements() as sent:
            assert services.close_action(action.id)
        costs.append(len(sent))
    assert costs[0] == costs[1]


def test_an_action_never_waits_again(db_session: Session) -> None:
    action = make_action()
    leave(make_enrolment(action))
    with pytest.raises(services.Refused):
        services.close_action(action.id)
    services.open_action(action.id, opening())
    services.close_action(action.id)
    with pytest.raises(services.Refused) as refused:
        services.open_action(action.id, opening())
    assert refused.value.reasons[0].code is ReasonCode.NOT_WAITING


def test_another_organisation_does_not_find_the_action(db_session: Session) -> None:
    action_id = make_action().id
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        for attempt in (lambda: services.open_action(action_id, opening()), lambda: services.close_action(action_id)):
            with pytest.raises(services.ActionNotFound):
                attempt()


def test_no_row_points_into_another_organisation(db_session: Session) -> None:
    """Composite keys: a component of B on an action of A cannot exist, whoever writes it."""
    action = make_action()
    stranger = Component(
        organisation_id=organisation(ORGANISATION_B).id, action_id=action.id, number="77", title="X",
        planned_start=action.planned_start, planned_end=action.planned_end,
    )  # fmt: skip
    db_session.add(stranger)
    with pytest.raises(IntegrityError):
        db_session.flush()
    db_session.rollback()


@pytest.mark.parametrize(
    "values",
    [
        {"status": "EC"},
        {"status": "ZZ"},
        {"planned_end": "2000-01-01"},
        {"status": "CL"},
        {"declaration_frequency": "daily"},
    ],
)
def test_the_database_refuses_what_the_domain_refuses(db_session: Session, values: dict[str, str]) -> None:
    action = make_action()
    with pytest.raises(IntegrityError):
        db_session.execute(Action.__table__.update().where(Action.id == action.id).values(**values))  # type: ignore[attr-defined]
    db_session.rollback()
