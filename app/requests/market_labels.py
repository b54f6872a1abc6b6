"""Market rules in words."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from . import labels
from .domain.market import Direction, Moment, Opening, Outcome, RuleProblem
from .market_models import MarketRule, MarketRuleVersion

OUTCOMES: dict[str, Any] = {
    Outcome.RECORD: _l("Recorded at once"),
    Outcome.INSTRUCT: _l("Instructed by a validator"),
    Outcome.FORBID: _l("Impossible"),
}
OUTCOME_TONES: dict[str, str] = {Outcome.RECORD: "success", Outcome.INSTRUCT: "info", Outcome.FORBID: "danger"}
OPENINGS: dict[str, Any] = {Opening.WAITING: _l("Action not open yet"), Opening.OPENED: _l("Action opened")}
MOMENTS: dict[str, Any] = {Moment.BEFORE: _l("Asked before the start of the action"), Moment.AFTER: _l("Asked from the start of the action on")}
DIRECTIONS: dict[str, Any] = {Direction.UP: _l("Upwards (later, more)"), Direction.DOWN: _l("Downwards (earlier, less)")}
#: Where the sentence is said, and the sentence.
PROBLEMS: dict[RuleProblem, tuple[str, Any]] = {
    RuleProblem.FIELD_NOT_OF_KIND: ("field", _l("This kind of request does not change this field: the rule would never apply.")),
    RuleProblem.DAYS_WITHOUT_DATES: ("days_at_most", _l("What the rule speaks of has no dates: leave the days empty, or choose dates.")),
    RuleProblem.PERCENT_WITHOUT_NUMBERS: (
        "percent_at_most", _l("A share is that of places or hours, not of dates: leave it empty, or choose volumes and places and no days."),
    ),
    RuleProblem.NO_DIRECTION: ("direction", _l("What the rule speaks of goes neither up nor down: leave this empty, or choose dates, hours or places.")),
    RuleProblem.NO_REASON: ("reason", _l("Say why it is impossible: the organisation reads it.")),
    RuleProblem.AMENDMENT_NOT_INSTRUCTED: ("needs_amendment", _l("Only what a validator instructs can need an amendment.")),
}  # fmt: skip


def field_choices() -> list[tuple[str, Any]]:
    """The fields that rules may name."""
    return [(str(field), label) for field, label in labels.FIELD_LABELS.items()]


def conditions_text(rule: MarketRule) -> str:
    """What a rule applies to, in one line."""
    parts = [
        str(rule.programme) if rule.programme is not None else "",
        labels.kind_label(rule.kind) if rule.kind else "",
        str(labels.FIELD_LABELS[rule.field]) if rule.field else "",
        str(OPENINGS[rule.opening]) if rule.opening else "",
        str(MOMENTS[rule.moment]) if rule.moment else "",
        str(DIRECTIONS[rule.direction]) if rule.direction else "",
        ngettext("moved by %(num)d day at most", "moved by %(num)d days at most", rule.days_at_most) if rule.days_at_most is not None else "",
        _("changed by %(num)s %% at most", num=rule.percent_at_most) if rule.percent_at_most is not None else "",
    ]
    return "\u00a0; ".join(part for part in parts if part) or _("Every change")


def outcome_label(code: str) -> str:
    """What becomes of a change."""
    return str(OUTCOMES[code])


def rule_name(rule: MarketRule | None, version: MarketRuleVersion | None) -> str:
    """ "Rule 20 of version 3"; empty for a request of before the rules."""
    if version is None:
        return ""
    if rule is None:
        return _("No rule of version %(version)s names this change", version=version.number)
    return _("Rule %(position)s of version %(version)s: %(conditions)s", position=rule.position, version=version.number, conditions=conditions_text(rule))


def rule_text(rule: MarketRule | None, version: MarketRuleVersion | None, *, named: bool) -> str:
    """Why a request is treated as it is: for the organisation the reason alone, for those who decide with the rule (``named``)."""
    reason = rule.reason or "" if rule is not None else ""
    return " – ".join(part for part in (rule_name(rule, version), reason) if part) if named else reason


def delays_text(version: MarketRuleVersion) -> str:
    """Who is told when."""
    return _(
        "Validators are reminded after %(remind)s days, administrators told after %(escalate)s days; organisations after %(correction)s days "
        "without the correction they were asked for.",
        remind=version.remind_days,
        escalate=version.escalate_days,
        correction=version.correction_days,
    )
