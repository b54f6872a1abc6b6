"""Modification requests of the demonstration: one that waits for the Région, and one that it sent back.

Runs once per action: an action that has a request already is left alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select

from app.accounts.models import User
from app.actions.models import Action, Component
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.tenancy import bound_scope, current_scope
from app.core.transaction import transaction

from . import market_rules, services
from .domain import Field, Key, RequestEvent, RequestKind, Target, Value
from .domain.market import Direction, Moment, Outcome
from .market_models import MarketRule, MarketRuleVersion
from .models import ModificationRequest

#: Action → by how many days its end is put off.
WAITING, SENT_BACK = ("23C00390257_2", 30), ("22P00210044_1", 45)


def load_reference() -> None:
    """The first version of the market rules, which keeps what was: everything is instructed.  Once there is a version, nothing is touched."""
    with transaction() as session:
        if session.scalar(select(MarketRuleVersion.id).limit(1)) is not None:
            return
        rule = MarketRule(position=1_000, outcome=Outcome.INSTRUCT.value)
        session.add(MarketRuleVersion(number=1, note="Toute demande est instruite par un validateur.", rules=[rule]))
        session.flush()
        if (version := market_rules.draft()) is not None:
            market_rules.publish(version.id, shown=market_rules.fingerprint(version))


def _draft_rules() -> None:
    """A draft for the demonstration: what could be left to the organisations, and what cannot be asked."""
    if market_rules.draft() is not None or db.session.scalar(select(MarketRuleVersion.number).where(MarketRuleVersion.number > 1).limit(1)):
        return
    version = market_rules.get_version(market_rules.begin_draft())
    if version is None:
        return
    version.note = "Proposition : les petits reports de fin sont enregistrés sans attendre."
    rules: tuple[dict[str, Any], ...]
    record, forbid = Outcome.RECORD.value, Outcome.FORBID.value
    rules = (
        {"kind": RequestKind.DATES.value, "field": Field.PLANNED_END.value, "direction": Direction.UP.value, "days_at_most": 15, "outcome": record},
        {
            "kind": RequestKind.DATES.value, "field": Field.PLANNED_START.value, "moment": Moment.AFTER.value, "outcome": forbid,
            "reason": "L’action a commencé : son début prévu ne change plus.",
        },
        {"kind": RequestKind.VOLUMES.value, "field": Field.PLACES.value, "percent_at_most": 10, "outcome": record},
    )  # fmt: skip
    for position, values in enumerate(rules, start=1):
        version.rules.append(MarketRule(position=position * 10, **values))


def load_demo() -> None:
    """Create what is missing, through the use cases themselves."""
    with transaction():
        _draft_rules()
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
