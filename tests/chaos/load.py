"""Enrolments made through the use cases themselves, by someone who tries again until it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

DAYS_AGO = 60


@dataclass
class Load:
    """``people`` enrolments on one action of their own; ``made`` grows as they are committed."""

    app: Flask
    people: int
    action_id: int = 0
    component_id: int = 0
    site_id: int = 0
    start: date = field(default_factory=date.today)
    organisation_id: int = 0
    made: dict[int, int] = field(default_factory=dict)  # position → enrolment
    left: set[int] = field(default_factory=set)
    retries: int = 0

    def prepare(self) -> None:
        """A new action, open for everybody."""
        from app.actions import seeds
        from app.actions.models import Component, ComponentSite, Contract
        from app.core import clock
        from app.core.tenancy import Scope, bound_scope
        from app.core.transaction import transaction
        from app.reference.models import Level, Programme, Site

        with self.app.app_context(), bound_scope(Scope.system()):
            with transaction() as session:
                contract = session.scalars(select(Contract).join(Programme).where(Programme.agora_enabled).order_by(Contract.id)).first()
                site = session.scalars(select(Site).order_by(Site.id)).first()
                assert contract is not None
                assert site is not None
                levels = {level.number: level for level in session.scalars(select(Level)) if level.number}
                demo = seeds.DemoAction("99C00000001_1", "Épreuve", -DAYS_AGO, 300, (("Composante de l’épreuve", 3, 400, 70),), (site.town,))
                seeds._add(contract, demo, clock.today(), levels, {site.town: site})
            with transaction() as session:
                component = session.scalars(select(Component).order_by(Component.id.desc()).limit(1)).one()
                self.component_id, self.action_id = component.id, component.action_id
                self.organisation_id, self.start = component.organisation_id, component.planned_start
                self.site_id = session.scalars(select(ComponentSite.site_id).where(ComponentSite.component_id == component.id)).one()

    def enrol(self, position: int) -> None:
        """Register and enrol one person, whatever happens meanwhile."""
        self.made[position] = self._insist(lambda: self._enrol(position))

    def exit(self, position: int) -> None:
        """Record the exit of one person, whatever happens meanwhile."""
        self._insist(lambda: self._exit(self.made[position]))
        self.left.add(position)

    def open_and_close(self) -> None:
        """Open the action at its first entry, and close it: one message more for every dossier, in one transaction."""
        from app.actions import services
        from app.actions.domain import BillingPeriod, DeclarationFrequency

        opening = services.Opening(self.start, DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY)
        self._insist(lambda: services.open_action(self.action_id, opening))
        self._insist(lambda: services.close_action(self.action_id))

    def _insist(self, act: Callable[[], Any]) -> Any:
        from app.core.tenancy import Scope, bound_scope

        end = time.monotonic() + 120
        while True:
            try:
                with self.app.app_context(), bound_scope(Scope.system()):
                    return act()
            except DBAPIError:  # PostgreSQL is away: what a user would do
                self.retries += 1
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def _enrol(self, position: int) -> int:
        from app.core.extensions import db
        from app.core.nir import compute_key, parse
        from app.partners.agora.port import Civility, Gender
        from app.trainees import seeds
        from app.trainees.domain import EnrolmentPlan, IdentitySource
        from app.trainees.models import Enrolment
        from app.trainees.services.enrolment import enrol
        from app.trainees.services.identity import Person
        from app.trainees.services.registration import AlreadyRegistered, Newcomer, register

        year, month = 50 + position % 45, 1 + position % 12
        number = f"1{year:02d}{month:02d}31555{position % 999 + 1:03d}"
        demo = seeds.Demo(f"PERSONNE {_letters(position)}", "Camille", date(1900 + year, month, 1 + position % 28), Gender.MALE, number)
        person = Person(Civility.MR, demo.name, None, demo.first_name, demo.born, demo.gender)
        try:
            nir = parse(number, compute_key(number))
            registration = register(self.action_id, Newcomer(person, IdentitySource.AGORA, nir), seeds._details(position, demo, cofunded=False))
        except AlreadyRegistered as known:  # the commit went through, its answer was lost
            registration = known.registration_id
        existing = db.session.scalar(select(Enrolment.id).where(Enrolment.registration_id == registration))
        if existing is not None:
            return int(existing)
        from decimal import Decimal

        plan = EnrolmentPlan(self.start, self.start + timedelta(days=200), self.site_id, Decimal(400), Decimal(70))
        return enrol(registration, self.component_id, plan)

    def _exit(self, enrolment_id: int) -> None:
        from app.core import clock
        from app.core.extensions import db
        from app.reference.models import ExitReason
        from app.trainees.models import Enrolment
        from app.trainees.services.enrolment import record_exit

        enrolment = db.session.get_one(Enrolment, enrolment_id)
        if enrolment.actual_end is not None:
            return
        reason = db.session.scalars(select(ExitReason.id).where(ExitReason.early).order_by(ExitReason.id)).first()
        assert reason is not None
        record_exit(enrolment_id, actual_end=clock.today(), exit_reason_id=reason, version=enrolment.version)


def _letters(number: int) -> str:
    return "".join(chr(65 + int(digit)) for digit in f"{number:04d}")
