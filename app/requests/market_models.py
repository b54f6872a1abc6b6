"""Market rules, kept in versions, and the reminders that were sent about requests."""

from __future__ import annotations

from datetime import datetime

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core import clock
from app.core.db import TenantMixin, TimestampMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint
from app.reference.models import Programme

from .domain import Field, RequestKind
from .domain.market import Direction, Moment, Opening, Outcome, Rule
from .domain.reminders import ReminderKind


def _published_only(table: str, condition: str) -> tuple[str, ...]:
    """Organisations, support and observers read what is published; a draft is the Région's alone."""
    return tuple(f"ALTER POLICY {role}_select ON {table} USING ({condition})" for role in ("tenant", "support", "observer"))


class MarketRuleVersion(VersionedMixin, TimestampMixin, Model):
    """The rules as they were from a day on: a draft that the Région works on, then published, and never changed again (a trigger sees to it).

    The delays of the reminders go with them; the published version with the highest number is in force.
    """

    __tablename__ = "market_rule_version"
    __rls_extra__ = _published_only("market_rule_version", "published_at IS NOT NULL")
    __table_args__ = (
        UniqueConstraint("number"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("remind_days BETWEEN 1 AND 365 AND correction_days BETWEEN 1 AND 365", name="delays"),
        CheckConstraint("escalate_days BETWEEN 1 AND 365 AND escalate_days > remind_days", name="escalation"),
        Index("uq_market_rule_version_draft", text("(published_at IS NULL)"), unique=True, postgresql_where=text("published_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
    note: Mapped[str | None] = mapped_column(Text)
    #: Validators are reminded of a request that waits longer, administrators are told after ``escalate_days``.
    remind_days: Mapped[int] = mapped_column(Integer, default=15, server_default="15")
    escalate_days: Mapped[int] = mapped_column(Integer, default=30, server_default="30")
    #: The organisation is told when a request sent back waits longer for its correction.
    correction_days: Mapped[int] = mapped_column(Integer, default=15, server_default="15")
    published_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    published_by_id: Mapped[int | None]
    published_by_name: Mapped[str] = mapped_column(String(140), default="", server_default="")

    rules: Mapped[list[MarketRule]] = relationship(
        "MarketRule", back_populates="version_of", cascade="all, delete-orphan", order_by="(MarketRule.position, MarketRule.id)"
    )

    @property
    def is_draft(self) -> bool:
        """Whether it may still change."""
        return self.published_at is None

    def __str__(self) -> str:
        return str(self.number)


class MarketRule(VersionedMixin, TimestampMixin, Model):
    """One rule of a version; see ``domain.market.Rule``.  An empty condition: whatever it is."""

    __tablename__ = "market_rule"
    #: The policy of the version narrows what the condition sees.
    __rls_extra__ = _published_only("market_rule", "version_id IN (SELECT v.id FROM market_rule_version v)")
    __table_args__ = (
        UniqueConstraint("version_id", "id"),
        CheckConstraint("kind ~ '^[a-z_]+$' AND field ~ '^[a-z_]+$'", name="target"),
        CheckConstraint(one_of("outcome", Outcome), name="outcome"),
        CheckConstraint(one_of("opening", Opening), name="opening"),
        CheckConstraint(one_of("moment", Moment), name="moment"),
        CheckConstraint(one_of("direction", Direction), name="direction"),
        CheckConstraint("days_at_most BETWEEN 0 AND 3650", name="days"),
        CheckConstraint("percent_at_most BETWEEN 0 AND 1000", name="percent"),
        CheckConstraint("outcome <> 'forbid' OR COALESCE(reason, '') <> ''", name="reason"),
        CheckConstraint("NOT needs_amendment OR outcome = 'instruct'", name="amendment"),
        CheckConstraint("position BETWEEN 1 AND 9999", name="position"),
        # At the end of the transaction: the rules of a draft change places, and those of a version are numbered anew.
        UniqueConstraint("version_id", "position", name="uq_market_rule_order", deferrable=True, initially="DEFERRED"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("market_rule_version.id"))
    position: Mapped[int] = mapped_column(Integer)
    programme_id: Mapped[int | None] = mapped_column(ForeignKey("programme.id"), index=True)
    kind: Mapped[str | None] = mapped_column(String(12))
    field: Mapped[str | None] = mapped_column(String(20))
    opening: Mapped[str | None] = mapped_column(String(8))
    moment: Mapped[str | None] = mapped_column(String(8))
    direction: Mapped[str | None] = mapped_column(String(8))
    days_at_most: Mapped[int | None] = mapped_column(Integer)
    percent_at_most: Mapped[int | None] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(12), default=Outcome.INSTRUCT.value)
    needs_amendment: Mapped[bool] = mapped_column(default=False, server_default="false")
    #: Shown to the organisation.
    reason: Mapped[str | None] = mapped_column(String(600))

    version_of: Mapped[MarketRuleVersion] = relationship("MarketRuleVersion", back_populates="rules")
    programme: Mapped[Programme | None] = relationship("Programme")

    def as_rule(self) -> Rule:
        """For the domain."""
        return Rule(
            id=self.id or 0,
            outcome=Outcome(self.outcome),
            reason=self.reason or "",
            needs_amendment=bool(self.needs_amendment),
            programme_id=self.programme_id,
            kind=RequestKind(self.kind) if self.kind else None,
            field=Field(self.field) if self.field else None,
            opening=Opening(self.opening) if self.opening else None,
            moment=Moment(self.moment) if self.moment else None,
            direction=Direction(self.direction) if self.direction else None,
            days_at_most=self.days_at_most,
            percent_at_most=self.percent_at_most,
        )

    def __str__(self) -> str:
        return str(self.position)


class RequestReminder(TenantMixin, Model):
    """Somebody was told that a request waits too long: once for each sending or sending back, whatever runs twice."""

    __tablename__ = "request_reminder"
    __rls_limited__ = "event_id IN (SELECT e.id FROM modification_request_event e)"
    __table_args__ = (
        UniqueConstraint("event_id", "kind"),
        ForeignKeyConstraint(
            ["organisation_id", "event_id"], ["modification_request_event.organisation_id", "modification_request_event.id"], name="fk_request_reminder_event"
        ),
        CheckConstraint(one_of("kind", ReminderKind), name="kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    #: The step since which the request waits.
    event_id: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(12))
    sent_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)


register_constraint(
    "uq_market_rule_order", _l("Somebody has just given this order to another rule: each has its own. Choose another one, and save again.")
)
register_constraint("ck_market_rule_reason", _l("Say why it is impossible: the organisation reads it."), field="reason")
register_constraint("uq_market_rule_version_draft", _l("Somebody has just begun a draft of the rules: work on that one."))
register_constraint("uq_market_rule_version_number", _l("Somebody has just begun a draft of the rules: work on that one."))
register_constraint("market_rule_published", _l("These rules were published meanwhile: they never change again. Begin a new draft."))
register_constraint(
    "ck_market_rule_version_escalation",
    _l("The administrators are told after the validators are reminded: enter a greater number of days."),
    field="escalate_days",
)
register_constraint("ck_market_rule_version_delays", _l("Enter a number of days from 1 to 365."), field="remind_days")
