"""What the tests of actions and trainees share: a world of their own, and the statements it costs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.engine import Engine

from app.accounts.models import Organisation
from app.accounts.seeds import ORGANISATION_A
from app.actions import services
from app.actions.domain import BillingPeriod, DeclarationFrequency
from app.actions.models import Action, Component, ComponentSite, Contract
from app.core import clock
from app.core.extensions import db
from app.core.nir import Nir, compute_key, parse
from app.partners.agora.port import Civility, Gender
from app.reference.models import ExitReason, Programme, Site
from app.trainees.domain import EnrolmentPlan, IdentitySource
from app.trainees.models import Enrolment
from app.trainees.seeds import Demo, _details
from app.trainees.services.enrolment import enrol, record_exit
from app.trainees.services.identity import Person
from app.trainees.services.registration import Newcomer, register

_serial = itertools.count(1)


def organisation(siret: str = ORGANISATION_A) -> Organisation:
    """One of the demonstration's."""
    return db.session.scalars(select(Organisation).where(Organisation.siret == siret)).one()


def make_action(
    *, siret: str = ORGANISATION_A, programme: str = "QUALIFPRO", start: int = -30, end: int = 200, esf: bool = False, title: str = "Essai"
) -> Action:
    """A waiting action with one component and one site; days are counted from today."""
    number = f"99T{next(_serial):07d}"
    today = clock.today()
    contract = Contract(
        organisation_id=organisation(siret).id, number=number, label="Marché d’essai", lot_number="1", lot_label="Lot d’essai",
        programme=db.session.scalars(select(Programme).where(Programme.code == programme)).one(),
    )  # fmt: skip
    db.session.add(contract)
    db.session.flush()
    action = Action(
        organisation_id=contract.organisation_id, contract=contract, number=f"{number}_1", title=title, year=today.year,
        planned_start=today + timedelta(days=start), planned_end=today + timedelta(days=end), esf_cofunded=esf,
    )  # fmt: skip
    db.session.add(action)
    component = Component(
        action=action, number="01", title="Composante", planned_start=action.planned_start, planned_end=action.planned_end,
        hours_centre=Decimal(100), hours_company=Decimal(20), places=12,
    )  # fmt: skip
    db.session.add(component)
    db.session.flush()
    db.session.add(ComponentSite(component=component, site=db.session.scalars(select(Site).order_by(Site.id)).first()))
    db.session.flush()
    return action


def make_nir(kind: str = "1") -> Nir:
    """A number nobody else of the tests has; ``kind`` is its first digit."""
    serial = next(_serial)
    number = f"{kind}8506{(serial // 900) % 90 + 1:02d}{serial % 900 + 1:03d}{(serial * 7) % 900 + 1:03d}"
    return parse(number, compute_key(number))


def make_person(name: str = "ESSAI", first_name: str = "Paul") -> Person:
    """A civil status."""
    return Person(Civility.MR, name, None, first_name, date(1985, 6, 2), Gender.MALE)


def details(*, cofunded: bool = False) -> dict[str, Any]:
    """A complete sheet."""
    return _details(1, Demo("X", "Y", date(1985, 6, 2), Gender.MALE), cofunded=cofunded)


def make_registration(action: Action, *, name: str = "ESSAI", nir: Nir | None = None, kind: str = "1", source: IdentitySource = IdentitySource.AGORA) -> int:
    """Somebody registered on the action."""
    number = nir or make_nir(kind)
    return register(action.id, Newcomer(make_person(name), source, number), details(cofunded=action.esf_cofunded))


def plan_of(component: Component, *, entered: int = 4, **changes: Any) -> EnrolmentPlan:
    """Since so many days, to the end of the component."""
    site_id = db.session.scalars(select(ComponentSite.site_id).where(ComponentSite.component_id == component.id).order_by(ComponentSite.site_id)).first()
    values: dict[str, Any] = {
        "planned_start": clock.today() - timedelta(days=entered), "planned_end": component.planned_end, "site_id": site_id,
        "hours_centre": Decimal(100), "hours_company": Decimal(20),
    }  # fmt: skip
    return EnrolmentPlan(**(values | changes))


def make_enrolment(action: Action, *, entered: int = 4, **person: Any) -> int:
    """Somebody registered and enrolled on the first component."""
    registration_id = make_registration(action, **person)
    component = db.session.scalars(select(Component).where(Component.action_id == action.id).order_by(Component.number)).first()
    assert component is not None
    return enrol(registration_id, component.id, plan_of(component, entered=entered))


def make_finished(*, people: int = 2, programme: str = "QUALIFPRO", **changes: Any) -> Action:
    """A running action of which nothing is missing: everybody has left, AGORA gave its numbers."""
    action = make_action(programme=programme, **changes)
    enrolments = [make_enrolment(action, name=f"NOM {index}") for index in range(people)]
    services.open_action(action.id, services.Opening(clock.today() - timedelta(days=4), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    for enrolment_id in enrolments:
        leave(enrolment_id)
        number_given(enrolment_id)
    db.session.expire_all()
    return action


def leave(enrolment_id: int) -> None:
    """An early exit, today."""
    reason = db.session.scalars(select(ExitReason.id).where(ExitReason.early).order_by(ExitReason.id)).first()
    assert reason is not None
    version = db.session.scalars(select(Enrolment.version).where(Enrolment.id == enrolment_id)).one()
    record_exit(enrolment_id, actual_end=clock.today(), exit_reason_id=reason, version=version)


def number_given(enrolment_id: int) -> None:
    """As after AGORA's answer."""
    table: Any = Enrolment.__table__
    given = table.update().where(table.c.id == enrolment_id).values(agora_number=f"{next(_serial):010d}", agora_status="exited", agora_state="done")
    db.session.execute(given)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements sent to the database inside the block, those of the transaction frame left out."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "set_config" not in statement and not statement.upper().startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)
