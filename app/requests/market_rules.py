"""Use cases on market rules: what the version in force says of a change, and the drafts that the Région prepares and publishes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import func, inspect, select
from sqlalchemy.orm import selectinload

from app.actions.domain import ActionStatus
from app.actions.models import Action, Contract
from app.actions.services import actor_name
from app.core import clock, context
from app.core.extensions import db
from app.core.transaction import transaction

from .domain import Change, Key, Problem, ProblemCode, RequestKind, RequestState, Value, load
from .domain.market import ChangeFacts, Outcome, Verdict, judge, recorded_from
from .market_models import MarketRule, MarketRuleVersion
from .models import ModificationRequest

#: More than anybody keeps in mind.
MAX_RULES: Final = 200
#: The columns that make a rule; a new draft copies them.
RULE_COLUMNS: Final = (
    "position", "programme_id", "kind", "field", "opening", "moment", "direction", "days_at_most", "percent_at_most", "outcome", "needs_amendment", "reason",
)  # fmt: skip
_DELAYS: Final = ("remind_days", "escalate_days", "correction_days")


class DraftChanged(Exception):
    """The draft is no longer what the page showed, or is gone."""


class EmptyDraft(Exception):
    """A draft without a rule says nothing: it is not published."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules in force say of a request, and which version said so."""

    version_id: int | None
    verdict: Verdict

    @property
    def rule_id(self) -> int | None:
        """The rule behind the outcome."""
        return None if self.verdict.rule is None else self.verdict.rule.id

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The changes that cannot be asked, each beside its field, with the reason that the rule gives."""
        return tuple(Problem(change.key, ProblemCode.RULED_OUT, {"reason": rule.reason}) for change, rule in self.verdict.forbidden)


# ---- the rules in force -----------------------------------------------------------------------------------------------


def _with_rules() -> Any:
    """The rules in one statement, with the names of their programmes."""
    return selectinload(MarketRuleVersion.rules).joinedload(MarketRule.programme)


def version_in_force() -> MarketRuleVersion | None:
    """The last published version with its rules, in two statements; None before the first one."""
    statement = (
        select(MarketRuleVersion)
        .where(MarketRuleVersion.published_at.is_not(None))
        .order_by(MarketRuleVersion.number.desc())
        .limit(1)
        .options(_with_rules())
    )
    return db.session.scalars(statement).first()


def rule_on(action: Action, kind: RequestKind, changes: Iterable[Change]) -> Ruling:
    """What becomes of these changes of an action, asked today; who writes them holds the action's lock, so that no other comes between."""
    version = version_in_force()
    if version is None:
        return Ruling(None, Verdict(Outcome.INSTRUCT))
    changes = tuple(changes)
    rules, facts = [row.as_rule() for row in version.rules], facts_of(action, kind, clock.today())
    verdict = judge(rules, facts, changes)
    if any(judge(rules, facts, [change]).outcome is Outcome.RECORD for change in changes):
        verdict = judge(rules, facts, changes, _recorded_from(action.id, kind))
    return Ruling(version.id, verdict)


def _recorded_from(action_id: int, kind: RequestKind) -> dict[Key, Value]:
    """From where the fields of an action were changed without a validator, in one statement."""
    asked = ModificationRequest
    statement = (
        select(asked.treatment, asked.changes)
        .where(asked.action_id == action_id, asked.kind == kind.value, asked.state == RequestState.VALIDATED.value)
        .order_by(asked.decided_at.desc(), asked.id.desc())
    )
    return recorded_from((row.treatment == Outcome.RECORD, load(row.changes)) for row in db.session.execute(statement))


def facts_of(action: Action, kind: RequestKind, today: date) -> ChangeFacts:
    """What the conditions look at, as of today."""
    programme_id = db.session.scalars(select(Contract.programme_id).where(Contract.id == action.contract_id)).one()
    return ChangeFacts(
        programme_id=programme_id,
        kind=kind,
        opened=action.status != ActionStatus.WAITING,
        started=today >= (action.actual_start or action.planned_start),
    )


# ---- drafts -----------------------------------------------------------------------------------------------------------


def draft() -> MarketRuleVersion | None:
    """The version that is being prepared, with its rules."""
    statement = select(MarketRuleVersion).where(MarketRuleVersion.published_at.is_(None)).options(_with_rules())
    return db.session.scalars(statement).one_or_none()


def get_version(version_id: int) -> MarketRuleVersion | None:
    """One version with its rules."""
    statement = select(MarketRuleVersion).where(MarketRuleVersion.id == version_id).options(_with_rules())
    return db.session.scalars(statement).one_or_none()


def begin_draft() -> int:
    """A draft that says what the rules in force say; the one there is already, if any.  Returns its id.

    Two at once: the database lets one in, the other reads an IntegrityError with its sentence.
    """
    with transaction() as session:
        found = draft()
        if found is not None:
            return found.id
        base = version_in_force()
        number = session.scalar(select(func.coalesce(func.max(MarketRuleVersion.number), 0))) or 0
        made = MarketRuleVersion(number=number + 1)
        if base is not None:
            for name in _DELAYS:
                setattr(made, name, getattr(base, name))
            made.rules = [_copied(row) for row in base.rules]
        session.add(made)
        session.flush()
        return made.id


def place_taken(rule: MarketRule) -> bool:
    """Whether another rule of the same version has its order."""
    others = select(MarketRule.id).where(MarketRule.version_id == rule.version_id, MarketRule.position == rule.position, MarketRule.id != rule.id)
    return db.session.scalar(others) is not None


def next_position(version_id: int) -> int:
    """Where a new rule goes: before a last rule that names everything, which would let nothing past it; else at the end.

    When no place is left there, the rules of the draft are numbered anew, by tens, in their order.
    """
    rows = list(db.session.scalars(select(MarketRule).where(MarketRule.version_id == version_id).order_by(MarketRule.position, MarketRule.id)))
    if not rows:
        return 10
    last = rows[-1]
    catch_all = _names_everything(last)
    before = (rows[-2].position if len(rows) > 1 else 0) if catch_all else last.position
    place = before + (last.position - before) // 2 if catch_all else before + 10
    if before < place < last.position or (not catch_all and place <= 9_999):
        return place
    rows = rows if not catch_all else rows[:-1]
    for number, row in enumerate(rows, start=1):
        row.position = number * 10
    place = (len(rows) + 1) * 10
    if catch_all:
        last.position = place + 10
    return place


def publish(version_id: int, *, shown: str) -> int:
    """Put the draft in force; gives its number.  From now on it never changes.

    ``shown``: ``fingerprint`` of what the page showed.  Raises DraftChanged when somebody changed it meanwhile, EmptyDraft without a rule.
    """
    with transaction() as session:
        found = _locked_draft(version_id)
        if fingerprint(found) != shown:
            raise DraftChanged
        if not found.rules:
            raise EmptyDraft
        name = actor_name(context.actor_id())
        # All in one statement: what is published takes no second one.
        found.published_at, found.published_by_id, found.published_by_name = clock.now(), context.actor_id(), name
        session.flush()
        return found.number


def discard(version_id: int, *, shown: str) -> None:
    """Forget the draft.  Raises DraftChanged when it is no longer what the page showed."""
    with transaction() as session:
        found = _locked_draft(version_id)
        if fingerprint(found) != shown:
            raise DraftChanged
        session.delete(found)


def fingerprint(version: MarketRuleVersion) -> str:
    """Names everything a version says: two equal words, the same rules."""
    stated = [[getattr(version, name) for name in (*_DELAYS, "note")], *[[row.id, *(getattr(row, name) for name in RULE_COLUMNS)] for row in version.rules]]
    return hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:24]


def _locked_draft(version_id: int) -> MarketRuleVersion:
    """The draft, locked: a rule that is being written waits for its trigger's share lock, or is seen."""
    statement = select(MarketRuleVersion).where(MarketRuleVersion.id == version_id).with_for_update().execution_options(populate_existing=True)
    found = db.session.scalars(statement).one_or_none()
    if found is None or not found.is_draft:
        raise DraftChanged
    if "rules" not in inspect(found).unloaded:
        db.session.expire(found, ["rules"])
    return found


def _copied(row: MarketRule) -> MarketRule:
    return MarketRule(**{name: getattr(row, name) for name in RULE_COLUMNS})


def _names_everything(row: MarketRule) -> bool:
    conditions: Sequence[object] = [getattr(row, name) for name in RULE_COLUMNS if name not in ("position", "outcome", "needs_amendment", "reason")]
    return all(one is None for one in conditions)


__all__ = [
    "DraftChanged",
    "EmptyDraft",
    "Ruling",
    "begin_draft",
    "discard",
    "draft",
    "facts_of",
    "fingerprint",
    "get_version",
    "next_position",
    "publish",
    "rule_on",
    "version_in_force",
]
