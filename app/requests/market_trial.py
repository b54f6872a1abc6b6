"""A draft of the market rules tried on the last requests: how many would be decided otherwise, and which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import func, select

from app.actions.domain import ActionStatus
from app.actions.models import Action, ActionHistory, Contract
from app.core import clock
from app.core.extensions import db

from .domain import Change, Field, RequestKind, Target, load
from .domain.market import ChangeFacts, Outcome, Rule, judge
from .market_models import MarketRuleVersion
from .models import ModificationRequest

#: How many requests are looked at, and how many of those decided otherwise are named.
LAST: Final = 1_000
NAMED: Final = 100


@dataclass(frozen=True, slots=True)
class Otherwise:
    """One request that the draft would decide otherwise."""

    request_id: int
    action_number: str
    kind: str
    state: str
    sent_at: datetime
    changes: tuple[Change, ...]
    was: Outcome
    would: Outcome
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What the draft says of the last requests."""

    count: int
    #: (outcome under the draft, state of the request) → how many: what would be recorded and had been refused shows here.
    table: Counter[tuple[Outcome, str]]
    otherwise: int
    named: Sequence[Otherwise]

    def total(self, outcome: Outcome) -> int:
        """How many the draft gives this outcome."""
        return sum(number for (one, _state), number in self.table.items() if one is outcome)


def try_out(version: MarketRuleVersion) -> Trial:
    """Judge the last requests by the rules of ``version``, as of the day each was sent, in one statement whatever their number.

    What the facts of that day were is told from the history: when the action was opened, and when it was to start.
    """
    rules = [row.as_rule() for row in version.rules]
    table: Counter[tuple[Outcome, str]] = Counter()
    named: list[Otherwise] = []
    otherwise = count = 0
    for row in _last_requests():
        changes = load(row.changes)
        verdict = judge(rules, _facts(row, changes), changes)
        was = Outcome(row.treatment)
        count += 1
        table[verdict.outcome, row.state] += 1
        if verdict.outcome is was:
            continue
        otherwise += 1
        if len(named) < NAMED:
            named.append(Otherwise(row.id, row.number, row.kind, row.state, row.sent_at, changes, was, verdict.outcome, verdict.rule))
    return Trial(count, table, otherwise, named)


def _last_requests() -> Sequence[Any]:
    opened = (
        select(func.min(ActionHistory.happened_at))
        .where(
            ActionHistory.action_id == Action.id,
            ActionHistory.from_status == ActionStatus.WAITING.value,
            ActionHistory.to_status == ActionStatus.RUNNING.value,
        )
        .correlate(Action)
        .scalar_subquery()
    )
    asked = ModificationRequest
    statement = (
        select(
            asked.id, asked.kind, asked.state, asked.treatment, asked.changes, asked.sent_at, Action.number, Action.status, Action.planned_start,
            Action.actual_start, Contract.programme_id, opened.label("opened_at"),
        )
        .join(Action, Action.id == asked.action_id)
        .join(Contract, Contract.id == Action.contract_id)
        .order_by(asked.sent_at.desc(), asked.id.desc())
        .limit(LAST)
    )  # fmt: skip
    return db.session.execute(statement).all()


def _facts(row: Any, changes: Sequence[Change]) -> ChangeFacts:
    sent = clock.to_local(row.sent_at).date()
    # What the request itself asked to move stood elsewhere on the day it was sent.
    before = {change.key.field: change.before for change in changes if change.key.target is Target.ACTION}
    if row.opened_at is not None:
        opened = row.opened_at <= row.sent_at
    else:  # opened before the portal kept a history
        opened = row.status != ActionStatus.WAITING and row.actual_start is not None and row.actual_start <= sent
    start = before.get(Field.ACTUAL_START, row.actual_start) if opened else None
    start = start or before.get(Field.PLANNED_START, row.planned_start)
    return ChangeFacts(programme_id=row.programme_id, kind=RequestKind(row.kind), opened=opened, started=isinstance(start, date) and sent >= start)


__all__ = ["LAST", "NAMED", "Otherwise", "Trial", "try_out"]
